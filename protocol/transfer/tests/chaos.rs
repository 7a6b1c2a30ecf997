//! The planner against random sources: whatever they do, a download with one honest source ends, complete.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail a test"
)]

mod support;

use std::time::Duration;

use potluck_transfer::{Input, Order, ReaderId, Reading, SourceId};
use proptest::prelude::*;
use support::{BLOCK, Habit, World, blob_layout};

const SECOND: u64 = 1_000_000;

fn ranges(pieces: u32) -> impl Strategy<Value = Option<Vec<std::ops::Range<u32>>>> {
    let range = (0..pieces, 0..pieces).prop_map(|(a, b)| a.min(b)..a.max(b));
    prop_oneof![
        Just(None),
        proptest::collection::vec(range, 0..4).prop_map(Some)
    ]
}

fn times() -> impl Strategy<Value = Option<std::ops::Range<u64>>> {
    let some = (0..8 * SECOND, 0..8 * SECOND).prop_map(|(a, b)| Some(a.min(b)..a.max(b)));
    prop_oneof![Just(None), some]
}

fn habit(pieces: u32) -> impl Strategy<Value = Habit> {
    let speed = (
        prop_oneof![2_000_u64..100_000, 100_000_u64..30_000_000],
        0_u64..400_000,
        prop_oneof![Just(1024_u64), Just(64 * 1024), Just(1024 * 1024)],
    );
    let presence = (
        ranges(pieces),
        0..5 * SECOND,
        proptest::option::of(0..10 * SECOND),
        times(),
    );
    let manners = (
        proptest::option::weighted(0.15, 1..20_u32),
        proptest::option::weighted(0.1, (0..pieces).prop_map(|from| from..u32::MAX)),
        prop_oneof![Just(usize::MAX), 1..4_usize],
        any::<bool>(),
    );
    (speed, presence, manners).prop_map(|(speed, presence, manners)| Habit {
        rate: speed.0,
        latency_micros: speed.1,
        batch: speed.2,
        has: presence.0,
        joins: presence.1,
        leaves: presence.2,
        silent: presence.3,
        lies_at: manners.0,
        lacks: manners.1,
        max_requests: manners.2,
        mixes_blobs: manners.3,
    })
}

/// Comes late, may fall silent for a while, and has everything.
fn honest() -> impl Strategy<Value = Habit> {
    (500_000_u64..20_000_000, 0..10 * SECOND, times()).prop_map(|(rate, joins, silent)| Habit {
        rate,
        joins,
        silent,
        ..Habit::default()
    })
}

#[derive(Clone, Debug)]
enum Whim {
    Order(Order),
    Hold(bool),
    Lost(u32),
    Gone(std::ops::Range<u32>),
    Read(ReaderId, Reading),
    Move(ReaderId, u64),
    StopReading(ReaderId),
}

fn reader() -> impl Strategy<Value = ReaderId> {
    (0..3_u64).prop_map(ReaderId)
}

fn reading(pieces: u32) -> impl Strategy<Value = Reading> {
    let place = 0..u64::from(pieces) * BLOCK;
    let rate = prop_oneof![Just(0), Just(u64::MAX), 1_u64..10_000_000];
    let window = prop_oneof![Just(0), Just(u64::MAX), 0..20 * BLOCK];
    (place.clone(), place, rate, window).prop_map(|(position, end, rate, window)| Reading {
        position,
        end,
        rate,
        window,
    })
}

fn whim(pieces: u32) -> impl Strategy<Value = (u64, Whim)> {
    let order = prop_oneof![Just(Order::RarestFirst), Just(Order::Sequential),];
    let whim = prop_oneof![
        order.prop_map(Whim::Order),
        any::<bool>().prop_map(Whim::Hold),
        (0..pieces).prop_map(Whim::Lost),
        (0..pieces).prop_map(|from| Whim::Gone(from..from + 7)),
        (reader(), reading(pieces)).prop_map(|(id, reading)| Whim::Read(id, reading)),
        (reader(), 0..2 * u64::from(pieces) * BLOCK).prop_map(|(id, to)| Whim::Move(id, to)),
        reader().prop_map(Whim::StopReading),
    ];
    (0..5 * SECOND, whim)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_download_ends_complete(
        pieces in 1_u32..120,
        habits in (1_u32..120).prop_flat_map(|p| proptest::collection::vec(habit(p), 0..8)),
        honest in honest(),
        mut whims in proptest::collection::vec(whim(120), 0..8),
        seed in any::<u64>(),
    ) {
        let mut habits = habits;
        habits.push(honest);
        let mut world = World::new(blob_layout(pieces.into()), habits, seed);
        whims.sort_by_key(|(at, _)| *at);
        let mut lost = 0;
        for (at, whim) in whims {
            world.run_for(Duration::from_micros(at.saturating_sub(world.now)));
            match whim {
                Whim::Order(order) => world.give(Input::Order(order)),
                Whim::Hold(held) => world.give(Input::Hold(held)),
                Whim::Gone(range) => {
                    let change = potluck_transfer::Availability::Remove(vec![range]);
                    world.give(Input::Availability { source: SourceId(0), change });
                    let change = potluck_transfer::Availability::All;
                    world.give(Input::Availability { source: SourceId(0), change });
                }
                Whim::Read(reader, reading) => world.give(Input::ReaderOpened { reader, reading }),
                Whim::Move(reader, position) => world.give(Input::ReaderMoved { reader, position }),
                Whim::StopReading(reader) => world.give(Input::ReaderClosed { reader }),
                Whim::Lost(piece) => {
                    let there = world.planner.have().contains(piece);
                    world.give(Input::PieceLost { piece });
                    if there {
                        lost += 1;
                        world.completed = None;
                    }
                }
            }
        }
        world.give(Input::Hold(false));
        world.run(Duration::from_secs(400));
        prop_assert!(world.planner.have().is_full());
        world.planner.check_invariants().unwrap();
        // As many first arrivals as pieces, and one more for each that was lost.
        let progress = world.planner.progress(world.time());
        prop_assert_eq!(progress.have_pieces, 4 * pieces);
        prop_assert_eq!(world.firsts, 4 * pieces + lost);
    }

    /// Sources that differ in speed but neither fail nor stall send hardly anything twice.
    #[test]
    fn waste_is_bounded(
        pieces in 20_u32..400,
        rates in proptest::collection::vec(100_000_u64..30_000_000, 1..8),
        latencies in proptest::collection::vec(0_u64..200_000, 8),
        seed in any::<u64>(),
    ) {
        let habits = rates.iter().zip(latencies).map(|(rate, latency_micros)| {
            Habit { rate: *rate, latency_micros, ..Habit::default() }
        });
        let mut world = World::new(blob_layout(pieces.into()), habits.collect(), seed);
        world.run(Duration::from_secs(1100));
        let total = u64::from(pieces) * BLOCK;
        let allowed = (total * 2 / 100).max(2 * BLOCK);
        prop_assert!(world.excess() <= allowed, "{} of {} bytes", world.excess(), total);
        let wasted = world.planner.progress(world.time()).wasted_bytes;
        prop_assert!(wasted <= allowed, "{} of {} bytes", wasted, total);
        prop_assert!(world.arrivals.values().all(|times| times.len() <= 2));
    }

    /// Sources of any speeds together take hardly longer than a fluid would.
    #[test]
    fn sources_of_all_speeds_end_together(
        rates in proptest::collection::vec(100_000_u64..30_000_000, 1..8),
        seed in any::<u64>(),
    ) {
        let pieces = 400_u64;
        let sum: u64 = rates.iter().sum();
        let ideal = (pieces * BLOCK) as f64 / sum as f64;
        let habits = rates.iter().map(|rate| Habit { rate: *rate, ..Habit::default() });
        let mut world = World::new(blob_layout(pieces), habits.collect(), seed);
        let taken = world.run(Duration::from_secs(1100)).as_secs_f64();
        prop_assert!(taken <= ideal * 1.05 + 1.0, "{taken} s, ideal {ideal} s: {rates:?}");
    }
}

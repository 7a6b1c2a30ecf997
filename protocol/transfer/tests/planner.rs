//! The planner against sources of all kinds, in virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail a test"
)]
#![allow(
    clippy::single_range_in_vec_init,
    clippy::reversed_empty_ranges,
    reason = "lists of ranges, some of them strange on purpose"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use potluck_content::{Hash, PieceLayout, PieceSet};
use potluck_transfer::{
    Availability, BanReason, Failure, Input, Order, Output, Planner, PlannerConfig, ReaderId,
    Reading, SourceId, SourceState, SourceTraits, Timestamp, Waiting,
};
use support::{BLOCK, Habit, World, blob_layout};

const SECOND: u64 = 1_000_000;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn time_for(pieces: u64, habits: Vec<Habit>) -> f64 {
    let mut world = World::new(blob_layout(pieces), habits, 1);
    world.run(seconds(1000.0)).as_secs_f64()
}

#[test]
fn one_source_is_used_to_the_full() {
    let ideal = 400.0 * BLOCK as f64 / 20e6;
    let taken = time_for(400, vec![Habit::default()]);
    assert!(taken < ideal * 1.03 + 0.05, "{taken} s, ideal {ideal} s");
}

#[test]
fn distant_and_fast_source_is_used_to_the_full() {
    let habit = Habit {
        rate: 12_500_000,
        latency_micros: 200_000,
        ..Habit::default()
    };
    let ideal = 400.0 * BLOCK as f64 / 12.5e6;
    let taken = time_for(400, vec![habit]);
    assert!(taken < ideal * 1.05 + 1.0, "{taken} s, ideal {ideal} s");
}

/// Bytes that a source is asked for before it has sent any.
fn asked_at_first(round_trip: Option<Duration>) -> u64 {
    let silent = Habit {
        silent: Some(0..u64::MAX),
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(400), vec![silent], 1);
    world.step();
    if let Some(round_trip) = round_trip {
        let source = SourceId(0);
        world.give(Input::RoundTrip { source, round_trip });
    }
    world.requests.iter().map(|request| request.3).sum()
}

#[test]
fn a_long_way_is_filled_from_the_beginning() {
    let unknown = asked_at_first(None);
    assert_eq!(unknown, 256 * 1024);
    assert_eq!(asked_at_first(Some(Duration::from_millis(10))), unknown);
    let far = asked_at_first(Some(Duration::from_millis(100)));
    assert!((1_400_000..=1_600_000).contains(&far), "{far}");
    let absurd = asked_at_first(Some(Duration::from_secs(3600)));
    assert!(absurd <= 16 << 20, "{absurd}");
}

#[test]
fn four_sources_are_nearly_four_times_as_fast() {
    let one = time_for(800, vec![Habit::default()]);
    let four = time_for(800, vec![Habit::default(); 4]);
    assert!(one / four > 3.7, "{one} s against {four} s");
}

#[test]
fn batched_delivery_does_not_hurt() {
    let batched = Habit {
        batch: 4 * BLOCK,
        ..Habit::default()
    };
    let one = time_for(800, vec![Habit::default()]);
    let four = time_for(800, vec![batched; 4]);
    assert!(one / four > 3.6, "{one} s against {four} s");
}

#[test]
fn a_source_that_stalls_is_replaced_within_two_seconds() {
    let stalls = Habit {
        silent: Some(SECOND..u64::MAX),
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(400), vec![stalls, Habit::default()], 3);
    let taken = world.run(seconds(60.0)).as_secs_f64();
    let ideal = 1.0 + (400.0 * BLOCK as f64 - 2.0 * 20e6) / 20e6;
    assert!(taken < ideal + 1.0, "{taken} s, ideal {ideal} s");
    // What it was asked for before was asked of the other no later than this.
    let held: Vec<u32> = world
        .requests
        .iter()
        .filter(|request| request.1 == SourceId(0) && request.0 <= SECOND)
        .flat_map(|request| request.2.clone())
        .filter(|piece| world.arrivals[piece][0] > SECOND)
        .collect();
    assert!(!held.is_empty());
    assert!(
        world.excess() <= 2 * BLOCK,
        "{} bytes in excess",
        world.excess()
    );
}

#[test]
fn what_a_stalled_source_held_is_asked_elsewhere_within_two_seconds() {
    // Nothing else is left to do, so that the take-over must come from the stall alone.
    let stalls = Habit {
        silent: Some(0..u64::MAX),
        ..Habit::default()
    };
    let late = Habit {
        joins: SECOND / 2,
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(2), vec![stalls, late], 3);
    let taken = world.run(seconds(60.0)).as_secs_f64();
    assert!(taken < 2.0, "{taken} s");
}

#[test]
fn a_stalled_source_is_left_within_two_seconds_however_much_else_there_is_to_do() {
    let stalls = Habit {
        silent: Some(SECOND..u64::MAX),
        ..Habit::default()
    };
    let slow = Habit {
        rate: 2_000_000,
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(400), vec![stalls, slow], 3);
    world.run_for(seconds(1.0));
    let asked = world.cancels;
    world.run_for(seconds(2.0));
    assert!(world.cancels > asked);
    let reports = world.planner.sources(world.time());
    assert!(
        matches!(reports[0].state, SourceState::BackingOff { .. }),
        "{:?}",
        reports[0]
    );
    world.run(seconds(100.0));
}

#[test]
fn a_source_that_dies_is_replaced_at_once() {
    let dies = Habit {
        leaves: Some(SECOND),
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(400), vec![dies, Habit::default()], 3);
    let taken = world.run(seconds(60.0)).as_secs_f64();
    let ideal = 1.0 + (400.0 * BLOCK as f64 - 2.0 * 20e6) / 20e6;
    assert!(taken < ideal + 0.2, "{taken} s, ideal {ideal} s");
}

#[test]
fn a_source_that_joins_late_is_used_at_once() {
    let late = Habit {
        joins: 2 * SECOND,
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(800), vec![Habit::default(), late], 3);
    let taken = world.run(seconds(60.0)).as_secs_f64();
    assert_eq!(world.first_request_to(SourceId(1)), Some(2 * SECOND));
    let ideal = 2.0 + (800.0 * BLOCK as f64 - 2.0 * 20e6) / 40e6;
    assert!(taken < ideal * 1.03 + 0.1, "{taken} s, ideal {ideal} s");
}

#[test]
fn a_fast_source_takes_over_from_a_slow_one() {
    let slow = Habit {
        rate: 50_000,
        batch: 1024,
        ..Habit::default()
    };
    let late = Habit {
        joins: SECOND,
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(100), vec![slow, late], 3);
    let taken = world.run(seconds(60.0)).as_secs_f64();
    let ideal = 1.0 + 100.0 * BLOCK as f64 / 20e6;
    assert!(taken < ideal + 0.7, "{taken} s, ideal {ideal} s");
    assert!(world.excess() < 2 * BLOCK);
}

#[test]
fn a_source_that_gets_slow_loses_its_work() {
    // A trickle is no stall: a few bytes every 100 ms.
    let trickle = Habit {
        rate: 2_000,
        batch: 200,
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(60), vec![trickle, Habit::default()], 3);
    let taken = world.run(seconds(60.0)).as_secs_f64();
    assert!(taken < 60.0 * BLOCK as f64 / 20e6 + 1.2, "{taken} s");
}

#[test]
fn the_last_pieces_are_asked_for_twice_when_that_is_faster() {
    let slow = Habit {
        rate: 200_000,
        batch: 1024,
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(10), vec![slow, Habit::default()], 3);
    let taken = world.run(seconds(60.0)).as_secs_f64();
    // A piece takes the slow one 1.3 s.
    assert!(taken < 0.9, "{taken} s");
    assert!(world.excess() <= BLOCK);
}

#[test]
fn not_many_pieces_are_asked_for_twice() {
    let slow = Habit {
        rate: 200_000,
        batch: 1024,
        ..Habit::default()
    };
    let mut habits = vec![slow; 20];
    habits.push(Habit::default());
    let mut world = World::new(blob_layout(100), habits, 3);
    world.run(seconds(60.0));
    assert!(
        world.excess() <= 2 * BLOCK,
        "{} pieces in excess",
        world.excess() / BLOCK
    );
}

#[test]
fn the_only_source_goes_dark_and_returns() {
    let dark = Habit {
        silent: Some(SECOND..21 * SECOND),
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(400), vec![dark], 3);
    let taken = world.run(seconds(60.0)).as_secs_f64();
    let ideal = 20.0 + 400.0 * BLOCK as f64 / 20e6;
    assert!(taken < ideal + 2.0, "{taken} s, ideal {ideal} s");
    assert!(world.planner.waiting(world.time()).is_none());
}

#[test]
fn waiting_says_why() {
    let layout = blob_layout(4);
    let mut world = World::new(layout, vec![], 1);
    let waiting = |world: &World| world.planner.waiting(world.time());
    assert_eq!(waiting(&world), Some(Waiting::NoSources));
    let silent = Habit {
        silent: Some(0..u64::MAX),
        has: Some(vec![]),
        ..Habit::default()
    };
    world = World::new(blob_layout(4), vec![silent], 1);
    world.step();
    assert_eq!(waiting(&world), Some(Waiting::NobodyHas { pieces: 16 }));
    let change = Availability::All;
    world.give(Input::Availability {
        source: SourceId(0),
        change,
    });
    assert_eq!(waiting(&world), None);
    world.run_for(seconds(1.5));
    assert!(matches!(
        waiting(&world),
        Some(Waiting::Silent { sources: 1, .. })
    ));
    world.give(Input::Hold(true));
    assert_eq!(waiting(&world), Some(Waiting::Held));
}

#[test]
fn liars_are_banned_and_named() {
    let wrong = Habit {
        lies_at: Some(3),
        ..Habit::default()
    };
    let lacks = Habit {
        lacks: Some(10..200),
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(200), vec![wrong, lacks, Habit::default()], 3);
    world.run(seconds(60.0));
    assert_eq!(world.bans.len(), 2);
    for (_, source, reason) in &world.bans {
        let expected = match source {
            SourceId(0) => matches!(reason, BanReason::WrongBytes { .. }),
            _ => matches!(reason, BanReason::ClaimedWithoutHaving { .. }),
        };
        assert!(expected, "{source}: {reason}");
    }
    let reports = world.planner.sources(world.time());
    let banned = reports
        .iter()
        .filter(|report| matches!(report.state, SourceState::Banned { .. }))
        .count();
    assert_eq!((reports.len(), banned), (3, 2));
    assert!(
        world
            .bans
            .iter()
            .all(|(_, _, reason)| !reason.to_string().is_empty())
    );
}

#[test]
fn a_busy_source_is_not_hammered() {
    let busy = Habit {
        max_requests: 1,
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(100), vec![busy], 3);
    let taken = world.run(seconds(60.0)).as_secs_f64();
    assert!(taken < 20.0, "{taken} s");
    assert!(
        world.requests.len() < 300,
        "{} requests",
        world.requests.len()
    );
}

#[test]
fn many_small_files_go_in_few_requests() {
    let layout = small_files(4000, 300);
    let mut world = World::new(layout, vec![Habit::default(); 2], 3);
    world.run(seconds(60.0));
    assert!(world.requests.iter().all(|request| request.2.len() <= 256));
    assert!(
        world.requests.len() < 60,
        "{} requests",
        world.requests.len()
    );
}

#[test]
fn a_source_that_does_not_mix_gets_one_blob_at_a_time() {
    let plain = Habit {
        mixes_blobs: false,
        ..Habit::default()
    };
    let mut world = World::new(small_files(300, 300), vec![plain], 3);
    world.run(seconds(60.0));
    assert!(world.requests.iter().all(|request| request.2.len() == 1));
    let plain = Habit {
        mixes_blobs: false,
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(300), vec![plain; 2], 3);
    world.run(seconds(60.0));
    for (_, _, pieces, _) in &world.requests {
        assert!(pieces.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    }
}

#[test]
fn order_is_kept() {
    let mut world = World::new(blob_layout(300), vec![Habit::default(); 2], 3);
    world.give(Input::Order(Order::Sequential));
    world.run(seconds(60.0));
    let asked: Vec<u32> = world.requests.iter().map(|request| request.2[0]).collect();
    assert!(
        asked
            .windows(2)
            .all(|pair| pair[0] < pair[1] || pair[0] > 1160)
    );
    let mut world = World::new(blob_layout(300), vec![Habit::default()], 3);
    world.give(Input::ReaderOpened {
        reader: ReaderId(1),
        reading: Reading {
            position: 100 * BLOCK,
            end: 300 * BLOCK,
            rate: 0,
            window: 50 * BLOCK,
        },
    });
    world.run(seconds(60.0));
    let asked: Vec<u32> = world
        .requests
        .iter()
        .flat_map(|request| request.2.clone())
        .collect();
    assert_eq!(asked[..200], (400..600).collect::<Vec<_>>());
}

#[test]
fn the_rarest_come_first() {
    let common = Habit {
        has: Some(vec![0..600]),
        ..Habit::default()
    };
    let world_habits = vec![common.clone(), common.clone(), common, Habit::default()];
    let mut world = World::new(blob_layout(200), world_habits, 3);
    world.run(seconds(60.0));
    let from_full = world
        .requests
        .iter()
        .filter(|request| request.1 == SourceId(3));
    let first: Vec<u32> = from_full
        .flat_map(|request| request.2.clone())
        .take(200)
        .collect();
    assert!(first.iter().all(|piece| *piece >= 600));
}

#[test]
fn wanted_can_change() {
    let mut world = World::new(blob_layout(200), vec![Habit::default()], 3);
    let mut half = PieceSet::new(800);
    half.insert_range(0..400);
    world.give(Input::Wanted(half));
    let first = world.run(seconds(60.0));
    assert!(world.arrivals.keys().all(|piece| *piece < 400));
    world.completed = None;
    world.give(Input::Wanted(PieceSet::full(800)));
    assert!(world.run(seconds(60.0)) > first);
    assert_eq!(world.arrivals.len(), 800);
    world.completed = None;
    world.give(Input::PieceLost { piece: 7 });
    world.run(seconds(60.0));
    assert_eq!(world.arrivals[&7].len(), 2);
}

#[test]
fn nothing_wanted_is_complete() {
    let layout = blob_layout(3);
    let (have, wanted) = (PieceSet::new(3), PieceSet::new(3));
    let mut planner = Planner::new(PlannerConfig::default(), layout, have, wanted, 0);
    assert_eq!(planner.poll(Timestamp::ZERO), Some(Output::Complete));
    assert_eq!(planner.poll(Timestamp::ZERO), None);
}

#[test]
fn hold_stops_requests_and_forgives_silence() {
    let mut world = World::new(blob_layout(400), vec![Habit::default()], 3);
    world.run_for(seconds(0.5));
    world.give(Input::Hold(true));
    let asked = world.requests.len();
    world.run_for(seconds(5.0));
    assert_eq!(world.requests.len(), asked);
    world.give(Input::Hold(false));
    world.run(seconds(60.0));
    assert_eq!(world.cancels, 0);
}

#[test]
fn changed_and_removed_pieces_are_not_asked_again() {
    let mut planner = planner_with_one_source(8);
    let now = Timestamp::ZERO;
    let Some(Output::Request {
        source,
        request,
        pieces,
        ..
    }) = planner.poll(now)
    else {
        panic!("no request")
    };
    while planner.poll(now).is_some() {}
    let failure = Failure::Changed { piece: pieces[0] };
    planner.handle(
        now,
        Input::RequestFailed {
            source,
            request,
            failure,
        },
    );
    let mut asked = Vec::new();
    while let Some(output) = planner.poll(now) {
        if let Output::Request { pieces, .. } = output {
            asked.extend(pieces);
        }
    }
    assert!(!asked.contains(&pieces[0]));
    planner.check_invariants().unwrap();
    let gone: Vec<std::ops::Range<u32>> = std::iter::once(0..32).collect();
    planner.handle(
        now,
        Input::Availability {
            source,
            change: Availability::Remove(gone),
        },
    );
    let outputs: Vec<Output> = std::iter::from_fn(|| planner.poll(now)).collect();
    assert!(
        outputs
            .iter()
            .all(|output| matches!(output, Output::Cancel { .. }))
    );
    // Said after it took the claim back: no lie.
    let failure = Failure::Unavailable { piece: 1 };
    planner.handle(
        now,
        Input::RequestFailed {
            source,
            request,
            failure,
        },
    );
    assert_eq!(planner.poll(now), None);
    planner.check_invariants().unwrap();
}

#[test]
fn answers_after_a_cancel_are_welcome() {
    let one = Arc::new(PieceLayout::for_blob(Hash::of(b"one"), 64 * 1024));
    let mut planner = with_one_source(one);
    let now = Timestamp::ZERO;
    let Some(Output::Request {
        source, request, ..
    }) = planner.poll(now)
    else {
        panic!("no request")
    };
    let later = now + Duration::from_secs(11);
    planner.handle(later, Input::Timeout);
    assert!(matches!(planner.poll(later), Some(Output::Cancel { .. })));
    planner.handle(
        later,
        Input::Received {
            source,
            request,
            bytes: 64 * 1024,
        },
    );
    planner.handle(
        later,
        Input::PieceVerified {
            source,
            request,
            piece: 0,
        },
    );
    let outputs: Vec<Output> = std::iter::from_fn(|| planner.poll(later)).collect();
    assert_eq!(outputs.last(), Some(&Output::Complete));
    assert_eq!(planner.progress(later).wasted_bytes, 0);
    planner.check_invariants().unwrap();
}

#[test]
fn strange_inputs_are_harmless() {
    let mut planner = planner_with_one_source(4);
    let now = Timestamp::ZERO;
    while planner.poll(now).is_some() {}
    let source = SourceId(77);
    let request = potluck_transfer::RequestId(99);
    let ranges = vec![0..u32::MAX, 9..3, u32::MAX..u32::MAX];
    for input in [
        Input::SourceLeft { source },
        Input::Received {
            source,
            request,
            bytes: u64::MAX,
        },
        Input::PieceVerified {
            source,
            request,
            piece: u32::MAX,
        },
        Input::RequestDone { source, request },
        Input::RequestFailed {
            source,
            request,
            failure: Failure::Busy,
        },
        Input::Availability {
            source,
            change: Availability::All,
        },
        Input::Availability {
            source: SourceId(0),
            change: Availability::Remove(ranges.clone()),
        },
        Input::Availability {
            source: SourceId(0),
            change: Availability::Add(ranges),
        },
        Input::PieceLost { piece: u32::MAX },
        Input::Received {
            source: SourceId(0),
            request,
            bytes: u64::MAX,
        },
        Input::Wanted(PieceSet::full(9)),
        Input::Timeout,
    ] {
        planner.handle(now, input);
        while planner.poll(now).is_some() {}
        planner.check_invariants().unwrap();
    }
}

#[test]
fn sources_are_bounded() {
    let mut planner = planner_with_one_source(4);
    for id in 0..1000 {
        let traits = SourceTraits::default();
        planner.handle(
            Timestamp::ZERO,
            Input::SourceJoined {
                source: SourceId(id),
                traits,
            },
        );
    }
    assert_eq!(planner.sources(Timestamp::ZERO).len(), 256);
}

fn planner_with_one_source(blocks: u64) -> Planner {
    with_one_source(blob_layout(blocks))
}

fn with_one_source(layout: Arc<PieceLayout>) -> Planner {
    let count = layout.pieces();
    let (have, wanted) = (PieceSet::new(count), PieceSet::full(count));
    let mut planner = Planner::new(PlannerConfig::default(), layout, have, wanted, 0);
    let source = SourceId(0);
    let traits = SourceTraits::default();
    planner.handle(Timestamp::ZERO, Input::SourceJoined { source, traits });
    let change = Availability::All;
    planner.handle(Timestamp::ZERO, Input::Availability { source, change });
    planner
}

fn small_files(files: u32, bytes: u64) -> Arc<PieceLayout> {
    use potluck_content::{Entry, Manifest, Node};
    let entries = (0..files).map(|n| Entry {
        path: format!("f{n:06}").parse().unwrap(),
        node: Node::File {
            hash: Hash::of(&n.to_be_bytes()),
            size: bytes + u64::from(n),
            executable: false,
        },
    });
    Arc::new(PieceLayout::for_manifest(
        &Manifest::new(entries.collect()).unwrap(),
    ))
}

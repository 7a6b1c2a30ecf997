//! Watching while downloading: a reader plays, seeks at random, and sources come and go.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail a test"
)]

mod support;

use potluck_transfer::{Input, ReaderId, Reading, SourceId};
use support::{BLOCK, Habit, World, blob_layout};

const SECOND: u64 = 1_000_000;
const PIECE: u64 = BLOCK / 4;
const READER: ReaderId = ReaderId(1);
/// Content that is never downloaded as a whole in the time.
const BLOCKS: u64 = 14_000;

/// Numbers that look random and are the same each time (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, range: std::ops::Range<u64>) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        range.start + (self.0 >> 33) % (range.end - range.start)
    }
}

/// A player: it plays what is verified, waits when it runs out, and tells where it is.
struct Player {
    position: u64,
    rate: u64,
    window: u64,
    /// Since when it waits, and whether that is for a seek.
    waits: Option<(u64, bool)>,
    seeks: Vec<u64>,
    stalls: Vec<u64>,
}

impl Player {
    fn open(world: &mut World, rate: u64, window: u64, position: u64) -> Self {
        let reading = Reading {
            position,
            end: world.layout.total_bytes(),
            rate,
            window,
        };
        let reader = READER;
        world.give(Input::ReaderOpened { reader, reading });
        Self {
            position,
            rate,
            window,
            waits: Some((world.now, true)),
            seeks: Vec::new(),
            stalls: Vec::new(),
        }
    }

    fn seek(&mut self, world: &mut World, position: u64) {
        if let Some((since, for_seek)) = self.waits.take() {
            self.waited(world.now - since, for_seek);
        }
        self.position = position;
        self.waits = Some((world.now, true));
        world.give(Input::ReaderMoved {
            reader: READER,
            position,
        });
    }

    fn waited(&mut self, micros: u64, for_seek: bool) {
        if for_seek {
            self.seeks.push(micros);
        } else {
            self.stalls.push(micros);
        }
    }

    /// Plays for one step of the world. After a seek it begins when it has a second to play, as players do, and
    /// after a stall when it has a quarter of one.
    fn step(&mut self, world: &mut World, micros: u64) {
        let ahead = match self.waits {
            Some((_, true)) => SECOND,
            Some((_, false)) => SECOND / 4,
            None => micros,
        };
        let last = world.layout.total_bytes() - 1;
        let after = |time: u64| (self.position + self.rate * time / SECOND).min(last);
        let first = u32::try_from(self.position / PIECE).unwrap();
        let needed = u32::try_from(after(ahead) / PIECE).unwrap();
        let end = after(micros);
        if (first..=needed).all(|piece| world.planner.have().contains(piece)) {
            if let Some((since, for_seek)) = self.waits.take() {
                self.waited(world.now - since, for_seek);
            }
            let before = self.position / PIECE;
            self.position = end;
            if end / PIECE != before {
                world.give(Input::ReaderMoved {
                    reader: READER,
                    position: end,
                });
            }
        } else {
            self.waits.get_or_insert((world.now, false));
        }
    }
}

/// Places with a source each; who leaves one is followed by another at once or a little later. Gives the bytes that
/// they can deliver together, too.
fn coming_and_going(dice: &mut Dice, rates: &[u64], seconds: u64) -> (Vec<Habit>, u64) {
    let mut habits = Vec::new();
    let mut bytes = 0;
    for rate in rates {
        let mut from = 0;
        while from < seconds * SECOND {
            let until = from + dice.roll(5..60) * SECOND;
            // One in three falls silent before it is known to be gone.
            let silent = (dice.roll(0..3) == 0).then(|| until - 2 * SECOND..until);
            let speaks_until = silent.as_ref().map_or(until, |silent| silent.start);
            bytes += rate * (speaks_until.min(seconds * SECOND) - from) / SECOND;
            habits.push(Habit {
                rate: *rate,
                latency_micros: dice.roll(10_000..60_000),
                batch: 16 * 1024,
                joins: from,
                leaves: Some(until),
                silent,
                ..Habit::default()
            });
            from = until + dice.roll(0..SECOND);
        }
    }
    (habits, bytes)
}

fn play(seed: u64) -> (usize, Player) {
    let seconds = 600;
    let mut dice = Dice(seed);
    let rates = [
        250_000, 250_000, 200_000, 200_000, 150_000, 150_000, 100_000, 100_000, 50_000, 50_000,
    ];
    let (habits, bytes) = coming_and_going(&mut dice, &rates, seconds);
    let rate = bytes / seconds * 8 / 10;
    let mut world = World::new(blob_layout(BLOCKS), habits, seed);
    world.check_every = 20_000;
    world.step();
    let mut player = Player::open(&mut world, rate, 24 * 1024 * 1024, 0);
    let mut seeks = 0;
    let mut next_seek = dice.roll(8..30) * SECOND;
    while world.now < seconds * SECOND {
        let before = world.now;
        world.step();
        let micros = world.now - before;
        player.step(&mut world, micros);
        if world.now >= next_seek {
            let room = world.layout.total_bytes() - 64 * 1024 * 1024;
            let to = dice.roll(0..room / 4096) * 4096;
            player.seek(&mut world, to);
            seeks += 1;
            next_seek = world.now + dice.roll(8..30) * SECOND;
        }
    }
    (seeks, player)
}

#[test]
fn playback_with_seeks_hardly_stalls() {
    for seed in 1..=8 {
        let (seeks, player) = play(seed);
        let told = format!(
            "seed {seed}: {seeks} seeks, stalls {:?}, waits after seeks {:?}",
            player.stalls, player.seeks
        );
        assert!(seeks >= 20, "{told}");
        assert!(player.stalls.len() * 5 <= seeks, "{told}");
        assert!(player.stalls.iter().all(|stall| *stall < SECOND), "{told}");
        // A second of it takes 0.8 s at the rate that all sources have together.
        let mut waits = player.seeks.clone();
        waits.sort_unstable();
        assert!(waits[waits.len() / 2] <= 2 * SECOND, "{told}");
        assert!(waits.iter().all(|wait| *wait < 3 * SECOND), "{told}");
        assert!(player.window > 0);
    }
}

#[test]
fn the_first_byte_is_there_within_three_round_trips() {
    for latency_micros in [10_000, 50_000, 200_000] {
        let habit = Habit {
            latency_micros,
            joins: SECOND,
            batch: 16 * 1024,
            ..Habit::default()
        };
        let mut world = World::new(blob_layout(400), vec![habit; 3], 1);
        let position = 200 * BLOCK + 7;
        Player::open(&mut world, 1_000_000, 8 * 1024 * 1024, position);
        world.run_for(std::time::Duration::from_secs(2));
        let piece = u32::try_from(position / PIECE).unwrap();
        let (_, _, pieces, _) = &world.requests[0];
        assert_eq!(pieces[0], piece, "the reader's piece is asked for first");
        // A source's answer takes a round trip; the rest is the time that the piece takes on the way.
        let there = world.arrivals[&piece][0];
        let limit = SECOND + 3 * latency_micros;
        assert!(there <= limit, "{there} after {limit}");
    }
}

#[test]
fn a_seek_makes_way_at_once() {
    let habit = Habit {
        rate: 2_000_000,
        batch: 16 * 1024,
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(2000), vec![habit; 2], 1);
    let mut player = Player::open(&mut world, 1_000_000, 8 * 1024 * 1024, 0);
    world.run_for(std::time::Duration::from_secs(2));
    player.seek(&mut world, 1500 * BLOCK);
    let began = world.now;
    world.run_for(std::time::Duration::from_secs(1));
    let piece = u32::try_from(1500 * BLOCK / PIECE).unwrap();
    let there = world.arrivals[&piece][0] - began;
    assert!(there < 150_000, "{there} microseconds");
}

#[test]
fn two_readers_both_get_what_they_need() {
    let habit = Habit {
        rate: 3_000_000,
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(2000), vec![habit; 2], 1);
    for (reader, block) in [(1, 0), (2, 1000)] {
        let reading = Reading {
            position: block * BLOCK,
            end: 2000 * BLOCK,
            rate: 1_000_000,
            window: 16 * BLOCK,
        };
        let reader = ReaderId(reader);
        world.give(Input::ReaderOpened { reader, reading });
    }
    world.run_for(std::time::Duration::from_secs(2));
    for first in [0, 4000] {
        let there = (first..first + 64).filter(|piece| world.planner.have().contains(*piece));
        assert_eq!(there.count(), 64);
    }
    let reader = ReaderId(2);
    world.give(Input::ReaderClosed { reader });
    world.give(Input::ReaderMoved {
        reader,
        position: 0,
    });
    world.run_for(std::time::Duration::from_secs(1));
}

#[test]
fn a_slow_source_leaves_what_is_due_to_a_fast_one() {
    let slow = Habit {
        rate: 50_000,
        batch: 1024,
        ..Habit::default()
    };
    let mut world = World::new(blob_layout(400), vec![slow, Habit::default()], 1);
    world.run_for(std::time::Duration::from_secs(1));
    let mut player = Player::open(&mut world, 4_000_000, 4 * 1024 * 1024, 300 * BLOCK);
    let asked = world.requests.len();
    for _ in 0..400 {
        let before = world.now;
        world.step();
        let micros = world.now - before;
        player.step(&mut world, micros);
    }
    assert!(player.stalls.is_empty(), "{:?}", player.stalls);
    let due: Vec<u32> = (1200..1210).collect();
    let by_slow = world.requests[asked..]
        .iter()
        .filter(|request| request.1 == SourceId(0))
        .any(|request| request.2.iter().any(|piece| due.contains(piece)));
    assert!(!by_slow, "what is due at once was asked of the slow source");
}

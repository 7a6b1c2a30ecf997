//! Sources that stall, die, slow down or come late.

use super::*;

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

//! Sources are used to the full.

use super::*;

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

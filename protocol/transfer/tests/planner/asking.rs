//! Whom the planner asks for what, and what it says meanwhile.

use super::*;

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
fn only_what_readers_want_is_fetched() {
    let habits = vec![Habit::default(); 2];
    let mut world = World::new(blob_layout(300), habits, 3);
    world.give(Input::Order(Order::ReadersOnly));
    world.run_for(seconds(1.0));
    assert!(world.requests.is_empty());
    let (reader, end) = (ReaderId(1), 300 * BLOCK);
    let reading = Reading {
        position: 100 * BLOCK,
        end,
        rate: 0,
        window: 10 * BLOCK,
    };
    world.give(Input::ReaderOpened { reader, reading });
    world.run_for(seconds(5.0));
    let here = |world: &World| world.planner.have().ranges().collect::<Vec<_>>();
    assert_eq!(here(&world), [400..440]);
    // It goes on within its window, and jumps.
    let position = 105 * BLOCK;
    world.give(Input::ReaderMoved { reader, position });
    world.run_for(seconds(5.0));
    assert_eq!(here(&world), [400..460]);
    let position = 20 * BLOCK;
    world.give(Input::ReaderMoved { reader, position });
    world.run_for(seconds(5.0));
    assert_eq!(here(&world), [80..120, 400..460]);
    // Nobody reads: what was asked for is cancelled, and nothing else comes.
    let position = 200 * BLOCK;
    world.give(Input::ReaderMoved { reader, position });
    world.run_for(Duration::from_millis(20));
    world.give(Input::ReaderClosed { reader });
    world.run_for(seconds(5.0));
    let read = 40 + 60 + 40;
    assert!(world.planner.have().count() < read, "{:?}", here(&world));
    world.give(Input::Order(Order::RarestFirst));
    world.run(seconds(60.0));
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

//! What may change or come at any time.

use super::*;

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

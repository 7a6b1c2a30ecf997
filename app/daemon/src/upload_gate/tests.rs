//! The gate with peers that wait, dawdle and go.

use super::*;
use potluck_identity::NodeKey;

fn gate() -> (UploadGate, PeerId) {
    let config = UploaderConfig {
        slots: 1,
        ..UploaderConfig::default()
    };
    let gate = UploadGate::new(config, Clock::start());
    (gate, NodeKey::from_seed([1; 32]).peer_id())
}

/// A turn on a lane of its own.
async fn turn(gate: &UploadGate, peer: PeerId) -> Turn {
    let (asker, mut turns) = gate.line(peer);
    asker.ask(1000, Content::default()).unwrap();
    turns.next().await.unwrap()
}

fn parts(range: std::ops::Range<u64>) -> Content {
    let parts = range.collect();
    Content { whole: 0, parts }
}

#[tokio::test]
async fn who_is_slow_lets_others_go_first() {
    let (gate, peer) = gate();
    let mut slow = turn(&gate, peer).await;
    let other = tokio::spawn({
        let gate = gate.clone();
        async move { turn(&gate, peer).await.ticket() }
    });
    tokio::task::yield_now().await;
    assert!(!other.is_finished() && slow.patience(1).is_some());
    slow.sent(10);
    slow.step_aside(1000);
    assert!(slow.patience(1).is_none());
    other.await.unwrap();
    assert_eq!(gate.lock().slow_bytes, 1000);
    drop(slow);
    let inner = gate.lock();
    assert!(inner.slow.is_empty() && inner.slow_bytes == 0);
    assert_eq!((inner.uploader.serving(), inner.uploader.waiting()), (0, 0));
}

#[tokio::test]
async fn what_was_never_sent_goes_first_and_what_is_dropped_passes_on() {
    let (gate, peer) = gate();
    let first = turn(&gate, peer).await;
    let (asker, mut turns) = gate.line(peer);
    let (_, mut others) = gate.line(NodeKey::from_seed([2; 32]).peer_id());
    let old = asker.ask(1000, parts(0..1)).unwrap();
    let cancelled = asker.ask(1000, parts(5..6)).unwrap();
    drop(first);
    let turn = turns.next().await.unwrap();
    assert_eq!(turn.ticket(), old);
    let again = asker.ask(1000, parts(0..1)).unwrap();
    let new = asker.ask(1000, parts(7..8)).unwrap();
    assert!(asker.take_back(cancelled) && !asker.take_back(old));
    let mut turn = turn;
    turn.sent(1000);
    drop(turn);
    let turn = turns.next().await.unwrap();
    assert_eq!(turn.ticket(), new);
    drop(turn);
    // The lane hasn't asked for another turn.
    assert!(asker.take_back(again));
    drop((asker, turns));
    assert_eq!(gate.lock().uploader.waiting(), 0);
    assert_eq!(gate.lock().uploader.serving(), 0);
    assert!(others.next().await.is_none());
}

#[tokio::test]
async fn a_lane_that_does_something_else_holds_no_turns() {
    let (gate, peer) = gate();
    let (asker, mut turns) = gate.line(peer);
    let (other, mut others) = gate.line(NodeKey::from_seed([2; 32]).peer_id());
    for _ in 0..3 {
        asker.ask(1000, parts(0..0)).unwrap();
    }
    other.ask(1000, parts(0..0)).unwrap();
    // The first turn has come already, and is given; no other comes before it is asked for.
    let first = turns.pause().unwrap();
    assert!(turns.pause().is_none());
    drop(first);
    drop(others.next().await.unwrap());
    assert_eq!(gate.lock().uploader.serving(), 0);
    drop(turns.next().await.unwrap());
    assert!(turns.pause().is_none());
    assert_eq!(gate.lock().uploader.waiting(), 1);
}

#[tokio::test]
async fn who_was_slow_for_longest_is_given_up() {
    let (gate, peer) = gate();
    let mut slow = Vec::new();
    for _ in 0..5 {
        let mut turn = turn(&gate, peer).await;
        turn.step_aside(MAX_SLOW_BYTES / 4);
        slow.push(turn);
    }
    let tokens = slow.iter().map(|turn| turn.aside.as_ref().unwrap());
    let given_up: Vec<bool> = tokens.map(|slow| slow.token.is_cancelled()).collect();
    assert_eq!(given_up, [true, false, false, false, false]);
}

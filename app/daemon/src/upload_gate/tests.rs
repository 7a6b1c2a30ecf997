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

#[tokio::test]
async fn who_is_slow_lets_others_go_first() {
    let (gate, peer) = gate();
    let mut slow = gate.turn(peer, 1000).await.unwrap();
    let other = tokio::spawn({
        let gate = gate.clone();
        async move { gate.turn(peer, 1000).await.is_ok() }
    });
    tokio::task::yield_now().await;
    assert!(!other.is_finished());
    let passed = slow.pass(1000);
    assert!(other.await.unwrap());
    drop(passed);
    slow.resume().await;
    assert!(gate.lock().slow.is_empty() && gate.lock().slow_bytes == 0);
}

#[tokio::test]
async fn what_was_never_sent_goes_first_and_what_is_dropped_passes_on() {
    let (gate, peer) = gate();
    let first = gate.turn(peer, 1000).await.unwrap();
    let (asker, mut turns) = gate.line(peer);
    let (_, mut others) = gate.line(NodeKey::from_seed([2; 32]).peer_id());
    let old = asker.ask(1000, 0..1).unwrap();
    let cancelled = asker.ask(1000, 5..6).unwrap();
    drop(first);
    let turn = turns.next().await.unwrap();
    assert_eq!(turn.ticket(), Some(old));
    let again = asker.ask(1000, 0..1).unwrap();
    let new = asker.ask(1000, 7..8).unwrap();
    assert!(asker.take_back(cancelled) && !asker.take_back(old));
    let mut turn = turn;
    turn.sent(1000);
    drop(turn);
    let turn = turns.next().await.unwrap();
    assert_eq!(turn.ticket(), Some(new));
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
        asker.ask(1000, 0..0).unwrap();
    }
    other.ask(1000, 0..0).unwrap();
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
        let mut turn = gate.turn(peer, 1000).await.unwrap();
        slow.push(turn.pass(MAX_SLOW_BYTES / 4));
    }
    let given_up: Vec<bool> = slow.iter().map(|slow| slow.token.is_cancelled()).collect();
    assert_eq!(given_up, [true, false, false, false, false]);
}

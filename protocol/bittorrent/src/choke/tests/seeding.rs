//! Seeding: everybody has a turn.

use super::*;

const QUOTA: u64 = 1_000_000;

fn seed(slots: u32) -> Choker<u32> {
    let config = ChokeConfig {
        slots,
        optimistic: 1,
        quota_bytes: QUOTA,
    };
    let mut choker = Choker::new(START, config);
    choker.set_seeding(true);
    choker
}

/// Seeds for so many seconds; `takes` says how many bytes each takes in a second. Says what each got, and
/// the longest time that each waited.
fn run(
    choker: &mut Choker<u32>,
    peers: u32,
    time: u64,
    takes: impl Fn(u32) -> u64,
) -> Vec<(u64, u64)> {
    let mut found = vec![(0, 0); peers as usize];
    let mut waits = vec![0_u64; peers as usize];
    for at in 1..=time {
        let now = START + seconds(at);
        choker.handle_timeout(now, at);
        for peer in 0..peers {
            let (got, longest) = &mut found[peer as usize];
            let wait = &mut waits[peer as usize];
            if choker.is_unchoked(peer) {
                choker.sent(peer, takes(peer));
                *got += takes(peer);
                *wait = 0;
            } else {
                *wait += 1;
                *longest = (*longest).max(*wait);
            }
        }
        assert!(choker.unchoked() <= 5);
    }
    found
}

#[test]
fn everybody_is_served() {
    let mut choker = seed(4);
    join(&mut choker, START, 0..20);
    let found = run(&mut choker, 20, 1200, |_| 50_000);
    // A turn lasts 20 seconds, four other turns come before the next one.
    for (peer, (got, longest)) in found.iter().enumerate() {
        assert!(*got >= 12 * QUOTA && *got <= 18 * QUOTA, "{peer} got {got}");
        assert!(*longest <= 100, "{peer} waited {longest}");
    }
}

#[test]
fn fast_and_slow_get_turns() {
    let mut choker = seed(4);
    join(&mut choker, START, 0..20);
    // One in four is slow, one takes nothing.
    let takes = |peer| match peer {
        7 => 0,
        peer if peer % 4 == 0 => 1000,
        _ => 100_000,
    };
    let found = run(&mut choker, 20, 2400, takes);
    for (peer, (got, longest)) in (0..).zip(&found) {
        assert!(*longest <= 200, "{peer} waited {longest}");
        assert!(
            takes(peer) == 0 || *got >= 2400 * takes(peer) / 20,
            "{peer} got {got}"
        );
    }
}

#[test]
fn newcomers_do_not_pass_those_that_wait() {
    let mut choker = seed(1);
    join(&mut choker, START, 0..6);
    // Every second a new one comes, and leaves as soon as it was served.
    let mut served = vec![false; 6];
    for at in 1..=120 {
        let newest = 100 + u32::try_from(at).unwrap();
        let now = START + seconds(at);
        choker.handle_timeout(now, at);
        for peer in 100..newest {
            if choker.is_unchoked(peer) {
                choker.remove_peer(now, peer);
            }
        }
        join(&mut choker, now, newest..newest + 1);
        for peer in 0..6 {
            if choker.is_unchoked(peer) {
                choker.sent(peer, 100_000);
                served[peer as usize] = true;
            }
        }
    }
    assert_eq!(served, [true; 6]);
}

#[test]
fn a_turn_is_not_cut_short() {
    let mut choker = seed(1);
    join(&mut choker, START, 0..4);
    // Two slots: 0 and 1 are slow, and keep theirs for a minute.
    for at in 1..60 {
        choker.handle_timeout(START + seconds(at), at);
        assert_eq!(unchoked(&choker, 0..4), [0, 1], "at {at}");
        choker.sent(0, 100);
        choker.sent(1, 100);
    }
    choker.handle_timeout(START + seconds(60), 0);
    assert_eq!(unchoked(&choker, 0..4), [2, 3]);
    // One that takes nothing keeps it for 20 seconds.
    for at in 61..80 {
        choker.sent(2, 100);
        choker.handle_timeout(START + seconds(at), at);
        assert_eq!(unchoked(&choker, 0..4), [2, 3], "at {at}");
    }
    choker.handle_timeout(START + seconds(80), 0);
    assert_eq!(unchoked(&choker, 0..4), [0, 2]);
    // With nobody waiting it goes on.
    choker.remove_peer(START + seconds(80), 1);
    choker.remove_peer(START + seconds(80), 3);
    choker.sent(0, 10 * QUOTA);
    changes(&mut choker);
    choker.handle_timeout(START + seconds(200), 0);
    assert_eq!(changes(&mut choker), []);
    // Who comes then needs not wait for the end of another turn.
    join(&mut choker, START + seconds(201), 9..10);
    choker.handle_timeout(START + seconds(210), 0);
    assert!(choker.is_unchoked(9));
}

//! Choking: the rules one by one; whole swarms, and random events, are below.

#![allow(clippy::unwrap_used, clippy::panic)]

mod random;
mod seeding;
mod super_seed;
mod swarm;

use std::time::Duration;

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const START: Duration = Duration::from_secs(1000);

/// The next number of a sequence that looks random.
fn next(random: &mut u64) -> u64 {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *random >> 16
}

fn choker() -> Choker<u32> {
    Choker::new(START, ChokeConfig::default())
}

fn join(choker: &mut Choker<u32>, now: Duration, peers: impl IntoIterator<Item = u32>) {
    for peer in peers {
        assert!(choker.add_peer(now, peer, false));
        choker.set_interested(now, peer, true);
    }
}

fn changes(choker: &mut Choker<u32>) -> Vec<(u32, bool)> {
    std::iter::from_fn(|| choker.poll())
        .map(|change| (change.peer, change.choke))
        .collect()
}

fn unchoked(choker: &Choker<u32>, peers: std::ops::Range<u32>) -> Vec<u32> {
    peers.filter(|peer| choker.is_unchoked(*peer)).collect()
}

/// Goes to the round that is due next.
fn round(choker: &mut Choker<u32>, random: u64) -> Duration {
    let now = choker.poll_timeout().unwrap();
    choker.handle_timeout(now, random);
    now
}

#[test]
fn a_free_slot_is_given_at_once() {
    let mut choker = choker();
    assert_eq!(choker.poll_timeout(), None);
    assert!(choker.add_peer(START, 1, false));
    assert!(!choker.add_peer(START, 1, false));
    assert_eq!(choker.poll(), None);
    choker.set_interested(START, 1, true);
    assert_eq!(changes(&mut choker), [(1, false)]);
    join(&mut choker, START, 2..7);
    // Four and one.
    assert_eq!(unchoked(&choker, 0..9), [1, 2, 3, 4, 5]);
    assert_eq!(changes(&mut choker).len(), 4);
    // A slot that gets free goes to the one that waits, before any round.
    choker.remove_peer(START, 2);
    assert_eq!(changes(&mut choker), [(6, false)]);
    join(&mut choker, START, 7..9);
    choker.set_interested(START, 3, false);
    assert_eq!(changes(&mut choker), [(3, true), (7, false)]);
    choker.set_upload_only(START, 4, true);
    assert_eq!(changes(&mut choker), [(4, true), (8, false)]);
    assert_eq!(choker.poll_timeout(), Some(START + ROUND_TIME));
}

#[test]
fn more_slots_are_used_at_once() {
    let mut choker = choker();
    join(&mut choker, START, 0..20);
    let config = ChokeConfig::for_upload(100_000_000 / 8);
    assert_eq!((config.slots, config.optimistic), (111, 22));
    choker.set_config(START, config);
    assert_eq!(choker.unchoked(), 20);
    choker.set_config(START, ChokeConfig::default());
    round(&mut choker, 0);
    assert_eq!(choker.unchoked(), 5);
    for (bytes, slots) in [(0, 4), (16_000, 4), (25_000, 5), (u64::MAX, MAX_SLOTS)] {
        assert_eq!(ChokeConfig::for_upload(bytes).slots, slots);
    }
}

#[test]
fn those_that_send_most_are_served() {
    let mut choker = choker();
    join(&mut choker, START, 0..10);
    for peer in 0..10 {
        choker.received(START, peer, u64::from(peer) * 1000);
    }
    round(&mut choker, 7);
    let served = unchoked(&choker, 0..10);
    assert_eq!(choker.unchoked(), 5);
    assert!([6, 7, 8, 9].iter().all(|peer| served.contains(peer)));
    let before = changes(&mut choker);
    assert!(
        before.iter().position(|(_, choke)| !choke).unwrap()
            >= before.iter().filter(|(_, choke)| *choke).count()
    );
    // Two rounds count: who was fast in the last one alone is as good as who was in the one before.
    for peer in 0..4 {
        choker.received(START, peer, 6500);
    }
    round(&mut choker, 7);
    let served = unchoked(&choker, 0..10);
    assert!(
        [2, 3, 8, 9].iter().all(|peer| served.contains(peer)),
        "{served:?}"
    );
    round(&mut choker, 7);
    let served = unchoked(&choker, 0..10);
    assert!(
        [0, 1, 2, 3].iter().all(|peer| served.contains(peer)),
        "{served:?}"
    );
}

#[test]
fn who_snubs_us_is_served_last() {
    let mut choker = choker();
    join(&mut choker, START, 0..6);
    choker.set_requesting(START, 5, true);
    let mut served_5 = 0;
    for at in 1..=12 {
        let now = START + seconds(10 * at);
        for peer in 0..5 {
            choker.received(now, peer, 1000);
        }
        // Much, and long ago.
        if at == 1 {
            choker.received(now, 5, 1_000_000);
        }
        choker.handle_timeout(now, at);
        let is_regular = unchoked(&choker, 0..6).contains(&5);
        if at <= 2 {
            assert!(is_regular);
        } else if is_regular {
            served_5 += 1;
        }
    }
    // Once it was found out, only as the one that is tried, among two.
    assert!(served_5 < 10, "{served_5}");
    // Among those who send nothing, the one that owes us blocks is behind those that don't.
    let mut choker = Choker::new(
        START,
        ChokeConfig {
            optimistic: 0,
            ..ChokeConfig::default()
        },
    );
    join(&mut choker, START, 0..5);
    choker.set_requesting(START, 0, true);
    let mut turns = 0;
    for at in 1..=30 {
        round(&mut choker, 0);
        turns += u32::from(choker.is_unchoked(0) && at < 6);
        assert!(
            at < 6 || unchoked(&choker, 0..5) == [1, 2, 3, 4],
            "round {at}"
        );
    }
    // Before it had its turns as the others.
    assert!(turns > 0);
    // A block is enough to be forgiven.
    let now = choker.poll_timeout().unwrap();
    choker.received(now, 0, 100);
    choker.handle_timeout(now, 0);
    assert!(choker.is_unchoked(0));
}

#[test]
fn contacts_are_always_served() {
    let mut choker = choker();
    join(&mut choker, START, 0..10);
    for contact in 10..13 {
        assert!(choker.add_peer(START, contact, true));
        assert!(!choker.is_unchoked(contact));
        choker.set_interested(START, contact, true);
        assert!(choker.is_unchoked(contact));
        assert_eq!(choker.unchoked(), 5);
    }
    for at in 0..20 {
        for peer in 0..10 {
            choker.received(START, peer, 1_000_000);
        }
        round(&mut choker, at);
        assert_eq!(unchoked(&choker, 10..13), [10, 11, 12]);
        assert_eq!(choker.unchoked(), 5);
    }
    // More than there are slots: strangers keep the one that finds others.
    for contact in 13..20 {
        choker.add_peer(START, contact, true);
        choker.set_interested(START, contact, true);
    }
    assert_eq!(choker.unchoked(), 11);
    round(&mut choker, 1);
    assert_eq!(
        (unchoked(&choker, 10..20).len(), choker.unchoked()),
        (10, 11)
    );
    // Who wants nothing takes nothing.
    (11..20).for_each(|contact| choker.set_interested(START, contact, false));
    round(&mut choker, 1);
    assert_eq!(
        (unchoked(&choker, 10..20), choker.unchoked()),
        (vec![10], 5)
    );
}

#[test]
fn who_cannot_decide_costs_nothing() {
    let mut choker = choker();
    join(&mut choker, START, 0..3);
    changes(&mut choker);
    for _ in 0..1000 {
        choker.set_interested(START, 0, false);
        assert_eq!(choker.poll(), None);
        choker.set_interested(START, 0, true);
        assert_eq!(choker.poll(), None);
    }
    // While others wait it loses its slot once, and others keep theirs.
    join(&mut choker, START, 3..9);
    changes(&mut choker);
    choker.set_interested(START, 0, false);
    assert_eq!(changes(&mut choker), [(0, true), (5, false)]);
    for _ in 0..1000 {
        choker.set_interested(START, 0, true);
        choker.set_interested(START, 0, false);
        assert_eq!(choker.poll(), None);
    }
    // What changed twice before anybody asked did not change.
    choker.set_interested(START, 1, false);
    (2..9).for_each(|peer| choker.remove_peer(START, peer));
    choker.set_interested(START, 1, true);
    assert_eq!(changes(&mut choker), []);
    assert!(choker.is_unchoked(1));
    // Nobody wants it: the round takes it.
    choker.set_interested(START, 1, false);
    round(&mut choker, 0);
    assert_eq!(changes(&mut choker), [(1, true)]);
}

#[test]
fn others_are_tried_every_thirty_seconds() {
    let mut choker = choker();
    join(&mut choker, START, 0..5);
    for peer in 0..4 {
        choker.received(START, peer, u64::MAX / 4);
    }
    join(&mut choker, START, 5..30);
    let mut tried = Vec::new();
    for at in 1..=90 {
        (0..4).for_each(|peer| choker.received(START, peer, 10));
        round(&mut choker, at * 7919);
        let now = unchoked(&choker, 4..30);
        assert_eq!((now.len(), choker.unchoked()), (1, 5), "round {at}");
        tried.push(now[0]);
    }
    // Each for three rounds; nobody twice in a row; many of them.
    let kept = tried.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!(kept, 59);
    let found: std::collections::BTreeSet<u32> = tried.iter().copied().collect();
    assert!(found.len() > 15, "{found:?}");
}

#[test]
fn new_peers_are_tried_three_times_as_often() {
    let mut hits = 0;
    for random in 0..400_u64 {
        let mut choker = choker();
        join(&mut choker, START, 0..4);
        (0..4).for_each(|peer| choker.received(START, peer, u64::MAX / 4));
        // Both were served before; then three leave and one new one comes.
        join(&mut choker, START, 4..5);
        choker.set_interested(START, 4, false);
        join(&mut choker, START, 5..6);
        choker.set_interested(START, 5, false);
        join(&mut choker, START, 6..8);
        for peer in [4, 5] {
            choker.set_interested(START, peer, true);
        }
        // 6 is the one that is tried; 4 and 5 were, 7 was not.
        assert!(choker.is_unchoked(6));
        choker.handle_timeout(START + OPTIMISTIC_TIME, random);
        hits += u32::from(choker.is_unchoked(7));
    }
    // Three in five.
    assert!((220..=260).contains(&hits), "{hits}");
}

#[test]
fn there_are_bounds() {
    let mut choker = Choker::new(
        START,
        ChokeConfig {
            slots: u32::MAX,
            ..ChokeConfig::default()
        },
    );
    for peer in 0..8192 {
        assert!(choker.add_peer(START, peer, false));
        choker.set_interested(START, peer, true);
    }
    assert!(!choker.add_peer(START, 8192, false));
    assert_eq!(choker.unchoked(), MAX_SLOTS as usize + 1);
    // Of a peer that is not there nothing happens.
    choker.set_interested(START, 9999, true);
    choker.received(START, 9999, 1);
    choker.sent(9999, 1);
    choker.set_requesting(START, 9999, true);
    choker.remove_peer(START, 9999);
    // Too early is no round; too late is one.
    choker.handle_timeout(START, 0);
    assert_eq!(choker.poll_timeout(), Some(START + ROUND_TIME));
    choker.handle_timeout(Duration::MAX, 0);
    assert_eq!(choker.poll_timeout(), Some(Duration::MAX));
}

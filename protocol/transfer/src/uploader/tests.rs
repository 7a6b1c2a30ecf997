use std::collections::BTreeMap;

use potluck_identity::NodeKey;

use super::*;

mod bounds;

const REQUEST: u64 = 256 * 1024;

fn parts(range: std::ops::Range<u64>) -> Content {
    let parts = range.collect();
    Content { whole: 0, parts }
}

fn peer(seed: u8) -> PeerId {
    NodeKey::from_seed([seed; 32]).peer_id()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// Keeps every peer's queue filled and serves one request at a time; gives bytes served to each. The givers return what
/// they get.
fn serve(
    uploader: &mut Uploader,
    peers: &[(PeerId, u64)],
    givers: &[PeerId],
    rounds: u64,
) -> BTreeMap<PeerId, u64> {
    let mut served = BTreeMap::new();
    let mut ticket = 1 << 32;
    for (peer, bytes) in peers {
        for _ in 0..4 {
            ticket += 1;
            uploader.enqueue(at(1), *peer, ticket, *bytes).unwrap();
        }
    }
    let size: BTreeMap<PeerId, u64> = peers.iter().copied().collect();
    for _ in 0..rounds {
        let grant = uploader.poll(at(1)).unwrap();
        let bytes = size[&grant.peer];
        *served.entry(grant.peer).or_insert(0) += bytes;
        uploader.finished(at(1), grant.ticket, bytes);
        if givers.contains(&grant.peer) {
            uploader.received_from(at(1), grant.peer, bytes);
        }
        ticket += 1;
        uploader.enqueue(at(1), grant.peer, ticket, bytes).unwrap();
    }
    served
}

fn one_at_a_time() -> Uploader {
    Uploader::new(UploaderConfig {
        slots: 1,
        ..UploaderConfig::default()
    })
}

#[test]
fn what_is_asked_of_one_whole_does_not_outrun_what_is_asked_of_another() {
    let mut uploader = Uploader::new(UploaderConfig {
        slots: 1,
        ..Default::default()
    });
    // Everybody has had the first whole from here already; the second is new.
    for n in 0..20_u8 {
        let old = Content {
            whole: 1,
            parts: vec![u64::from(n % 5)],
        };
        uploader
            .enqueue_for(at(0), peer(n % 5), u64::from(n), REQUEST, old)
            .unwrap();
    }
    for n in 20..30 {
        let new = Content {
            whole: 2,
            parts: vec![n],
        };
        uploader
            .enqueue_for(at(0), peer(9), n, REQUEST, new)
            .unwrap();
    }
    let mut of_the_newcomer = 0;
    for _ in 0..18 {
        let grant = uploader.poll(at(0)).unwrap();
        of_the_newcomer += u32::from(grant.peer == peer(9));
        uploader.finished(at(0), grant.ticket, REQUEST);
    }
    assert!(
        (2..=4).contains(&of_the_newcomer),
        "{of_the_newcomer} of 18"
    );
}

#[test]
fn who_steps_aside_frees_a_slot_and_is_still_served() {
    let mut uploader = Uploader::new(UploaderConfig {
        slots: 1,
        ..Default::default()
    });
    for n in 0..3_u8 {
        let ticket = u64::from(n);
        uploader
            .enqueue_for(at(0), peer(n), ticket, REQUEST, parts(ticket..ticket + 1))
            .unwrap();
    }
    let slow = uploader.poll(at(0)).unwrap().ticket;
    assert!(uploader.poll(at(0)).is_none());
    uploader.step_aside(slow);
    uploader.step_aside(slow);
    assert_eq!((uploader.serving(), uploader.waiting()), (0, 2));
    let next = uploader.poll(at(0)).unwrap().ticket;
    assert!(uploader.poll(at(0)).is_none());
    // What goes out without a slot counts as sent.
    assert_eq!(uploader.novelty.times(slow), 1);
    uploader.abandon(slow);
    assert_eq!(uploader.novelty.times(slow), 0);
    uploader.finished(at(0), next, REQUEST);
    assert_eq!((uploader.serving(), uploader.waiting()), (0, 1));
}

#[test]
fn strangers_share_equally_by_bytes() {
    let mut uploader = one_at_a_time();
    let (small, large) = (peer(1), peer(2));
    let served = serve(
        &mut uploader,
        &[(small, REQUEST), (large, 8 * REQUEST)],
        &[],
        4000,
    );
    let ratio = served[&small] as f64 / served[&large] as f64;
    assert!((0.95..1.05).contains(&ratio), "{ratio}");
}

#[test]
fn contributors_get_twenty_times_as_much_and_strangers_still_some() {
    let mut uploader = one_at_a_time();
    let (giver, stranger) = (peer(1), peer(2));
    uploader.received_from(at(1), giver, 10 * REQUEST);
    let served = serve(
        &mut uploader,
        &[(giver, REQUEST), (stranger, REQUEST)],
        &[giver],
        2100,
    );
    assert_eq!(served[&giver] / served[&stranger], 20);
}

#[test]
fn contacts_get_half_among_any_crowd() {
    let mut uploader = one_at_a_time();
    let contact = peer(200);
    uploader.set_contact(contact, true);
    let mut peers: Vec<_> = (0..100).map(|n| (peer(n), REQUEST)).collect();
    let givers: Vec<PeerId> = peers[..10].iter().map(|(peer, _)| *peer).collect();
    for giver in &givers {
        uploader.received_from(at(1), *giver, 10 * REQUEST);
    }
    peers.push((contact, REQUEST));
    let served = serve(&mut uploader, &peers, &givers, 20_000);
    let all: u64 = served.values().sum();
    assert!(
        served[&contact] * 100 >= all * 48,
        "{} of {all}",
        served[&contact]
    );
    assert!(served.len() == 101, "somebody starved");
}

#[test]
fn who_cancels_what_is_granted_does_not_keep_others_waiting() {
    let mut uploader = one_at_a_time();
    let (nervous, patient) = (peer(1), peer(2));
    uploader.enqueue(at(0), patient, 0, REQUEST).unwrap();
    for ticket in 1..100 {
        uploader.enqueue(at(0), nervous, ticket, REQUEST).unwrap();
        let grant = uploader.poll(at(0)).unwrap();
        if grant.peer == patient {
            return;
        }
        uploader.finished(at(0), grant.ticket, 0);
    }
    panic!("the patient peer waits forever");
}

#[test]
fn a_contribution_fades() {
    let mut uploader = one_at_a_time();
    let giver = peer(1);
    uploader.received_from(at(0), giver, 2 * REQUEST);
    assert_eq!(uploader.reports(at(1))[0].standing, Standing::Contributor);
    assert_eq!(uploader.reports(at(100))[0].standing, Standing::Stranger);
    uploader.received_from(at(200), giver, 2 * REQUEST);
    uploader.enqueue(at(200), giver, 1, 100 * REQUEST).unwrap();
    assert!(uploader.poll(at(200)).is_some());
    uploader.finished(at(200), 1, 100 * REQUEST);
    assert_eq!(uploader.reports(at(200))[0].standing, Standing::Stranger);
}

#[test]
fn slots_are_filled_and_one_peer_leaves_some_to_others() {
    let mut uploader = Uploader::new(UploaderConfig::default());
    let (first, second) = (peer(1), peer(2));
    for ticket in 0..10 {
        uploader.enqueue(at(0), first, ticket, 1).unwrap();
    }
    uploader.enqueue(at(0), second, 100, 16 << 20).unwrap();
    let grants: Vec<Grant> = std::iter::from_fn(|| uploader.poll(at(0))).collect();
    assert_eq!(grants.len(), 4);
    assert!(grants.iter().any(|grant| grant.ticket == 100));
    assert_eq!((uploader.serving(), uploader.waiting()), (4, 7));
    let of_first = grants.iter().filter(|grant| grant.peer == first).count();
    assert_eq!(of_first, 3, "no slot stays empty");
}

#[test]
fn each_thing_is_sent_once_before_any_is_sent_twice() {
    let mut uploader = one_at_a_time();
    for n in 0..20_u8 {
        for piece in 0..10_u64 {
            let ticket = u64::from(n) * 10 + piece;
            uploader
                .enqueue_for(at(0), peer(n), ticket, REQUEST, parts(piece..piece + 1))
                .unwrap();
        }
    }
    let mut first = Vec::new();
    for _ in 0..10 {
        let grant = uploader.poll(at(0)).unwrap();
        first.push(grant.ticket % 10);
        uploader.finished(at(0), grant.ticket, REQUEST);
    }
    first.sort_unstable();
    assert_eq!(first, (0..10).collect::<Vec<_>>());
    for _ in 10..200 {
        let grant = uploader.poll(at(0)).unwrap();
        uploader.finished(at(0), grant.ticket, REQUEST);
    }
    assert_eq!(uploader.poll(at(0)), None);
}

#[test]
fn what_lies_within_a_longer_request_counts_as_sent() {
    let mut uploader = one_at_a_time();
    let ask = |uploader: &mut Uploader, n: u8, keys| {
        let ticket = u64::from(n);
        uploader
            .enqueue_for(at(0), peer(n), ticket, 4 * REQUEST, parts(keys))
            .unwrap();
    };
    ask(&mut uploader, 0, 0..4);
    let first = uploader.poll(at(0)).unwrap().ticket;
    // Only a half went out.
    uploader.finished(at(0), first, 2 * REQUEST);
    ask(&mut uploader, 1, 1..5);
    ask(&mut uploader, 2, 2..6);
    assert_eq!(uploader.poll(at(0)).unwrap().ticket, 2);
}

#[test]
fn what_was_sent_once_goes_before_what_was_sent_twice() {
    let mut uploader = one_at_a_time();
    let mut ticket = 0;
    let mut send = |uploader: &mut Uploader, n: u8, keys: &[u64]| {
        for key in keys {
            ticket += 1;
            let keys = *key..key + 1;
            uploader
                .enqueue_for(at(0), peer(n), ticket, REQUEST, parts(keys))
                .unwrap();
        }
        let mut order = Vec::new();
        while let Some(grant) = uploader.poll(at(0)) {
            order.push(grant.ticket);
            uploader.finished(at(0), grant.ticket, REQUEST);
        }
        order
    };
    send(&mut uploader, 0, &[0, 1, 2, 1]);
    // Somebody else waits too, so that there is a choice.
    uploader.enqueue(at(0), peer(9), 99, REQUEST).unwrap();
    uploader.enqueue(at(0), peer(9), 98, REQUEST).unwrap();
    uploader.enqueue(at(0), peer(9), 97, REQUEST).unwrap();
    let order = send(&mut uploader, 1, &[1, 2]);
    let place = |ticket| order.iter().position(|other| *other == ticket).unwrap();
    assert!(place(6) < place(5), "{order:?}");
}

#[test]
fn who_asks_for_old_things_does_not_starve() {
    let mut uploader = one_at_a_time();
    uploader
        .enqueue_for(at(0), peer(0), 0, REQUEST, parts(0..1))
        .unwrap();
    let grant = uploader.poll(at(0)).unwrap();
    uploader.finished(at(0), grant.ticket, REQUEST);
    uploader
        .enqueue_for(at(0), peer(0), 1, REQUEST, parts(0..1))
        .unwrap();
    for n in 2..1000 {
        uploader
            .enqueue_for(at(0), peer(1), n, REQUEST, parts(n..n + 1))
            .unwrap();
        let grant = uploader.poll(at(0)).unwrap();
        uploader.finished(at(0), grant.ticket, REQUEST);
        if grant.ticket == 1 {
            assert!(n < 50);
            return;
        }
    }
    panic!("starved");
}

#[test]
fn what_was_not_sent_as_a_whole_counts_as_new() {
    let config = UploaderConfig {
        slots: 1,
        max_parts: 2,
        ..UploaderConfig::default()
    };
    let mut uploader = Uploader::new(config);
    uploader
        .enqueue_for(at(0), peer(0), 0, REQUEST, parts(7..8))
        .unwrap();
    uploader
        .enqueue_for(at(0), peer(1), 1, REQUEST, parts(8..9))
        .unwrap();
    uploader
        .enqueue_for(at(0), peer(2), 2, REQUEST, parts(7..8))
        .unwrap();
    assert_eq!(uploader.poll(at(0)).unwrap().ticket, 0);
    uploader.abandon(0);
    assert_eq!(uploader.novelty.times(7), 0);
    let mut rest: Vec<u64> = std::iter::from_fn(|| {
        let ticket = uploader.poll(at(0))?.ticket;
        uploader.finished(at(0), ticket, REQUEST);
        Some(ticket)
    })
    .collect();
    rest.sort_unstable();
    assert_eq!(rest, [1, 2]);
}

#[test]
fn weights_hold_for_those_who_have_one_request_at_a_time() {
    // Each comes back a little after it was served, as peers do whose pipelines are short.
    let mut uploader = one_at_a_time();
    let givers: Vec<PeerId> = (0..6).map(peer).collect();
    let taker = peer(100);
    let mut served: BTreeMap<PeerId, u64> = BTreeMap::new();
    let mut ticket = 0;
    let mut ask = |uploader: &mut Uploader, peer: PeerId| {
        ticket += 1;
        uploader.enqueue(at(1), peer, ticket, REQUEST).unwrap();
    };
    for giver in &givers {
        uploader.received_from(at(1), *giver, 100 * REQUEST);
        ask(&mut uploader, *giver);
    }
    ask(&mut uploader, taker);
    let mut away: Option<PeerId> = None;
    for _ in 0..2000 {
        let grant = uploader.poll(at(1)).unwrap();
        uploader.finished(at(1), grant.ticket, REQUEST);
        *served.entry(grant.peer).or_insert(0) += 1;
        if let Some(back) = away.replace(grant.peer) {
            ask(&mut uploader, back);
        }
        for giver in &givers {
            uploader.received_from(at(1), *giver, REQUEST);
        }
    }
    for giver in &givers {
        let share = served[&taker] as f64 / served[giver] as f64;
        assert!(share > 0.02 && share < 0.1, "{share}");
    }
}

#[test]
fn what_is_new_to_strangers_does_not_push_contributors_aside() {
    let mut uploader = one_at_a_time();
    let (giver, stranger) = (peer(1), peer(2));
    uploader.received_from(at(1), giver, 100 * REQUEST);
    let mut ticket = 0;
    // The contributor asks for one thing over and over, the stranger for something new each time.
    let mut ask = |uploader: &mut Uploader, peer: PeerId| {
        ticket += 1;
        let key = if peer == giver { 7 } else { 1000 + ticket };
        uploader
            .enqueue_for(at(1), peer, ticket, REQUEST, parts(key..key + 1))
            .unwrap();
    };
    for _ in 0..4 {
        ask(&mut uploader, giver);
        ask(&mut uploader, stranger);
    }
    let mut of_stranger = 0;
    for _ in 0..400 {
        let grant = uploader.poll(at(1)).unwrap();
        uploader.finished(at(1), grant.ticket, REQUEST);
        uploader.received_from(at(1), giver, REQUEST);
        of_stranger += u32::from(grant.peer == stranger);
        ask(&mut uploader, grant.peer);
    }
    assert!((10..40).contains(&of_stranger), "{of_stranger}");
}

#[test]
fn a_lane_has_one_turn_until_it_is_free() {
    let mut uploader = Uploader::new(UploaderConfig::default());
    for ticket in 0..3 {
        uploader.enqueue(at(0), peer(1), ticket, REQUEST).unwrap();
        uploader.on_lane(ticket, ticket / 2);
    }
    let mut granted = || uploader.poll(at(0)).map(|grant| grant.ticket);
    assert_eq!([granted(), granted(), granted()], [Some(0), Some(2), None]);
    uploader.finished(at(1), 0, 0);
    assert_eq!(uploader.poll(at(1)), None);
    uploader.lane_free(0);
    let next = uploader.poll(at(1)).map(|grant| grant.ticket);
    assert_eq!(next, Some(1));
    uploader.abandon(1);
    uploader.lane_busy(1);
    uploader.abandon(2);
    uploader.enqueue(at(2), peer(1), 3, REQUEST).unwrap();
    uploader.on_lane(3, 1);
    assert_eq!(uploader.poll(at(2)), None);
    uploader.lane_free(1);
    assert!(uploader.poll(at(2)).is_some());
}

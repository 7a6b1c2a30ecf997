//! When which tracker is asked.

use super::super::*;
use crate::{InfoHashV2, InfoHashes};
use proptest::prelude::*;

const ONE: InfoHashV1 = InfoHashV1::from_bytes([1; 20]);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn v1() -> InfoHashes {
    InfoHashes {
        v1: Some(ONE),
        v2: None,
    }
}

fn reply(interval: u64, min: u64) -> AnnounceReply {
    AnnounceReply {
        interval: seconds(interval),
        min_interval: seconds(min),
        peers: vec![([192, 0, 2, 1], 1).into()],
        seeds: Some(3),
        leeches: Some(4),
        warning: None,
        tracker_id: None,
    }
}

/// Trackers named by letters, as `http://a/`.
fn announcer(tiers: &[&str]) -> Announcer {
    let url = |letter: char| format!("http://{letter}/");
    let tiers: Vec<Vec<String>> = tiers
        .iter()
        .map(|tier| tier.chars().map(url).collect())
        .collect();
    let mut announcer = Announcer::new(&v1());
    // Of two, this number leaves the order as it is.
    let random = (0..64).map(|bit| 1 << bit).find(|random| {
        let mut trial = Announcer::new(&v1());
        trial.add_tiers(Duration::ZERO, &tiers, *random);
        trial
            .status()
            .iter()
            .map(|status| &status.url)
            .eq(tiers.iter().flatten())
    });
    announcer.add_tiers(Duration::ZERO, &tiers, random.unwrap());
    announcer
}

fn letter(ask: &Ask) -> char {
    ask.url.chars().nth(7).unwrap()
}

/// All that is to be asked now.
fn asks(announcer: &mut Announcer, now: u64) -> Vec<Ask> {
    std::iter::from_fn(|| announcer.poll(seconds(now))).collect()
}

/// The only one that is to be asked now.
fn one(announcer: &mut Announcer, now: u64) -> Ask {
    let mut asks = asks(announcer, now);
    assert_eq!(asks.len(), 1, "{asks:?}");
    asks.remove(0)
}

fn fail(announcer: &mut Announcer, now: u64, ask: &Ask) {
    announcer.handle_failure(seconds(now), ask.id, "broken", None);
}

#[test]
fn a_tracker_is_asked_in_its_intervals() {
    let mut trackers = announcer(&["a"]);
    assert_eq!(trackers.poll_timeout(), Some(Duration::ZERO));
    let ask = one(&mut trackers, 5);
    assert_eq!((ask.event, ask.infohash), (AnnounceEvent::Started, ONE));
    assert_eq!(trackers.poll_timeout(), None, "it is being asked");
    trackers.handle_reply(seconds(10), ask.id, &reply(900, 300));
    assert_eq!(trackers.poll_timeout(), Some(seconds(910)));
    assert_eq!(asks(&mut trackers, 909), []);
    let ask = one(&mut trackers, 910);
    assert_eq!(ask.event, AnnounceEvent::Regular);
    trackers.handle_reply(seconds(910), ask.id, &reply(900, 300));
    trackers.set_wanting(true);
    assert_eq!(
        trackers.poll_timeout(),
        Some(seconds(1210)),
        "as early as it allows"
    );
    assert_eq!(asks(&mut trackers, 1209), []);
    assert_eq!(one(&mut trackers, 1210).event, AnnounceEvent::Regular);
}

#[test]
fn a_slow_tracker_holds_nobody_up() {
    let mut trackers = announcer(&["a", "b", "c"]);
    let slow = one(&mut trackers, 10);
    assert_eq!(letter(&slow), 'a');
    assert_eq!(trackers.poll_timeout(), Some(seconds(13)));
    assert_eq!(asks(&mut trackers, 12), []);
    let ask = one(&mut trackers, 13);
    assert_eq!(letter(&ask), 'b');
    trackers.handle_reply(seconds(14), ask.id, &reply(900, 300));
    assert_eq!(trackers.poll_timeout(), Some(seconds(914)), "b serves");
    assert_eq!(asks(&mut trackers, 60), []);
    // It answers after all, and is the only one again.
    trackers.handle_reply(seconds(61), slow.id, &reply(900, 300));
    let ask = one(&mut trackers, 961);
    assert_eq!(letter(&ask), 'a');
    assert_eq!(asks(&mut trackers, 962), [], "b has its turn no more");
}

#[test]
fn a_private_torrent_uses_one_tracker_at_a_time() {
    let mut trackers = announcer(&["a", "b"]);
    trackers.set_wanting(true);
    trackers.set_private();
    let ask = one(&mut trackers, 10);
    assert_eq!(trackers.poll_timeout(), None);
    assert_eq!(asks(&mut trackers, 1000), [], "a may still answer");
    fail(&mut trackers, 1000, &ask);
    assert_eq!(letter(&one(&mut trackers, 1000)), 'b');
}

#[test]
fn tiers_are_tried_in_turn_and_what_works_moves_to_the_front() {
    let mut trackers = announcer(&["ab", "c"]);
    let ask = one(&mut trackers, 0);
    assert_eq!(letter(&ask), 'a');
    fail(&mut trackers, 1, &ask);
    let ask = one(&mut trackers, 1);
    assert_eq!(letter(&ask), 'b');
    trackers.handle_reply(seconds(2), ask.id, &reply(900, 60));
    assert_eq!(
        trackers.poll_timeout(),
        Some(seconds(902)),
        "a is not needed"
    );
    // Now b comes first, and a has its turn before the next tier.
    let ask = one(&mut trackers, 902);
    assert_eq!(letter(&ask), 'b');
    fail(&mut trackers, 903, &ask);
    let ask = one(&mut trackers, 903);
    assert_eq!(letter(&ask), 'a');
    fail(&mut trackers, 904, &ask);
    let ask = one(&mut trackers, 904);
    assert_eq!((letter(&ask), ask.event), ('c', AnnounceEvent::Started));
    trackers.handle_reply(seconds(905), ask.id, &reply(900, 60));
    // Those of the first tier are tried again meanwhile, and c is left once one is back.
    let ask = one(&mut trackers, 918);
    assert_eq!((letter(&ask), ask.event), ('b', AnnounceEvent::Regular));
    trackers.handle_reply(seconds(919), ask.id, &reply(5000, 60));
    assert_eq!(trackers.poll_timeout(), Some(seconds(5919)));
}

#[test]
fn a_dead_tracker_starves_nobody() {
    let mut trackers = announcer(&["a", "b", "c"]);
    let (mut now, mut asked) = (0, Vec::new());
    // Each takes 40 s to fail.
    while !asked.contains(&'c') {
        let asks = asks(&mut trackers, now);
        asked.extend(asks.iter().map(letter));
        now += 40;
        asks.iter().for_each(|ask| fail(&mut trackers, now, ask));
    }
    assert!(now <= 120, "{asked:?}");
}

#[test]
fn pauses_double_up_to_an_hour() {
    let mut trackers = announcer(&["a"]);
    let mut now = 0;
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let ask = one(&mut trackers, now);
        fail(&mut trackers, now, &ask);
        let next = trackers.poll_timeout().unwrap().as_secs();
        pauses.push(next - now);
        assert_eq!(asks(&mut trackers, next - 1), []);
        now = next;
    }
    assert_eq!(pauses[..5], [15, 30, 60, 120, 240]);
    assert_eq!(pauses[8..], [3600; 4]);
    let ask = one(&mut trackers, now);
    trackers.handle_reply(seconds(now), ask.id, &reply(900, 60));
    let ask = one(&mut trackers, now + 900);
    let hint = Some(seconds(7200));
    trackers.handle_failure(seconds(now + 900), ask.id, "later", hint);
    assert_eq!(trackers.poll_timeout(), Some(seconds(now + 900 + 7200)));
    let ask = one(&mut trackers, now + 9000);
    let hint = Some(Duration::ZERO);
    trackers.handle_failure(seconds(now + 9000), ask.id, "now", hint);
    assert_eq!(
        trackers.poll_timeout(),
        Some(seconds(now + 9030)),
        "no shorter"
    );
}

#[test]
fn the_completion_is_told_once_and_at_once() {
    let mut trackers = announcer(&["a"]);
    let ask = one(&mut trackers, 0);
    trackers.handle_reply(seconds(0), ask.id, &reply(900, 900));
    trackers.completed();
    assert_eq!(trackers.poll_timeout(), Some(Duration::ZERO));
    let ask = one(&mut trackers, 1);
    assert_eq!(ask.event, AnnounceEvent::Completed);
    fail(&mut trackers, 2, &ask);
    assert_eq!(asks(&mut trackers, 16), []);
    let ask = one(&mut trackers, 17);
    assert_eq!(
        ask.event,
        AnnounceEvent::Completed,
        "once more, as it failed"
    );
    trackers.handle_reply(seconds(17), ask.id, &reply(900, 900));
    trackers.completed();
    assert_eq!(asks(&mut trackers, 18), []);
    assert_eq!(one(&mut trackers, 917).event, AnnounceEvent::Regular);
}

#[test]
fn the_completion_is_told_to_those_who_knew_the_download() {
    // One that is being told of the start is owed it too.
    let mut trackers = announcer(&["a"]);
    let ask = one(&mut trackers, 0);
    trackers.completed();
    trackers.handle_reply(seconds(1), ask.id, &reply(900, 900));
    assert_eq!(one(&mut trackers, 1).event, AnnounceEvent::Completed);
    // One that never heard of it sees a seed that starts.
    let mut trackers = announcer(&["a"]);
    let ask = one(&mut trackers, 0);
    trackers.completed();
    fail(&mut trackers, 1, &ask);
    let ask = one(&mut trackers, 100);
    assert_eq!(ask.event, AnnounceEvent::Started);
    trackers.handle_reply(seconds(100), ask.id, &reply(900, 900));
    assert_eq!(asks(&mut trackers, 101), []);
}

#[test]
fn who_knows_us_is_told_that_we_go() {
    let mut trackers = announcer(&["a", "b", "c"]);
    let a = one(&mut trackers, 0);
    trackers.handle_reply(seconds(0), a.id, &reply(900, 900));
    let a = one(&mut trackers, 900);
    fail(&mut trackers, 901, &a);
    let b = one(&mut trackers, 901);
    trackers.stop();
    assert_eq!(letter(&one(&mut trackers, 902)), 'a');
    assert!(!trackers.is_over());
    // It knows us only now.
    trackers.handle_reply(seconds(903), b.id, &reply(900, 900));
    let b = one(&mut trackers, 903);
    assert_eq!((letter(&b), b.event), ('b', AnnounceEvent::Stopped));
    fail(&mut trackers, 904, &b);
    assert!(!trackers.is_over());
    trackers.handle_reply(seconds(904), a.id, &reply(900, 900));
    assert!(trackers.is_over());
    assert_eq!(
        (asks(&mut trackers, 9999), trackers.poll_timeout()),
        (vec![], None)
    );
    // Back again.
    trackers.restart(seconds(10_000));
    assert_eq!(one(&mut trackers, 10_000).event, AnnounceEvent::Started);
}

#[test]
fn a_hybrid_is_announced_by_both_names() {
    let v2 = InfoHashV2::from_bytes([2; 32]);
    let mut trackers = announcer(&["ab"]);
    let both = InfoHashes {
        v1: Some(ONE),
        v2: Some(v2),
    };
    trackers.add_names(Duration::ZERO, &both);
    let first = asks(&mut trackers, 0);
    let names: Vec<_> = first
        .iter()
        .map(|ask| (letter(ask), ask.infohash))
        .collect();
    assert_eq!(names, [('a', ONE), ('a', v2.truncated())]);
    trackers.handle_reply(seconds(0), first[0].id, &reply(900, 900));
    trackers.handle_failure(seconds(0), first[1].id, "not registered", None);
    let status = trackers.status();
    assert!(status[0].works && status[0].error.is_none(), "{status:?}");
    // The other tracker may know it.
    let ask = one(&mut trackers, 1);
    assert_eq!((letter(&ask), ask.infohash), ('b', v2.truncated()));
    fail(&mut trackers, 1, &ask);
    assert_eq!(trackers.poll_timeout(), Some(seconds(15)));
    trackers.add_names(seconds(2), &both);
    assert_eq!(asks(&mut trackers, 2), [], "known names");
}

#[test]
fn status_for_people() {
    let mut trackers = announcer(&["a", "b"]);
    let a = one(&mut trackers, 0);
    assert!(trackers.status()[0].is_asking);
    trackers.handle_failure(seconds(1), a.id, &"long\n".repeat(100), None);
    let b = one(&mut trackers, 1);
    let warned = AnnounceReply {
        warning: Some("soon off".to_owned()),
        tracker_id: Some(b"id".to_vec()),
        ..reply(900, 60)
    };
    trackers.handle_reply(seconds(2), b.id, &warned);
    let status = trackers.status();
    let error = status[0].error.clone().unwrap();
    assert_eq!(error.len(), MAX_TEXT_CHARS);
    assert_eq!((status[0].next, status[0].failures), (Some(seconds(16)), 1));
    let expected = TrackerStatus {
        url: "http://b/".to_owned(),
        tier: 1,
        is_asking: false,
        works: true,
        error: None,
        failures: 0,
        warning: Some("soon off".to_owned()),
        next: Some(seconds(902)),
        peers: 1,
        seeds: Some(3),
        leeches: Some(4),
    };
    assert_eq!(status[1], expected);
    assert_eq!(letter(&one(&mut trackers, 16)), 'a');
    assert_eq!(
        one(&mut trackers, 902).tracker_id.as_deref(),
        Some(&b"id"[..])
    );
}

#[test]
fn what_is_added() {
    let mut trackers = Announcer::new(&v1());
    let many: Vec<String> = (0..500)
        .map(|number| format!("udp://t{number}:1/"))
        .collect();
    let odd = vec![
        "wss://x/".to_owned(),
        "http://a/".to_owned(),
        "http://a/".to_owned(),
    ];
    trackers.add_tiers(Duration::ZERO, &[vec![], odd.clone(), many], 7);
    trackers.add_tiers(Duration::ZERO, &[odd], 7);
    let status = trackers.status();
    assert_eq!(status.len(), MAX_TRACKERS);
    assert_eq!(
        (status[0].url.as_str(), status[0].tier, status[1].tier),
        ("http://a/", 0, 1)
    );
}

#[test]
fn tiers_are_shuffled() {
    let urls: Vec<String> = (0..3).map(|number| format!("udp://t{number}:1/")).collect();
    let mut counts = std::collections::BTreeMap::new();
    for seed in 0..600_u64 {
        let mut trackers = Announcer::new(&v1());
        let random = seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ (seed << 7);
        trackers.add_tiers(Duration::ZERO, std::slice::from_ref(&urls), random);
        let order: Vec<String> = trackers
            .status()
            .into_iter()
            .map(|status| status.url)
            .collect();
        *counts.entry(order).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 6, "{counts:?}");
    assert!(counts.values().all(|count| *count > 40), "{counts:?}");
}

proptest! {
    /// Whatever happens: nobody is asked twice at a time or too early, and a stop comes to an end.
    #[test]
    fn anything_may_happen(steps in proptest::collection::vec((0_u8..8, 0_u64..2000), 1..200)) {
        let mut trackers = announcer(&["ab", "c"]);
        let mut open: Vec<Ask> = Vec::new();
        let mut answered = std::collections::BTreeMap::new();
        let mut now = 0;
        for (action, number) in steps {
            let at = usize::try_from(number).unwrap();
            match action {
                0 => trackers.set_wanting(number % 2 == 0),
                1 if number % 7 == 0 => trackers.completed(),
                2 if number % 7 == 0 => trackers.stop(),
                3 if number % 3 == 0 => {
                    trackers.restart(seconds(now));
                    answered.clear();
                }
                4 | 5 if !open.is_empty() => {
                    let ask = open.swap_remove(at % open.len());
                    trackers.handle_reply(seconds(now), ask.id, &reply(900, 120));
                    answered.insert(letter(&ask), now);
                }
                6 if !open.is_empty() => {
                    let ask = open.swap_remove(at % open.len());
                    fail(&mut trackers, now, &ask);
                }
                _ => now += number,
            }
            for ask in asks(&mut trackers, now) {
                prop_assert!(open.iter().all(|other| other.id != ask.id));
                if ask.event == AnnounceEvent::Regular
                    && let Some(last) = answered.get(&letter(&ask))
                {
                    prop_assert!(last + 120 <= now, "{} was asked too early", letter(&ask));
                }
                open.push(ask);
            }
            if let Some(next) = trackers.poll_timeout() {
                prop_assert!(next > seconds(now), "due, and not polled");
            }
        }
        trackers.stop();
        for _ in 0..3 {
            for ask in std::mem::take(&mut open) {
                trackers.handle_reply(seconds(now), ask.id, &reply(900, 120));
            }
            open = asks(&mut trackers, now);
        }
        prop_assert!(open.is_empty() && trackers.is_over());
    }
}

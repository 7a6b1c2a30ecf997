//! Getting piece layers, from peers of whom some lie and some say nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;

const NOW: Duration = Duration::ZERO;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn asked(fetch: &mut LayerFetch<u32>, now: Duration) -> Vec<(u32, HashRequest)> {
    std::iter::from_fn(|| fetch.poll_request(now)).collect()
}

fn give(
    fetch: &mut LayerFetch<u32>,
    torrent: &Metainfo,
    (peer, request): (u32, HashRequest),
) -> Result<Option<PieceLayer>, LayerFetchError> {
    let found = answer_hashes(torrent, &request).unwrap();
    fetch.handle_hashes(peer, &request, &HashList::new(&found))
}

#[test]
fn one_honest_peer_is_enough() {
    let torrent = torrent(&[2, 513, 1300, 3], 64 * KIB);
    let mut bare = bare(&torrent);
    let mut fetch = LayerFetch::new(&bare);
    assert!(!fetch.is_done() && fetch.poll_request(NOW).is_none());
    assert!(fetch.add_peer(1) && !fetch.add_peer(1));
    let mut total = 0;
    while !fetch.is_done() {
        let asked = asked(&mut fetch, NOW);
        assert!((1..=4).contains(&asked.len()));
        for (peer, request) in asked {
            total += 1;
            let width = request.length.next_power_of_two();
            assert!((2..=512).contains(&request.length) && width == request.length);
            if let Some(layer) = give(&mut fetch, &torrent, (peer, request)).unwrap() {
                bare.add_layer(layer.root, layer.hashes).unwrap();
            }
        }
    }
    assert_eq!(total, 1 + 2 + 3 + 1);
    assert_eq!(bare, torrent);
    assert_eq!(bare.missing_layers().count(), 0);
    assert_eq!(
        (fetch.poll_timeout(), fetch.poll_request(NOW)),
        (None, None)
    );
    assert!(LayerFetch::<u32>::new(&bare).is_done());
}

#[test]
fn files_of_the_same_bytes_have_one_layer() {
    let torrent = torrent(&[40, 40], 16 * KIB);
    let mut fetch = LayerFetch::new(&bare(&torrent));
    fetch.add_peer(1);
    let requests = asked(&mut fetch, NOW);
    assert_eq!(requests.len(), 1);
    assert!(give(&mut fetch, &torrent, requests[0]).unwrap().is_some());
    assert!(fetch.is_done());
}

#[test]
fn who_lies_is_known_at_once() {
    let torrent = torrent(&[1300], 16 * KIB);
    let mut fetch = LayerFetch::new(&bare(&torrent));
    fetch.add_peer(1);
    let requests = asked(&mut fetch, NOW);
    assert_eq!(requests.len(), 3);
    let mut lie = answer_hashes(&torrent, &requests[1].1).unwrap();
    lie[300][5] ^= 1;
    let found = fetch.handle_hashes(1, &requests[1].1, &HashList::new(&lie));
    assert_eq!(found, Err(LayerFetchError::Wrong));
    assert_eq!((fetch.usable_peers(), fetch.poll_request(NOW)), (0, None));
    // What it was asked for as well is asked of others; what it sent that is right is taken.
    assert_eq!(give(&mut fetch, &torrent, requests[0]), Ok(None));
    fetch.add_peer(2);
    let again = asked(&mut fetch, NOW);
    assert_eq!(again.len(), 2);
    assert!(again.iter().all(|(peer, _)| *peer == 2));
    assert_eq!(give(&mut fetch, &torrent, again[0]), Ok(None));
    let layer = give(&mut fetch, &torrent, again[1]).unwrap().unwrap();
    assert_eq!(Some(layer.hashes.as_slice()), torrent.layer(&layer.root));
}

#[test]
fn what_was_not_asked_for_is_refused() {
    let torrent = torrent(&[1300], 16 * KIB);
    let mut fetch = LayerFetch::new(&bare(&torrent));
    fetch.add_peer(1);
    fetch.add_peer(2);
    let (peer, request) = fetch.poll_request(NOW).unwrap();
    assert_eq!(peer, 1);
    let refused = Err(LayerFetchError::Unrequested);
    assert_eq!(give(&mut fetch, &torrent, (2, request)), refused);
    assert_eq!(give(&mut fetch, &torrent, (3, request)), refused);
    let other = HashRequest {
        index: 512,
        length: 256,
        ..request
    };
    assert_eq!(give(&mut fetch, &torrent, (1, other)), refused);
    fetch.handle_reject(NOW, 2, &request);
    fetch.handle_reject(NOW, 1, &other);
    fetch.handle_reject(NOW, 3, &request);
    assert_eq!(give(&mut fetch, &torrent, (1, request)), Ok(None));
    assert_eq!(give(&mut fetch, &torrent, (1, request)), refused);
}

#[test]
fn who_is_silent_is_not_waited_for() {
    let torrent = torrent(&[40], 16 * KIB);
    let mut fetch = LayerFetch::new(&bare(&torrent));
    (1..=3).for_each(|peer| assert!(fetch.add_peer(peer)));
    let first = asked(&mut fetch, NOW);
    assert_eq!((first.len(), first[0].0), (1, 1));
    assert_eq!(fetch.poll_timeout(), Some(seconds(3)));
    fetch.handle_timeout(seconds(3));
    let second = asked(&mut fetch, seconds(3));
    assert_eq!((second.len(), second[0]), (1, (2, first[0].1)));
    assert_eq!(fetch.poll_timeout(), Some(seconds(6)));
    fetch.handle_timeout(seconds(6));
    assert_eq!(asked(&mut fetch, seconds(6)), [(3, first[0].1)]);
    // After ten seconds the first one is left alone for ten.
    fetch.handle_timeout(seconds(10));
    assert_eq!(asked(&mut fetch, seconds(10)), []);
    fetch.handle_timeout(seconds(20));
    assert_eq!(asked(&mut fetch, seconds(20)).len(), 1);
    // An answer that comes late is as good.
    let found = give(&mut fetch, &torrent, (2, first[0].1)).unwrap();
    assert!(found.is_some() && fetch.is_done());
    // And those that come after it do no harm.
    assert_eq!(give(&mut fetch, &torrent, (1, first[0].1)), Ok(None));
    assert_eq!(give(&mut fetch, &torrent, (3, first[0].1)), Ok(None));
    fetch.remove_peer(1);
    fetch.remove_peer(1);
}

#[test]
fn who_refuses_is_asked_again_later() {
    let torrent = torrent(&[40], 16 * KIB);
    let mut fetch = LayerFetch::new(&bare(&torrent));
    fetch.add_peer(1);
    let mut now = NOW;
    let mut rests = Vec::new();
    for _ in 0..8 {
        let requests = asked(&mut fetch, now);
        assert_eq!(requests.len(), 1);
        fetch.handle_reject(now, 1, &requests[0].1);
        assert_eq!(fetch.poll_request(now), None);
        let next = fetch.poll_timeout().unwrap();
        rests.push((next - now).as_secs());
        now = next;
        fetch.handle_timeout(now);
    }
    assert_eq!(rests, [10, 20, 40, 80, 160, 320, 320, 320]);
    let requests = asked(&mut fetch, now);
    assert!(give(&mut fetch, &torrent, requests[0]).unwrap().is_some());
}

#[test]
fn what_one_refuses_keeps_it_from_nothing_else() {
    // The only peer has the last of the layers alone.
    let torrent = torrent(&[40, 50, 60, 70, 80, 90], 16 * KIB);
    let mut fetch = LayerFetch::new(&bare(&torrent));
    let last = torrent.info().files()[5].root.unwrap();
    fetch.add_peer(1);
    let mut now = NOW;
    let found = (0..20).find_map(|_| {
        for (peer, request) in asked(&mut fetch, now) {
            if request.root == last {
                return give(&mut fetch, &torrent, (peer, request)).unwrap();
            }
            fetch.handle_reject(now, peer, &request);
        }
        now = fetch.poll_timeout().unwrap();
        fetch.handle_timeout(now);
        None
    });
    assert_eq!(found.unwrap().root, last);
    assert!(now <= seconds(30));
}

#[test]
fn there_are_bounds() {
    let torrent = torrent(&[40_000], 16 * KIB);
    let mut fetch = LayerFetch::new(&bare(&torrent));
    for peer in 0..256 {
        assert!(fetch.add_peer(peer));
    }
    assert!(!fetch.add_peer(256));
    let requests = asked(&mut fetch, NOW);
    assert_eq!(requests.len(), 79);
    // All are silent: no more than four are asked for one range.
    for at in 1..=9 {
        fetch.handle_timeout(seconds(at));
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        for (_, request) in requests
            .iter()
            .copied()
            .chain(asked(&mut fetch, seconds(at)))
        {
            *counts.entry(request.index).or_default() += 1;
        }
        assert!(counts.values().all(|count| *count <= 4));
    }
}

/// Fetches from peers of which `kind` says what they do: 0 is honest, 1 lies, 2 is silent, 3 has nothing,
/// 4 leaves. Says how long it took, in seconds.
fn simulate(pieces: &[u64], kinds: &[u32], mut random: u64) -> u64 {
    let torrent = torrent(pieces, 16 * KIB);
    let mut bare = bare(&torrent);
    let mut fetch = LayerFetch::new(&bare);
    let mut answers = HashAnswers::new();
    let mut pending: BTreeMap<(u64, u64), (u32, HashRequest)> = BTreeMap::new();
    let mut gone: BTreeSet<u32> = BTreeSet::new();
    for (peer, _) in (0..).zip(kinds) {
        fetch.add_peer(peer);
    }
    for at in 0..2000 {
        let now = seconds(at);
        if fetch.poll_timeout().is_some_and(|due| due <= now) {
            fetch.handle_timeout(now);
        }
        while let Some((peer, request)) = fetch.poll_request(now) {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            assert!(!gone.contains(&peer));
            pending.insert((at + (random >> 60) % 3, random), (peer, request));
        }
        let later = pending.split_off(&(at + 1, 0));
        for (peer, request) in std::mem::replace(&mut pending, later).into_values() {
            match kinds[peer as usize] {
                2 => {}
                3 => fetch.handle_reject(now, peer, &request),
                4 => {
                    gone.insert(peer);
                    fetch.remove_peer(peer);
                }
                _ if gone.contains(&peer) => {}
                kind => {
                    let mut found = answers.answer(&torrent, &request).unwrap();
                    if kind == 1 {
                        let place = usize::try_from(random >> 20).unwrap() % found.len();
                        found[place][0] ^= 1;
                    }
                    match fetch.handle_hashes(peer, &request, &HashList::new(&found)) {
                        Ok(layer) => {
                            // Nobody who lies gets through, unless nobody needs it any more.
                            if let Some(layer) = layer {
                                assert_eq!(kind, 0);
                                bare.add_layer(layer.root, layer.hashes).unwrap();
                            }
                        }
                        Err(error) => {
                            assert_eq!((kind, error), (1, LayerFetchError::Wrong));
                            gone.insert(peer);
                            fetch.remove_peer(peer);
                        }
                    }
                }
            }
        }
        if fetch.is_done() {
            assert_eq!(bare, torrent);
            return at;
        }
    }
    panic!("it doesn't end");
}

#[test]
fn honest_peers_are_found_among_others() {
    assert!(simulate(&[5000, 30, 700], &[0, 0, 0], 1) <= 5);
    assert!(simulate(&[5000, 30, 700], &[1, 1, 1, 1, 0], 2) <= 10);
    assert!(simulate(&[5000, 30, 700], &[2, 2, 2, 2, 2, 0], 3) <= 60);
    assert!(simulate(&[5000, 30, 700], &[3, 3, 3, 0], 4) <= 20);
    assert!(simulate(&[5000, 30, 700], &[4, 4, 2, 1, 3, 0, 2, 1, 3, 4, 0], 5) <= 60);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn one_honest_peer_among_any(
        pieces in prop::collection::vec(2..1500_u64, 1..4),
        mut kinds in prop::collection::vec(0..5_u32, 0..20),
        at in any::<prop::sample::Index>(),
        random in any::<u64>(),
    ) {
        kinds.insert(at.index(kinds.len() + 1), 0);
        let time = simulate(&pieces, &kinds, random);
        prop_assert!(time <= 240, "{time}");
    }
}

//! Getting an info dictionary, from peers of whom some lie.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::bencode::Value;
use crate::{Info, InfoHashV1, InfoHashV2, InfoHashes};

/// An info dictionary with so many pieces of content, 20 bytes for each.
fn info(pieces: usize) -> Vec<u8> {
    let size = i64::try_from(pieces * 16_384).unwrap();
    let hashes: Vec<u8> = (0..=250).cycle().take(pieces * 20).collect();
    let dict = Value::dict([
        ("length", Some(Value::Number(size))),
        ("name", Some(Value::text("file"))),
        ("piece length", Some(Value::Number(16_384))),
        ("pieces", Some(Value::Text(hashes))),
    ]);
    dict.encode()
}

fn v1(info: &[u8]) -> InfoHashes {
    InfoHashes {
        v1: Some(InfoHashV1::of(info)),
        v2: None,
    }
}

fn size(info: &[u8]) -> u32 {
    u32::try_from(info.len()).unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const NOW: Duration = Duration::ZERO;

/// Answers a request as an honest peer does.
fn answer(
    fetch: &mut MetadataFetch<u32>,
    info: &[u8],
    (peer, piece): (u32, u32),
) -> Result<Progress<u32>, FetchError> {
    let MetadataMessage::Data {
        total_bytes, data, ..
    } = MetadataMessage::answer(info, piece)
    else {
        panic!("piece {piece} was asked for")
    };
    fetch.handle_data(peer, piece, total_bytes, data)
}

#[test]
fn one_honest_peer_is_enough() {
    let info = info(5000);
    let mut fetch = MetadataFetch::new(v1(&info));
    assert!(fetch.add_peer(1, size(&info)));
    let asked: Vec<_> = std::iter::from_fn(|| fetch.poll_request(NOW)).collect();
    // No more than a few at a time.
    assert_eq!(asked, [(1, 0), (1, 1), (1, 2), (1, 3)]);
    assert_eq!(fetch.poll_timeout(), Some(seconds(10)));
    let mut requests = asked;
    loop {
        let request = requests.pop().or_else(|| fetch.poll_request(NOW)).unwrap();
        match answer(&mut fetch, &info, request).unwrap() {
            Progress::More => assert!(fetch.held_bytes() <= info.len() as u64),
            Progress::Done { info: found, liars } => {
                assert_eq!(found.bytes(), info);
                assert_eq!(found.hashes(), v1(&info));
                assert_eq!(liars, []);
                break;
            }
            Progress::Wrong { .. } => panic!("nobody lied"),
        }
    }
    assert!(fetch.is_done() && fetch.poll_request(NOW).is_none());
    assert_eq!(answer(&mut fetch, &info, (1, 0)), Ok(Progress::More));
}

#[test]
fn who_lies_alone_is_known_at_once() {
    let info = info(10);
    let mut fetch = MetadataFetch::new(v1(&info));
    fetch.add_peer(1, size(&info));
    let asked = fetch.poll_request(NOW).unwrap();
    let mut lie = info.clone();
    lie[9] ^= 1;
    let wrong = Ok(Progress::Wrong { liar: Some(1) });
    assert_eq!(answer(&mut fetch, &lie, asked), wrong);
    assert_eq!((fetch.usable_peers(), fetch.held_bytes()), (0, 0));
    assert!(fetch.poll_request(NOW).is_none());
    fetch.add_peer(2, size(&info));
    let asked = fetch.poll_request(NOW).unwrap();
    assert_eq!(asked.0, 2);
    let done = answer(&mut fetch, &info, asked).unwrap();
    assert!(matches!(done, Progress::Done { .. }));
}

#[test]
fn all_infohashes_must_fit() {
    let info = info(10);
    let right = InfoHashV1::of(&info);
    let right_v2 = Some(InfoHashV2::of(&info));
    let wrong_v2 = Some(InfoHashV2::from_bytes([1; 32]));
    for (v1, v2, fits) in [
        (Some(right), right_v2, true),
        (None, right_v2, true),
        (Some(right), wrong_v2, false),
        (Some(InfoHashV1::from_bytes([1; 20])), right_v2, false),
        (None, None, false),
    ] {
        let mut fetch = MetadataFetch::new(InfoHashes { v1, v2 });
        fetch.add_peer(1, size(&info));
        let asked = fetch.poll_request(NOW).unwrap();
        let found = answer(&mut fetch, &info, asked).unwrap();
        assert_eq!(
            matches!(found, Progress::Done { .. }),
            fits,
            "{v1:?} {v2:?}"
        );
    }
}

#[test]
fn a_right_dictionary_may_describe_nothing() {
    let info = b"d4:name1:ae".to_vec();
    let mut fetch = MetadataFetch::new(v1(&info));
    fetch.add_peer(1, size(&info));
    let asked = fetch.poll_request(NOW).unwrap();
    let refused = answer(&mut fetch, &info, asked);
    assert!(matches!(refused, Err(FetchError::Refused(_))));
    assert!(fetch.is_done());
}

#[test]
fn peers_that_refuse_or_are_silent_are_passed_over() {
    let info = info(2000);
    let mut fetch = MetadataFetch::new(v1(&info));
    fetch.add_peer(1, size(&info));
    fetch.handle_reject(NOW, 1, 0);
    for round in 0..3 {
        let now = seconds(round * 40);
        fetch.handle_timeout(now);
        assert_eq!(fetch.usable_peers(), 1);
        let (peer, piece) = fetch.poll_request(now).unwrap();
        fetch.handle_reject(now, peer, piece);
        // It rests.
        assert_eq!(fetch.poll_request(now), None);
    }
    assert_eq!((fetch.usable_peers(), fetch.poll_timeout()), (0, None));
    fetch.add_peer(2, size(&info));
    for round in 0..3 {
        let now = seconds(200 + round * 10);
        fetch.handle_timeout(now);
        assert_eq!(fetch.poll_request(now), Some((2, 0)));
        assert_eq!(fetch.poll_request(now), Some((2, 1)));
    }
    fetch.handle_timeout(seconds(240));
    assert_eq!(fetch.usable_peers(), 0);
    // What comes late is no offence, as often as it was asked for.
    for _ in 0..6 {
        assert_eq!(answer(&mut fetch, &info, (2, 0)), Ok(Progress::More));
    }
    let more = answer(&mut fetch, &info, (2, 0));
    assert_eq!(more, Err(FetchError::Unrequested));
}

#[test]
fn what_nobody_asked_for_is_refused() {
    let info = info(2000);
    let mut fetch = MetadataFetch::new(v1(&info));
    fetch.add_peer(1, size(&info));
    fetch.add_peer(2, size(&info));
    let unrequested = Err(FetchError::Unrequested);
    assert_eq!(answer(&mut fetch, &info, (1, 0)), unrequested);
    assert_eq!(answer(&mut fetch, &info, (9, 0)), unrequested);
    assert_eq!(fetch.poll_request(NOW), Some((1, 0)));
    assert_eq!(answer(&mut fetch, &info, (2, 0)), unrequested);
    let other = fetch.handle_data(1, 0, size(&info), &info[..5]);
    assert_eq!(other, Err(FetchError::OtherSize));
    assert_eq!(fetch.usable_peers(), 1);
    assert_eq!(fetch.poll_request(NOW), Some((2, 0)));
    let other = fetch.handle_data(2, 0, size(&info) - 1, &info[..16_384]);
    assert_eq!(other, Err(FetchError::OtherSize));
}

#[test]
fn peers_and_sizes_are_bounded() {
    let largest = u32::try_from(MAX_INFO_BYTES).unwrap();
    let mut fetch = MetadataFetch::new(v1(b""));
    assert!(!fetch.add_peer(0, 0) && !fetch.add_peer(0, largest + 1));
    assert!(fetch.add_peer(0, largest) && fetch.add_peer(0, largest));
    assert!(!fetch.add_peer(0, 1));
    assert_eq!(fetch.poll_request(NOW), Some((0, 0)));
    // A smaller size needs the room.
    assert!(fetch.add_peer(1, 20_000));
    assert_eq!(fetch.poll_request(NOW), Some((1, 0)));
    assert_eq!(fetch.poll_request(NOW), Some((1, 1)));
    assert_eq!(fetch.poll_request(NOW), None);
    fetch.remove_peer(1);
    fetch.remove_peer(1);
    assert_eq!(fetch.poll_request(NOW), Some((0, 0)));
    let added = (1..1000).filter(|peer| fetch.add_peer(*peer, 5)).count();
    assert_eq!(added, MAX_FETCH_PEERS - 1);
}

/// What a peer of the simulation does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Honest,
    /// Sends wrong bytes, always or for odd pieces.
    Lies,
    LiesAtTimes,
    /// Names another size, and sends as much.
    OtherSize(u32),
    Refuses,
    Silent,
    Leaves,
}

struct Simulation {
    info: Vec<u8>,
    roles: Vec<Role>,
    now: Duration,
    fetch: MetadataFetch<u32>,
    blamed: Vec<u32>,
}

impl Simulation {
    fn new(info: Vec<u8>, roles: Vec<Role>) -> Self {
        let mut fetch = MetadataFetch::new(v1(&info));
        for (peer, role) in (0..).zip(&roles) {
            let named = match role {
                Role::OtherSize(size) => *size,
                _ => size(&info),
            };
            assert!(fetch.add_peer(peer, named));
        }
        Self {
            info,
            roles,
            now: NOW,
            fetch,
            blamed: Vec::new(),
        }
    }

    /// Runs to the end. `order` says which of the open requests is answered next.
    fn run(&mut self, order: &[usize]) -> Option<Info> {
        let mut open: Vec<(u32, u32)> = Vec::new();
        for step in 0..20_000 {
            while let Some(request) = self.fetch.poll_request(self.now) {
                open.push(request);
            }
            let next = order[step % order.len()];
            if open.is_empty() {
                self.now = self.fetch.poll_timeout()?;
                self.fetch.handle_timeout(self.now);
                continue;
            }
            let (peer, piece) = open.swap_remove(next % open.len());
            if let Some(found) = self.answer(peer, piece) {
                return Some(found);
            }
        }
        panic!("it does not end")
    }

    fn answer(&mut self, peer: u32, piece: u32) -> Option<Info> {
        let role = self.roles[peer as usize];
        let total = match role {
            Role::OtherSize(total) => total,
            _ => size(&self.info),
        };
        let mut data = match role {
            Role::Refuses => {
                self.fetch.handle_reject(self.now, peer, piece);
                return None;
            }
            Role::Leaves => {
                self.fetch.remove_peer(peer);
                return None;
            }
            Role::Silent => return None,
            Role::OtherSize(total) => vec![3; total as usize],
            Role::Honest | Role::Lies | Role::LiesAtTimes => self.info.clone(),
        };
        if role == Role::Lies || (role == Role::LiesAtTimes && piece % 2 == 1) {
            data.iter_mut().for_each(|byte| *byte ^= 0x55);
        }
        let MetadataMessage::Data { data, .. } = MetadataMessage::answer(&data, piece) else {
            panic!("piece {piece} was asked for")
        };
        match self.fetch.handle_data(peer, piece, total, data) {
            Ok(Progress::More) => None,
            Ok(Progress::Wrong { liar }) => {
                self.blamed.extend(liar);
                None
            }
            Ok(Progress::Done { info, liars }) => {
                self.blamed.extend(liars);
                Some(*info)
            }
            Err(error) => panic!("{role:?}: {error}"),
        }
    }
}

#[test]
fn a_lying_peer_among_honest_ones() {
    let info = info(8000);
    let roles = vec![Role::Lies, Role::Honest, Role::Honest, Role::Honest];
    let mut simulation = Simulation::new(info.clone(), roles);
    let found = simulation.run(&[0]).unwrap();
    assert_eq!(found.bytes(), info);
    // Blamed for all pieces at the second try, and proven by its piece of the first.
    assert_eq!(simulation.blamed, [0, 0]);
    assert_eq!(simulation.now, NOW);
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        2 => Just(Role::Honest),
        2 => Just(Role::Lies),
        1 => Just(Role::LiesAtTimes),
        1 => (1..60_000_u32).prop_map(Role::OtherSize),
        1 => Just(Role::Refuses),
        1 => Just(Role::Silent),
        1 => Just(Role::Leaves),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn one_honest_peer_among_any_others_is_enough(
        mut roles in vec(role(), 0..8),
        place in 0..8_usize,
        pieces in 1..4000_usize,
        order in vec(any::<usize>(), 1..20),
    ) {
        roles.insert(place.min(roles.len()), Role::Honest);
        let info = info(pieces);
        let honest: BTreeMap<u32, Role> = (0..).zip(roles.clone()).collect();
        let mut simulation = Simulation::new(info.clone(), roles);
        let found = simulation.run(&order);
        prop_assert_eq!(found.map(|found| found.bytes().to_vec()), Some(info));
        for blamed in simulation.blamed {
            let lied = matches!(honest[&blamed], Role::Lies | Role::LiesAtTimes | Role::OtherSize(_));
            prop_assert!(lied, "{} was blamed", blamed);
        }
    }

    #[test]
    fn without_honest_peers_nothing_is_taken(
        roles in vec(role().prop_filter("honest", |role| *role != Role::Honest), 0..6),
        pieces in 900..4000_usize,
        order in vec(any::<usize>(), 1..20),
    ) {
        let mut simulation = Simulation::new(info(pieces), roles);
        if let Some(found) = simulation.run(&order) {
            // Only who tells the truth at times could help.
            prop_assert_eq!(found.bytes(), &simulation.info[..]);
        }
        prop_assert_eq!(simulation.fetch.usable_peers(), 0);
    }
}

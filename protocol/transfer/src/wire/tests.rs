use std::ops::Range;

use potluck_content::{Address, Hash, PieceLayout, PieceSet};
use potluck_identity::{NodeKey, PeerId};
use proptest::prelude::*;
use serde_bytes::ByteBuf;

use super::bulk::{self, Cancel, Header, Item, Request, Status};
use super::control::{
    self, Have, Head, Hello, PeerHint, Peers, Reject, RejectReason, Retract, RetractReason, Welcome,
};
use super::{PieceMap, WireError, frame_len};

/// The vectors of the specification: name and bytes in hex.
const SPEC: &str = include_str!("../../../../docs/spec/transfer.md");

fn peer(seed: u8) -> PeerId {
    NodeKey::from_seed([seed; 32]).peer_id()
}

fn root() -> Address {
    Address::blob(Hash::of(b"potluck"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn control_examples() -> Vec<(&'static str, control::Message)> {
    vec![
        (
            "hello",
            control::Message::Hello(Hello {
                root: root(),
                head: true,
                serving: false,
            }),
        ),
        (
            "welcome",
            control::Message::Welcome(Welcome {
                size: 7,
                head: Some(Head {
                    proof: Vec::new(),
                    data: b"potluck".to_vec(),
                }),
                have: PieceMap::All,
            }),
        ),
        (
            "welcome-partial",
            control::Message::Welcome(Welcome {
                size: 1_250_000,
                head: None,
                have: PieceMap::Bitmap(vec![0b101, 0, 0b1000]),
            }),
        ),
        (
            "reject",
            control::Message::Reject(Reject {
                reason: RejectReason::NotFound,
            }),
        ),
        (
            "have",
            control::Message::Have(Have {
                ranges: vec![0..3, 17..18],
            }),
        ),
        (
            "retract",
            control::Message::Retract(Retract {
                ranges: std::iter::once(5..9).collect(),
                reason: RetractReason::Changed,
            }),
        ),
        (
            "peers",
            control::Message::Peers(Peers {
                peers: vec![PeerHint {
                    id: peer(1),
                    addrs: vec![ByteBuf::from(vec![4, 127, 0, 0, 1, 6, 0x0f, 0xa1])],
                }],
            }),
        ),
        ("ping", control::Message::Ping),
    ]
}

fn bulk_examples() -> Vec<(&'static str, bulk::Message)> {
    let item = Item {
        hash: Hash::of(b"potluck"),
        size: 1 << 20,
        first_group: 16,
        groups: 16,
    };
    vec![
        (
            "request",
            bulk::Message::Request(Request {
                id: 1,
                root: root(),
                items: vec![item],
            }),
        ),
        ("cancel", bulk::Message::Cancel(Cancel { id: 1 })),
    ]
}

/// The hex that the specification gives for a vector.
fn vector(name: &str) -> &'static str {
    let start = format!("{name}: ");
    SPEC.lines()
        .find_map(|line| line.strip_prefix(start.as_str()))
        .unwrap_or_default()
}

#[test]
fn vectors_of_the_specification() {
    let mut found = Vec::new();
    for (name, message) in control_examples() {
        found.push((name, hex(&message.encode().unwrap())));
    }
    for (name, message) in bulk_examples() {
        found.push((name, hex(&message.encode().unwrap())));
    }
    let header = Header {
        id: 1,
        item: 2,
        status: Status::Changed,
    };
    found.push(("header", hex(&header.encode())));
    let text: String = found
        .iter()
        .map(|(name, hex)| format!("{name}: {hex}\n"))
        .collect();
    for (name, hex) in &found {
        assert_eq!(vector(name), hex, "the vectors should be:\n{text}");
    }
}

#[test]
fn round_trips() {
    for (name, message) in control_examples() {
        let frame = message.encode().unwrap();
        let len = frame_len(frame[..4].try_into().unwrap(), control::MAX_FRAME_BYTES).unwrap();
        assert_eq!(len, frame.len() - 4, "{name}");
        assert_eq!(
            control::Message::decode(&frame[4..]).unwrap(),
            message,
            "{name}"
        );
    }
    for (name, message) in bulk_examples() {
        let frame = message.encode().unwrap();
        assert_eq!(
            bulk::Message::decode(&frame[4..]).unwrap(),
            message,
            "{name}"
        );
    }
}

#[test]
fn frames_are_bounded() {
    assert_eq!(frame_len([0; 4], 10), Err(WireError::Empty));
    assert_eq!(
        frame_len([0, 0, 0, 11], 10),
        Err(WireError::TooLong { len: 11, max: 10 })
    );
    assert_eq!(frame_len([0, 0, 0, 10], 10), Ok(10));
    let long = vec![0; control::MAX_FRAME_BYTES + 1];
    assert!(matches!(
        control::Message::decode(&long),
        Err(WireError::TooLong { .. })
    ));
    assert_eq!(bulk::Message::decode(&[]), Err(WireError::Empty));
}

#[test]
fn only_one_spelling() {
    // "ping" with a length in two bytes, then with something behind it.
    assert!(control::Message::decode(&[0x78, 4, b'p', b'i', b'n', b'g']).is_err());
    assert!(control::Message::decode(&[0x64, b'p', b'i', b'n', b'g', 0]).is_err());
    assert_eq!(
        control::Message::decode(&[0x64, b'p', b'i', b'n', b'g']),
        Ok(control::Message::Ping)
    );
}

#[test]
fn bad_ranges_are_refused() {
    let bad: Vec<Vec<Range<u32>>> = vec![
        vec![],
        std::iter::once(3..3).collect(),
        vec![0..3, 3..4],
        vec![5..6, 0..1],
        std::iter::once(0..u32::MAX).collect(),
        (0..5000).map(|n| 2 * n..2 * n + 1).collect(),
    ];
    for ranges in bad {
        assert!(control::Message::Have(Have { ranges }).encode().is_err());
    }
    let many: Vec<Range<u32>> = (0..5000).map(|n| 2 * n..2 * n + 1).collect();
    assert_eq!(control::Message::have(&many).count(), 2);
    assert!(control::Message::have(&many).all(|message| message.encode().is_ok()));
}

#[test]
fn bad_heads_and_peers_are_refused() {
    let welcome = |proof, data| {
        let head = Some(Head { proof, data });
        control::Message::Welcome(Welcome {
            size: 1,
            head,
            have: PieceMap::All,
        })
        .encode()
    };
    assert!(welcome(vec![0; 64], vec![0; 16 * 1024]).is_ok());
    assert!(welcome(vec![0; 63], vec![]).is_err());
    assert!(welcome(vec![0; 64 * 200], vec![]).is_err());
    assert!(welcome(vec![], vec![0; 16 * 1024 + 1]).is_err());
    let hint = |addrs| PeerHint { id: peer(1), addrs };
    let peers = |peers| control::Message::Peers(Peers { peers }).encode();
    assert!(peers(vec![hint(vec![]); 16]).is_ok());
    assert!(peers(vec![hint(vec![]); 17]).is_err());
    assert!(peers(vec![hint(vec![ByteBuf::new(); 9])]).is_err());
    assert!(peers(vec![hint(vec![ByteBuf::from(vec![0; 257])])]).is_err());
}

#[test]
fn bad_requests_are_refused() {
    let item = Item {
        hash: Hash::of(b""),
        size: 1 << 30,
        first_group: 0,
        groups: 1,
    };
    let encode = |items| {
        bulk::Message::Request(Request {
            id: 0,
            root: root(),
            items,
        })
        .encode()
    };
    assert!(encode(vec![item; 256]).is_ok());
    assert!(encode(vec![item; 257]).is_err());
    assert!(encode(vec![]).is_err());
    assert!(encode(vec![Item { groups: 0, ..item }]).is_err());
    assert!(
        encode(vec![Item {
            groups: 1024,
            ..item
        }])
        .is_ok()
    );
    assert!(
        encode(vec![Item {
            groups: 1025,
            ..item
        }])
        .is_err()
    );
    assert!(
        encode(vec![Item {
            first_group: 65_536,
            ..item
        }])
        .is_err()
    );
    assert!(
        encode(vec![Item {
            first_group: u64::MAX,
            ..item
        }])
        .is_err()
    );
    assert!(encode(vec![Item { size: 0, ..item }]).is_ok());
}

#[test]
fn headers() {
    for status in 0..6 {
        let header = Header {
            id: 0xdead_beef,
            item: 255,
            status: Status::try_from(status).unwrap(),
        };
        assert_eq!(Header::decode(header.encode()), Ok(header));
    }
    assert!(Header::decode([0, 0, 0, 0, 0, 0, 6]).is_err());
}

#[test]
fn pieces_become_items() {
    let layout = PieceLayout::for_blob(Hash::of(b"x"), 3 * 64 * 1024 + 5);
    let spans = |pieces: &[u32], max| {
        let items = bulk::items_for(&layout, pieces, max);
        items.iter().map(Item::span).collect::<Vec<_>>()
    };
    assert_eq!(spans(&[0, 1, 3, 2], 1 << 20), vec![0..8, 12..13, 8..12]);
    assert_eq!(spans(&[0, 1, 2], 64 * 1024), vec![0..4, 4..8, 8..12]);
    assert_eq!(spans(&[0], 16 * 1024), vec![0..1, 1..2, 2..3, 3..4]);
    assert_eq!(spans(&[9], 1 << 20), Vec::<Range<u64>>::new());
    let items = bulk::items_for(&layout, &[0, 1, 2, 3], 16 * 1024);
    assert_eq!(bulk::batches(&items).len(), 1);
    assert_eq!(bulk::batches(&items.repeat(20)).len(), 2);
}

#[test]
fn piece_maps() {
    let mut set = PieceSet::new(10);
    set.insert(3);
    let map = PieceMap::of(&set);
    assert_eq!(map.to_set(10).unwrap(), set);
    assert!(map.to_set(17).is_err());
    assert_eq!(PieceMap::of(&PieceSet::full(10)), PieceMap::All);
    assert!(PieceMap::All.to_set(5).unwrap().is_full());
    assert!(
        PieceMap::Bitmap(vec![0xff, 0xff])
            .to_availability(10)
            .is_err()
    );
}

proptest! {
    /// Whatever decodes encodes to the same bytes; nothing panics.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = control::Message::decode(&bytes) {
            prop_assert_eq!(&message.encode().unwrap()[4..], &bytes[..]);
        }
        if let Ok(message) = bulk::Message::decode(&bytes) {
            prop_assert_eq!(&message.encode().unwrap()[4..], &bytes[..]);
        }
    }

    /// Frames with a few bytes changed never panic, and decode to what they spell.
    #[test]
    fn damaged_frames(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut frames: Vec<Vec<u8>> =
            control_examples().iter().map(|(_, message)| message.encode().unwrap()).collect();
        frames.extend(bulk_examples().iter().map(|(_, message)| message.encode().unwrap()));
        let body = &mut which.get(&frames).clone()[4..];
        for (place, byte) in changes {
            body[place.index(body.len())] = byte;
        }
        if let Ok(message) = control::Message::decode(body) {
            prop_assert_eq!(&message.encode().unwrap()[4..], &*body);
        }
        if let Ok(message) = bulk::Message::decode(body) {
            prop_assert_eq!(&message.encode().unwrap()[4..], &*body);
        }
    }
}

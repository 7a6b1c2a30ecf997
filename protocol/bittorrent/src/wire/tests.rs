//! Frames byte by byte as the specifications have them, and whatever else may come.

mod frames;
mod random;

use super::*;
use crate::{InfoHashV1, InfoHashV2, InfoHashes};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    data_encoding::HEXLOWER.decode(&digits).unwrap()
}

fn encoded(message: Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out).unwrap();
    out
}

/// A torrent of three pieces of 32 KiB, the last with 5 bytes.
fn geometry() -> Geometry {
    Geometry::new(2 * 32_768 + 5, 32_768).unwrap()
}

fn block(piece: u32, begin: u32, length: u32) -> Block {
    Block {
        piece,
        begin,
        length,
    }
}

const V1: InfoHashV1 = InfoHashV1::from_bytes([0xaa; 20]);
const V2: InfoHashV2 = InfoHashV2::from_bytes([0xbb; 32]);

#[test]
fn handshake_as_specified() {
    let handshake = Handshake {
        features: Features {
            extended: true,
            fast: true,
            dht: true,
            v2: true,
        },
        infohash: V1,
        peer: PeerId::from_bytes(*b"-PL0001-abcdefghijkl"),
    };
    let mut bytes = b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x15".to_vec();
    bytes.extend([0xaa; 20]);
    bytes.extend(b"-PL0001-abcdefghijkl");
    assert_eq!(handshake.encode().as_slice(), bytes);
    let bytes: [u8; HANDSHAKE_BYTES] = bytes.try_into().unwrap();
    assert_eq!(Handshake::decode(&bytes), Ok(handshake));
    let head = bytes.first_chunk().unwrap();
    assert_eq!(
        Handshake::decode_head(head),
        Ok((handshake.features, handshake.infohash))
    );
    for (at, bit) in [(5, 0x10), (7, 4), (7, 1), (7, 0x10)] {
        let mut bytes = bytes;
        bytes[20 + at] ^= bit;
        // A bit that nobody knows changes nothing.
        bytes[20] = 0x80;
        let features = Handshake::decode(&bytes).unwrap().features;
        let Features {
            extended,
            fast,
            dht,
            v2,
        } = features;
        assert_eq!(
            [extended, fast, dht, v2].iter().filter(|is| **is).count(),
            3
        );
        assert_eq!(features.and(handshake.features), features);
    }
    assert_eq!(
        format!("{:?}", handshake.peer),
        "PeerId(-PL0001-abcdefghijkl)"
    );
}

#[test]
fn other_protocols_are_told_by_their_first_bytes() {
    assert!(Handshake::can_begin_with(b"") && Handshake::can_begin_with(b"\x13BitT"));
    assert!(!Handshake::can_begin_with(b"\x13Bitt") && !Handshake::can_begin_with(b"GET / HT"));
    assert_eq!(Handshake::decode(&[0; 68]), Err(WireError::NotHandshake));
}

#[test]
fn hybrids_go_up_to_version_2() {
    let hybrid = InfoHashes {
        v1: Some(V1),
        v2: Some(V2),
    };
    let only_v1 = InfoHashes {
        v1: Some(V1),
        v2: None,
    };
    let only_v2 = InfoHashes {
        v1: None,
        v2: Some(V2),
    };
    let can = |v2| Features {
        v2,
        ..Features::default()
    };
    let by_v1 = Some(Agreement {
        infohash: V1,
        is_v2: false,
    });
    let by_v2 = Some(Agreement {
        infohash: V2.truncated(),
        is_v2: true,
    });
    for (ours, asked, theirs, answer) in [
        (hybrid, V1, true, by_v2),
        (hybrid, V1, false, by_v1),
        (hybrid, V2.truncated(), false, by_v2),
        (only_v1, V1, true, by_v1),
        (only_v1, V2.truncated(), true, None),
        (only_v2, V1, true, None),
        (only_v2, V2.truncated(), false, by_v2),
    ] {
        assert_eq!(Agreement::to_answer(asked, can(theirs), &ours), answer);
    }
    for (ours, asked, offered, answered, agreed) in [
        (hybrid, V1, true, V2.truncated(), by_v2),
        (hybrid, V1, false, V2.truncated(), None),
        (hybrid, V1, true, V1, by_v1),
        (hybrid, V2.truncated(), true, V2.truncated(), by_v2),
        (hybrid, V2.truncated(), true, V1, None),
        (only_v1, V1, true, V2.truncated(), None),
        (only_v2, V2.truncated(), true, V2.truncated(), by_v2),
    ] {
        let found = Agreement::from_answer(asked, can(offered), answered, &ours);
        assert_eq!(found, agreed);
    }
}

/// The examples of BEP 6.
#[test]
fn allowed_fast_as_specified() {
    let ip = [80, 4, 4, 200].into();
    let seven = [1059, 431, 808, 1217, 287, 376, 1188];
    assert_eq!(allowed_fast(ip, V1, 1313, 7), seven);
    let nine = allowed_fast(ip, V1, 1313, 9);
    assert_eq!((&nine[..7], &nine[7..]), (&seven[..], &[353, 508][..]));
    // The last byte of the address makes no difference, the one before does.
    assert_eq!(allowed_fast([80, 4, 4, 1].into(), V1, 1313, 9), nine);
    assert_ne!(allowed_fast([80, 4, 5, 200].into(), V1, 1313, 9), nine);
}

#[test]
fn allowed_fast_is_bounded() {
    let ip = [80, 4, 4, 200].into();
    assert_eq!(allowed_fast(ip, V1, 0, 10), []);
    assert_eq!(allowed_fast(ip, V1, 3, 10), [0, 1, 2]);
    let all = allowed_fast(ip, V1, 65, usize::MAX);
    assert_eq!(all.len(), MAX_ALLOWED_FAST);
    assert_eq!(allowed_fast(ip, V1, u32::MAX, 10).len(), ALLOWED_FAST);
    assert_eq!(allowed_fast(ip, V1, 1000, 0), []);
}

#[test]
fn geometry_of_pieces() {
    let geometry = geometry();
    assert_eq!(geometry.pieces(), 3);
    let lengths = [0, 1, 2, 3, u32::MAX].map(|piece| geometry.piece_len(piece));
    assert_eq!(lengths, [Some(32_768), Some(32_768), Some(5), None, None]);
    assert_eq!(Geometry::new(0, 1), None);
    assert_eq!(Geometry::new(1, 0), None);
    assert_eq!(Geometry::new(u64::MAX, 1 << 20), None);
    assert_eq!(Geometry::new(1, u64::MAX), None);
}

//! Each message, as it stands on the wire.

use potluck_content::PieceSet;

use super::*;

const ROOT: [u8; 32] = [7; 32];

fn request(base_layer: u32, index: u32, length: u32, proof_layers: u32) -> HashRequest {
    HashRequest {
        root: ROOT,
        base_layer,
        index,
        length,
        proof_layers,
    }
}

#[test]
fn messages_as_specified() {
    let block = block(1, 0x4000, 0x4000);
    let blocks = "00000001 00004000 00004000";
    let root = "07".repeat(32);
    let hashes = [[1; 32], [2; 32], [3; 32]];
    let asked = request(0, 4, 2, 1);
    let named = format!("{root} 00000000 00000004 00000002 00000001");
    let piece = Message::Piece {
        piece: 2,
        begin: 3,
        data: b"ab",
    };
    let extended = Message::Extended {
        id: 3,
        payload: b"de",
    };
    let list = Message::Hashes {
        request: asked,
        hashes: HashList::new(&hashes),
    };
    let bitfield = Message::Bitfield(Bitfield::from_bytes(&[0xa0]));
    let unknown = Message::Unknown {
        id: 99,
        payload: b"x",
    };
    for (message, bytes) in [
        (Message::KeepAlive, "00000000".to_owned()),
        (Message::Choke, "00000001 00".to_owned()),
        (Message::Unchoke, "00000001 01".to_owned()),
        (Message::Interested, "00000001 02".to_owned()),
        (Message::NotInterested, "00000001 03".to_owned()),
        (Message::Have(2), "00000005 04 00000002".to_owned()),
        (bitfield, "00000002 05 a0".to_owned()),
        (Message::Request(block), format!("0000000d 06 {blocks}")),
        (piece, "0000000b 07 00000002 00000003 6162".to_owned()),
        (Message::Cancel(block), format!("0000000d 08 {blocks}")),
        (Message::Port(0x1ae1), "00000003 09 1ae1".to_owned()),
        (Message::Suggest(1), "00000005 0d 00000001".to_owned()),
        (Message::HaveAll, "00000001 0e".to_owned()),
        (Message::HaveNone, "00000001 0f".to_owned()),
        (Message::Reject(block), format!("0000000d 10 {blocks}")),
        (Message::AllowedFast(0), "00000005 11 00000000".to_owned()),
        (extended, "00000004 14 03 6465".to_owned()),
        (Message::HashRequest(asked), format!("00000031 15 {named}")),
        (
            list,
            format!(
                "00000091 16 {named} {} {} {}",
                "01".repeat(32),
                "02".repeat(32),
                "03".repeat(32)
            ),
        ),
        (Message::HashReject(asked), format!("00000031 17 {named}")),
        (unknown, "00000002 63 78".to_owned()),
    ] {
        let bytes = hex(&bytes);
        assert_eq!(encoded(message), bytes, "{message:?}");
        let known = geometry();
        assert_eq!(
            Message::decode(&bytes[PREFIX_BYTES..], Some(&known)),
            Ok(message)
        );
        assert_eq!(Message::decode(&bytes[PREFIX_BYTES..], None), Ok(message));
    }
}

#[test]
fn hashes_are_told_from_their_proof() {
    let hashes = [[1; 32], [2; 32], [3; 32]];
    let list = HashList::new(&hashes);
    assert_eq!(list.all(), hashes);
    assert_eq!(
        list.split(&request(0, 4, 2, 1)),
        (&hashes[..2], &hashes[2..])
    );
}

#[test]
fn the_head_of_a_block_is_that_of_its_frame() {
    let data = [5; 100];
    let frame = encoded(Message::Piece {
        piece: 8,
        begin: 900,
        data: &data,
    });
    assert_eq!(frame[..PIECE_HEAD_BYTES], piece_head(&block(8, 900, 100)));
}

#[test]
fn refuses_other_lengths() {
    for id in 0..=u8::MAX {
        for bytes in [1, 2, 3, 4, 5, 6, 12, 13, 14, 48, 49, 50] {
            let mut frame = vec![0; bytes];
            frame[0] = id;
            let fits = match id {
                0..=3 | 14 | 15 => bytes == 1,
                4 | 13 | 17 => bytes == 5,
                6 | 8 | 16 | 21 | 22 | 23 => false,
                7 => bytes > 9,
                9 => bytes == 3,
                20 => bytes > 1,
                _ => true,
            };
            let found = Message::decode(&frame, None);
            assert_eq!(found.is_ok(), fits, "{id} with {bytes} bytes: {found:?}");
        }
    }
}

#[test]
fn refuses_what_the_torrent_does_not_have() {
    let known = geometry();
    let judge = |message: Message<'_>| {
        let frame = encoded(message);
        Message::decode(&frame[PREFIX_BYTES..], Some(&known)).err()
    };
    let (piece, pieces) = (3, 3);
    let none = Some(WireError::NoSuchPiece { piece, pieces });
    for message in [
        Message::Have(3),
        Message::Suggest(3),
        Message::AllowedFast(3),
        Message::Request(block(3, 0, 1)),
    ] {
        assert_eq!(judge(message), none);
    }
    assert_eq!(judge(Message::Request(block(2, 0, 5))), None);
    for (piece, begin, length) in [(2, 0, 6), (2, 5, 1), (0, 32_768, 1), (1, 1, 32_768)] {
        let outside = WireError::OutsidePiece {
            piece,
            begin,
            length,
        };
        for message in [Message::Request, Message::Cancel, Message::Reject] {
            assert_eq!(judge(message(block(piece, begin, length))), Some(outside));
        }
        let data = vec![0; length as usize];
        let message = Message::Piece {
            piece,
            begin,
            data: &data,
        };
        assert_eq!(judge(message), Some(outside));
    }
    for (bytes, error) in [
        (&[0xe0][..], None),
        (&[0xf0], Some(WireError::SpareBits)),
        (
            &[],
            Some(WireError::BitfieldLength {
                expected: 1,
                found: 0,
            }),
        ),
        (
            &[0, 0],
            Some(WireError::BitfieldLength {
                expected: 1,
                found: 2,
            }),
        ),
    ] {
        let bitfield = Bitfield::from_bytes(bytes);
        assert_eq!(judge(Message::Bitfield(bitfield)), error);
        assert_eq!(bitfield.to_set(3).err(), error);
    }
}

#[test]
fn refuses_blocks_that_no_torrent_has() {
    let mut out = vec![1];
    for (begin, length) in [(0, 0), (0, MAX_BLOCK_BYTES + 1), (0, u32::MAX)] {
        let refused = Message::Request(block(0, begin, length)).encode(&mut out);
        assert_eq!(refused, Err(WireError::BlockLength { length }));
    }
    assert!(
        Message::Request(block(0, u32::MAX, 1))
            .encode(&mut out)
            .is_err()
    );
    assert!(
        Message::Request(block(1 << 21, 0, 1))
            .encode(&mut out)
            .is_err()
    );
    assert!(Message::Have(1 << 21).encode(&mut out).is_err());
    let huge = vec![0; MAX_EXTENDED_BYTES + 1];
    let message = Message::Extended {
        id: 1,
        payload: &huge,
    };
    assert!(matches!(
        message.encode(&mut out),
        Err(WireError::TooLong { .. })
    ));
    // What was refused leaves nothing behind.
    assert_eq!(out, [1]);
    let largest = Message::Request(block((1 << 21) - 1, 0, MAX_BLOCK_BYTES));
    assert_eq!(largest.encode(&mut out), Ok(()));
}

#[test]
fn bitfields_count_from_the_highest_bit() {
    let mut set = PieceSet::new(11);
    for piece in [0, 7, 9] {
        set.insert(piece);
    }
    let bytes = Bitfield::bytes_of(&set);
    assert_eq!(bytes, [0b1000_0001, 0b0100_0000]);
    assert_eq!(Bitfield::from_bytes(&bytes).to_set(11), Ok(set));
    assert_eq!(
        Bitfield::from_bytes(&bytes).to_set(9),
        Err(WireError::SpareBits)
    );
    assert!(Bitfield::from_bytes(&bytes).to_set(u32::MAX).is_err());
}

#[test]
fn hash_requests_are_bounded() {
    for (asked, error) in [
        (request(0, 0, 512, 31), None),
        (request(31, 0, 1, 0), None),
        (request(4, 8192, MAX_HASHES, 3), None),
        // Cut by the end of the layer.
        (request(4, 512, 3, 3), None),
        (request(32, 0, 2, 0), Some(WireError::HashLayer)),
        (request(0, 0, 2, 32), Some(WireError::HashLayer)),
        (request(0, 0, 0, 0), Some(WireError::HashRange)),
        (request(0, 0, MAX_HASHES + 1, 0), Some(WireError::HashRange)),
        (request(0, 0, u32::MAX, 0), Some(WireError::HashRange)),
        (request(0, 2, 4, 0), Some(WireError::HashRange)),
        (request(0, 2, 3, 0), Some(WireError::HashRange)),
        (request(0, 1 << 31, 2, 0), Some(WireError::HashRange)),
    ] {
        let mut out = Vec::new();
        let found = Message::HashRequest(asked).encode(&mut out).err();
        assert_eq!(found, error, "{asked:?}");
    }
}

#[test]
fn hash_requests_are_held_against_the_file() {
    // Five leaves, in a tree for eight.
    let file_bytes = 4 * 16_384 + 1;
    for (asked, fits) in [
        (request(0, 0, 8, 2), true),
        (request(0, 0, 8, 3), false),
        (request(0, 6, 2, 0), true),
        (request(0, 8, 2, 0), false),
        (request(0, 0, 16, 0), false),
        (request(2, 0, 2, 0), true),
        (request(2, 0, 2, 1), false),
        (request(3, 0, 1, 0), false),
        (request(31, 0, 1, 0), false),
        (request(u32::MAX, u32::MAX, u32::MAX, u32::MAX), false),
    ] {
        assert_eq!(asked.fits(file_bytes), fits, "{asked:?}");
    }
    // The one leaf is the root; without any bytes there is none.
    assert!(!request(0, 0, 1, 0).fits(16_384) && !request(0, 0, 1, 0).fits(0));
    assert!(request(0, 0, 2, 0).fits(16_385) && request(31, 0, 2, 0).fits(u64::MAX));
}

/// BEP 52 leaves out the layers that follow from the hashes themselves: all but the last of them.
#[test]
fn hashes_are_as_many_as_were_asked_for() {
    let many = [[0; 32]; 20];
    let judge = |request: HashRequest, hashes: usize| {
        let mut out = Vec::new();
        let hashes = HashList::new(&many[..hashes]);
        Message::Hashes { request, hashes }.encode(&mut out)
    };
    for (length, proof_layers, most) in [
        (2, 0, 2),
        (2, 3, 5),
        (4, 3, 6),
        (8, 2, 8),
        (8, 3, 9),
        (1, 3, 5),
        (3, 3, 5),
    ] {
        let request = request(0, 0, length, proof_layers);
        for hashes in 0..most + 3 {
            let fits = (length as usize..=most).contains(&hashes);
            assert_eq!(
                judge(request, hashes).is_ok(),
                fits,
                "{request:?}: {hashes}"
            );
        }
    }
    let mut frame = encoded(Message::Hashes {
        request: request(0, 0, 2, 0),
        hashes: HashList::new(&many[..2]),
    });
    frame.pop();
    assert!(Message::decode(&frame[PREFIX_BYTES..], None).is_err());
}

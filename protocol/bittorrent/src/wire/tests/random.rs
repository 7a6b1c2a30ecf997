//! What is written is read the same, in whatever parts it comes; and whatever comes is judged.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A message whose borrowed bytes are its own.
#[derive(Clone, Debug)]
struct Owned {
    bytes: Vec<u8>,
    hashes: Vec<[u8; 32]>,
    kind: u8,
    block: Block,
    request: HashRequest,
}

impl Owned {
    fn message(&self) -> Message<'_> {
        let Self { bytes, request, .. } = self;
        let piece = self.block.piece;
        match self.kind {
            0 => Message::KeepAlive,
            1 => Message::Choke,
            2 => Message::Unchoke,
            3 => Message::Interested,
            4 => Message::NotInterested,
            5 => Message::Have(piece),
            6 => Message::Bitfield(Bitfield::from_bytes(bytes)),
            7 => Message::Request(self.block),
            8 => Message::Piece {
                piece,
                begin: self.block.begin,
                data: bytes,
            },
            9 => Message::Cancel(self.block),
            10 => Message::Port(6881),
            11 => Message::Suggest(piece),
            12 => Message::HaveAll,
            13 => Message::HaveNone,
            14 => Message::Reject(self.block),
            15 => Message::AllowedFast(piece),
            16 => Message::Extended {
                id: 9,
                payload: bytes,
            },
            17 => Message::HashRequest(*request),
            18 => Message::Hashes {
                request: *request,
                hashes: HashList::new(&self.hashes),
            },
            19 => Message::HashReject(*request),
            _ => Message::Unknown {
                id: 200,
                payload: bytes,
            },
        }
    }
}

prop_compose! {
    fn message()(
        bytes in vec(any::<u8>(), 1..300),
        hashes in vec(any::<[u8; 32]>(), 4..5),
        kind in 0..21_u8,
        piece in 0..1_u32 << 21,
        begin in 0..1_u32 << 20,
        length in 1..=MAX_BLOCK_BYTES,
        root in any::<[u8; 32]>(),
        base_layer in 0..=MAX_LAYERS,
        index in 0..1000_u32,
        proof_layers in 0..=MAX_LAYERS,
    ) -> Owned {
        let block = Block { piece, begin, length };
        let request = HashRequest { root, base_layer, index: index * 4, length: 4, proof_layers };
        Owned { bytes, hashes, kind, block, request }
    }
}

/// Feeds a stream in parts, and puts together again what comes out.
fn read_in_parts(stream: &[u8], parts: &[usize]) -> Vec<u8> {
    let mut reader = FrameReader::new(None);
    let (mut buffer, mut fed, mut parts) = (Vec::new(), 0, parts.iter().cycle());
    let mut out = Vec::new();
    loop {
        let (used, event) = reader.next(&buffer).unwrap();
        match event {
            Event::Need(0) => panic!("nothing is needed, and nothing there"),
            Event::Need(_) if fed == stream.len() => break,
            Event::Need(bytes) => {
                assert!(bytes + buffer.len() <= PREFIX_BYTES + MAX_FRAME_BYTES);
                let end = (fed + parts.next().unwrap()).min(stream.len());
                buffer.extend_from_slice(&stream[fed..end]);
                fed = end;
            }
            Event::Message(message) => message.encode(&mut out).unwrap(),
            Event::Piece(block) => out.extend(piece_head(&block)),
            Event::Data { data, .. } => out.extend_from_slice(data),
        }
        buffer.drain(..used);
    }
    assert!(buffer.is_empty() && reader.data_left() == 0);
    out
}

proptest! {
    #[test]
    fn what_is_written_is_read(owned in message()) {
        let message = owned.message();
        let bytes = encoded(message);
        prop_assert!(bytes.len() <= PREFIX_BYTES + MAX_FRAME_BYTES);
        prop_assert_eq!(Message::decode(&bytes[PREFIX_BYTES..], None), Ok(message));
    }

    #[test]
    fn streams_are_read_in_any_parts(
        messages in vec(message(), 1..20),
        parts in vec(1..200_usize, 1..9),
    ) {
        let mut stream = Vec::new();
        for owned in &messages {
            owned.message().encode(&mut stream).unwrap();
        }
        prop_assert_eq!(read_in_parts(&stream, &parts), stream);
    }

    #[test]
    fn handshakes_are_read(features in any::<[bool; 4]>(), infohash in any::<[u8; 20]>(), peer in any::<[u8; 20]>()) {
        let [extended, fast, dht, v2] = features;
        let handshake = Handshake {
            features: Features { extended, fast, dht, v2 },
            infohash: InfoHashV1::from_bytes(infohash),
            peer: PeerId::from_bytes(peer),
        };
        prop_assert_eq!(Handshake::decode(&handshake.encode()), Ok(handshake));
    }

    #[test]
    fn any_frame_is_judged(id in 0..30_u8, payload in vec(any::<u8>(), 0..200), pieces in 1..2000_u64) {
        let mut frame = vec![id];
        frame.extend(payload);
        let known = Geometry::new(pieces * 16_384, 16_384).unwrap();
        for known in [None, Some(&known)] {
            if let Ok(message) = Message::decode(&frame, known) {
                prop_assert_eq!(&encoded(message)[PREFIX_BYTES..], &frame);
            }
        }
    }

    #[test]
    fn any_stream_is_judged(stream in vec(prop_oneof![Just(0_u8), 0..30_u8, any::<u8>()], 0..300)) {
        let mut reader = FrameReader::new(Some(geometry()));
        let mut rest = &stream[..];
        while let Ok((used, event)) = reader.next(rest) {
            if let Event::Need(bytes) = event {
                prop_assert!(used == 0 && bytes > 0);
                break;
            }
            prop_assert!(used > 0);
            rest = &rest[used..];
        }
    }

    #[test]
    fn any_handshake_is_judged(bytes in vec(any::<u8>(), 48), named in any::<bool>()) {
        let mut whole = [0; HANDSHAKE_BYTES];
        whole[20..].copy_from_slice(&bytes);
        if named {
            whole[..20].copy_from_slice(b"\x13BitTorrent protocol");
        }
        prop_assert_eq!(Handshake::decode(&whole).is_ok(), named);
    }
}

#[test]
fn lengths_are_judged_before_their_bytes_come() {
    let next = |bytes: &[u8]| {
        FrameReader::new(None).next(bytes).map(|(_, event)| {
            let Event::Need(bytes) = event else {
                panic!("{event:?}")
            };
            bytes
        })
    };
    assert_eq!(next(b""), Ok(4));
    assert_eq!(next(b"\0\0"), Ok(2));
    assert_eq!(next(b"\0\0\0\x0d"), Ok(1));
    assert_eq!(next(b"\0\0\0\x0d\x06"), Ok(12));
    assert_eq!(next(b"\0\0\x40\x09\x07\0"), Ok(7));
    let (bytes, limit) = (14, 13);
    assert_eq!(
        next(b"\0\0\0\x0e\x06"),
        Err(WireError::TooLong { bytes, limit })
    );
    assert!(next(b"\0\x10\0\0").is_err() && next(b"\xff\xff\xff\xff").is_err());
    assert!(next(b"\0\x02\0\x0a\x07").is_err());
    assert_eq!(next(b"\0\0\0\x09\x07\0\0\0\0\0\0\0"), Ok(1));
    let empty = FrameReader::new(None).next(&[0, 0, 0, 9, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(empty, Err(WireError::BlockLength { length: 0 }));
}

#[test]
fn data_may_be_read_elsewhere() {
    let mut reader = FrameReader::default();
    reader.set_geometry(geometry());
    let head = piece_head(&block(1, 0, 1000));
    let piece = Event::Piece(block(1, 0, 1000));
    assert_eq!(reader.next(&head), Ok((PIECE_HEAD_BYTES, piece)));
    assert_eq!(reader.next(b""), Ok((0, Event::Need(1))));
    reader.skip_data(400);
    let data = Event::Data {
        block: block(1, 0, 1000),
        offset: 400,
        data: b"abc",
    };
    assert_eq!(reader.next(b"abc"), Ok((3, data)));
    assert_eq!(reader.data_left(), 597);
    reader.skip_data(u32::MAX);
    assert_eq!(reader.data_left(), 0);
    reader.skip_data(1);
    let choke = Event::Message(Message::Choke);
    assert_eq!(reader.next(b"\0\0\0\x01\0"), Ok((5, choke)));
}

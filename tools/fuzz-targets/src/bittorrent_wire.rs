//! What peers of `BitTorrent` say: handshakes, frames, and messages of extensions.

use std::time::Duration;

use potluck_bittorrent::wire::extended::{
    Extended, ExtendedHandshake, Extension, Holepunch, HolepunchKind, MAX_PEX_PEERS, MetadataFetch,
    MetadataMessage, Pex, PexFlags, PexPeer, Progress,
};
use potluck_bittorrent::wire::{
    Bitfield, Block, Event, Features, FrameReader, Geometry, HANDSHAKE_BYTES, Handshake, HashList,
    HashRequest, MAX_FRAME_BYTES, Message, PREFIX_BYTES, PeerId, piece_head,
};
use potluck_bittorrent::{InfoHashV1, InfoHashes, MAX_INFO_BYTES};

use crate::seeds::seed;
use crate::take::Take;

/// An info dictionary of two pieces.
const INFO: &[u8] =
    b"d6:lengthi32768e4:name1:a12:piece lengthi32768e6:pieces20:aaaaaaaaaaaaaaaaaaaae";

/// The bytes are a stream of frames, with and without a torrent that is known, and each frame is
/// written back byte for byte; a message of an extension; and the doings of peers who are asked for
/// an info dictionary.
pub fn bittorrent_wire(data: &[u8]) {
    if let Some(bytes) = data.first_chunk::<HANDSHAKE_BYTES>()
        && let Ok(handshake) = Handshake::decode(bytes)
    {
        assert_eq!(Handshake::decode(&handshake.encode()), Ok(handshake));
    }
    frames(data, None);
    frames(data, Geometry::new(95 * 32_768 + 5, 32_768));
    if let Some((id, payload)) = data.split_first() {
        extended(*id, payload);
    }
    fetch(data);
}

fn frames(data: &[u8], known: Option<Geometry>) {
    let mut reader = FrameReader::new(known);
    let mut rest = data;
    loop {
        let Ok((used, event)) = reader.next(rest) else {
            return;
        };
        let (front, behind) = rest.split_at(used);
        match event {
            Event::Need(bytes) => {
                assert!(used == 0 && bytes > 0);
                assert!(rest.len() + bytes <= PREFIX_BYTES + MAX_FRAME_BYTES);
                return;
            }
            Event::Message(message) => {
                let mut written = Vec::new();
                assert_eq!(message.encode(&mut written), Ok(()));
                assert_eq!(written, front);
                if let Message::Bitfield(bitfield) = message
                    && let Some(known) = known
                {
                    assert!(bitfield.to_set(known.pieces()).is_ok());
                }
                if let Message::Extended { id, payload } = message {
                    extended(id, payload);
                }
            }
            Event::Piece(block) => {
                assert_eq!(piece_head(&block), front);
                assert_eq!(reader.data_left(), block.length);
            }
            Event::Data {
                block,
                offset,
                data,
            } => {
                assert_eq!(data, front);
                assert!(offset as usize + data.len() <= block.length as usize);
            }
        }
        rest = behind;
    }
}

/// What was taken is written to what reads the same.
fn extended(id: u8, payload: &[u8]) {
    let Ok(message) = Extended::decode(id, payload, None) else {
        return;
    };
    if let Extended::Pex(pex) = &message {
        assert!(pex.added.len() <= MAX_PEX_PEERS && pex.dropped.len() <= MAX_PEX_PEERS);
    }
    if let Some((extension, written)) = message.encode() {
        assert_eq!(extension.map_or(0, Extension::id), id);
        assert_eq!(Extended::decode(id, &written, None), Ok(message));
    }
}

/// Whatever peers do, nothing but the right dictionary is taken, and no more than one is kept.
fn fetch(data: &[u8]) {
    let hashes = InfoHashes {
        v1: Some(InfoHashV1::of(INFO)),
        v2: None,
    };
    let mut fetch = MetadataFetch::new(hashes);
    let mut take = Take(data);
    let mut now = Duration::ZERO;
    while !take.is_empty() {
        let (action, peer, number) = (take.u8(), take.u8() % 4, take.u32());
        match action % 7 {
            0 => drop(fetch.add_peer(peer, number)),
            1 => drop(fetch.add_peer(peer, length(INFO))),
            2 => fetch.remove_peer(peer),
            3 => fetch.handle_reject(now, peer, number % 4),
            4 => {
                now += Duration::from_millis(number.into());
                fetch.handle_timeout(now);
            }
            // An answer of an honest peer, or of one that makes it up; then one that nobody asked for.
            5 => {
                let info = if number % 2 == 0 { INFO } else { take.0 };
                if let Some((peer, piece)) = fetch.poll_request(now) {
                    answer(&mut fetch, peer, piece, info);
                }
            }
            _ => answer(&mut fetch, peer, number % 4, take.0),
        }
        assert!(fetch.held_bytes() <= MAX_INFO_BYTES as u64);
        if fetch.is_done() {
            return;
        }
    }
}

fn answer(fetch: &mut MetadataFetch<u8>, peer: u8, piece: u32, info: &[u8]) {
    let MetadataMessage::Data {
        total_bytes, data, ..
    } = MetadataMessage::answer(info, piece)
    else {
        return;
    };
    if let Ok(Progress::Done { info, .. }) = fetch.handle_data(peer, piece, total_bytes, data) {
        assert_eq!(info.bytes(), INFO);
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Each message, and a connection that has all of them.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let handshake = Handshake {
        features: Features {
            extended: true,
            fast: true,
            dht: true,
            v2: true,
        },
        infohash: InfoHashV1::of(INFO),
        peer: PeerId::from_bytes(*b"-PL0001-abcdefghijkl"),
    };
    let mut seeds = vec![seed("handshake", handshake.encode())];
    let mut stream = Vec::new();
    for (name, message) in messages() {
        let start = stream.len();
        if message.encode(&mut stream).is_ok() {
            seeds.push(seed(name, &stream[start..]));
        }
    }
    for (name, message) in extended_messages() {
        if let Some((extension, payload)) = message.encode() {
            let id = extension.map_or(0, Extension::id);
            seeds.push(seed(name, [&[id], &payload[..]].concat()));
            let payload = &payload[..];
            let sent = Message::Extended { id, payload }.encode(&mut stream);
            assert_eq!(sent, Ok(()));
        }
    }
    seeds.push(seed("stream", stream));
    // A peer that is added, asked, and answers; and one that makes it up.
    seeds.push(seed("fetch", [1, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0]));
    seeds.push(seed(
        "fetch-lies",
        [0, 1, 4, 0, 0, 0, 5, 0, 1, 0, 0, 0, 1, 2, 3, 4],
    ));
    seeds
}

fn messages() -> Vec<(&'static str, Message<'static>)> {
    const HASHES: &[[u8; 32]] = &[[1; 32], [2; 32], [3; 32]];
    let block = Block {
        piece: 1,
        begin: 16_384,
        length: 16_384,
    };
    let request = HashRequest {
        root: [7; 32],
        base_layer: 0,
        index: 4,
        length: 2,
        proof_layers: 1,
    };
    vec![
        ("keep-alive", Message::KeepAlive),
        ("choke", Message::Choke),
        ("unchoke", Message::Unchoke),
        ("interested", Message::Interested),
        ("not-interested", Message::NotInterested),
        ("have", Message::Have(2)),
        (
            "bitfield",
            Message::Bitfield(Bitfield::from_bytes(&[0xff; 12])),
        ),
        ("request", Message::Request(block)),
        (
            "piece",
            Message::Piece {
                piece: 2,
                begin: 0,
                data: b"some data",
            },
        ),
        ("cancel", Message::Cancel(block)),
        ("port", Message::Port(6881)),
        ("suggest", Message::Suggest(3)),
        ("have-all", Message::HaveAll),
        ("have-none", Message::HaveNone),
        ("reject", Message::Reject(block)),
        ("allowed-fast", Message::AllowedFast(4)),
        ("hash-request", Message::HashRequest(request)),
        (
            "hashes",
            Message::Hashes {
                request,
                hashes: HashList::new(HASHES),
            },
        ),
        ("hash-reject", Message::HashReject(request)),
    ]
}

fn extended_messages() -> Vec<(&'static str, Extended<'static>)> {
    let handshake = ExtendedHandshake {
        client: Some("Potluck".to_owned()),
        port: Some(6881),
        max_requests: Some(250),
        metadata_bytes: Some(length(INFO)),
        your_ip: Some([192, 0, 2, 1].into()),
        upload_only: Some(true),
        ..ExtendedHandshake::taking(Extension::ALL)
    };
    let flags = PexFlags {
        reachable: true,
        ..PexFlags::default()
    };
    let peer = |addr| PexPeer { addr, flags };
    let pex = Pex {
        added: vec![
            peer(([192, 0, 2, 1], 6881).into()),
            peer(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 6881).into()),
        ],
        dropped: vec![([192, 0, 2, 2], 6881).into()],
    };
    let punch = Holepunch {
        kind: HolepunchKind::Rendezvous,
        addr: ([192, 0, 2, 3], 6881).into(),
    };
    let metadata = |message| Extended::Metadata(message);
    vec![
        (
            "extended-handshake",
            Extended::Handshake(Box::new(handshake)),
        ),
        ("pex", Extended::Pex(pex)),
        (
            "metadata-request",
            metadata(MetadataMessage::Request { piece: 0 }),
        ),
        ("metadata-data", metadata(MetadataMessage::answer(INFO, 0))),
        (
            "metadata-reject",
            metadata(MetadataMessage::Reject { piece: 0 }),
        ),
        ("lost-piece", Extended::DontHave(5)),
        ("holepunch", Extended::Holepunch(punch)),
    ]
}

//! Peers that misbehave beside one that doesn't: the download completes, and they are named.

use crate::support::{Scratch, write_file};
use crate::{create, seed_at, settle, with_peer};
use potluck_bittorrent::session::{Event, Session};
use potluck_bittorrent::wire::extended::{Extended, ExtendedHandshake, Extension, MetadataMessage};
use potluck_bittorrent::wire::{
    self, Block, Features, FrameReader, Geometry, HANDSHAKE_BYTES, Handshake, Message, PeerId,
    piece_head,
};
use potluck_bittorrent::{InfoHashV1, Metainfo};
use potluck_content::PieceSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// What a peer does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sin {
    /// Every block is wrong.
    WrongBlocks,
    /// One block of each piece is wrong.
    OneWrongBlock,
    /// The info dictionary is wrong.
    WrongMetadata,
    /// Blocks that nobody asked for.
    Unrequested,
    /// Lets others ask, takes that back, again and again, and never answers.
    Flapping,
    /// Says nothing after the handshake.
    Silent,
    /// A message longer than any can be.
    TooLong,
}

struct Torrent {
    metainfo: Metainfo,
    bytes: Vec<u8>,
}

/// Listens, and treats everybody badly. Gives the port.
fn misbehave(torrent: &Arc<Torrent>, sin: Sin) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let torrent = Arc::clone(torrent);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let torrent = Arc::clone(&torrent);
            std::thread::spawn(move || {
                let _ = converse(&torrent, sin, stream);
            });
        }
    });
    port
}

/// None when the other side has enough.
fn converse(torrent: &Torrent, sin: Sin, mut stream: TcpStream) -> Option<()> {
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    let mut bytes = [0; HANDSHAKE_BYTES];
    stream.read_exact(&mut bytes).ok()?;
    let theirs = Handshake::decode(&bytes).ok()?;
    let answer = Handshake {
        features: Features {
            extended: true,
            fast: true,
            dht: false,
            v2: false,
        },
        infohash: theirs.infohash,
        peer: PeerId::from_bytes(*b"-XX0000-hostile_peer"),
    };
    stream.write_all(&answer.encode()).ok()?;
    if sin == Sin::Silent {
        return stream.read_exact(&mut [0; 1 << 20]).ok();
    }
    if sin == Sin::TooLong {
        stream.write_all(&[0x7f, 0xff, 0xff, 0xff, 9, 9, 9]).ok()?;
        return stream.read_exact(&mut [0; 1 << 20]).ok();
    }
    let geometry = Geometry::of(torrent.metainfo.info());
    let mut session = Session::new(answer.features.and(theirs.features), Some(geometry));
    let greeting = ExtendedHandshake {
        metadata_bytes: u32::try_from(torrent.metainfo.info().bytes().len()).ok(),
        ..ExtendedHandshake::taking([Extension::Metadata])
    };
    session.greet(&greeting, Some(&PieceSet::full(geometry.pieces())));
    session.set_choking(false);
    stream.write_all(&session.take_output()).ok()?;
    serve(torrent, sin, &mut stream, &mut session, geometry)
}

fn serve(
    torrent: &Torrent,
    sin: Sin,
    stream: &mut TcpStream,
    session: &mut Session,
    geometry: Geometry,
) -> Option<()> {
    let mut frames = FrameReader::new(Some(geometry));
    let (mut buffer, mut filled) = (vec![0; 1 << 20], 0);
    loop {
        if sin == Sin::Unrequested {
            for piece in 0..200 {
                block(torrent, sin, stream, piece % geometry.pieces(), 16_384)?;
            }
        }
        let mut at = 0;
        loop {
            let (used, event) = frames.next(&buffer[at..filled]).ok()?;
            at += used;
            match event {
                wire::Event::Need(_) => break,
                wire::Event::Message(message) => {
                    heard(torrent, sin, stream, session, message)?;
                }
                wire::Event::Piece(_) | wire::Event::Data { .. } => {}
            }
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
        stream.write_all(&session.take_output()).ok()?;
        let read = stream.read(&mut buffer[filled..]).ok()?;
        filled += read;
        (read > 0).then_some(())?;
    }
}

fn heard(
    torrent: &Torrent,
    sin: Sin,
    stream: &mut TcpStream,
    session: &mut Session,
    message: Message<'_>,
) -> Option<()> {
    if let Event::Metadata(MetadataMessage::Request { piece }) = session.handle(message).ok()? {
        let mut info = torrent.metainfo.info().bytes().to_vec();
        if sin == Sin::WrongMetadata {
            info[40] ^= 1;
        }
        let answer = MetadataMessage::answer(&info, piece);
        session.send_extended(&Extended::Metadata(answer));
    }
    while let Some(Block {
        piece,
        begin,
        length: _,
    }) = session.next_upload()
    {
        if sin == Sin::Flapping {
            session.set_choking(true);
            session.set_choking(false);
            continue;
        }
        block(torrent, sin, stream, piece, begin)?;
    }
    Some(())
}

/// Sends a block as the sin has it.
fn block(
    torrent: &Torrent,
    sin: Sin,
    stream: &mut TcpStream,
    piece: u32,
    begin: u32,
) -> Option<()> {
    let piece_bytes = torrent.metainfo.info().piece_bytes();
    let start = usize::try_from(u64::from(piece) * piece_bytes + u64::from(begin)).ok()?;
    let mut data = torrent.bytes.get(start..start + 16_384)?.to_vec();
    if sin == Sin::WrongBlocks || (sin == Sin::OneWrongBlock && begin == 16_384) {
        data[7] ^= 1;
    }
    let block = Block {
        piece,
        begin,
        length: 16_384,
    };
    stream.write_all(&piece_head(&block)).ok()?;
    stream.write_all(&data).ok()
}

/// Fetches from an honest peer and from one with this sin; gives all events.
fn fetch_beside(sin: Sin) -> Vec<serde_json::Value> {
    let scratch = Scratch::new("torrent_hostile");
    let file = scratch.path("film.bin");
    write_file(&file, 8 << 20, 9);
    let path = create(&scratch, &file, "v1", "film.torrent");
    let torrent = Arc::new(Torrent {
        metainfo: Metainfo::parse(&fs::read(&path).unwrap()).unwrap(),
        bytes: fs::read(&file).unwrap(),
    });
    settle(&scratch, "seed", &[]);
    // Slow enough for the other to be asked too.
    let seed = scratch.node("seed").args(["--up-limit", "3MB/s"]).start();
    let (port, magnet) = seed_at(&seed, &path, &file);
    let bad = misbehave(&torrent, sin);
    let link = with_peer(&with_peer(&magnet, u64::from(bad)), port);
    settle(&scratch, "taker", &[("bittorrent.encryption", "off")]);
    let out = scratch.path("out.bin");
    let run = scratch.run("taker", ["get", &link, "--timeout", "20", "-o"]);
    let finished = run.arg(&out).json().ok();
    assert_eq!(fs::read(&file).unwrap(), fs::read(&out).unwrap(), "{sin:?}");
    finished.events()
}

fn banned(events: &[serde_json::Value]) -> Vec<&str> {
    let banned = events.iter().filter(|event| event["event"] == "banned");
    banned
        .map(|event| event["reason"].as_str().unwrap())
        .collect()
}

#[test]
fn who_sends_wrong_blocks_is_refused() {
    let events = fetch_beside(Sin::WrongBlocks);
    assert!(
        banned(&events)[0].contains("wrong"),
        "{:?}",
        banned(&events)
    );
}

#[test]
fn who_sends_one_wrong_block_in_each_piece_is_refused() {
    let events = fetch_beside(Sin::OneWrongBlock);
    assert!(
        banned(&events)[0].contains("wrong"),
        "{:?}",
        banned(&events)
    );
}

#[test]
fn who_sends_wrong_metadata_does_not_keep_the_right_one_away() {
    fetch_beside(Sin::WrongMetadata);
}

#[test]
fn who_sends_what_nobody_asked_for_is_refused() {
    let events = fetch_beside(Sin::Unrequested);
    let reasons = banned(&events);
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("not asked for")),
        "{reasons:?}"
    );
}

#[test]
fn who_never_answers_holds_nothing_up() {
    for sin in [Sin::Flapping, Sin::Silent] {
        fetch_beside(sin);
    }
}

#[test]
fn who_sends_endless_messages_is_refused() {
    let events = fetch_beside(Sin::TooLong);
    let reasons = banned(&events);
    assert!(
        reasons.iter().any(|reason| reason.contains("limit")),
        "{reasons:?}"
    );
}

#[test]
fn strangers_learn_nothing_of_other_torrents() {
    let scratch = Scratch::new("torrent_strangers");
    let file = scratch.path("film.bin");
    write_file(&file, 1 << 20, 9);
    let path = create(&scratch, &file, "v1", "film.torrent");
    settle(&scratch, "seed", &[]);
    let seed = scratch.node("seed").start();
    let (port, _) = seed_at(&seed, &path, &file);
    let mut stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
    let other = Handshake {
        features: Features::default(),
        infohash: InfoHashV1::from_bytes([7; 20]),
        peer: PeerId::from_bytes(*b"-XX0000-hostile_peer"),
    };
    stream.write_all(&other.encode()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{answer:?}");
}

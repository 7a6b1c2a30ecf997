//! A seed that is alone shows its pieces one by one, to peers that are other programs.

use crate::support::{Node, Scratch, write_file};
use crate::{create, seed_at, settle};
use potluck_bittorrent::wire::{
    self, Block, Features, FrameReader, Geometry, HANDSHAKE_BYTES, Handshake, Message, PeerId,
};
use potluck_bittorrent::{InfoHashV1, Metainfo};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What is said to a peer.
#[derive(Debug, PartialEq)]
enum Heard {
    All,
    Nothing,
    Piece(u32),
    Unchoked,
    Data(u32),
    Refused(u32),
}

/// A peer that does what it is told.
struct Peer {
    stream: TcpStream,
    frames: FrameReader,
    unread: Vec<u8>,
    /// The pieces that it was shown.
    shown: BTreeSet<u32>,
    unchoked: bool,
}

impl Peer {
    fn connect(port: u64, infohash: InfoHashV1, name: u8, geometry: Geometry) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
        let timeout = Some(Duration::from_secs(20));
        stream.set_read_timeout(timeout).unwrap();
        let mut id = *b"-XX0000-super_seeded";
        id[19] = name;
        let hello = Handshake {
            features: Features {
                fast: true,
                ..Features::default()
            },
            infohash,
            peer: PeerId::from_bytes(id),
        };
        stream.write_all(&hello.encode()).unwrap();
        stream.read_exact(&mut [0; HANDSHAKE_BYTES]).unwrap();
        let mut peer = Self {
            stream,
            frames: FrameReader::new(Some(geometry)),
            unread: Vec::new(),
            shown: BTreeSet::new(),
            unchoked: false,
        };
        peer.say(&[Message::HaveNone, Message::Interested]);
        peer
    }

    fn say(&mut self, messages: &[Message<'_>]) {
        let mut bytes = Vec::new();
        for message in messages {
            message.encode(&mut bytes).unwrap();
        }
        self.stream.write_all(&bytes).unwrap();
    }

    fn hear(&mut self) -> Heard {
        loop {
            let (used, event) = self.frames.next(&self.unread).unwrap();
            let heard = match event {
                wire::Event::Need(_) => {
                    let mut buffer = [0; 65_536];
                    let read = self.stream.read(&mut buffer).unwrap();
                    assert!(read > 0, "the seed closed the connection");
                    self.unread.extend_from_slice(&buffer[..read]);
                    continue;
                }
                wire::Event::Message(Message::HaveAll) => Some(Heard::All),
                wire::Event::Message(Message::HaveNone) => Some(Heard::Nothing),
                wire::Event::Message(Message::Have(piece)) => Some(Heard::Piece(piece)),
                wire::Event::Message(Message::Unchoke) => Some(Heard::Unchoked),
                wire::Event::Message(Message::Reject(block)) => Some(Heard::Refused(block.piece)),
                wire::Event::Piece(block) => Some(Heard::Data(block.piece)),
                wire::Event::Message(_) | wire::Event::Data { .. } => None,
            };
            self.unread.drain(..used);
            match heard {
                Some(Heard::Piece(piece)) => drop(self.shown.insert(piece)),
                Some(Heard::Unchoked) => self.unchoked = true,
                _ => {}
            }
            if let Some(heard) = heard {
                return heard;
            }
        }
    }

    /// The next piece that it is shown.
    fn next_piece(&mut self) -> u32 {
        loop {
            if let Heard::Piece(piece) = self.hear() {
                return piece;
            }
        }
    }

    /// Asks for the first block of a piece, and says whether it comes.
    fn ask(&mut self, piece: u32) -> bool {
        while !self.unchoked {
            self.hear();
        }
        self.say(&[Message::Request(Block {
            piece,
            begin: 0,
            length: 16_384,
        })]);
        loop {
            match self.hear() {
                Heard::Data(of) if of == piece => return true,
                Heard::Refused(of) if of == piece => return false,
                _ => {}
            }
        }
    }
}

struct Scene {
    _scratch: Scratch,
    _seed: Node,
    port: u64,
    infohash: InfoHashV1,
    geometry: Geometry,
}

/// A node that seeds 16 pieces of 64 KiB.
fn scene(super_seeding: &str) -> Scene {
    let scratch = Scratch::new("super_seeding");
    let file = scratch.path("film.bin");
    write_file(&file, 1 << 20, 9);
    let torrent = create(&scratch, &file, "v1", "film.torrent");
    let settings = [("bittorrent.super_seeding", super_seeding)];
    settle(&scratch, "seed", &settings);
    let seed = scratch.node("seed").start();
    let (port, _) = seed_at(&seed, &torrent, &file);
    let metainfo = Metainfo::parse(&fs::read(&torrent).unwrap()).unwrap();
    Scene {
        port,
        infohash: metainfo.info().hashes().v1.unwrap(),
        geometry: Geometry::of(metainfo.info()),
        _scratch: scratch,
        _seed: seed,
    }
}

impl Scene {
    fn peer(&self, name: u8) -> Peer {
        Peer::connect(self.port, self.infohash, name, self.geometry)
    }
}

#[test]
fn pieces_are_shown_one_by_one_until_there_is_another_seed() {
    let scene = scene("auto");
    // Who comes first has nobody to spread anything to.
    let mut first = scene.peer(0);
    assert_eq!(first.hear(), Heard::All);
    let (mut one, mut two) = (scene.peer(1), scene.peer(2));
    assert_eq!((one.hear(), two.hear()), (Heard::Nothing, Heard::Nothing));
    let of_one = one.next_piece();
    let others = [one.next_piece(), two.next_piece(), two.next_piece()];
    let shown: BTreeSet<u32> = others.into_iter().chain([of_one]).collect();
    assert_eq!(shown.len(), 4, "a piece is shown to one: {shown:?}");
    // The next one comes when somebody else has what the first got, and not before.
    two.say(&[Message::Have(of_one)]);
    assert!(!shown.contains(&one.next_piece()));
    // What was not shown is not given.
    assert!(one.ask(of_one));
    assert!(!one.ask(15));
    // Another seed: nothing more is gained.
    let mut other = scene.peer(3);
    other.say(&[Message::HaveAll]);
    while one.shown.len() < 16 {
        one.hear();
    }
    assert!(one.ask(15));
    assert_eq!(scene.peer(4).hear(), Heard::All);
}

#[test]
fn who_is_alone_is_shown_more_as_it_takes_more() {
    let scene = scene("on");
    let mut one = scene.peer(1);
    for _ in 0..16 {
        let piece = one.next_piece();
        one.say(&[Message::Have(piece)]);
    }
}

#[test]
fn it_can_be_switched_off() {
    let scene = scene("off");
    assert_eq!(scene.peer(1).hear(), Heard::All);
}

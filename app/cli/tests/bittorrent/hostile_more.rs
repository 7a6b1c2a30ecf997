//! More peers that misbehave: in what they say of the torrent, in what they promise, in how slow they
//! are. The download completes from the one that doesn't, and memory stays within bounds.

use crate::support::{Node, Scratch, memory, write_file};
use crate::{create, seed_at, settle, with_peer};
use potluck_bittorrent::session::{Event, Session};
use potluck_bittorrent::wire::extended::{
    Extended, ExtendedHandshake, Extension, MetadataMessage, Pex, PexFlags, PexPeer,
};
use potluck_bittorrent::wire::{
    self, Block, Features, FrameReader, Geometry, HANDSHAKE_BYTES, Handshake, HashList, Message,
    PeerId, piece_head,
};
use potluck_bittorrent::{MAX_INFO_BYTES, Metainfo};
use potluck_content::PieceSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A node that fetches 8 MiB never holds more than this, whatever its peers do.
const MAX_PEAK: u64 = 160 << 20;

/// What a peer does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sin {
    /// Answers with hashes of version 2 that are wrong.
    WrongHashes,
    /// Sends each block a byte at a time, and never to its end.
    Drips,
    /// Says that it has everything, and refuses whatever it is asked for.
    Refuses,
    /// Says that it has everything, and never answers.
    Mute,
    /// Says that the info dictionary is huge, and sends parts of it without end.
    EndlessMetadata,
}

struct Peer {
    metainfo: Metainfo,
    sin: Sin,
    /// A peer that is honest.
    other: SocketAddr,
    /// How often it did what it does.
    done: Arc<AtomicU32>,
}

/// What is fetched, and who has it.
struct Scene {
    scratch: Scratch,
    file: PathBuf,
    port: u64,
    magnet: String,
    torrent: PathBuf,
    seed: Node,
}

fn scene(format: &str) -> Scene {
    let scratch = Scratch::new("torrent_hostile_more");
    let file = scratch.path("film.bin");
    write_file(&file, 8 << 20, 9);
    let torrent = create(&scratch, &file, format, "film.torrent");
    settle(&scratch, "seed", &[]);
    // Slow enough for others to be asked too.
    let seed = scratch.node("seed").args(["--up-limit", "3MB/s"]).start();
    let (port, magnet) = seed_at(&seed, &torrent, &file);
    Scene {
        scratch,
        file,
        port,
        magnet,
        torrent,
        seed,
    }
}

impl Scene {
    fn other(&self) -> SocketAddr {
        ([127, 0, 0, 1], u16::try_from(self.port).unwrap()).into()
    }

    /// Listens, and treats everybody badly. Gives the port, and how often it did.
    fn misbehave(&self, sin: Sin) -> (u16, Arc<AtomicU32>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let done = Arc::new(AtomicU32::new(0));
        let peer = Arc::new(Peer {
            metainfo: Metainfo::parse(&fs::read(&self.torrent).unwrap()).unwrap(),
            sin,
            other: self.other(),
            done: Arc::clone(&done),
        });
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let peer = Arc::clone(&peer);
                std::thread::spawn(move || peer.converse(stream));
            }
        });
        (port, done)
    }

    /// Fetches by a node that stays; gives all events and the most bytes of memory that it held.
    fn fetch(&self, link: &str) -> (Vec<serde_json::Value>, u64) {
        settle(&self.scratch, "taker", &[("bittorrent.encryption", "off")]);
        let taker = self.scratch.node("taker").start();
        let out = self.scratch.path("out.bin");
        let run = taker.run(["get", link, "--timeout", "20", "-o"]);
        let finished = run.arg(&out).json().ok();
        assert_eq!(fs::read(&self.file).unwrap(), fs::read(&out).unwrap());
        (finished.events(), memory(taker.pid(), "VmHWM:"))
    }
}

impl Peer {
    /// None when the other side has enough.
    fn converse(&self, mut stream: TcpStream) -> Option<()> {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .ok()?;
        let mut bytes = [0; HANDSHAKE_BYTES];
        stream.read_exact(&mut bytes).ok()?;
        let theirs = Handshake::decode(&bytes).ok()?;
        let features = Features {
            extended: true,
            fast: true,
            dht: false,
            v2: self.sin == Sin::WrongHashes,
        };
        let answer = Handshake {
            features,
            infohash: theirs.infohash,
            peer: PeerId::from_bytes(*b"-XX0000-hostile_more"),
        };
        stream.write_all(&answer.encode()).ok()?;
        let geometry = Geometry::of(self.metainfo.info());
        let mut session = Session::new(features.and(theirs.features), Some(geometry));
        let huge = self.sin == Sin::EndlessMetadata;
        let info_bytes = self.metainfo.info().bytes().len();
        let greeting = ExtendedHandshake {
            metadata_bytes: if huge {
                Some(u32::MAX / 2)
            } else {
                u32::try_from(info_bytes).ok()
            },
            ..ExtendedHandshake::taking([Extension::Metadata, Extension::Pex])
        };
        session.greet(&greeting, Some(&PieceSet::full(geometry.pieces())));
        session.set_choking(false);
        stream.write_all(&session.take_output()).ok()?;
        self.serve(&mut stream, &mut session, geometry)
    }

    fn serve(
        &self,
        stream: &mut TcpStream,
        session: &mut Session,
        geometry: Geometry,
    ) -> Option<()> {
        let mut frames = FrameReader::new(Some(geometry));
        let (mut buffer, mut filled) = (vec![0; 1 << 20], 0);
        loop {
            let mut at = 0;
            loop {
                let (used, event) = frames.next(&buffer[at..filled]).ok()?;
                at += used;
                match event {
                    wire::Event::Need(_) => break,
                    wire::Event::Message(message) => self.heard(stream, session, message)?,
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
        &self,
        stream: &mut TcpStream,
        session: &mut Session,
        message: Message<'_>,
    ) -> Option<()> {
        match session.handle(message).ok()? {
            Event::Metadata(MetadataMessage::Request { piece }) => {
                let info = self.metainfo.info().bytes();
                let answer = MetadataMessage::answer(info, piece);
                session.send_extended(&Extended::Metadata(answer));
            }
            Event::Handshake(_) if self.sin == Sin::EndlessMetadata => {
                return self.send_metadata(stream, session);
            }
            Event::HashRequest(request) => {
                self.done.fetch_add(1, Ordering::Relaxed);
                // Until now nobody else is known who could be asked.
                session.send_extended(&Extended::Pex(Pex {
                    added: vec![PexPeer {
                        addr: self.other,
                        flags: PexFlags::default(),
                    }],
                    dropped: Vec::new(),
                }));
                let count = request.length + request.max_proof_hashes();
                let hashes = vec![[7; 32]; count as usize];
                session.send(&Message::Hashes {
                    request,
                    hashes: HashList::new(&hashes),
                });
            }
            _ => {}
        }
        while let Some(block) = session.next_upload() {
            self.done.fetch_add(1, Ordering::Relaxed);
            match self.sin {
                Sin::Refuses => session.refuse(block),
                Sin::Drips => drip(stream, block)?,
                _ => {}
            }
        }
        Some(())
    }

    /// Sends parts of an info dictionary that has no end, asked for or not.
    fn send_metadata(&self, stream: &mut TcpStream, session: &mut Session) -> Option<()> {
        let data = vec![b'x'; 16_384];
        let total_bytes = u32::try_from(MAX_INFO_BYTES).ok()?;
        for piece in (0..100).cycle() {
            self.done.fetch_add(1, Ordering::Relaxed);
            session.send_extended(&Extended::Metadata(MetadataMessage::Data {
                piece,
                total_bytes,
                data: &data,
            }));
            stream.write_all(&session.take_output()).ok()?;
        }
        None
    }
}

/// Begins a block, and sends it a byte at a time for as long as anybody listens.
fn drip(stream: &mut TcpStream, block: Block) -> Option<()> {
    stream.write_all(&piece_head(&block)).ok()?;
    loop {
        stream.write_all(&[7]).ok()?;
        // How slow it is, is what it does wrong.
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn reasons(events: &[serde_json::Value]) -> Vec<&str> {
    let banned = events.iter().filter(|event| event["event"] == "banned");
    banned
        .map(|event| event["reason"].as_str().unwrap())
        .collect()
}

#[test]
fn who_sends_wrong_hashes_is_refused_and_others_are_asked() {
    let scene = scene("v2");
    let (bad, done) = scene.misbehave(Sin::WrongHashes);
    let (events, peak) = scene.fetch(&with_peer(&scene.magnet, bad.into()));
    assert!(done.load(Ordering::Relaxed) > 0);
    let reasons = reasons(&events);
    assert_eq!(reasons, ["sent hashes that are wrong"]);
    assert!(peak < MAX_PEAK, "{peak} bytes");
    drop(scene.seed);
}

#[test]
fn who_promises_everything_and_gives_nothing_holds_nothing_up() {
    for sin in [Sin::Refuses, Sin::Mute, Sin::Drips] {
        let scene = scene("v1");
        let (bad, done) = scene.misbehave(sin);
        let link = with_peer(&with_peer(&scene.magnet, bad.into()), scene.port);
        let (_, peak) = scene.fetch(&link);
        assert!(done.load(Ordering::Relaxed) > 0, "{sin:?} was not asked");
        assert!(peak < MAX_PEAK, "{sin:?}: {peak} bytes");
        drop(scene.seed);
    }
}

#[test]
fn metadata_without_end_is_not_kept() {
    let scene = scene("v1");
    let (bad, done) = scene.misbehave(Sin::EndlessMetadata);
    let link = with_peer(&with_peer(&scene.magnet, bad.into()), scene.port);
    let (events, peak) = scene.fetch(&link);
    assert!(done.load(Ordering::Relaxed) > 0);
    let reasons = reasons(&events);
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("not asked for")),
        "{reasons:?}"
    );
    assert!(peak < MAX_PEAK, "{peak} bytes");
    drop(scene.seed);
}

#[test]
fn five_hundred_who_never_shake_hands_keep_nobody_out() {
    let scene = scene("v1");
    let before = memory(scene.seed.pid(), "VmHWM:");
    let mut dawdlers = Vec::new();
    for _ in 0..500 {
        let mut stream = TcpStream::connect(scene.other()).unwrap();
        // It may have been sent away already.
        let _ = stream.write_all(b"\x13BitTorrent pro");
        dawdlers.push(stream);
    }
    scene.fetch(&with_peer(&scene.magnet, scene.port));
    let grown = memory(scene.seed.pid(), "VmHWM:") - before;
    assert!(grown < 32 << 20, "{grown} bytes");
    drop(dawdlers);
}

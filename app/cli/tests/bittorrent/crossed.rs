//! One connection for each peer: who is connected is not dialed, and of two connections that both sides
//! made, both keep the same one.

use crate::support::{Scratch, wait_for, write_file};
use crate::{create, seed_at, settle, with_peer};
use potluck_bittorrent::session::Session;
use potluck_bittorrent::wire::extended::{ExtendedHandshake, Extension};
use potluck_bittorrent::wire::{Features, HANDSHAKE_BYTES, Handshake, PeerId};
use potluck_bittorrent::{InfoHashV1, Metainfo};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const ID: &[u8; 20] = b"-XX0000-crossed_peer";
const FEATURES: Features = Features {
    extended: true,
    fast: true,
    dht: false,
    v2: false,
};

fn handshake(infohash: InfoHashV1) -> [u8; HANDSHAKE_BYTES] {
    let handshake = Handshake {
        features: FEATURES,
        infohash,
        peer: PeerId::from_bytes(*ID),
    };
    handshake.encode()
}

/// What a peer says of itself that listens on a port.
fn greeting(port: u16) -> Vec<u8> {
    let mut session = Session::new(FEATURES, None);
    let greeting = ExtendedHandshake {
        port: Some(port),
        ..ExtendedHandshake::taking([Extension::Metadata])
    };
    session.greet(&greeting, None);
    session.take_output().to_vec()
}

/// Connects to a node, and says where it listens.
fn connect(to: u64, infohash: InfoHashV1, port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", u16::try_from(to).unwrap())).unwrap();
    stream.write_all(&handshake(infohash)).unwrap();
    stream.read_exact(&mut [0; HANDSHAKE_BYTES]).unwrap();
    stream.write_all(&greeting(port)).unwrap();
    stream
}

/// Whether the other side ended a connection by now.
fn is_ended(stream: &mut TcpStream) -> bool {
    let patience = Some(Duration::from_millis(50));
    stream.set_read_timeout(patience).unwrap();
    let mut buffer = [0; 65_536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return false;
            }
            Err(_) => return true,
        }
    }
}

fn accepted(listener: &TcpListener) -> Option<TcpStream> {
    listener.set_nonblocking(true).unwrap();
    let (stream, _) = listener.accept().ok()?;
    stream.set_nonblocking(false).unwrap();
    Some(stream)
}

#[test]
fn who_is_connected_is_not_dialed() {
    let scratch = Scratch::new("torrent_no_dial");
    let file = scratch.path("file.bin");
    write_file(&file, 300_000, 2);
    let torrent = create(&scratch, &file, "v1", "file.torrent");
    let metainfo = Metainfo::parse(&fs::read(&torrent).unwrap()).unwrap();
    let infohash = metainfo.info().hashes().v1.unwrap();
    settle(&scratch, "seed", &[]);
    let node = scratch.node("seed").start();
    let (port, _) = seed_at(&node, &torrent, &file);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = connect(port, infohash, listener.local_addr().unwrap().port());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(8) {
        assert!(accepted(&listener).is_none(), "it was dialed");
        assert!(!is_ended(&mut stream));
    }
    // Once it is gone it is.
    drop(stream);
    let soon = Duration::from_secs(30);
    wait_for("a connection", soon, || accepted(&listener));
}

#[test]
fn of_two_connections_both_sides_keep_the_same() {
    for is_node_lower in [true, false] {
        let scratch = Scratch::new("torrent_crossed");
        let file = scratch.path("file.bin");
        write_file(&file, 300_000, 2);
        let torrent = create(&scratch, &file, "v1", "file.torrent");
        let metainfo = Metainfo::parse(&fs::read(&torrent).unwrap()).unwrap();
        let infohash = metainfo.info().hashes().v1.unwrap();
        let mut two = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        two.sort_by_key(|listener| listener.local_addr().unwrap().port());
        let [lower, higher] = two;
        let (free, listener) = if is_node_lower {
            (lower, higher)
        } else {
            (higher, lower)
        };
        let node_port = free.local_addr().unwrap().port();
        drop(free);
        let port = node_port.to_string();
        let settings = [
            ("bittorrent.port", port.as_str()),
            ("bittorrent.encryption", "off"),
        ];
        settle(&scratch, "taker", &settings);
        let node = scratch.node("taker").start();
        let ours = listener.local_addr().unwrap().port();
        let link = with_peer(&format!("magnet:?xt=urn:btih:{infohash}"), ours.into());
        let run = node.run(["get", &link, "-o"]).arg(scratch.path("out"));
        let _running = run.spawn();
        let soon = Duration::from_secs(20);
        let mut theirs = wait_for("its connection", soon, || accepted(&listener));
        theirs.read_exact(&mut [0; HANDSHAKE_BYTES]).unwrap();
        theirs.write_all(&handshake(infohash)).unwrap();
        theirs.write_all(&greeting(ours)).unwrap();
        let mut own = connect(node_port.into(), infohash, ours);
        let (kept, ended) = if is_node_lower {
            (&mut theirs, &mut own)
        } else {
            (&mut own, &mut theirs)
        };
        wait_for("the other's end", soon, || is_ended(ended).then_some(()));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(7) {
            assert!(!is_ended(kept), "node lower: {is_node_lower}");
            assert!(accepted(&listener).is_none(), "it was dialed again");
        }
    }
}

//! Connections over loopback: plain, encrypted, over TCP and uTP, and with peers that can't or lie.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::mse::MseError;
use potluck_bittorrent::wire::{Features, Handshake, PeerId};
use potluck_bittorrent_net::stream::{
    AcceptError, Carrier, ConnectError, Encryption, HandshakeError, PeerStream, Times, Transport,
    accept, accept_on, connect,
};
use potluck_bittorrent_net::utp::UtpEndpoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::{TcpListener, TcpStream};

const TORRENT: InfoHashV1 = InfoHashV1::from_bytes([7; 20]);
const OTHER: InfoHashV1 = InfoHashV1::from_bytes([8; 20]);
const HERE: [InfoHashV1; 2] = [OTHER, TORRENT];
const MIB: usize = 1024 * 1024;

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn handshake() -> [u8; 68] {
    let handshake = Handshake {
        features: Features::default(),
        infohash: TORRENT,
        peer: PeerId::from_bytes([1; 20]),
    };
    handshake.encode()
}

fn content(seed: usize) -> Vec<u8> {
    let bytes = (0..=250_u8).cycle().skip(seed);
    bytes.take(MIB).collect()
}

/// Sends 1 MiB, and takes as much, at once. The first bytes are a handshake.
async fn trade(stream: PeerStream, ours: usize, theirs: usize) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sending = async {
        writer.write_all(&handshake()).await.unwrap();
        writer.write_all(&content(ours)).await.unwrap();
        writer.flush().await.unwrap();
        writer
    };
    let taking = async {
        let mut began = [0; 68];
        reader.read_exact(&mut began).await.unwrap();
        assert_eq!(began, handshake());
        let mut bytes = vec![0; MIB];
        reader.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, content(theirs));
        reader
    };
    let (mut writer, mut reader) = tokio::join!(sending, taking);
    // Both have all; now both may go.
    writer.write_all(b"!").await.unwrap();
    assert_eq!(reader.read_u8().await.unwrap(), b'!');
}

/// Connects one side to the other over TCP, which must succeed.
async fn pair(ours: Encryption, theirs: Encryption) -> (PeerStream, PeerStream) {
    let (listener, address) = listen().await;
    let accepting = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // One that was refused is tried again, plain.
            if let Ok(stream) = accept(stream, &HERE, theirs, Times::default()).await {
                return stream;
            }
        }
    };
    let connecting = async {
        let mut stream = connect(address, TORRENT, ours, Times::default())
            .await
            .unwrap();
        // Who accepts a plain connection waits for its first bytes.
        stream.write_all(&handshake()).await.unwrap();
        stream
    };
    let (connected, mut accepted) = tokio::join!(connecting, accepting);
    let mut began = [0; 68];
    accepted.read_exact(&mut began).await.unwrap();
    assert_eq!(began, handshake());
    assert_eq!(connected.remote_address(), address);
    (connected, accepted)
}

#[tokio::test]
async fn both_ways_over_tcp() {
    use Encryption::{Off, Prefer, Require};
    for (ours, theirs, encrypted) in [
        (Off, Off, false),
        (Off, Prefer, false),
        (Prefer, Off, false),
        (Prefer, Prefer, true),
        (Prefer, Require, true),
        (Require, Prefer, true),
        (Require, Require, true),
    ] {
        let (connected, accepted) = pair(ours, theirs).await;
        for stream in [&connected, &accepted] {
            assert_eq!(stream.is_encrypted(), encrypted, "{ours:?} {theirs:?}");
            assert_eq!(stream.transport(), Transport::Tcp);
        }
        tokio::join!(trade(connected, 1, 2), trade(accepted, 2, 1));
    }
}

#[tokio::test]
async fn what_goes_over_the_network_is_encrypted() {
    let (listener, address) = listen().await;
    let (relay, relayed) = listen().await;
    let between = async {
        let (mut near, _) = relay.accept().await.unwrap();
        let mut far = TcpStream::connect(address).await.unwrap();
        let mut seen = Vec::new();
        let mut bytes = [0; 1024];
        loop {
            tokio::select! {
                read = near.read(&mut bytes) => {
                    let count = read.unwrap();
                    if count == 0 {
                        return seen;
                    }
                    seen.extend_from_slice(&bytes[..count]);
                    far.write_all(&bytes[..count]).await.unwrap();
                }
                read = far.read_u8() => {
                    if let Ok(byte) = read {
                        near.write_all(&[byte]).await.unwrap();
                    }
                }
            }
        }
    };
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = accept(stream, &HERE, Encryption::Require, Times::default()).await;
        let mut stream = stream.unwrap();
        let mut began = [0; 68];
        stream.read_exact(&mut began).await.unwrap();
        assert_eq!(began, handshake());
        stream.write_u8(9).await.unwrap();
        stream
    };
    let connecting = async {
        let stream = connect(relayed, TORRENT, Encryption::Require, Times::default()).await;
        let mut stream = stream.unwrap();
        stream.write_all(&handshake()).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 9);
    };
    let (seen, _accepted, ()) = tokio::join!(between, accepting, connecting);
    assert!(!seen.windows(10).any(|window| window == b"BitTorrent"));
    assert!(!seen.windows(20).any(|window| window == TORRENT.as_bytes()));
}

#[tokio::test]
async fn refused_when_not_as_demanded() {
    let (listener, address) = listen().await;
    let times = Times::default();

    // A peer that hangs up on what is not plain.
    let plain_only = async {
        let (stream, _) = listener.accept().await.unwrap();
        let refused = accept(stream, &HERE, Encryption::Off, times).await;
        assert!(matches!(refused, Err(AcceptError::NotPlain)), "{refused:?}");
    };
    let required = connect(address, TORRENT, Encryption::Require, times);
    let (refused, ()) = tokio::join!(required, plain_only);
    assert!(
        matches!(refused, Err(ConnectError::NotEncrypted(_))),
        "{refused:?}"
    );

    // A plain one to who wants encryption.
    let mut plain = TcpStream::connect(address).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    plain.write_all(&handshake()).await.unwrap();
    let refused = accept(stream, &HERE, Encryption::Require, times).await;
    assert!(
        matches!(refused, Err(AcceptError::NotEncrypted)),
        "{refused:?}"
    );

    // Another torrent.
    let unknown = InfoHashV1::from_bytes([9; 20]);
    let required = connect(address, unknown, Encryption::Require, times);
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        accept(stream, &HERE, Encryption::Prefer, times).await
    };
    let (ours, theirs) = tokio::join!(required, accepting);
    assert!(matches!(ours, Err(ConnectError::NotEncrypted(_))));
    let unknown = HandshakeError::Mse(MseError::UnknownTorrent);
    assert_eq!(
        theirs.unwrap_err().to_string(),
        AcceptError::Handshake(unknown).to_string()
    );

    // Garbage.
    let mut garbage = TcpStream::connect(address).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    garbage.write_all(&[0x55; 1000]).await.unwrap();
    let refused = accept(stream, &HERE, Encryption::Prefer, times).await;
    let marker = HandshakeError::Mse(MseError::NoMarker);
    assert_eq!(
        refused.unwrap_err().to_string(),
        AcceptError::Handshake(marker).to_string()
    );
}

#[tokio::test]
async fn who_goes_away_or_dawdles() {
    let (listener, address) = listen().await;
    let gone = TcpStream::connect(address).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    drop(gone);
    let refused = accept(stream, &HERE, Encryption::Prefer, Times::default()).await;
    assert!(matches!(refused, Err(AcceptError::Closed)), "{refused:?}");

    let short = Times {
        handshake: Duration::from_millis(30),
        ..Times::default()
    };
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(&handshake()[..19]).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let refused = accept(stream, &HERE, Encryption::Prefer, short).await;
    assert!(matches!(refused, Err(AcceptError::Timeout)), "{refused:?}");

    // It takes connections and never says a word: a plain one is made in the end.
    let silent = connect(address, TORRENT, Encryption::Prefer, short).await;
    assert!(!silent.unwrap().is_encrypted());
    let silent = connect(address, TORRENT, Encryption::Require, short).await;
    assert!(matches!(
        silent,
        Err(ConnectError::NotEncrypted(HandshakeError::Timeout))
    ));

    drop(listener);
    let refused = connect(address, TORRENT, Encryption::Prefer, short).await;
    assert!(matches!(refused, Err(ConnectError::Io(_))), "{refused:?}");
}

#[tokio::test]
async fn any_stream_will_do() {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 7));
    let (mut near, far) = duplex(64);
    let carrier = Carrier::other(far, address, Transport::Tcp);
    let began = handshake();
    let saying = near.write_all(&began[..30]);
    let times = Times::default();
    let accepting = accept_on(carrier, &HERE, Encryption::Prefer, times);
    let (said, accepted) = tokio::join!(saying, accepting);
    said.unwrap();
    let mut stream = accepted.unwrap();
    // What showed that it is plain is read again, in pieces of any size.
    for byte in &began[..30] {
        assert_eq!(stream.read_u8().await.unwrap(), *byte);
    }
    assert_eq!(stream.remote_address(), address);
    drop(near);
    assert_eq!(stream.read(&mut [0; 9]).await.unwrap(), 0);
}

#[tokio::test]
async fn both_ways_over_utp() {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let most = NonZeroUsize::new(8).unwrap();
    let ours = UtpEndpoint::bind(local, most).await.unwrap();
    let theirs = UtpEndpoint::bind(local, most).await.unwrap();
    for (encryption, encrypted) in [(Encryption::Off, false), (Encryption::Require, true)] {
        let address = theirs.local_address();
        let accepting = async {
            let carrier = theirs.accept().await.unwrap();
            let accepted = accept_on(carrier, &HERE, encryption, Times::default()).await;
            trade(accepted.unwrap(), 2, 1).await;
        };
        let connecting = async {
            let connected = ours.connect(address, TORRENT, encryption, Times::default());
            let stream = connected.await.unwrap();
            assert_eq!(stream.is_encrypted(), encrypted);
            assert_eq!(stream.transport(), Transport::Utp);
            assert_eq!(stream.remote_address(), address);
            trade(stream, 1, 2).await;
        };
        tokio::join!(accepting, connecting);
    }
}

//! Lanes between two ends on loopback.

use std::{io, time::Duration};

use libp2p::{PeerId, identity::Keypair};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{
    handshake::{Secured, answer, begin},
    identity::Identity,
    record::MAX_CONTENT_BYTES,
};
use crate::{Channel, Path, Pipe};

fn node() -> (Identity, PeerId) {
    let keypair = Keypair::generate_ed25519();
    let identity = Identity::new(&keypair).unwrap();
    (identity, keypair.public().to_peer_id())
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (dialed, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (dialed.unwrap(), accepted.unwrap().0)
}

/// Both ends of a lane, and who they are.
async fn lane() -> ((Secured, PeerId), (Secured, PeerId)) {
    let (client, server) = (node(), node());
    let (dialed, accepted) = sockets().await;
    let (dialed, accepted) = tokio::join!(
        begin(&client.0, server.1, dialed),
        answer(&server.0, accepted)
    );
    ((dialed.unwrap(), client.1), (accepted.unwrap(), server.1))
}

fn pipe(end: Secured) -> Pipe {
    Pipe::of_lane(
        end.peer,
        Channel::Bulk,
        Path::Direct,
        end.reader,
        end.writer,
    )
}

fn pattern(len: usize) -> Vec<u8> {
    let byte = |at: usize| u8::try_from((at * 7 + at / 251) % 256).unwrap();
    (0..len).map(byte).collect()
}

#[tokio::test]
async fn each_end_learns_who_the_other_is() {
    let ((dialed, client), (accepted, server)) = lane().await;
    assert_eq!((dialed.peer, accepted.peer), (server, client));
}

#[tokio::test]
async fn another_peer_is_refused() {
    let (client, server, other) = (node(), node(), node());
    let (dialed, accepted) = sockets().await;
    let (dialed, accepted) = tokio::join!(
        begin(&client.0, other.1, dialed),
        answer(&server.0, accepted)
    );
    assert!(dialed.is_err() && accepted.is_err());
}

#[tokio::test]
async fn whole_groups_arrive_whole_and_all_else_in_order() {
    let ((dialed, _), (accepted, _)) = lane().await;
    let (mut from, mut to) = (pipe(dialed), pipe(accepted));
    let content = pattern(3 * 1024 * 1024 + 5);
    let expected = content.clone();
    let sending = tokio::spawn(async move {
        let (head, body) = from.writer.places(1000, content.len());
        for place in head {
            place.fill(9);
        }
        let mut at = 0;
        for place in body {
            place.copy_from_slice(&content[at..at + place.len()]);
            at += place.len();
        }
        while from.writer.waiting() > 0 {
            let left = from.writer.waiting().saturating_sub(64 * 1024);
            from.writer.send(left).await.unwrap();
        }
        from.writer.shutdown().await.unwrap();
    });
    let mut head = [0; 1000];
    to.reader.read_exact(&mut head).await.unwrap();
    assert_eq!(head, [9; 1000]);
    let mut got = Vec::new();
    while to.reader.fill(usize::MAX).await.unwrap() {
        let mut taken = 0;
        for chunk in to.reader.chunks() {
            let whole = chunk.len() == MAX_CONTENT_BYTES || chunk.len() == 5;
            assert!(whole, "a portion of {}", chunk.len());
            got.extend_from_slice(chunk);
            taken += chunk.len();
        }
        to.reader.consume(taken);
    }
    assert!(got == expected);
    sending.await.unwrap();
}

#[tokio::test]
async fn a_writer_waits_for_a_reader_that_does_not_read() {
    let ((dialed, _), (accepted, _)) = lane().await;
    let (mut from, _to) = (pipe(dialed), pipe(accepted));
    let mut sent = 0_usize;
    let flood = async {
        loop {
            from.writer.write_all(&[0; 65536]).await.unwrap();
            sent += 65536;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_millis(500), flood)
            .await
            .is_err()
    );
    assert!(sent < 64 * 1024 * 1024, "{sent} bytes went nowhere");
}

#[tokio::test]
async fn a_lane_that_is_cut_is_not_one_that_ended() {
    let ((dialed, _), (accepted, _)) = lane().await;
    let mut to = pipe(accepted);
    drop(dialed);
    let error = to.reader.fill(usize::MAX).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn new_keys_are_taken_on_the_way() {
    let ((mut dialed, _), (mut accepted, _)) = lane().await;
    dialed.writer.renew_keys().unwrap();
    accepted.writer.renew_keys().unwrap();
    let (mut from, mut to) = (pipe(dialed), pipe(accepted));
    for _ in 0..2 {
        from.writer.write_all(b"after").await.unwrap();
        from.writer.flush().await.unwrap();
        let mut got = [0; 5];
        to.reader.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"after");
        std::mem::swap(&mut from, &mut to);
    }
}

#[tokio::test]
async fn bytes_that_are_no_handshake_are_refused() {
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[22, 3, 1, 0xff, 0xff],
        &[22, 3, 1, 0, 4, 1, 0, 0, 0],
    ] {
        let (mut dialed, accepted) = sockets().await;
        dialed.write_all(garbage).await.unwrap();
        dialed.shutdown().await.unwrap();
        assert!(answer(&node().0, accepted).await.is_err());
    }
}

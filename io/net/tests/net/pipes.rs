//! Opening pipes and moving bytes.

use std::time::Duration;

use futures::StreamExt as _;
use libp2p::{SwarmBuilder, noise, swarm::dummy, tcp, yamux};
use potluck_net::{Channel, OpenError, Path, Pipe};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Node, QUIC, TCP, config_with, node, within};

/// Sends back what comes, until the end.
async fn echo(mut pipe: Pipe) {
    tokio::io::copy(&mut pipe.reader, &mut pipe.writer)
        .await
        .unwrap();
    pipe.writer.shutdown().await.unwrap();
}

async fn echo_over(listen: &str, part: &str) {
    let a = Node::start(config_with(1, &[listen])).await;
    let mut b = Node::start(config_with(2, &[listen])).await;
    within(a.handle.dial(b.address(part))).await.unwrap();
    let sent: Vec<u8> = (0..3_000_000_u32)
        .map(|i| i.to_le_bytes()[i as usize % 3])
        .collect();
    for channel in [Channel::Swarm, Channel::Bulk] {
        let pipe = within(a.handle.open(b.id(), channel)).await.unwrap();
        assert_eq!(
            (pipe.peer, pipe.channel, pipe.path),
            (b.id(), channel, Path::Direct)
        );
        let Pipe {
            mut reader,
            mut writer,
            ..
        } = pipe;
        let to_send = sent.clone();
        let sender = tokio::spawn(async move {
            writer.write_all(&to_send).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let incoming = within(b.pipes.recv()).await.unwrap();
        assert_eq!((incoming.peer, incoming.channel), (a.id(), channel));
        let server = tokio::spawn(echo(incoming));
        let mut back = Vec::new();
        within(reader.read_to_end(&mut back)).await.unwrap();
        assert!(back == sent, "{} of {} bytes", back.len(), sent.len());
        within(sender).await.unwrap();
        within(server).await.unwrap();
    }
    let total = 2 * sent.len() as u64;
    let info = &within(a.handle.peers()).await[0];
    assert_eq!((info.traffic.sent, info.traffic.received), (total, total));
    assert_eq!(a.handle.traffic(), info.traffic);
    assert_eq!(info.pipes, 0);
}

#[tokio::test]
async fn bytes_come_back_over_tcp() {
    echo_over(TCP, "/tcp/").await;
}

#[tokio::test]
async fn bytes_come_back_over_quic() {
    echo_over(QUIC, "/quic-v1").await;
}

#[tokio::test]
async fn a_pipe_that_is_dropped_ends_at_the_other_side() {
    let (a, mut b) = (node(1).await, node(2).await);
    a.dials(&b).await;
    let mut pipe = within(a.handle.open(b.id(), Channel::Swarm)).await.unwrap();
    pipe.writer.write_all(b"x").await.unwrap();
    pipe.writer.flush().await.unwrap();
    let mut incoming = within(b.pipes.recv()).await.unwrap();
    drop(pipe);
    let mut rest = Vec::new();
    // Whether it ends or breaks depends on how far the first byte got.
    let _ = within(incoming.reader.read_to_end(&mut rest)).await;
    assert!(rest.len() <= 1);
}

#[tokio::test]
async fn opening_without_a_connection_fails_at_once() {
    let (a, b) = (node(1).await, node(2).await);
    let refused = within(a.handle.open(b.id(), Channel::Bulk)).await;
    assert_eq!(refused.err(), Some(OpenError::NotConnected));
    within(a.handle.shutdown()).await;
    let refused = within(a.handle.open(b.id(), Channel::Bulk)).await;
    assert_eq!(refused.err(), Some(OpenError::Closed));
}

#[tokio::test]
async fn who_speaks_something_else_is_told_apart() {
    let mut stranger = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .unwrap()
        .with_behaviour(|_| dummy::Behaviour)
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    let id = *stranger.local_peer_id();
    let a = node(1).await;
    stranger.dial(a.address("/tcp/")).unwrap();
    let stranger = tokio::spawn(async move {
        loop {
            stranger.select_next_some().await;
        }
    });
    let opened = within(async {
        loop {
            match a.handle.open(id, Channel::Bulk).await {
                Err(OpenError::NotConnected) => tokio::task::yield_now().await,
                outcome => return outcome,
            }
        }
    });
    // The name of the protocol goes out with the first bytes: what comes back tells.
    let mut pipe = opened.await.unwrap();
    let _ = pipe.writer.write_all(b"hello").await;
    let _ = pipe.writer.flush().await;
    let mut answer = [0; 8];
    let read = within(pipe.reader.read(&mut answer)).await;
    assert!(matches!(read, Err(_) | Ok(0)), "{read:?}");
    stranger.abort();
}

#[tokio::test]
async fn pipes_that_nobody_takes_are_refused() {
    let (a, b) = (node(1).await, node(2).await);
    a.dials(&b).await;
    // One peer may have 32 open with the other; further ones are dropped on arrival.
    let mut pipes = Vec::new();
    for _ in 0..100 {
        pipes.push(within(a.handle.open(b.id(), Channel::Swarm)).await);
    }
    let mut refused = 0;
    for pipe in &mut pipes {
        let Ok(pipe) = pipe else {
            refused += 1;
            continue;
        };
        let mut byte = [0];
        let read = tokio::time::timeout(Duration::from_millis(1), async {
            pipe.reader.read(&mut byte).await
        });
        refused += usize::from(read.await.is_ok());
    }
    assert!(refused >= 68, "{refused} refused");
    assert!(within(b.handle.peers()).await[0].pipes <= 32);
}

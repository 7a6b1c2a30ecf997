//! Bulk lanes: connections of their own beside the swarm's.

use potluck_identity::NetworkKey;
use potluck_net::{Channel, Pipe};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Node, QUIC, TCP, config, config_with, node, within};

/// A lane from one node to another, and its other end.
async fn lane(from: &Node, to: &mut Node) -> (Pipe, Pipe) {
    let opened = within(from.handle.open_lane(to.id())).await;
    let opened = opened.expect("a lane is opened");
    let accepted = within(to.pipes.recv()).await.unwrap();
    assert!(opened.dedicated && accepted.dedicated);
    assert_eq!((opened.peer, accepted.peer), (to.id(), from.id()));
    assert_eq!(accepted.channel, Channel::Bulk);
    (opened, accepted)
}

async fn carries_bytes(from: &mut Pipe, to: &mut Pipe) {
    let sent: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut got = vec![0; sent.len()];
    let sending = async {
        from.writer.write_all(&sent).await.unwrap();
        from.writer.flush().await.unwrap();
    };
    let (read, ()) = within(async { tokio::join!(to.reader.read_exact(&mut got), sending) }).await;
    read.unwrap();
    assert!(got == sent);
}

#[tokio::test]
async fn both_sides_of_a_connection_can_open_one() {
    let (mut a, mut b) = (node(1).await, node(2).await);
    a.dials(&b).await;
    b.connected_to(a.id()).await;
    let (mut near, mut far) = lane(&a, &mut b).await;
    carries_bytes(&mut near, &mut far).await;
    carries_bytes(&mut far, &mut near).await;
    let traffic = a.handle.traffic();
    assert_eq!((traffic.sent, traffic.received), (400_000, 400_000));
    // The one that was dialed learns where the other listens.
    a.event(|event| matches!(event, potluck_net::NetEvent::Identified { .. }).then_some(()))
        .await;
    b.event(|event| matches!(event, potluck_net::NetEvent::Identified { .. }).then_some(()))
        .await;
    let (mut near, mut far) = lane(&b, &mut a).await;
    carries_bytes(&mut near, &mut far).await;
}

#[tokio::test]
async fn a_lane_goes_over_tcp_where_the_connection_is_quic() {
    let a = Node::start(config_with(1, &[TCP, QUIC])).await;
    let mut b = Node::start(config_with(2, &[TCP, QUIC])).await;
    within(a.handle.dial(b.address("/udp/"))).await.unwrap();
    b.connected_to(a.id()).await;
    let mut a = a;
    a.event(|event| matches!(event, potluck_net::NetEvent::Identified { .. }).then_some(()))
        .await;
    let (mut near, mut far) = lane(&a, &mut b).await;
    carries_bytes(&mut near, &mut far).await;
}

#[tokio::test]
async fn there_is_none_without_a_connection() {
    let (a, b) = (node(1).await, node(2).await);
    assert!(within(a.handle.open_lane(b.id())).await.is_none());
}

#[tokio::test]
async fn it_ends_with_the_last_connection() {
    let (a, mut b) = (node(1).await, node(2).await);
    a.dials(&b).await;
    b.connected_to(a.id()).await;
    let (mut near, mut far) = lane(&a, &mut b).await;
    carries_bytes(&mut near, &mut far).await;
    within(a.handle.ban(b.id())).await;
    for end in [&mut near, &mut far] {
        let more = within(end.reader.fill(usize::MAX)).await;
        assert!(more.is_err(), "{more:?}");
    }
}

#[tokio::test]
async fn a_private_network_has_lanes_too() {
    let private = |seed| {
        let mut config = config(seed);
        config.private = Some(NetworkKey::from_seed([7; 32]));
        config
    };
    let a = Node::start(private(1)).await;
    let mut b = Node::start(private(2)).await;
    a.dials(&b).await;
    b.connected_to(a.id()).await;
    let (mut near, mut far) = lane(&a, &mut b).await;
    carries_bytes(&mut near, &mut far).await;
}

#[tokio::test]
async fn one_peer_opens_a_few_and_no_more() {
    let (a, mut b) = (node(1).await, node(2).await);
    a.dials(&b).await;
    b.connected_to(a.id()).await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(lane(&a, &mut b).await);
    }
    assert!(within(a.handle.open_lane(b.id())).await.is_none());
    for (near, far) in &mut open {
        carries_bytes(near, far).await;
    }
}

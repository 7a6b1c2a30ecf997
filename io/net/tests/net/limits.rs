//! Limits hold.

use std::time::Duration;

use potluck_net::{DhtMode, DialError, NetHandle, PeerInfo};
use tokio::task::JoinSet;

use crate::support::{Node, config, node, within};

#[tokio::test]
async fn connections_stay_below_the_limit_under_many_dialers() {
    let mut limited = config(100);
    limited.limits.max_connections = 10;
    let server = Node::start(limited).await;
    let address = server.address("/tcp/");
    let mut dialers: Vec<NetHandle> = Vec::new();
    for seed in 0..40 {
        dialers.push(node(seed).await.handle);
    }
    let mut dials = JoinSet::new();
    for dialer in dialers.clone() {
        let address = address.clone();
        dials.spawn(async move { dialer.dial(address).await });
    }
    let mut most = 0;
    while let Some(outcome) = within(dials.join_next()).await {
        // Refused dialers either get an error or are disconnected right after.
        let _ = outcome.unwrap();
        most = most.max(server.handle.peers().await.len());
    }
    // A tenth is kept for connections that the node makes itself.
    assert_eq!(most, 9);
    let out = node(41).await;
    server.dials(&out).await;
    assert_eq!(server.handle.peers().await.len(), 10);
    // All places are taken. A peer that came by itself and wants nothing gives up its own.
    let late = node(42).await;
    server.dials(&late).await;
    let connected = until(&server, |peers| peers.len() == 10).await;
    for own in [&out, &late] {
        assert!(connected.iter().any(|info| info.peer == own.id()));
    }
}

#[tokio::test]
async fn what_the_owner_just_asked_for_is_not_closed_for_the_next() {
    let mut limited = config(1);
    limited.limits.max_connections = 2;
    let server = Node::start(limited).await;
    let others = [node(2).await, node(3).await, node(4).await];
    server.dials(&others[0]).await;
    server.dials(&others[1]).await;
    let refused = within(server.handle.dial(others[2].address("/tcp/"))).await;
    assert!(matches!(refused, Err(DialError::Limit(_))), "{refused:?}");
    assert_eq!(server.handle.peers().await.len(), 2);
}

/// Peers that connect ask to be dialed back, to learn whether they can be reached.
#[tokio::test]
async fn dial_backs_leave_the_owners_places_free() {
    let mut limited = config(100);
    limited.limits.max_connections = 40;
    let server = Node::start(limited).await;
    let mut dialers = Vec::new();
    for seed in 0..36 {
        let mut client = config(seed);
        // Clients of the DHT do not hear of each other, so that they all ask the same node.
        client.dht_server = DhtMode::Client;
        dialers.push(Node::start(client).await);
    }
    let dialing = async {
        for dialer in &dialers {
            dialer.dials(&server).await;
        }
    };
    // Each dial-back is there for a moment only, but there are many.
    let dialed_back = until(&server, |peers| {
        peers.iter().any(|info| info.addresses.len() > 1)
    });
    tokio::join!(dialing, dialed_back);
    let others = [node(41).await, node(42).await];
    for other in &others {
        server.dials(other).await;
    }
    // Who was dialed back stays connected, by the one connection that it had.
    let left = until(&server, |peers| {
        peers.iter().all(|info| info.addresses.len() == 1)
    })
    .await;
    assert_eq!(left.len(), 38);
}

/// Looks at the peers of a node again and again until they are as they should be.
async fn until(node: &Node, wanted: impl Fn(&[PeerInfo]) -> bool) -> Vec<PeerInfo> {
    within(async {
        loop {
            let peers = node.handle.peers().await;
            if wanted(&peers) {
                return peers;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
}

#[tokio::test]
async fn memory_limit_keeps_connections_away() {
    let mut limited = config(1);
    limited.limits.max_memory_bytes = Some(1);
    let (a, b) = (Node::start(limited).await, node(2).await);
    let refused = within(a.handle.dial(b.address("/tcp/"))).await;
    assert!(matches!(refused, Err(DialError::Limit(_))), "{refused:?}");
}

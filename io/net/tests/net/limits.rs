//! Limits hold.

use potluck_net::{DialError, NetHandle};
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
    let full = node(42).await;
    let refused = within(server.handle.dial(full.address("/tcp/"))).await;
    assert!(matches!(refused, Err(DialError::Limit(_))), "{refused:?}");
    assert_eq!(server.handle.peers().await.len(), 10);
}

#[tokio::test]
async fn memory_limit_keeps_connections_away() {
    let mut limited = config(1);
    limited.limits.max_memory_bytes = Some(1);
    let (a, b) = (Node::start(limited).await, node(2).await);
    let refused = within(a.handle.dial(b.address("/tcp/"))).await;
    assert!(matches!(refused, Err(DialError::Limit(_))), "{refused:?}");
}

//! Finding each other on the local network.

use std::process;

use potluck_identity::NodeKey;
use potluck_net::{NetConfig, NetEvent};

use crate::support::{Node, config_with};

/// A node on all interfaces. Other test runs may be on the same network, so that identities must
/// differ between processes.
fn config(number: u8) -> NetConfig {
    let mut seed = [number; 32];
    seed[..4].copy_from_slice(&process::id().to_le_bytes());
    let mut config = config_with(number, &["/ip4/0.0.0.0/tcp/0"]);
    config.key = NodeKey::from_seed(seed);
    config.lan = true;
    config
}

#[tokio::test]
async fn peers_on_the_same_network_connect_by_themselves() {
    let mut a = Node::start(config(1)).await;
    let is_loopback = |address: &potluck_net::Multiaddr| address.to_string().contains("/127.");
    if a.handle.listen_addresses().iter().all(is_loopback) {
        println!("skipped: this machine has no network");
        return;
    }
    let b = Node::start(config(2)).await;
    a.event(|event| match event {
        NetEvent::LanPeer { peer, .. } if *peer == b.id() => Some(()),
        _ => None,
    })
    .await;
    if a.handle
        .peers()
        .await
        .iter()
        .all(|info| info.peer != b.id())
    {
        a.connected_to(b.id()).await;
    }
}

//! Reaching a peer through a third node.

use potluck_net::{Channel, NetEvent, Path};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Node, TCP, config, config_with, node, within};

/// A relay, and a node that has a place there.
async fn relayed(listen: &[&str]) -> (Node, Node, String) {
    let mut relay = config(3);
    relay.relay_server = true;
    let relay = Node::start(relay).await;
    let circuit = format!("{}/p2p-circuit", relay.address("/tcp/"));
    let mut config = config_with(1, listen);
    config.listen.push(circuit.parse().unwrap());
    let mut a = Node::start(config).await;
    while !a
        .handle
        .listen_addresses()
        .iter()
        .any(|a| a.to_string().contains("/p2p-circuit/"))
    {
        a.event(|event| (*event == NetEvent::AddressesChanged).then_some(()))
            .await;
    }
    let address = format!("{circuit}/p2p/{}", a.id());
    assert_eq!(a.address("/p2p-circuit/").to_string(), address);
    (relay, a, address)
}

#[tokio::test]
async fn a_peer_is_reached_through_a_relay() {
    // It listens nowhere else.
    let (_relay, mut a, address) = relayed(&[]).await;
    let mut b = node(2).await;
    assert_eq!(
        within(b.handle.dial(address.parse().unwrap())).await,
        Ok(a.id())
    );
    let path = |event: &NetEvent| match event {
        NetEvent::Connected {
            path: Path::Relayed,
            addr,
            ..
        } => Some(addr.to_string()),
        _ => None,
    };
    assert_eq!(b.event(path).await, address);
    assert!(
        a.event(path)
            .await
            .ends_with(&format!("/p2p-circuit/p2p/{}", b.id()))
    );
    let mut pipe = within(b.handle.open(a.id(), Channel::Swarm)).await.unwrap();
    assert_eq!(pipe.path, Path::Relayed);
    pipe.writer.write_all(b"through").await.unwrap();
    pipe.writer.shutdown().await.unwrap();
    let mut incoming = within(a.pipes.recv()).await.unwrap();
    assert_eq!(incoming.path, Path::Relayed);
    let mut text = String::new();
    within(incoming.reader.read_to_string(&mut text))
        .await
        .unwrap();
    assert_eq!(text, "through");
}

#[tokio::test]
async fn pipes_take_the_direct_way_once_there_is_one() {
    let (_relay, a, address) = relayed(&[TCP]).await;
    let b = node(2).await;
    assert_eq!(
        within(b.handle.dial(address.parse().unwrap())).await,
        Ok(a.id())
    );
    let direct = format!("{}/p2p/{}", a.bare_address("/ip4/127.0.0.1/tcp/"), a.id());
    assert_eq!(
        within(b.handle.dial(direct.parse().unwrap())).await,
        Ok(a.id())
    );
    let pipe = within(b.handle.open(a.id(), Channel::Bulk)).await.unwrap();
    assert_eq!(pipe.path, Path::Direct);
    let peers = within(b.handle.peers()).await;
    let info = peers.iter().find(|info| info.peer == a.id()).unwrap();
    assert_eq!(info.path, Path::Direct);
    assert!(!info.addresses[0].to_string().contains("p2p-circuit"));
}

//! A DHT of some nodes on this machine. None of them ever asks anybody else.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent_net::dht::{DhtError, DhtHandle, DhtOptions, DhtRole};
use tokio::time::timeout;

/// Nothing here takes so long. A node is looked after once a minute, which is not waited for.
const LONG: Duration = Duration::from_secs(40);
const TORRENT: InfoHashV1 = InfoHashV1::from_bytes([0xab; 20]);

fn options(bootstrap: &[SocketAddrV4], role: DhtRole) -> DhtOptions {
    DhtOptions {
        listen: Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)),
        bootstrap: Some(bootstrap.iter().map(ToString::to_string).collect()),
        role,
        nodes_file: None,
        six: None,
    }
}

async fn node(bootstrap: &[SocketAddrV4], role: DhtRole) -> DhtHandle {
    DhtHandle::start(options(bootstrap, role)).await.unwrap()
}

async fn address(node: &DhtHandle) -> SocketAddrV4 {
    node.info().await.unwrap().local
}

/// Nodes that know each other. The first one is the one that the others begin with.
async fn network(size: usize) -> (Vec<DhtHandle>, SocketAddrV4) {
    let first = node(&[], DhtRole::Server).await;
    let begin = address(&first).await;
    let mut nodes = vec![first];
    for _ in 1..size {
        nodes.push(node(&[begin], DhtRole::Server).await);
    }
    for node in &nodes[1..] {
        assert!(timeout(LONG, node.ready()).await.unwrap());
    }
    (nodes, begin)
}

/// All peers that a search finds.
async fn peers(node: &DhtHandle, torrent: InfoHashV1) -> Vec<SocketAddr> {
    let mut search = node.get_peers(torrent);
    let mut found = Vec::new();
    while let Some(peers) = timeout(LONG, search.recv()).await.unwrap() {
        found.extend(peers);
    }
    found
}

fn local(port: u16) -> SocketAddr {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_announces_and_another_finds_it() {
    let (nodes, begin) = network(30).await;
    let (seeder, leecher) = (&nodes[7], &nodes[23]);
    assert_eq!(peers(leecher, TORRENT).await, []);
    seeder.announce(TORRENT, Some(45_555)).await.unwrap();
    assert_eq!(peers(leecher, TORRENT).await, [local(45_555)]);
    assert_eq!(peers(leecher, InfoHashV1::from_bytes([1; 20])).await, []);

    // One that only asks finds it too, and can be found by the port it asks from.
    let client = node(&[begin], DhtRole::ReadOnly).await;
    assert!(timeout(LONG, client.ready()).await.unwrap());
    client.announce(TORRENT, None).await.unwrap();
    let mut found = peers(leecher, TORRENT).await;
    found.sort();
    let mut expected = [local(45_555), address(&client).await.into()];
    expected.sort();
    assert_eq!(found, expected);
    let info = client.info().await.unwrap();
    assert!(info.nodes > 0 && !info.is_server);
    let server = seeder.info().await.unwrap();
    assert!(server.is_server);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_a_torrent_are_a_way_in() {
    let (nodes, _) = network(5).await;
    nodes[1].announce(TORRENT, Some(1234)).await.unwrap();
    let alone = node(&[], DhtRole::WhenReachable).await;
    assert!(matches!(
        alone.announce(TORRENT, Some(1)).await,
        Err(DhtError::NoNodes)
    ));
    let before = address(&alone).await;
    for node in &nodes[2..] {
        alone.add_node(SocketAddr::V4(address(node).await));
    }
    assert_eq!(peers(&alone, TORRENT).await, [local(1234)]);
    let info = alone.info().await.unwrap();
    assert!(info.nodes > 0);
    assert_eq!(info.local, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_kept_for_the_next_time() {
    let (nodes, begin) = network(5).await;
    nodes[1].announce(TORRENT, Some(1234)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nodes");
    let first = DhtHandle::start(DhtOptions {
        nodes_file: Some(file.clone()),
        ..options(&[begin], DhtRole::ReadOnly)
    });
    let first = first.await.unwrap();
    assert!(timeout(LONG, first.ready()).await.unwrap());
    let saved = first.nodes_to_save().await;
    assert!(!saved.is_empty());
    first.shutdown().await;
    assert!(matches!(first.info().await, Err(DhtError::Stopped)));
    assert_eq!(peers(&first, TORRENT).await, []);

    let next = DhtHandle::start(DhtOptions {
        nodes_file: Some(file),
        ..options(&[], DhtRole::ReadOnly)
    });
    let next = next.await.unwrap();
    assert_eq!(peers(&next, TORRENT).await, [local(1234)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = socket.local_addr().unwrap().port();
    let start = DhtHandle::start(DhtOptions {
        listen: Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, taken)),
        ..options(&[], DhtRole::ReadOnly)
    });
    let error = start.await.unwrap_err();
    let DhtError::Listen(error) = error else {
        panic!("{error}")
    };
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_handle_gone_leaves_the_port() {
    let only = node(&[], DhtRole::Server).await;
    let address = address(&only).await;
    drop(only);
    let again = DhtHandle::start(DhtOptions {
        listen: Some(address),
        ..options(&[], DhtRole::Server)
    });
    assert_eq!(again.await.unwrap().info().await.unwrap().local, address);
}

/// What a node costs that does nothing, for whoever asks: run it with `--ignored --nocapture`.
#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "measures for ten seconds"]
async fn cost_of_a_node_that_does_nothing() {
    let _node = node(&[], DhtRole::Server).await;
    let spent = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let of_task = |task: std::io::Result<std::fs::DirEntry>| {
            let stat = task.unwrap().path().join("schedstat");
            let stat = std::fs::read_to_string(stat).unwrap_or_default();
            let first = stat.split(' ').next().and_then(|n| n.parse::<u64>().ok());
            first.unwrap_or(0)
        };
        tasks.map(of_task).sum::<u64>()
    };
    let before = spent();
    tokio::time::sleep(Duration::from_secs(10)).await;
    println!("{} µs of CPU in 10 s", (spent() - before) / 1000);
}

//! Peers are found, each way alone.

use crate::support::{Scratch, assert_same_tree, write_tree};
use crate::{TREE, create, seed_at, settle};
use potluck_bittorrent_net::dht::{DhtHandle, DhtOptions, DhtRole};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Nodes of a DHT of this machine.
const NODES: usize = 30;

async fn node(bootstrap: Vec<String>) -> DhtHandle {
    let options = DhtOptions {
        listen: Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)),
        bootstrap: Some(bootstrap),
        role: DhtRole::Server,
        nodes_file: None,
    };
    DhtHandle::start(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_dht_alone() {
    let first = node(Vec::new()).await;
    let way_in = first.info().await.unwrap().local.to_string();
    let mut others = Vec::new();
    for _ in 1..NODES {
        others.push(node(vec![way_in.clone()]).await);
    }
    let scratch = Scratch::new("torrent_dht");
    let folder = scratch.path("given/folder");
    write_tree(&folder, &TREE, 11);
    let torrent = create(&scratch, &folder, "hybrid", "folder.torrent");
    let settings = [
        ("bittorrent.dht", "true"),
        ("bittorrent.dht_nodes", way_in.as_str()),
    ];
    let out = scratch.path("out");
    tokio::task::block_in_place(|| {
        settle(&scratch, "seed", &settings);
        let seed = scratch.node("seed").start();
        let (_, magnet) = seed_at(&seed, &torrent, &folder);
        settle(&scratch, "taker", &settings);
        let run = scratch.run("taker", ["get", &magnet, "--timeout", "50", "-o"]);
        run.arg(&out).json().ok();
    });
    assert_same_tree(&folder, &out);
    drop(others);
}

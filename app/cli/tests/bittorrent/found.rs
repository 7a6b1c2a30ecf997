//! Peers are found, each way alone.

use crate::discovery::has_ipv6;
use crate::support::{Scratch, assert_same_tree, write_tree};
use crate::{TREE, create, seed_at, settle};
use potluck_bittorrent_net::dht::{DhtHandle, DhtOptions, DhtRole, Six, SixOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Nodes of a DHT of this machine.
const NODES: usize = 30;
/// Nodes that keep what was announced.
const IN_CHARGE: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

async fn node(bootstrap: Vec<String>) -> DhtHandle {
    let options = DhtOptions {
        listen: Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)),
        bootstrap: Some(bootstrap),
        role: DhtRole::Server,
        nodes_file: None,
        six: None,
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
    found_by("torrent_dht", &way_in);
    drop(others);
}

async fn node_v6(bootstrap: Vec<String>) -> Six {
    let options = SixOptions {
        listen: SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0),
        bootstrap: Some(bootstrap),
        read_only: false,
        nodes_file: None,
    };
    Six::start(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_dht_over_ipv6_alone() {
    if !has_ipv6() {
        return;
    }
    let first = node_v6(Vec::new()).await;
    let way_in = first.local().to_string();
    let mut others = Vec::new();
    for _ in 1..NODES {
        others.push(node_v6(vec![way_in.clone()]).await);
    }
    // Each knows as many as are in charge of a torrent, so that all find the same ones.
    for other in &others {
        let end = Instant::now() + PATIENCE;
        while other.nodes().await.len() < IN_CHARGE {
            assert!(Instant::now() < end, "few are known");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    found_by("torrent_dht6", &way_in);
    drop(others);
}

/// A seed and who fetches from it know nobody but a node of the DHT.
fn found_by(name: &str, way_in: &str) {
    let scratch = Scratch::new(name);
    let folder = scratch.path("given/folder");
    write_tree(&folder, &TREE, 11);
    let torrent = create(&scratch, &folder, "hybrid", "folder.torrent");
    let settings = [("bittorrent.dht", "true"), ("bittorrent.dht_nodes", way_in)];
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
}

/// Serves files below a folder, parts of them when asked. Gives the port.
pub(crate) fn web_server(folder: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            std::thread::spawn(move || {
                let _ = answer(&folder, stream);
            });
        }
    });
    port
}

fn answer(folder: &Path, mut stream: TcpStream) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    loop {
        let request = lines.next()?.ok()?;
        let path = request
            .split(' ')
            .nth(1)?
            .trim_start_matches('/')
            .to_owned();
        let path = percent_encoding::percent_decode_str(&path)
            .decode_utf8()
            .ok()?;
        let mut range = None;
        loop {
            let line = lines.next()?.ok()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(asked) = line.strip_prefix("range: bytes=") {
                let (from, to) = asked.split_once('-')?;
                range = Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?));
            }
        }
        let bytes = std::fs::read(folder.join(&*path)).ok()?;
        let (from, to) = range?;
        let part = bytes.get(from..=to)?;
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{to}/{}\r\n\r\n",
            part.len(),
            bytes.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(part).ok()?;
    }
}

#[test]
fn a_web_seed_alone_is_enough() {
    for format in ["v1", "v2", "hybrid"] {
        let scratch = Scratch::new("torrent_web");
        let folder = scratch.path("given/folder");
        write_tree(&folder, &TREE, 11);
        let port = web_server(scratch.path("given"));
        let torrent = scratch.path("folder.torrent");
        scratch
            .run("maker", ["torrent", "create", "--piece-size", "64KiB"])
            .args(["--format", format, "--web-seed"])
            .arg(format!("http://127.0.0.1:{port}/"))
            .arg("-o")
            .arg(&torrent)
            .arg(&folder)
            .ok();
        settle(&scratch, "taker", &[]);
        let out = scratch.path("out");
        let run = scratch.run("taker", ["get", "--timeout", "20", "-o"]);
        let done = run.arg(&out).arg(&torrent).json().ok().last("done");
        assert_same_tree(&folder, &out);
        assert_eq!(done["wasted_bytes"], 0, "{format}: {done}");
    }
}

//! Torrents between real nodes: served from where they lie, fetched from peers, resumed, refused.

#![allow(clippy::unwrap_used, clippy::panic)]

mod bad_trackers;
mod between;
mod crossed;
mod discovery;
mod found;
mod holepunch;
mod hostile;
mod hostile_more;
mod interrupted;
mod merge;
mod mixed;
mod owner;
mod port_mapping;
mod super_seeding;
#[path = "../support/mod.rs"]
mod support;
mod utp;

use serde_json::Value;
use std::path::{Path, PathBuf};
use support::{Node, Scratch, write_tree};

/// Files of all kinds: empty, tiny, across pieces, deep, executable.
const TREE: [(&str, u64); 6] = [
    ("a.bin", 300_000),
    ("b/c.bin", 1_500_000),
    ("b/ümläut.txt", 17),
    ("d.sh*", 1000),
    ("empty", 0),
    ("z.bin", 65_536),
];

/// A folder, its torrent, and a node that seeds it.
struct Seed {
    node: Node,
    folder: PathBuf,
    torrent: PathBuf,
    port: u64,
    magnet: String,
}

/// Settings of a node that stays on loopback.
fn settle(scratch: &Scratch, name: &str, more: &[(&str, &str)]) {
    let quiet = [("bittorrent.dht", "false"), ("bittorrent.port", "0")];
    for (key, value) in quiet.iter().chain(more) {
        scratch.run(name, ["config", "set", key, value]).ok();
    }
}

/// Makes a torrent of a path.
fn create(scratch: &Scratch, path: &Path, format: &str, output: &str) -> PathBuf {
    create_with(scratch, path, format, output, &[])
}

/// Makes a torrent of a path, with trackers, each in a tier of its own.
fn create_with(
    scratch: &Scratch,
    path: &Path,
    format: &str,
    output: &str,
    trackers: &[&str],
) -> PathBuf {
    let torrent = scratch.path(output);
    let mut run = scratch.run("maker", ["torrent", "create", "--piece-size", "64KiB"]);
    for tracker in trackers {
        run = run.args(["--tracker", tracker]);
    }
    run.args(["--format", format, "-o"])
        .arg(&torrent)
        .arg(path)
        .ok();
    torrent
}

/// Has a node seed what lies at `place`.
fn seed_at(node: &Node, torrent: &Path, place: &Path) -> (u64, String) {
    let run = node.run(["torrent", "seed"]).arg(torrent).arg(place);
    let seeding = run.json().ok().last("seeding");
    let port = seeding["port"].as_u64().unwrap();
    (port, seeding["magnet"].as_str().unwrap().to_owned())
}

fn seed(scratch: &Scratch, format: &str, settings: &[(&str, &str)]) -> Seed {
    let folder = scratch.path("given/folder");
    write_tree(&folder, &TREE, 11);
    let torrent = create(scratch, &folder, format, "folder.torrent");
    settle(scratch, "seed", settings);
    let node = scratch.node("seed").start();
    let (port, magnet) = seed_at(&node, &torrent, &folder);
    Seed {
        node,
        folder,
        torrent,
        port,
        magnet,
    }
}

impl Seed {
    /// The magnet link with the address of the seed.
    fn link(&self) -> String {
        with_peer(&self.magnet, self.port)
    }
}

fn with_peer(magnet: &str, port: u64) -> String {
    format!("{magnet}&x.pe=127.0.0.1:{port}")
}

/// Bytes that came from a kind of source.
fn from(done: &Value, kind: &str) -> u64 {
    let sources = done["sources"].as_array().unwrap().iter();
    let of_kind = sources.filter(|source| source["kind"] == kind);
    of_kind
        .map(|source| source["bytes"].as_u64().unwrap())
        .sum()
}

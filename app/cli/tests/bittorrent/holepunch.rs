//! Two peers behind routers, whom nobody reaches by himself, are brought together.

use crate::support::{Homes, Node, Scratch, Tracker, assert_same_tree, wait_for, write_tree};
use crate::{TREE, create_with, seed_at, settle, with_peer};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// One at home has all; one on the internet, whom he found by a tracker, has a part.
struct Known {
    scratch: Scratch,
    folder: PathBuf,
    /// Leads to the one on the internet, from the other home.
    link: String,
    // They run until the end.
    _seed: Node,
    _between: Node,
}

fn begin(homes: &Homes, name: &str) -> Known {
    let scratch = Scratch::new(name);
    let folder = scratch.path("given/folder");
    write_tree(&folder, &TREE, 11);
    let centre: Ipv4Addr = Homes::CENTRE[1].parse().unwrap();
    let tracker = homes.internet.enter(|| Tracker::http(IpAddr::V4(centre)));
    let torrent = create_with(&scratch, &folder, "v1", "t.torrent", &[tracker.url()]);

    let ports = [("bittorrent.port", "4772"), ("bittorrent.lsd", "false")];
    settle(&scratch, "between", &ports);
    let between = scratch.node("between").under(&homes.internet.wrapper());
    let between = between.start();
    let part = ["get", "--timeout", "50", "--files", "a.bin", "-o"];
    let part = between.run(part).arg(scratch.path("part"));
    let part = part.arg(&torrent).json().deadline(PATIENCE).spawn();
    let announced = || (!tracker.events().is_empty()).then_some(());
    wait_for("the one between", PATIENCE, announced);

    settle(&scratch, "seed", &ports);
    let seed = scratch.node("seed").under(&homes.machines[1].wrapper());
    let seed = seed.start();
    let (_, magnet) = seed_at(&seed, &torrent, &folder);
    let part = part.finish();
    assert_eq!(part.code, 0, "{part}\n{}\n{}", seed.log(), between.log());
    let (name, _) = magnet.split_once("&tr=").unwrap();
    let link = with_peer(name, 4772).replace("127.0.0.1", Homes::CENTRE[0]);
    Known {
        scratch,
        folder,
        link,
        _seed: seed,
        _between: between,
    }
}

#[test]
fn peers_behind_two_routers_are_brought_together() {
    let Some(homes) = Homes::new("holepunching") else {
        return;
    };
    let known = begin(&homes, "torrent_punch");
    let taker = |name: &str, utp: &str, seconds: &str| {
        let settings = [
            ("bittorrent.port", "4772"),
            ("bittorrent.lsd", "false"),
            ("bittorrent.utp", utp),
        ];
        settle(&known.scratch, name, &settings);
        let node = known.scratch.node(name).under(&homes.machines[0].wrapper());
        let node = node.start();
        let out = known.scratch.path(&format!("out-{name}"));
        let run = node.run(["get", &known.link, "--timeout", seconds, "-o"]);
        let run = run.arg(&out).json().deadline(PATIENCE * 2).output();
        (node, run, out)
    };
    // Without it the one between is all there is, so that what follows shows something.
    let (_deaf, run, _) = taker("deaf", "false", "15");
    assert_eq!(run.code, 3, "{run}");
    drop(_deaf);

    let (node, run, out) = taker("taker", "true", "60");
    assert_eq!(run.code, 0, "{run}\n{}", node.log());
    assert_same_tree(&known.folder, &out);
    let done = run.last("done");
    let seed = format!("{}:4772", Homes::OUTSIDE[1]);
    let sources = done["sources"].as_array().unwrap();
    let from = sources.iter().find(|source| source["peer"] == seed);
    let bytes = from.map_or(0, |source| source["bytes"].as_u64().unwrap());
    assert!(bytes >= 1_500_000, "{done}");
}

//! Peers are found, each way alone: by a tracker, by other peers, on the local network.

use crate::support::{Namespace, Node, Scratch, Tracker, assert_same_tree, wait_for, write_tree};
use crate::{TREE, create, create_with, from, seed_at, settle, with_peer};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// A seed that only one tracker knows, and who finds it by that alone; first without, then with
/// knowing what the torrent is.
fn tracker_alone(name: &str, tracker: &Tracker, certificate: Option<&Path>) {
    let scratch = Scratch::new(name);
    let folder = scratch.path("given/folder");
    write_tree(&folder, &TREE, 11);
    let torrent = create_with(&scratch, &folder, "hybrid", "t.torrent", &[tracker.url()]);
    settle(&scratch, "seed", &[]);
    let mut spec = scratch.node("seed");
    if let Some(certificate) = certificate {
        spec = spec.env("SSL_CERT_FILE", certificate);
    }
    let seed = spec.start();
    let (_, magnet) = seed_at(&seed, &torrent, &folder);
    assert!(magnet.contains("&tr="), "{magnet}");
    let announced = || (tracker.events().len() == 2).then_some(());
    wait_for("both names", Duration::from_secs(20), announced);

    for (taker, what) in [("by-link", magnet.as_str()), ("by-file", path(&torrent))] {
        settle(&scratch, taker, &[]);
        let out = scratch.path(&format!("out-{taker}"));
        let mut run = scratch.run(taker, ["get", what, "--timeout", "20", "-o"]);
        if let Some(certificate) = certificate {
            run = run.env("SSL_CERT_FILE", certificate);
        }
        let done = run.arg(&out).json().ok().last("done");
        assert_same_tree(&folder, &out);
        assert!(from(&done, "torrent") >= 1_866_553, "{done}");
    }
    // The commands told that they go, and the node will.
    assert_eq!(seed.stop(), 0);
    let events = tracker.events();
    let count = |event: &str| events.iter().filter(|seen| *seen == event).count();
    assert_eq!(count("started"), count("stopped"), "{events:?}");
    assert!(count("started") >= 4, "{events:?}");
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A machine may have no IPv6, where nothing can be shown about it.
pub(crate) fn has_ipv6() -> bool {
    let has = TcpListener::bind((V6, 0)).is_ok();
    if !has {
        eprintln!("\n*** LEFT OUT: nothing is shown about IPv6, which this machine lacks. ***\n");
    }
    has
}

#[test]
fn by_a_tracker_on_the_web_alone() {
    tracker_alone("tracker_http", &Tracker::http(V4), None);
}

#[test]
fn by_a_tracker_on_the_web_alone_over_ipv6() {
    if has_ipv6() {
        tracker_alone("tracker_http6", &Tracker::http(V6), None);
    }
}

#[test]
fn by_a_tracker_behind_tls_alone() {
    let scratch = Scratch::new("tracker_cert");
    let certificate = scratch.path("cert.pem");
    let tracker = Tracker::https(&certificate);
    tracker_alone("tracker_https", &tracker, Some(&certificate));
    // To whom the certificate says nothing, the tracker is a stranger.
    settle(&scratch, "wary", &[]);
    let hash = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
    let link = format!("magnet:?xt=urn:btih:{hash}&tr={}", tracker.url());
    let run = scratch.run("wary", ["get", &link, "--timeout", "3", "-o"]);
    let finished = run.arg(scratch.path("out")).fails(3);
    let words = "cannot reach the tracker: invalid peer certificate";
    assert!(finished.stderr.contains(words), "{finished}");
}

#[test]
fn by_a_tracker_over_udp_alone() {
    tracker_alone("tracker_udp", &Tracker::udp(V4), None);
}

#[test]
fn by_a_tracker_over_udp_alone_over_ipv6() {
    if has_ipv6() {
        tracker_alone("tracker_udp6", &Tracker::udp(V6), None);
    }
}

/// A port that nobody has.
fn free_port() -> u16 {
    let listener = TcpListener::bind((V4, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// The one that is known has a part only, and tells of one that has all.
#[test]
fn by_other_peers_alone() {
    let scratch = Scratch::new("torrent_pex");
    let folder = scratch.path("given/folder");
    write_tree(&folder, &TREE, 11);
    let torrent = create(&scratch, &folder, "v1", "folder.torrent");
    settle(&scratch, "b", &[]);
    let b = scratch.node("b").start();
    let (port, magnet) = seed_at(&b, &torrent, &folder);

    let of_a = free_port();
    settle(&scratch, "a", &[("bittorrent.port", &of_a.to_string())]);
    let a = scratch.node("a").start();
    let link = with_peer(&magnet, port);
    let run = a.run(["get", &link, "--timeout", "20", "--files", "a.bin", "-o"]);
    run.arg(scratch.path("a-out")).json().ok();

    settle(&scratch, "c", &[]);
    let out = scratch.path("c-out");
    let link = with_peer(&magnet, of_a.into());
    let run = scratch.run("c", ["get", &link, "--timeout", "40", "-o"]);
    let done = run.arg(&out).json().ok().last("done");
    assert_same_tree(&folder, &out);
    let sources: Vec<&str> = done["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| source["peer"].as_str().unwrap())
        .collect();
    let b = format!("127.0.0.1:{port}");
    assert!(sources.contains(&b.as_str()), "{done}");
}

/// A node in a network of its own that takes part in the local one.
fn neighbour(namespace: &Namespace, scratch: &Scratch, name: &str, lsd: &str) -> Node {
    settle(scratch, name, &[("bittorrent.lsd", lsd)]);
    let spec = scratch.node(name).with_lan();
    spec.under(&namespace.wrapper()).start()
}

fn shared_folder(scratch: &Scratch, private: bool) -> (PathBuf, PathBuf) {
    let folder = scratch.path("given/folder");
    write_tree(&folder, &TREE, 11);
    let torrent = scratch.path("folder.torrent");
    let mut run = scratch.run("maker", ["torrent", "create", "-o"]);
    if private {
        run = run.arg(&torrent).arg("--private").arg(&folder);
    } else {
        run = run.arg(&torrent).arg(&folder);
    }
    run.ok();
    (folder, torrent)
}

/// Two machines with a cable between them.
fn on_the_local_network(name: &str, ipv6: bool) {
    let (here, there) = (Namespace::new(name), Namespace::new(name));
    let Some((here, there)) = here.zip(there) else {
        return;
    };
    if !ipv6 {
        here.without_ipv6().unwrap();
        there.without_ipv6().unwrap();
    }
    here.cable("10.78.0.1/24", &there, "10.78.0.2/24").unwrap();
    let scratch = Scratch::new("torrent_lsd");
    let (folder, torrent) = shared_folder(&scratch, false);
    let seed = neighbour(&here, &scratch, "seed", "true");
    let (_, magnet) = seed_at(&seed, &torrent, &folder);

    // Without it nobody is found, so that what follows shows something.
    let out = scratch.path("out");
    let deaf = neighbour(&there, &scratch, "deaf", "false");
    let run = deaf.run(["get", &magnet, "--timeout", "4", "-o"]);
    run.arg(&out).fails(3);
    assert_eq!(deaf.stop(), 0);

    let taker = neighbour(&there, &scratch, "taker", "true");
    let run = taker.run(["get", &magnet, "--timeout", "20", "-o"]);
    let done = run.arg(&out).json().ok().last("done");
    assert_same_tree(&folder, &out);
    assert!(from(&done, "torrent") >= 1_866_553, "{done}");
}

#[test]
fn on_the_local_network_alone() {
    on_the_local_network("LSD", true);
}

#[test]
fn on_a_local_network_without_ipv6() {
    on_the_local_network("LSD without IPv6", false);
}

/// All on one machine that has no network but itself; the taker is a command with a node in it.
#[test]
fn on_the_same_machine_alone() {
    let Some(namespace) = Namespace::new("LSD on one machine") else {
        return;
    };
    let scratch = Scratch::new("torrent_lsd_local");
    let (folder, torrent) = shared_folder(&scratch, false);
    let seed = neighbour(&namespace, &scratch, "seed", "true");
    let (_, magnet) = seed_at(&seed, &torrent, &folder);
    settle(&scratch, "taker", &[("bittorrent.lsd", "true")]);
    let out = scratch.path("out");
    let run = scratch.run("taker", ["get", &magnet, "--timeout", "20", "-o"]);
    let run = run.under(&namespace.wrapper()).with_default_network();
    run.arg(&out).json().ok();
    assert_same_tree(&folder, &out);
}

#[test]
fn a_private_torrent_is_not_told_to_the_local_network() {
    let Some(namespace) = Namespace::new("LSD and private torrents") else {
        return;
    };
    let scratch = Scratch::new("torrent_lsd_private");
    let (folder, torrent) = shared_folder(&scratch, true);
    let seed = neighbour(&namespace, &scratch, "seed", "true");
    seed_at(&seed, &torrent, &folder);
    settle(&scratch, "taker", &[("bittorrent.lsd", "true")]);
    let run = scratch.run("taker", ["get", path(&torrent), "--timeout", "5", "-o"]);
    let run = run.under(&namespace.wrapper()).with_default_network();
    run.arg(scratch.path("out")).fails(3);
}

//! Finding: by addresses in the link, on the local network, by the DHT through a common
//! acquaintance, by a bare CID; and what is said when nobody has it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

#[path = "../support/mod.rs"]
mod support;

mod lan;
mod nobody;

use serde_json::Value;
use std::path::Path;
use support::{
    Node, Scratch, assert_same_tree, cid, strip_hints, wait_for, write_file, write_tree,
};

const FILES: [(&str, u64); 3] = [("a.bin", 700_000), ("deep/b.bin", 1), ("empty", 0)];
const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// A folder to share.
fn folder(scratch: &Scratch) -> std::path::PathBuf {
    let folder = scratch.path("folder");
    write_tree(&folder, &FILES, 11);
    folder
}

/// Fetches and compares; all bytes have to come from `giver`.
fn fetch(taker: &Node, link: &str, original: &Path, out: &Path, giver: &Node) -> Value {
    let run = taker.run(["get", link, "--timeout", "30", "-o"]);
    let done = run.arg(out).json().ok().last("done");
    assert_same_tree(original, out);
    let sources = done["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 1, "{done}");
    assert_eq!(sources[0]["peer"], giver.peer_id(), "{done}");
    assert_eq!(sources[0]["kind"], "native", "{done}");
    done
}

#[test]
fn a_link_with_hints_needs_nothing_else() {
    for (name, listen) in [("tcp", None), ("quic", Some(QUIC))] {
        let scratch = Scratch::new(&format!("hints-{name}"));
        let folder = folder(&scratch);
        let listen = listen.unwrap_or("/ip4/127.0.0.1/tcp/0");
        let giver = scratch.node("giver").listen(Some(listen)).start();
        let taker = scratch.node("taker").listen(Some(listen)).start();
        let link = giver.share(&folder);
        assert!(link.contains("addr="), "no hint: {link}");
        fetch(&taker, &link, &folder, &scratch.path("out"), &giver);
        // Without a daemon, too.
        let run = scratch.run("alone", ["get", &link, "--timeout", "30", "-o"]);
        run.env("POTLUCK_LISTEN", listen)
            .arg(scratch.path("out2"))
            .ok();
        assert_same_tree(&folder, &scratch.path("out2"));
    }
}

#[test]
fn one_live_hint_among_dead_ones_is_enough() {
    let scratch = Scratch::new("dead-hints");
    let folder = folder(&scratch);
    let giver = scratch.node("giver").start();
    let taker = scratch.node("taker").start();
    let gone = scratch.node("gone").start();
    let dead = gone.address().to_owned();
    gone.kill();
    // Where something takes connections and never says a word.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap().port();
    let link = giver.share(&folder).replace(
        "&addr=",
        &format!("&addr={dead}&addr=/ip4/127.0.0.1/tcp/{silent}&addr="),
    );
    let done = fetch(&taker, &link, &folder, &scratch.path("out"), &giver);
    assert!(done["seconds"].as_f64().unwrap() < 5.0, "{done}");
}

#[test]
fn two_who_know_a_common_third_find_each_other_by_the_dht() {
    let scratch = Scratch::new("dht");
    let folder = folder(&scratch);
    let third = scratch.node("third").start();
    let others: Vec<Node> = (0..3)
        .map(|index| {
            scratch
                .node(&format!("other-{index}"))
                .peer(third.address())
                .start()
        })
        .collect();
    let giver = scratch.node("giver").peer(third.address()).start();
    let link = strip_hints(&giver.share(&folder));
    assert!(!link.contains("addr="), "{link}");
    let taker = scratch.node("taker").peer(third.address()).start();
    fetch(&taker, &link, &folder, &scratch.path("out"), &giver);
    for node in others.iter().chain([&third]) {
        assert_eq!(node.status().roots, 0, "only the giver had it");
    }
    // Who fetched it provides it: the next one finds two, and the first may go.
    giver.kill();
    let next = scratch.node("next").peer(third.address()).start();
    fetch(&next, &link, &folder, &scratch.path("out2"), &taker);
}

#[test]
fn what_was_shared_alone_is_found_once_the_owner_knows_somebody() {
    let scratch = Scratch::new("later");
    let folder = folder(&scratch);
    let giver = scratch.node("giver").start();
    let link = strip_hints(&giver.share(&folder));
    let third = scratch.node("third").start();
    let taker = scratch.node("taker").peer(third.address()).start();
    giver.run(["connect", third.address()]).ok();
    fetch(&taker, &link, &folder, &scratch.path("out"), &giver);
}

#[test]
fn a_node_announces_again_what_it_holds_when_it_starts() {
    let scratch = Scratch::new("again");
    let folder = folder(&scratch);
    let giver = scratch.node("giver").start();
    let link = strip_hints(&giver.share(&folder));
    assert_eq!(giver.stop(), 0);
    let third = scratch.node("third").start();
    let giver = scratch.node("giver").peer(third.address()).start();
    let taker = scratch.node("taker").peer(third.address()).start();
    fetch(&taker, &link, &folder, &scratch.path("out"), &giver);
}

#[test]
fn a_bare_cid_is_enough() {
    let scratch = Scratch::new("cid");
    let folder = folder(&scratch);
    let file = scratch.path("file.bin");
    write_file(&file, 300_000, 2);
    let third = scratch.node("third").start();
    let giver = scratch.node("giver").peer(third.address()).start();
    let taker = scratch.node("taker").peer(third.address()).start();
    let folder_cid = cid(&giver.share(&folder));
    let file_cid = cid(&giver.share(&file));
    fetch(&taker, &folder_cid, &folder, &scratch.path("out"), &giver);
    let done = fetch(
        &taker,
        &format!("ipfs://{file_cid}"),
        &file,
        &scratch.path("out.bin"),
        &giver,
    );
    assert_eq!(done["cid"], file_cid.as_str());
    // Nothing tells the name, so an existing folder receives it under one made of the CID.
    let below = scratch.path("below");
    std::fs::create_dir_all(&below).unwrap();
    let run = scratch.run("other", ["get", &file_cid, "--peer", giver.address(), "-o"]);
    let done = run.arg(&below).json().ok().last("done");
    let path = done["path"].as_str().unwrap();
    assert!(
        path.starts_with(below.join("potluck-").to_str().unwrap()),
        "{done}"
    );
    assert_same_tree(&file, Path::new(path));
}

#[test]
fn a_provider_that_comes_while_it_is_waited_for_is_found() {
    let scratch = Scratch::new("late");
    let folder = folder(&scratch);
    let third = scratch.node("third").start();
    let taker = scratch.node("taker").peer(third.address()).start();
    let giver = scratch.node("giver").start();
    let link = strip_hints(&giver.share(&folder));
    assert_eq!(giver.stop(), 0);

    let out = scratch.path("out");
    let mut get = taker
        .run(["get", &link, "--timeout", "30", "--json", "-o"])
        .arg(&out)
        .spawn();
    get.event("waiting");
    let giver = scratch.node("giver").peer(third.address()).start();
    wait_for("the giver to know the third", support::DEADLINE, || {
        giver
            .status()
            .peers
            .iter()
            .any(|peer| peer.connected)
            .then_some(())
    });
    let done = get.finish().last("done");
    assert_eq!(done["sources"][0]["peer"], giver.peer_id(), "{done}");
    assert_same_tree(&folder, &out);
}

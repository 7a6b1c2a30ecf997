//! What the owner of a node controls about torrents.

use crate::found::web_server;
use crate::support::{
    DEADLINE, Node, Scratch, Watch, assert_same_tree, rate, wait_for, write_file, write_tree,
};
use crate::{Seed, TREE, create, seed, seed_at, settle, with_peer};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A node asks for what a seed has, and gets it.
fn takes(scratch: &Scratch, name: &str, seed: &Seed) {
    settle(scratch, name, &[]);
    let out = scratch.path(&format!("{name}-out"));
    let run = scratch.run(name, ["get", &seed.link(), "--timeout", "20", "-o"]);
    run.arg(&out).json().ok();
    assert_same_tree(&seed.folder, &out);
}

/// A node asks for what a seed has, and gets nothing.
fn gets_nothing(scratch: &Scratch, name: &str, seed: &Seed) {
    settle(scratch, name, &[]);
    let run = scratch.run(name, ["get", &seed.link(), "--timeout", "2", "-o"]);
    run.arg(scratch.path(&format!("{name}-out")))
        .json()
        .fails(3);
}

/// What `ls` says of the one torrent of a node.
fn note(node: &Node) -> Option<String> {
    let listed = node.run(["ls"]).json().ok().value();
    listed["roots"][0]["note"].as_str().map(str::to_owned)
}

fn wait_for_note(node: &Node, expected: Option<&str>) {
    wait_for(&format!("the note {expected:?}"), DEADLINE, || {
        (note(node).as_deref() == expected).then_some(())
    });
}

fn limit(node: &Node, flags: &[&str]) -> Value {
    let run = node.run(["torrent", "limit", "folder"]).args(flags);
    run.json().ok().value()
}

#[test]
fn a_ratio_that_is_reached_ends_seeding_and_is_remembered() {
    let scratch = Scratch::new("torrent_ratio");
    let seed = seed(&scratch, "v1", &[("bittorrent.seed_ratio", "1.0")]);
    takes(&scratch, "first", &seed);
    wait_for_note(&seed.node, Some("ratio 1.0 reached"));
    gets_nothing(&scratch, "second", &seed);
    let stopped = seed.node.status().torrents.stopped;
    assert_eq!(stopped[0].reason, "ratio 1.0 reached");
    let text = seed.node.run(["ls"]).ok();
    assert!(text.stdout.contains("ratio 1.0 reached"), "{text}");
    assert!(seed.folder.join("a.bin").exists(), "files stay");
    // Another goal for this torrent: it is served again, at once.
    let limits = limit(&seed.node, &["--ratio", "3"]);
    assert_eq!(limits["ratio_goal"], 3.0, "{limits}");
    assert_eq!(limits["reached"], Value::Null, "{limits}");
    takes(&scratch, "third", &seed);
    assert_eq!(seed.node.stop(), 0);
    let node = scratch.node("seed").start();
    let limits = limit(&node, &[]);
    assert!(
        limits["sent_bytes"].as_u64().unwrap() >= 2 * 1_866_553,
        "{limits}"
    );
    assert_eq!(limits["ratio_goal_is_own"], true, "{limits}");
    limit(&node, &["--ratio", "default"]);
    wait_for_note(&node, Some("ratio 1.0 reached"));
    assert_eq!(node.stop(), 0);
    // A node that is started again does not serve it; and who asks for it to be seeded has it seeded.
    let node = scratch.node("seed").start();
    wait_for_note(&node, Some("ratio 1.0 reached"));
    let (port, _) = seed_at(&node, &seed.torrent, &seed.folder);
    assert_eq!(note(&node), None);
    let seed = Seed { node, port, ..seed };
    takes(&scratch, "fourth", &seed);
    wait_for_note(&seed.node, Some("ratio 1.0 reached"));
}

#[test]
fn a_seeding_time_that_is_reached_ends_it_until_the_goal_goes() {
    let scratch = Scratch::new("torrent_time");
    let seed = seed(&scratch, "hybrid", &[("bittorrent.seed_time", "2s")]);
    wait_for_note(&seed.node, Some("seeding time 2s reached"));
    gets_nothing(&scratch, "early", &seed);
    let set = ["config", "set", "bittorrent.seed_time", ""];
    let changed = seed.node.run(set).json().ok().value();
    assert_eq!(changed["restart_needed"], false, "{changed}");
    wait_for_note(&seed.node, None);
    takes(&scratch, "late", &seed);
    let limits = limit(&seed.node, &["--time", "1s"]);
    assert!(limits["seeded_seconds"].as_u64().unwrap() >= 2, "{limits}");
    wait_for_note(&seed.node, Some("seeding time 1s reached"));
}

#[test]
fn what_is_no_torrent_or_no_goal_is_told() {
    let scratch = Scratch::new("torrent_limit_wrong");
    let seed = seed(&scratch, "v1", &[]);
    let limits = ["torrent", "limit", "nowhere", "--ratio", "1"];
    let finished = seed.node.run(limits).json().fails(3);
    assert!(finished.stderr.contains("potluck ls"), "{finished}");
    let limits = ["torrent", "limit", "folder", "--time", "soon"];
    let finished = seed.node.run(limits).json().fails(2);
    assert!(finished.stderr.contains("24h"), "{finished}");
    let shown = seed.node.run(["torrent", "limit", "folder"]).ok();
    assert!(shown.stdout.contains("no limit of its own"), "{shown}");
}

/// Starts to fetch a file in a node, and watches it.
fn fetch(node: &Node, link: &str, out: &Path) -> Watch {
    let run = node.run(["get", link, "--timeout", "30", "-o"]);
    Watch::new(run.arg(out).json().spawn())
}

/// Bytes a second over the next seconds of a download.
fn measured(watch: &mut Watch, seconds: u64) -> f64 {
    // What the old limit let through is on its way still.
    let begin = watch.until("it moves", |_| true).at + Duration::from_millis(1500);
    watch.until("the limit holds", |seen| seen.at >= begin);
    let from = watch.seen.len() - 1;
    let end = begin + Duration::from_secs(seconds);
    watch.until("enough was seen", |seen| seen.at >= end);
    rate(&watch.seen[from], watch.seen.last().unwrap())
}

#[test]
fn a_torrents_own_limits_hold_both_ways_and_can_be_changed() {
    let scratch = Scratch::new("torrent_rates");
    let file = scratch.path("film.bin");
    write_file(&file, 40 << 20, 5);
    let torrent = create(&scratch, &file, "v1", "film.torrent");
    settle(&scratch, "seed", &[]);
    let seed = scratch.node("seed").start();
    let (port, magnet) = seed_at(&seed, &torrent, &file);
    let slow = ["torrent", "limit", "film.bin", "--up", "400kB/s"];
    let limits = seed.run(slow).json().ok().value();
    assert_eq!(limits["up"], 400_000, "{limits}");
    settle(&scratch, "taker", &[]);
    let taker = scratch.node("taker").start();
    let out = scratch.path("out.bin");
    let mut watch = fetch(&taker, &with_peer(&magnet, port), &out);
    let up = measured(&mut watch, 4);
    assert!(up < 800_000.0, "{up}");
    taker
        .run(["torrent", "limit", "film.bin", "--down", "200kB/s"])
        .ok();
    seed.run(["torrent", "limit", "film.bin", "--up", "off"])
        .ok();
    let down = measured(&mut watch, 4);
    assert!(down < 400_000.0, "{down}");
    taker
        .run(["torrent", "limit", "film.bin", "--down", "off"])
        .ok();
    watch.done();
    assert_eq!(fs::read(&file).unwrap(), fs::read(&out).unwrap());
}

#[test]
fn a_node_that_stays_fetches_so_many_at_a_time() {
    let scratch = Scratch::new("torrent_queue");
    settle(&scratch, "seed", &[]);
    let seed = scratch.node("seed").args(["--up-limit", "100kB/s"]).start();
    let mut links = Vec::new();
    for name in ["one", "two"] {
        let file = scratch.path(&format!("{name}.bin"));
        write_file(&file, 8 << 20, 5);
        let torrent = create(&scratch, &file, "v1", &format!("{name}.torrent"));
        let (port, magnet) = seed_at(&seed, &torrent, &file);
        links.push(with_peer(&magnet, port));
    }
    settle(&scratch, "taker", &[("bittorrent.active_downloads", "1")]);
    let taker = scratch.node("taker").start();
    let out = |name: &str| scratch.path(&format!("{name}-out.bin"));
    let mut first = fetch(&taker, &links[0], &out("one"));
    first.until("it moves", |seen| seen.done > 0);
    let get = taker.run(["get", &links[1], "--timeout", "2", "-o"]);
    let mut second = get.arg(out("two")).json().spawn();
    let waiting = second.event_where("it waits", |event| event["phase"] == "queued");
    assert_eq!(waiting["reason"], "waiting: 1 other is being fetched");
    let status = taker.status().torrents.waiting;
    assert_eq!(status.len(), 1, "{status:?}");
    assert_eq!(status[0].reason, "waiting: 1 other is being fetched");
    // Longer than its patience, which does not begin before its turn.
    second.event_where("it waits on", |event| {
        event["seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 2.5)
    });
    taker
        .run(["config", "set", "bittorrent.active_downloads", "2"])
        .ok();
    second.event("found");
    assert!(taker.status().torrents.waiting.is_empty());
}

/// A torrent of a folder that a web server of this machine has.
fn web_torrent(scratch: &Scratch, name: &str) -> std::path::PathBuf {
    let folder = scratch.path(&format!("given/{name}"));
    write_tree(&folder, &TREE, 11);
    let port = web_server(scratch.path("given"));
    let torrent = scratch.path(&format!("{name}.torrent"));
    scratch
        .run("maker", ["torrent", "create", "--piece-size", "64KiB"])
        .arg("--web-seed")
        .arg(format!("http://127.0.0.1:{port}/"))
        .arg("-o")
        .arg(&torrent)
        .arg(&folder)
        .ok();
    torrent
}

#[test]
fn what_appears_in_the_watched_folder_is_fetched_once() {
    let scratch = Scratch::new("torrent_watch");
    let (watch, dest) = (scratch.path("watch"), scratch.path("dest"));
    fs::create_dir(&watch).unwrap();
    fs::write(watch.join("no.torrent"), "hello").unwrap();
    let (first, second) = (web_torrent(&scratch, "one"), web_torrent(&scratch, "two"));
    let (watch_text, dest_text) = (watch.to_str().unwrap(), dest.to_str().unwrap());
    settle(
        &scratch,
        "node",
        &[
            ("bittorrent.watch", watch_text),
            ("bittorrent.watch_dest", dest_text),
        ],
    );
    let node = scratch.node("node").args(["-v"]).start();
    let told = wait_for("the trouble", DEADLINE, || {
        node.status().torrents.watch.unwrap().troubles.pop()
    });
    assert!(told.path.ends_with("no.torrent"), "{told:?}");
    assert!(told.what.contains("not a torrent"), "{told:?}");
    let is_held = |name: &str| {
        let listed = node.run(["ls"]).json().ok().value();
        let roots = listed["roots"].as_array().unwrap().clone();
        roots.iter().any(|root| root["name"] == name).then_some(())
    };
    fs::copy(&first, watch.join("one.torrent")).unwrap();
    wait_for("the first", DEADLINE, || is_held("one"));
    assert_same_tree(&scratch.path("given/one"), &dest.join("one"));
    assert!(watch.join("one.torrent").exists(), "it is left there");
    // The owner removes it; it is not fetched again, even if its file is touched.
    node.run(["rm", "one"]).ok();
    fs::remove_dir_all(dest.join("one")).unwrap();
    fs::remove_file(watch.join("one.torrent")).unwrap();
    fs::copy(&first, watch.join("one.torrent")).unwrap();
    fs::copy(&second, watch.join("two.torrent")).unwrap();
    wait_for("the second", DEADLINE, || is_held("two"));
    assert!(is_held("one").is_none() && !dest.join("one").exists());
    let log = node.log();
    let reports = log.matches("not fetched from the watched folder").count();
    assert_eq!(reports, 1, "it is told once: {log}");
}

#[test]
fn who_is_in_the_blocklist_is_no_peer() {
    let scratch = Scratch::new("torrent_blocklist");
    let list = scratch.path("list.p2p");
    fs::write(&list, "# all\nthis machine:127.0.0.0-127.255.255.255\n?\n").unwrap();
    let list = list.to_str().unwrap();
    let seed = seed(&scratch, "v1", &[("bittorrent.blocklist", list)]);
    gets_nothing(&scratch, "first", &seed);
    let blocked = seed.node.status().torrents.blocklist.unwrap();
    assert_eq!((blocked.ranges, blocked.bad_lines), (1, 1));
    assert!(blocked.refused_connections > 0, "{blocked:?}");
    let text = seed.node.run(["status"]).ok();
    assert!(text.stdout.contains("1 range blocked"), "{text}");
    // A command of a node with the list asks nobody in it either.
    seed.node
        .run(["config", "unset", "bittorrent.blocklist"])
        .ok();
    takes(&scratch, "second", &seed);
    settle(&scratch, "third", &[("bittorrent.blocklist", list)]);
    let run = scratch.run("third", ["get", &seed.link(), "--timeout", "2", "-o"]);
    run.arg(scratch.path("third-out")).json().fails(3);
    let nowhere = scratch.path("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    settle(&scratch, "third", &[("bittorrent.blocklist", nowhere)]);
    let run = scratch.run("third", ["get", &seed.link(), "--timeout", "2", "-o"]);
    let finished = run.arg(scratch.path("third-out")).json().fails(1);
    assert!(
        finished.stderr.contains("unset bittorrent.blocklist"),
        "{finished}"
    );
}

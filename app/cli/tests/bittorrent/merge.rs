//! The same bytes under several addresses: fetched once, from whoever has them under any of these.

use crate::support::{Node, Running, Scratch, write_file};
use crate::{create, from, seed_at, settle, with_peer};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const FILM: u64 = 24 << 20;
const EXTRA: u64 = 300_000;

/// A torrent with the film and a file of its own, and a node that seeds it slowly.
struct Shelf {
    node: Node,
    folder: PathBuf,
    link: String,
    port: u64,
}

fn film(scratch: &Scratch) -> PathBuf {
    let film = scratch.path("film.bin");
    write_file(&film, FILM, 77);
    film
}

fn shelf(scratch: &Scratch, name: &str, format: &str, piece: &str) -> Shelf {
    let folder = scratch.path(format!("given/{name}").as_str());
    fs::create_dir_all(&folder).unwrap();
    fs::copy(scratch.path("film.bin"), folder.join("film.bin")).unwrap();
    // Of another length in each, and ahead of the film in some.
    let extra = EXTRA - 1000 * name.len() as u64;
    write_file(&folder.join(format!("{name}.bin")), extra, 5);
    let torrent = scratch.path(format!("{name}.torrent").as_str());
    scratch
        .run("maker", ["torrent", "create", "--piece-size", piece])
        .args(["--format", format, "-o"])
        .arg(&torrent)
        .arg(&folder)
        .ok();
    settle(scratch, name, &[]);
    let node = scratch.node(name).args(["--up-limit", "4MB/s"]).start();
    let (port, magnet) = seed_at(&node, &torrent, &folder);
    Shelf {
        node,
        folder,
        link: with_peer(&magnet, port),
        port,
    }
}

fn begin(taker: &Node, shelf: &Shelf, out: &Path) -> Running {
    let mut running = taker
        .run(["get", &shelf.link, "--timeout", "20", "-o"])
        .arg(out)
        .json()
        .spawn();
    running.event("found");
    running
}

fn number(done: &Value, name: &str) -> u64 {
    done[name].as_u64().unwrap()
}

fn same(left: &Path, right: &Path) {
    assert!(
        fs::read(left).unwrap() == fs::read(right).unwrap(),
        "{left:?}"
    );
}

#[test]
fn a_file_of_two_torrents_is_fetched_once_from_both_swarms() {
    for (one, other) in [("v2", "hybrid"), ("hybrid", "v2"), ("v1", "v1")] {
        let scratch = Scratch::new("torrent_merge");
        film(&scratch);
        let first = shelf(&scratch, "a-first", one, "64KiB");
        let second = shelf(&scratch, "second", other, "256KiB");
        settle(&scratch, "taker", &[]);
        let taker = scratch.node("taker").start();
        let outs = [scratch.path("out1"), scratch.path("out2")];
        let leader = begin(&taker, &first, &outs[0]);
        let follower = begin(&taker, &second, &outs[1]);
        let (leader, follower) = (leader.finish().last("done"), follower.finish().last("done"));
        for (shelf, out) in [(&first, &outs[0]), (&second, &outs[1])] {
            same(&shelf.folder.join("film.bin"), &out.join("film.bin"));
        }
        let fetched = number(&leader, "fetched_bytes") + number(&follower, "fetched_bytes");
        // Without names of files, both fetch until the first piece shows that they have the same.
        let doubt = if one == "v1" { FILM / 8 } else { 0 };
        let all = FILM + 2 * EXTRA + doubt;
        assert!(
            fetched <= all + all / 50,
            "{one}, {other}: {leader} {follower}"
        );
        // The second torrent's seed gave much of it to the first.
        let lent = format!("127.0.0.1:{}", second.port);
        let sources = leader["sources"].as_array().unwrap();
        let lent = sources
            .iter()
            .find(|source| source["peer"] == lent.as_str());
        let lent = lent.map_or(0, |source| number(source, "bytes"));
        assert!(lent > FILM / 4, "{one}, {other}: {leader}");
        assert!(
            from(&follower, "local") > FILM - FILM / 20 - doubt,
            "{follower}"
        );
        drop((first.node, second.node));
    }
}

#[test]
fn what_is_shared_already_is_not_fetched() {
    for format in ["v1", "v2", "hybrid"] {
        let scratch = Scratch::new("torrent_shared");
        let film = film(&scratch);
        let shelf = shelf(&scratch, "shelf", format, "64KiB");
        settle(&scratch, "taker", &[]);
        let taker = scratch.node("taker").start();
        taker.share(&film);
        let out = scratch.path("out");
        let done = begin(&taker, &shelf, &out).finish().last("done");
        same(&shelf.folder.join("film.bin"), &out.join("film.bin"));
        same(&shelf.folder.join("shelf.bin"), &out.join("shelf.bin"));
        // In version 1 the film ends within a piece that has to be fetched.
        let rest = EXTRA + 2 * 65_536;
        assert!(number(&done, "fetched_bytes") <= rest, "{format}: {done}");
        assert!(from(&done, "local") >= FILM - 65_536, "{format}: {done}");
        // And a torrent that is here is as good as a share.
        taker.run(["ls"]).json().ok();
        let again = create(&scratch, &film, "v1", "alone.torrent");
        let alone = scratch.path("alone.bin");
        let run = taker
            .run(["get"])
            .arg(&again)
            .args(["--timeout", "20", "-o"]);
        let done = run.arg(&alone).json().ok().last("done");
        assert_eq!(number(&done, "fetched_bytes"), 0, "{format}: {done}");
        same(&film, &alone);
    }
}

#[test]
fn a_file_of_the_same_size_is_not_taken_for_the_same() {
    for format in ["v1", "v2"] {
        let scratch = Scratch::new("torrent_alike");
        let film = film(&scratch);
        let shelf = shelf(&scratch, "shelf", format, "64KiB");
        settle(&scratch, "taker", &[]);
        let taker = scratch.node("taker").start();
        // Another file, and one that differs only late.
        let other = scratch.path("other.bin");
        write_file(&other, FILM, 78);
        let late = scratch.path("late.bin");
        let mut bytes = fs::read(&film).unwrap();
        let at = bytes.len() - 100_000;
        bytes[at] ^= 1;
        fs::write(&late, bytes).unwrap();
        taker.share(&other);
        taker.share(&late);
        let out = scratch.path("out");
        let done = begin(&taker, &shelf, &out).finish().last("done");
        same(&film, &out.join("film.bin"));
        // All but the piece that differs, and what is of two files.
        let rest = EXTRA + 4 * 65_536;
        assert!(number(&done, "fetched_bytes") <= rest, "{format}: {done}");
    }
}

#[test]
fn when_the_first_torrent_stops_the_second_fetches_by_itself() {
    let scratch = Scratch::new("torrent_left");
    film(&scratch);
    let first = shelf(&scratch, "first", "v2", "64KiB");
    let second = shelf(&scratch, "second", "hybrid", "64KiB");
    settle(&scratch, "taker", &[]);
    let taker = scratch.node("taker").start();
    let leader = begin(&taker, &first, &scratch.path("out1"));
    let out = scratch.path("out2");
    let mut follower = begin(&taker, &second, &out);
    follower.event_where("a part of it", |event| {
        event["done_bytes"]
            .as_u64()
            .is_some_and(|done| done > 2 << 20)
    });
    leader.interrupt();
    let stopped = leader.finish();
    assert_eq!(stopped.code, 130);
    let done = follower.finish().last("done");
    same(&second.folder.join("film.bin"), &out.join("film.bin"));
    assert!(from(&done, "local") > 1 << 20, "{done}");
}

#[test]
fn a_download_outlives_another_that_came_to_the_swarm_first() {
    let scratch = Scratch::new("torrent_users");
    film(&scratch);
    let first = shelf(&scratch, "first", "v2", "64KiB");
    let second = shelf(&scratch, "second", "hybrid", "64KiB");
    settle(&scratch, "taker", &[]);
    let taker = scratch.node("taker").start();
    // The first to have to do with the second torrent, by another name of what it fetches.
    let mut asking = taker
        .run(["get", &first.link, "--also", &second.link, "-o"])
        .arg(scratch.path("out1"))
        .json()
        .spawn();
    asking.event("found");
    let out = scratch.path("out2");
    let mut fetching = begin(&taker, &second, &out);
    // Who asks for the same again is told so, and takes nothing away.
    let again = taker.run(["get", &second.link, "-o"]);
    again.arg(scratch.path("out3")).fails(1);
    asking.interrupt();
    assert_eq!(asking.finish().code, 130);
    fetching.event_where("more of it", |event| {
        event["done_bytes"]
            .as_u64()
            .is_some_and(|done| done > 8 << 20)
    });
    fetching.finish().last("done");
    same(&second.folder.join("film.bin"), &out.join("film.bin"));
}

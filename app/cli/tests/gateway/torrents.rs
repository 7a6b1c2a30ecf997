//! Torrents are read as all content is, also while they come.

use crate::http::Door;
use crate::support::{Node, Scratch, wait_for, write_file, write_tree};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(60);
const MIB: usize = 1024 * 1024;

fn settle(scratch: &Scratch, name: &str, more: &[(&str, &str)]) {
    let quiet = [("bittorrent.dht", "false"), ("bittorrent.port", "0")];
    for (key, value) in quiet.iter().chain(more) {
        scratch.run(name, ["config", "set", key, value]).ok();
    }
}

/// Has a node serve a path as a torrent; a magnet link with its address.
fn seed(scratch: &Scratch, node: &Node, path: &Path, format: &str) -> String {
    let torrent = scratch.path(&format!("{format}.torrent"));
    scratch
        .run("maker", ["torrent", "create", "--piece-size", "256KiB"])
        .args(["--format", format, "-o"])
        .arg(&torrent)
        .arg(path)
        .ok();
    let run = node.run(["torrent", "seed"]).arg(&torrent).arg(path);
    let seeding = run.json().ok().last("seeding");
    let (magnet, port) = (seeding["magnet"].as_str().unwrap(), &seeding["port"]);
    format!("{magnet}&x.pe=127.0.0.1:{port}")
}

fn fetch(door: &Door, link: &str) -> String {
    let begun = door
        .api("POST", "/downloads")
        .json(&json!({ "link": link }))
        .send();
    assert_eq!(begun.status, 202, "{begun:?}");
    begun.json()["id"].as_str().unwrap().to_owned()
}

fn state(door: &Door) -> Value {
    let list = door.api("GET", "/downloads").send().json();
    list["downloads"][0].clone()
}

fn escaped(link: &str) -> String {
    let escape = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => c.to_string(),
        other => format!("%{:02X}", u32::from(other)),
    };
    link.chars().map(escape).collect()
}

#[test]
fn a_film_is_watched_while_its_torrent_comes() {
    for format in ["v1", "v2"] {
        let scratch = Scratch::new("watch-torrent");
        let film = scratch.path("film.mp4");
        write_file(&film, 48 * MIB as u64, 3);
        settle(&scratch, "seed", &[("limits.up", "4MB/s")]);
        settle(&scratch, "taker", &[]);
        let seeder = scratch.node("seed").start();
        let link = seed(&scratch, &seeder, &film, format);
        let taker = scratch.node("taker").start();
        let door = Door::of(&taker);
        // Nobody asked for it yet.
        let path = format!("/c/{}", escaped(&link));
        let answer = door.content(&path).send();
        assert_eq!(answer.status, 404, "{answer:?}");
        assert!(answer.text().contains("Fetch it first"), "{answer:?}");
        fetch(&door, &link);
        wait_for("its begin", SOON, || {
            (door.content(&path).with("Range", "bytes=0-0").send().status == 206).then_some(())
        });
        let bytes = fs::read(&film).unwrap();
        let begun = Instant::now();
        for from in [36 * MIB + 77, 12 * MIB - 5] {
            let to = from + 600_000;
            let ask = door.content(&path);
            let range = format!("bytes={from}-{}", to - 1);
            let answer = ask.with("Range", &range).send();
            assert_eq!(answer.status, 206, "{format}: {answer:?}");
            assert_eq!(answer.header("content-type"), "video/mp4");
            assert!(answer.body == bytes[from..to], "{format}: {range}");
        }
        let took = begun.elapsed();
        // In order it would have taken 9 s to come so far.
        assert!(took < Duration::from_secs(7), "{format}: {took:?}");
        let about = door.api("GET", &format!("/content/{}", escaped(&link)));
        let about = about.send().json();
        assert_eq!(about["kind"], "file", "{about}");
        assert_eq!(about["complete"], false, "{format}: {about}");
        let cid = about["cid"].as_str().unwrap();
        let pieces = door.api("GET", &format!("/content/{}/pieces", escaped(cid)));
        assert_eq!(pieces.send().json()["pieces"], 192);
        // All of it, through its end.
        let whole = door.content(&format!("/c/{}", escaped(cid))).send();
        assert_eq!(whole.status, 200);
        assert!(whole.body == bytes, "{format}");
        wait_for("its end", SOON, || {
            (state(&door)["state"] == "done").then_some(())
        });
        let part = door.content(&path).with("Range", "bytes=-1000").send();
        assert!(part.body == bytes[bytes.len() - 1000..], "{format}");
        let tag = part.header("etag").to_owned();
        let same = door.content(&path).with("If-None-Match", &tag).send();
        assert_eq!(same.status, 304);
    }
}

#[test]
fn a_torrent_of_many_files_is_a_folder() {
    let scratch = Scratch::new("torrent-folder");
    let folder = scratch.path("folder");
    let tree = [
        ("a.txt", 70_000),
        ("deep/ümläut.bin", 300_001),
        ("deep/x/y", 9),
        ("none", 0),
    ];
    write_tree(&folder, &tree, 6);
    settle(&scratch, "seed", &[]);
    let node = scratch.node("seed").start();
    let link = seed(&scratch, &node, &folder, "v1");
    let door = Door::of(&node);
    let at = format!("/c/{}", escaped(&link));
    assert_eq!(door.content(&at).send().status, 301);
    let list = door.content(&format!("{at}/")).send();
    assert!(
        list.text().contains("a.txt") && list.text().contains("deep"),
        "{list:?}"
    );
    assert!(!list.text().contains("ml%C3%A4ut.bin"), "{list:?}");
    let deep = door.content(&format!("{at}/deep/")).send();
    assert!(deep.text().contains("ml%C3%A4ut.bin"), "{deep:?}");
    for (name, shown) in [
        ("deep/ümläut.bin", "deep/%C3%BCml%C3%A4ut.bin"),
        ("deep/x/y", "deep/x/y"),
        ("none", "none"),
    ] {
        let answer = door.content(&format!("{at}/{shown}")).send();
        assert_eq!(answer.status, 200, "{name}");
        assert!(
            answer.body == fs::read(folder.join(name)).unwrap(),
            "{name}"
        );
    }
    for missing in ["b", "deep/x/z", "a.txt/x", "folder/a.txt"] {
        let answer = door.content(&format!("{at}/{missing}")).send();
        assert_eq!(answer.status, 404, "{missing}: {answer:?}");
    }
    // A file that changed is not given as what it was.
    write_file(&folder.join("a.txt"), 70_000, 99);
    let answer = door.content(&format!("{at}/a.txt")).send();
    assert!(answer.body.is_empty(), "{} bytes", answer.body.len());
    let broken = door
        .content("/c/magnet%3A%3Fxt%3Durn%3Abtih%3Abroken")
        .send();
    assert_eq!(broken.status, 400, "{broken:?}");
}

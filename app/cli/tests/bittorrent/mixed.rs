//! One content under several names: everybody who has it under any of them is asked.

use crate::support::{Node, Scratch, strip_hints, write_file};
use crate::{create, from, seed_at, settle, with_peer};
use serde_json::Value;
use std::fs;
use std::path::Path;

const FILM: u64 = 32 << 20;

fn seed(scratch: &Scratch, name: &str, format: &str, film: &Path) -> (Node, String) {
    let torrent = create(scratch, film, format, &format!("{name}.torrent"));
    settle(scratch, name, &[]);
    let node = scratch.node(name).args(["--up-limit", "4MB/s"]).start();
    let (port, magnet) = seed_at(&node, &torrent, film);
    (node, with_peer(&magnet, port))
}

fn number(done: &Value, name: &str) -> u64 {
    done[name].as_u64().unwrap()
}

#[test]
fn peers_of_every_name_give_their_share() {
    let scratch = Scratch::new("torrent_mixed");
    let film = scratch.path("film.bin");
    write_file(&film, FILM, 3);
    let (_two, two) = seed(&scratch, "two", "v2", &film);
    let (_one, one) = seed(&scratch, "one", "v1", &film);
    settle(&scratch, "native", &[("bittorrent.enabled", "false")]);
    let native = scratch.node("native").args(["--up-limit", "4MB/s"]).start();
    let link = native.share(&film);
    settle(&scratch, "taker", &[]);
    let taker = scratch.node("taker").start();
    let out = scratch.path("out.bin");
    let run = taker.run(["get", &two, "--also", &one, "--also", &link]);
    let run = run.args(["--timeout", "20", "-o"]).arg(&out);
    let done = run.json().ok().last("done");
    assert!(fs::read(&film).unwrap() == fs::read(&out).unwrap());
    assert!(number(&done, "fetched_bytes") <= FILM + FILM / 50, "{done}");
    assert!(number(&done, "wasted_bytes") <= FILM / 50, "{done}");
    // Two torrent seeds and one native peer with equal limits.
    let sources = done["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 3, "{done}");
    for source in sources {
        assert!(number(source, "bytes") > FILM / 6, "{done}");
    }
    assert!(from(&done, "native") > FILM / 6, "{done}");
    // One copy, several addresses.
    let listed = taker.run(["ls"]).json().ok().value();
    let cids: Vec<&str> = listed["roots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|root| root["cid"].as_str().unwrap())
        .collect();
    assert!(cids.iter().any(|cid| link.contains(cid)), "{listed}");
    assert!(cids.iter().any(|cid| cid.starts_with("btmh:")), "{listed}");
}

#[test]
fn a_native_name_of_something_else_is_found_out() {
    let scratch = Scratch::new("torrent_mismatch");
    let film = scratch.path("film.bin");
    write_file(&film, 4 << 20, 3);
    let (_seed, magnet) = seed(&scratch, "seed", "v2", &film);
    let other = scratch.path("other.bin");
    write_file(&other, 4 << 20, 4);
    let native = scratch.node("native").start();
    let link = native.share(&other);
    settle(&scratch, "taker", &[]);
    let out = scratch.path("out.bin");
    let run = scratch.run("taker", ["get", &magnet, "--also", &link]);
    let failed = run.args(["--timeout", "20", "-o"]).arg(&out).fails(4);
    assert!(failed.stderr.contains("is not what"), "{}", failed.stderr);
    assert!(fs::read(&film).unwrap() == fs::read(&out).unwrap());
}

#[test]
fn names_that_cannot_be_combined_are_refused() {
    let scratch = Scratch::new("torrent_names");
    let film = scratch.path("folder/film.bin");
    write_file(&film, 100_000, 3);
    let (_seed, magnet) = seed(&scratch, "seed", "v2", &film);
    let native = scratch.node("native").start();
    let folder = native.share(&scratch.path("folder"));
    settle(&scratch, "taker", &[]);
    let out = scratch.path("out.bin");
    for (also, code) in [(folder.as_str(), 2), ("nonsense", 2), ("potluck:", 2)] {
        let run = scratch.run("taker", ["get", &magnet, "--also", also, "-o"]);
        run.arg(&out).fails(code);
    }
    // Only a torrent has other names, so far.
    let plain = strip_hints(&folder);
    let run = scratch.run("taker", ["get", &plain, "--also", &magnet, "-o"]);
    let failed = run.arg(&out).fails(2);
    assert!(failed.stderr.contains("torrent"), "{}", failed.stderr);
}

//! One node seeds, another fetches.

use crate::support::{Scratch, assert_same_tree, write_file};
use crate::{create, from, seed, seed_at, settle, with_peer};
use std::fs;

#[test]
fn a_magnet_link_leads_to_the_files_in_every_version() {
    for format in ["v1", "v2", "hybrid"] {
        let scratch = Scratch::new("torrent_between");
        let seed = seed(&scratch, format, &[]);
        settle(&scratch, "taker", &[]);
        let out = scratch.path("out");
        let run = scratch.run("taker", ["get", &seed.link(), "--timeout", "20", "-o"]);
        let done = run.arg(&out).json().ok().last("done");
        assert_same_tree(&seed.folder, &out);
        assert_eq!(done["bytes"], 1_866_553, "{format}: {done}");
        assert_eq!(done["files"], 6, "{format}: {done}");
        assert_eq!(done["wasted_bytes"], 0, "{format}: {done}");
        assert!(from(&done, "torrent") >= 1_866_553, "{format}: {done}");
        // What is there is not fetched again, and what is in the way is not replaced.
        let run = scratch.run("taker", ["get", &seed.link(), "--timeout", "20", "-o"]);
        let again = run.arg(&out).json().ok().last("done");
        assert_eq!(again["fetched_bytes"], 0, "{format}: {again}");
    }
}

#[test]
fn encrypted_connections_are_made_when_asked_for() {
    let scratch = Scratch::new("torrent_encrypted");
    let seed = seed(&scratch, "v1", &[("bittorrent.encryption", "require")]);
    settle(&scratch, "plain", &[("bittorrent.encryption", "off")]);
    let run = scratch.run("plain", ["get", &seed.link(), "--timeout", "2", "-o"]);
    run.arg(scratch.path("none")).json().fails(3);
    settle(&scratch, "hidden", &[("bittorrent.encryption", "require")]);
    let out = scratch.path("out");
    let run = scratch.run("hidden", ["get", &seed.link(), "--timeout", "20", "-o"]);
    run.arg(&out).json().ok();
    assert_same_tree(&seed.folder, &out);
}

#[test]
fn only_the_files_that_are_wanted_come() {
    let scratch = Scratch::new("torrent_files");
    let seed = seed(&scratch, "v1", &[]);
    settle(&scratch, "taker", &[]);
    let out = scratch.path("out");
    let run = scratch.run("taker", ["get", &seed.link(), "--timeout", "20"]);
    let run = run.args(["--files", "b", "--files", "d.sh", "-o"]);
    let done = run.arg(&out).json().ok().last("done");
    assert_eq!(done["files"], 3, "{done}");
    assert_eq!(done["bytes"], 1_501_017, "{done}");
    for (name, there) in [
        ("b/c.bin", true),
        ("b/ümläut.txt", true),
        ("d.sh", true),
        ("a.bin", false),
        ("z.bin", false),
    ] {
        assert_eq!(out.join(name).exists(), there, "{name}");
        if there {
            let (given, taken) = (seed.folder.join(name), out.join(name));
            assert_eq!(fs::read(given).unwrap(), fs::read(taken).unwrap(), "{name}");
        }
    }
    // The last file of the link alone.
    let one = format!("{}&so=5", seed.link());
    let alone = scratch.path("alone");
    settle(&scratch, "other", &[]);
    let run = scratch.run("other", ["get", &one, "--timeout", "20", "-o"]);
    let done = run.arg(&alone).json().ok().last("done");
    assert_eq!(done["files"], 1, "{done}");
}

#[test]
fn who_fetched_it_gives_it_on() {
    let scratch = Scratch::new("torrent_chain");
    let seed = seed(&scratch, "hybrid", &[]);
    settle(&scratch, "middle", &[]);
    let middle = scratch.node("middle").start();
    let out = scratch.path("middle-out");
    let run = middle.run(["get", &seed.link(), "--timeout", "20", "-o"]);
    run.arg(&out).json().ok();
    // The torrent file says where nobody is; its name is enough to ask the one who fetched it.
    let (port, magnet) = {
        let run = middle.run(["torrent", "seed"]).arg(&seed.torrent).arg(&out);
        let seeding = run.json().ok().last("seeding");
        let magnet = seeding["magnet"].as_str().unwrap().to_owned();
        (seeding["port"].as_u64().unwrap(), magnet)
    };
    seed.node.kill();
    // A node that is started again serves what it served before.
    middle.kill();
    let middle = scratch.node("middle").start();
    let run = middle.run(["torrent", "seed"]).arg(&seed.torrent).arg(&out);
    let seeding = run.json().ok().last("seeding");
    let port = seeding["port"].as_u64().unwrap_or(port);
    settle(&scratch, "last", &[]);
    let last = scratch.path("last-out");
    let link = with_peer(&magnet, port);
    let run = scratch.run("last", ["get", &link, "--timeout", "20", "-o"]);
    run.arg(&last).json().ok();
    assert_same_tree(&seed.folder, &last);
    let listed = middle.run(["ls"]).json().ok().value();
    let cid = listed["roots"][0]["cid"].as_str().unwrap();
    assert!(cid.starts_with("btih:"), "{listed}");
    middle.run(["rm", cid]).ok();
    let listed = middle.run(["ls"]).json().ok().value();
    assert_eq!(listed["roots"].as_array().unwrap().len(), 0, "{listed}");
    assert!(out.join("a.bin").exists(), "files stay");
}

#[test]
fn many_seeds_share_the_work() {
    let scratch = Scratch::new("torrent_many");
    let file = scratch.path("film.bin");
    write_file(&file, 24 << 20, 5);
    let torrent = create(&scratch, &file, "v1", "film.torrent");
    let mut link = String::new();
    let mut nodes = Vec::new();
    for name in ["one", "two", "three"] {
        settle(&scratch, name, &[]);
        let node = scratch.node(name).args(["--up-limit", "4MB/s"]).start();
        let (port, magnet) = seed_at(&node, &torrent, &file);
        if link.is_empty() {
            link = magnet;
        }
        link = with_peer(&link, port);
        nodes.push(node);
    }
    settle(&scratch, "taker", &[]);
    let out = scratch.path("out.bin");
    let run = scratch.run("taker", ["get", &link, "--timeout", "20", "-o"]);
    let done = run.arg(&out).json().ok().last("done");
    assert_eq!(fs::read(&file).unwrap(), fs::read(&out).unwrap());
    let sources = done["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 3, "{done}");
    for source in sources {
        let bytes = source["bytes"].as_u64().unwrap();
        assert!(bytes > 4 << 20, "{done}");
    }
}

#[test]
fn what_is_switched_off_is_not_done() {
    let scratch = Scratch::new("torrent_off");
    settle(&scratch, "off", &[("bittorrent.enabled", "false")]);
    let link = "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
    let finished = scratch.run("off", ["get", link, "-o"]);
    let finished = finished.arg(scratch.path("out")).fails(1);
    assert!(finished.stderr.contains("switched off"), "{finished}");
}

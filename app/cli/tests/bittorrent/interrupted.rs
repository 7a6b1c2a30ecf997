//! A download that is killed goes on where it was.

use crate::support::{Scratch, write_file};
use crate::{create, seed_at, settle, with_peer};
use std::fs;

const SIZE: u64 = 96 << 20;

#[test]
fn a_killed_download_goes_on_where_it_was() {
    let scratch = Scratch::new("torrent_killed");
    let file = scratch.path("film.bin");
    write_file(&file, SIZE, 3);
    let torrent = create(&scratch, &file, "hybrid", "film.torrent");
    settle(&scratch, "seed", &[]);
    let seed = scratch.node("seed").args(["--up-limit", "24MB/s"]).start();
    let (port, magnet) = seed_at(&seed, &torrent, &file);
    let link = with_peer(&magnet, port);
    settle(&scratch, "taker", &[]);
    let out = scratch.path("out.bin");
    let mut had = 0;
    for round in 1..=4 {
        let run = scratch.run("taker", ["get", &link, "--timeout", "20", "-o"]);
        let mut running = run.arg(&out).json().spawn();
        let found = running.event("found");
        let begins_with = found["have_bytes"].as_u64().unwrap();
        assert!(
            begins_with >= had,
            "round {round}: {begins_with} after {had}"
        );
        // 16 MiB more, and then it dies.
        let goal = begins_with + (16 << 20);
        let reached = running.event_where("progress", |event| {
            event["event"] == "progress" && event["done_bytes"].as_u64().unwrap() >= goal
        });
        had = reached["done_bytes"].as_u64().unwrap();
        running.kill();
        assert!(!out.exists());
    }
    let run = scratch.run("taker", ["get", &link, "--timeout", "20", "-o"]);
    let finished = run.arg(&out).json().ok();
    let events = finished.events();
    let found = events.iter().find(|event| event["event"] == "found");
    let found = found.unwrap_or_else(|| panic!("{finished}"));
    assert!(
        found["have_bytes"].as_u64().unwrap() >= had,
        "{found} after {had}"
    );
    let done = finished.last("done");
    let fetched = done["fetched_bytes"].as_u64().unwrap();
    assert!(fetched <= SIZE - had + (1 << 20), "{done}, {had} were here");
    assert_eq!(fs::read(&file).unwrap(), fs::read(&out).unwrap());
}

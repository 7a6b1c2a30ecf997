//! Torrent files are made of real files and held against them.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::{Finished, Scratch, wait_for};

/// Bytes that another program can make too.
fn sample(size: usize) -> Vec<u8> {
    let byte = |at: usize| (at * 31 + (at >> 8) * 17 + (at >> 16) * 7) & 0xff;
    (0..size)
        .map(|at| u8::try_from(byte(at)).unwrap())
        .collect()
}

/// The folder `shelf` and the file `film.bin`.
fn samples(scratch: &Scratch) {
    fs::create_dir_all(scratch.path("shelf/b")).unwrap();
    for (path, size) in [
        ("shelf/a.bin", 100_000),
        ("shelf/b/c.bin", 70_000),
        ("shelf/d.txt", 5),
        ("shelf/e.bin", 65_536),
        ("film.bin", 200_000),
    ] {
        fs::write(scratch.path(path), sample(size)).unwrap();
    }
}

fn create(scratch: &Scratch, what: &str, format: &str, output: &str, more: &[&str]) -> Value {
    let run = scratch.run("data", ["torrent", "create", "--piece-size", "32KiB"]);
    let run = run
        .args(["--format", format, "-o"])
        .arg(scratch.path(output));
    run.args(more.iter().copied())
        .arg(scratch.path(what))
        .json()
        .ok()
        .value()
}

fn check(scratch: &Scratch, torrent: &str, place: &Path, code: i32) -> Value {
    let run = scratch
        .run("data", ["torrent", "check"])
        .arg(scratch.path(torrent));
    let finished = run.arg(place).json().output();
    assert_eq!(finished.code, code, "{finished}");
    finished.events().remove(0)
}

fn state<'a>(found: &'a Value, path: &str) -> &'a Value {
    let files = found["files"].as_array().unwrap();
    let file = files
        .iter()
        .find(|file| file["path"] == format!("shelf/{path}"));
    &file.unwrap_or_else(|| panic!("no {path} in {found}"))["state"]
}

/// The infohashes are what libtorrent 2.1.1 gives to the same files in the same order.
#[test]
fn torrents_are_those_that_libtorrent_makes() {
    let scratch = Scratch::new("torrents_made");
    samples(&scratch);
    let expected = [
        (
            "shelf",
            "hybrid",
            json!("2663f655134765dbffd97ccd4e7676594342d388"),
            json!("541d0d59b2a3372e97f987a929163955fecdf46b6fe14d72adbb89df865c0ed0"),
        ),
        (
            "shelf",
            "v1",
            json!("0f1d64e3f296f161073a061183dbcba18f8241a4"),
            json!(null),
        ),
        (
            "shelf",
            "v2",
            json!(null),
            json!("ff7a2a7a6810d6ed3d2a84334887832ef4ee472307dd4c50ddac03b641df88d2"),
        ),
        (
            "film.bin",
            "hybrid",
            json!("92447264e3fc8157002d27eceda71d4dfa7e7ba0"),
            json!("4e3b26f6ad705b0a3e5cab3f0e88f290b0fc185c5fb30f4197d72a4efc43ee43"),
        ),
        (
            "film.bin",
            "v1",
            json!("ade8c0b7ed65c7fb49e427ed509d0fd989082dca"),
            json!(null),
        ),
        (
            "film.bin",
            "v2",
            json!(null),
            json!("1d395d0426a94b6b6047b298390b3f2c81c3b1656963841fad82959567b787f3"),
        ),
    ];
    for (what, format, v1, v2) in expected {
        let output = format!("{what}-{format}.torrent");
        let made = create(&scratch, what, format, &output, &[]);
        assert_eq!(made["infohash_v1"], v1, "{what} {format}");
        assert_eq!(made["infohash_v2"], v2, "{what} {format}");
        assert_eq!(made["left_out"], json!([]));
        // From beside it and from within it.
        for place in [scratch.path(""), scratch.path(what)] {
            let found = check(&scratch, &output, &place, 0);
            assert_eq!(found["complete"], true, "{what} {format}");
            assert_eq!(found["good_bytes"], made["bytes"]);
        }
    }
    assert!(!scratch.path("data").exists(), "a data directory was made");
}

#[test]
fn what_is_damaged_is_told() {
    let scratch = Scratch::new("torrents_damaged");
    samples(&scratch);
    fs::write(scratch.path("shelf/b/empty"), "").unwrap();
    for format in ["hybrid", "v1", "v2"] {
        create(&scratch, "shelf", format, &format!("{format}.torrent"), &[]);
    }
    let mut bytes = sample(100_000);
    bytes[40_000] ^= 1;
    fs::write(scratch.path("shelf/a.bin"), bytes).unwrap();
    fs::write(scratch.path("shelf/b/c.bin"), sample(69_000)).unwrap();
    fs::remove_file(scratch.path("shelf/e.bin")).unwrap();
    fs::write(scratch.path("shelf/b/empty"), "not").unwrap();
    for format in ["hybrid", "v1", "v2"] {
        let found = check(
            &scratch,
            &format!("{format}.torrent"),
            &scratch.path("shelf"),
            4,
        );
        assert_eq!(found["complete"], false);
        assert_eq!(*state(&found, "a.bin"), "damaged", "{format}");
        assert_eq!(*state(&found, "b/c.bin"), "size", "{format}");
        assert_eq!(*state(&found, "b/empty"), "size", "{format}");
        assert_eq!(*state(&found, "e.bin"), "missing", "{format}");
        // One piece of 32 KiB of the first file; where pieces span files, more of its neighbour.
        let a = &found["files"][0];
        assert_eq!(a["path"], "shelf/a.bin");
        let good = a["good_bytes"].as_u64().unwrap();
        assert_eq!(good, 100_000 - 32_768, "{format}");
        if format != "v1" {
            assert_eq!(*state(&found, "d.txt"), "good", "{format}");
            // Of four, three, one and two pieces.
            assert_eq!(found["good_pieces"], 3 + 2 + 1, "{format}");
        }
    }
    let run = scratch
        .run("data", ["torrent", "check"])
        .arg(scratch.path("v2.torrent"));
    let plain = run.arg(scratch.path("shelf")).fails(4);
    assert!(
        plain.stdout.contains("missing") && plain.stdout.contains("6 of 10 pieces good"),
        "{plain}"
    );
}

#[test]
fn without_piece_layers_version_1_decides_or_nothing_does() {
    let scratch = Scratch::new("torrents_layerless");
    samples(&scratch);
    for (format, code) in [("hybrid", 0), ("v2", 1)] {
        create(&scratch, "shelf", format, "t.torrent", &["--force"]);
        let mut bytes = fs::read(scratch.path("t.torrent")).unwrap();
        let key = b"12:piece layersd";
        let at = bytes.windows(key.len()).position(|window| window == key);
        bytes.truncate(at.unwrap() + key.len());
        bytes.extend(b"ee");
        fs::write(scratch.path("t.torrent"), bytes).unwrap();
        let found = check(&scratch, "t.torrent", &scratch.path("shelf"), code);
        assert_eq!(found["complete"] == true, code == 0, "{format} {found}");
    }
}

#[test]
fn a_torrent_says_what_was_asked_for() {
    let scratch = Scratch::new("torrents_says");
    samples(&scratch);
    std::os::unix::fs::symlink("a.bin", scratch.path("shelf/link")).unwrap();
    let more = [
        "--tracker",
        "http://a.example/announce,udp://b.example:6969",
        "--tracker",
        "https://c.example/announce",
        "--web-seed",
        "https://w.example/files/",
        "--private",
        "--comment",
        "for the lab",
        "--name",
        "books",
        "--no-date",
    ];
    let made = create(&scratch, "shelf", "hybrid", "t.torrent", &more);
    assert_eq!(made["left_out_count"], 1, "{made}");
    let file = scratch.path("t.torrent");
    let told = scratch
        .run("data", ["torrent", "show"])
        .arg(&file)
        .json()
        .ok()
        .value();
    assert_eq!(told["name"], "books");
    assert_eq!(
        told["trackers"],
        json!([
            ["http://a.example/announce", "udp://b.example:6969"],
            ["https://c.example/announce"]
        ])
    );
    assert_eq!(told["web_seeds"], json!(["https://w.example/files/"]));
    assert_eq!(told["private"], true);
    assert_eq!(told["comment"], "for the lab");
    assert_eq!(told["created_unix"], json!(null));
    let first = fs::read(&file).unwrap();
    // What is there is not replaced unless that is asked for; then it is the same again.
    let again = scratch.run("data", ["torrent", "create", "-o"]).arg(&file);
    let refused = again.arg(scratch.path("shelf")).json().fails(1);
    assert!(
        refused.last("error")["hint"]
            .as_str()
            .unwrap()
            .contains("--force")
    );
    let more = [more.as_slice(), &["--force"]].concat();
    create(&scratch, "shelf", "hybrid", "t.torrent", &more);
    assert_eq!(fs::read(&file).unwrap(), first);
}

#[test]
fn what_cannot_be_made_is_refused_in_a_line() {
    let scratch = Scratch::new("torrents_refused");
    samples(&scratch);
    fs::create_dir(scratch.path("nothing")).unwrap();
    fs::write(scratch.path("nothing/empty"), "").unwrap();
    let output = scratch.path("out.torrent");
    let make = |args: &[&str], what: &str, code: i32| -> Finished {
        let run = scratch
            .run("data", ["torrent", "create", "-o"])
            .arg(&output);
        let finished = run
            .args(args.iter().copied())
            .arg(scratch.path(what))
            .fails(code);
        assert!(!output.exists(), "{finished}");
        finished
    };
    make(&[], "not there", 3);
    make(&[], "nothing", 1);
    make(&["--piece-size", "300000"], "shelf", 2);
    make(&["--piece-size", "32MiB"], "shelf", 2);
    make(&["--tracker", "example"], "shelf", 2);
    make(&["--tracker", "http://"], "shelf", 2);
    make(&["--web-seed", "ftp://example/x"], "shelf", 2);
    make(&["--web-seed", "udp://example:1/"], "shelf", 2);
    make(&["--name", "a/b"], "film.bin", 2);
    make(&["--name", ".."], "shelf", 2);
    make(&["--format", "v3"], "shelf", 2);
    let run = scratch.run("data", ["torrent", "create", "-o"]);
    run.arg(scratch.path("no/such/folder/x.torrent"))
        .arg(scratch.path("shelf"))
        .fails(1);
    create(&scratch, "shelf", "hybrid", "good.torrent", &[]);
    let good = scratch.path("good.torrent");
    let run = scratch.run("data", ["torrent", "check"]).arg(&good);
    run.arg(scratch.path("not there")).fails(3);
    let run = scratch.run("data", ["torrent", "check"]).arg(&good);
    run.arg(scratch.path("film.bin")).fails(2);
    let run = scratch.run("data", ["torrent", "check"]);
    run.arg(scratch.path("film.bin"))
        .arg(scratch.path("shelf"))
        .fails(1);
}

#[test]
fn what_it_is_made_of_is_never_replaced() {
    let scratch = Scratch::new("torrents_sources");
    samples(&scratch);
    for (what, output) in [("film.bin", "film.bin"), ("shelf", "shelf/d.txt")] {
        let before = fs::read(scratch.path(output)).unwrap();
        let run = scratch.run("data", ["torrent", "create", "--force", "-o"]);
        run.arg(scratch.path(output))
            .arg(scratch.path(what))
            .fails(2);
        assert_eq!(fs::read(scratch.path(output)).unwrap(), before);
    }
}

#[test]
fn odd_folders_are_found_again() {
    let scratch = Scratch::new("torrents_odd");
    // A folder with another of its own name in it, and names that some systems can't tell apart.
    fs::create_dir_all(scratch.path("shelf/shelf")).unwrap();
    for path in [
        "shelf/a",
        "shelf/shelf/b",
        "shelf/README",
        "shelf/Readme",
        "shelf/SHELF",
    ] {
        fs::write(scratch.path(path), sample(40_000)).unwrap();
    }
    let made = create(&scratch, "shelf", "hybrid", "t.torrent", &[]);
    assert_eq!(made["left_out_count"], 2, "{made}");
    for place in ["", "shelf"] {
        let found = check(&scratch, "t.torrent", &scratch.path(place), 0);
        assert_eq!(found["complete"], true, "{found}");
    }
    // A file where the torrent has a folder.
    fs::remove_dir_all(scratch.path("shelf/shelf")).unwrap();
    fs::write(scratch.path("shelf/shelf"), "").unwrap();
    let found = check(&scratch, "t.torrent", &scratch.path("shelf"), 4);
    assert_eq!(*state(&found, "shelf/b"), "missing");
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let scratch = Scratch::new("torrents_stopped");
    fs::create_dir(scratch.path("big")).unwrap();
    let big = scratch.path("big/file");
    // Holes take no place, and longer to hash than anyone waits.
    fs::File::create(&big).unwrap().set_len(1 << 40).unwrap();
    let run = scratch
        .run("data", ["torrent", "create", "-o"])
        .arg(scratch.path("t.torrent"));
    let running = run.arg(scratch.path("big")).json().spawn();
    let open = format!("/proc/{}/fd", running.pid());
    let is_open = || {
        let fds = fs::read_dir(&open).ok()?;
        let mut targets = fds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        targets.any(|target| target == big).then_some(())
    };
    wait_for("the file to be read", support::DEADLINE, is_open);
    running.interrupt();
    let finished = running.finish();
    assert_eq!(finished.code, 130, "{finished}");
    assert!(!scratch.path("t.torrent").exists());
    let left: Vec<_> = fs::read_dir(scratch.path("")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

//! Hostile folders, served by a peer that does everything else right. Nothing of them is written.

use super::cbor::{Entry, file, folder, head, link, manifest, start};
use super::provider::Provider;
use super::refused;
use crate::support::{Scratch, write_file};
use potluck_content::Hash;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A name for the case, the entries, a part of the message. All are exit code 4.
type Case = (&'static str, Vec<Entry>, &'static str);

fn of(entry: Entry) -> Vec<Entry> {
    vec![entry]
}

fn sized(path: &str, hash: Hash, size: u64) -> Entry {
    Entry::File(path.to_owned(), hash, size)
}

fn entries(outside: &Path) -> Vec<Case> {
    let mut all = paths_that_leave(outside);
    all.extend(names_that_deceive());
    all.extend(entries_that_collide());
    all.extend(links_and_sizes());
    all
}

fn paths_that_leave(outside: &Path) -> Vec<Case> {
    let absolute = outside.to_str().unwrap();
    vec![
        ("above", of(file("../evil")), "'.' and '..' are not names"),
        (
            "above later",
            of(file("a/../../evil")),
            "'.' and '..' are not names",
        ),
        (
            "above at the end",
            of(folder("a/..")),
            "'.' and '..' are not names",
        ),
        ("here", of(file("./evil")), "'.' and '..' are not names"),
        ("absolute", of(file(absolute)), "is absolute"),
        ("root", of(folder("/")), "is absolute"),
        ("no name", of(file("")), "a name is empty"),
        ("two slashes", of(file("a//evil")), "a name is empty"),
        ("slash at the end", of(folder("a/")), "a name is empty"),
        (
            "backslashes",
            of(file("..\\evil")),
            "has the character '\\\\'",
        ),
        ("drive", of(file("C:/evil")), "has the character ':'"),
        ("stream", of(file("a:evil")), "has the character ':'"),
        ("zero byte", of(file("evil\0.txt")), "control character"),
        ("newline", of(file("evil\n.txt")), "control character"),
        ("escape", of(file("\u{1b}[2Jevil")), "control character"),
    ]
}

fn names_that_deceive() -> Vec<Case> {
    let deep = vec!["d"; 65].join("/");
    let long = vec!["l".repeat(200); 21].join("/");
    let wide = "w".repeat(256);
    vec![
        (
            "right to left",
            of(file("gpj.\u{202e}exe")),
            "control character",
        ),
        ("device", of(file("a/CON")), "reserved on Windows"),
        (
            "device with an ending",
            of(file("nul.txt")),
            "reserved on Windows",
        ),
        (
            "dot at the end",
            of(file("evil.")),
            "ends with a dot or a space",
        ),
        (
            "space at the end",
            of(file("a /evil")),
            "ends with a dot or a space",
        ),
        ("deep", of(file(&deep)), "is deeper than 64 folders"),
        ("long", of(file(&long)), "bytes is longer than 4096"),
        ("long name", of(file(&wide)), "a name of 256 bytes"),
    ]
}

fn entries_that_collide() -> Vec<Case> {
    vec![
        (
            "twice",
            vec![file("a"), file("a")],
            "the path is there twice",
        ),
        (
            "twice, of two kinds",
            vec![file("a"), folder("a")],
            "the path is there twice",
        ),
        ("out of order", vec![file("b"), file("a")], "out of order"),
        (
            "case",
            vec![file("README"), file("readme")],
            "is the same as",
        ),
        (
            "case of folders",
            vec![file("A/x"), file("a/y")],
            "is the same as",
        ),
        (
            "composition",
            vec![file("cafe\u{301}"), file("caf\u{e9}")],
            "is the same as",
        ),
        (
            "sharp s",
            vec![file("STRASSE"), file("stra\u{df}e")],
            "is the same as",
        ),
        (
            "below a file",
            vec![file("a"), file("a/b")],
            "has nothing below it",
        ),
        (
            "below an empty folder",
            vec![folder("a"), file("a/b")],
            "has nothing below it",
        ),
        (
            "below a link",
            vec![link("a", "b"), file("a/evil")],
            "has nothing below it",
        ),
    ]
}

fn links_and_sizes() -> Vec<Case> {
    let other = Hash::of(b"other");
    vec![
        ("link to the root", of(link("a", "/etc")), "is absolute"),
        ("link up", of(link("a", "..")), "is outside the folder"),
        (
            "link far up",
            of(link("x/a", "../../evil")),
            "is outside the folder",
        ),
        (
            "link in and out",
            of(link("a", "b/../../evil")),
            "'..' after a name",
        ),
        ("link to nothing", of(link("a", "")), "no target"),
        ("link with a drive", of(link("a", "C:\\evil")), "is refused"),
        (
            "empty with a hash",
            of(sized("a", other, 0)),
            "size does not fit",
        ),
        (
            "hash of nothing",
            of(sized("a", Hash::of(b""), 7)),
            "size does not fit",
        ),
        (
            "two sizes",
            vec![sized("a", other, 4), sized("b", other, 5)],
            "has two sizes",
        ),
        (
            "a file of more than 32 TiB",
            of(sized("a", other, (1 << 45) + 1)),
            "the files of the folder have more than",
        ),
        (
            "more than any disk",
            vec![
                sized("a", other, 1 << 62),
                sized("b", Hash::of(b"b"), 1 << 62),
            ],
            "the files of the folder have more than",
        ),
    ]
}

/// A name for the case, the bytes, a part of the message. All are exit code 4.
fn bytes() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let one = |inner: Vec<u8>| [start(1, 1), inner].concat();
    let good = manifest(&[file("a")]);
    let mut spelled = start(1, 0);
    spelled.pop();
    spelled.extend([0x98, 0x00]);
    let mut many = start(1, 1_000_001);
    for index in 0..1_000_001_u32 {
        many.extend(&manifest(&[folder(&format!("{index:07}"))])[start(1, 1).len()..]);
    }
    vec![
        ("nothing", Vec::new(), "does not start as one"),
        ("text", b"hello, world".to_vec(), "does not start as one"),
        ("zeroes", vec![0; 5000], "does not start as one"),
        (
            "newer",
            [start(2, 0), vec![]].concat(),
            "newer program (manifest version 2)",
        ),
        ("cut", good[..good.len() - 1].to_vec(), "not a manifest"),
        (
            "more behind it",
            [good.clone(), vec![0]].concat(),
            "not a manifest",
        ),
        ("other spelling", spelled, "not a manifest"),
        (
            "claims 2^32 entries",
            start(1, 1 << 32),
            "more than the limit of 1000000",
        ),
        (
            "claims 2^64 entries",
            start(1, u64::MAX),
            "more than the limit of 1000000",
        ),
        (
            "claims what it has not",
            start(1, 1_000_000),
            "not a manifest",
        ),
        ("1,000,001 entries", many, "more than the limit of 1000000"),
        ("lists in lists", one(vec![0x81; 200_000]), "not a manifest"),
        (
            "maps in maps",
            one([0xa1, 0x61, b'a'].repeat(200_000)),
            "not a manifest",
        ),
        (
            "tags in tags",
            one([0xd8, 0x2a].repeat(200_000)),
            "not a manifest",
        ),
        ("without an end", one(vec![0x9f; 1000]), "not a manifest"),
        (
            "a text of 2^62 bytes",
            one([vec![0xa1], head(3, 1 << 62)].concat()),
            "not a manifest",
        ),
        (
            "an unknown key",
            one(vec![0xa1, 0x61, b'x', 0x01]),
            "not a manifest",
        ),
    ]
}

/// Everything below a folder.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn hostile_folders() {
    let scratch = Scratch::new("hostile");
    let taker = scratch.node("taker").start();
    let provider = Provider::start(7);
    let into = scratch.path("into");
    fs::create_dir_all(&into).unwrap();
    let before = names(&scratch.path(""));
    let made = entries(&scratch.path("evil"));
    let made = made
        .into_iter()
        .map(|(case, list, said)| (case, manifest(&list), said));
    for (case, bytes, said) in made.chain(bytes()) {
        let link = provider.folder(bytes);
        let run = || {
            let run = taker.run(["get", &link, "--timeout", "20", "--quiet", "-o"]);
            run.arg(into.join("out"))
        };
        let message = "the folder's manifest is refused: ";
        refused(case, run, 4, message, "not safe to write here");
        let plain = run().json().fails(4).last("error");
        assert!(
            plain["message"].as_str().unwrap().contains(said),
            "{case}: {plain}"
        );
        assert_eq!(names(&into), Vec::<String>::new(), "{case}");
        assert_eq!(names(&scratch.path("")), before, "{case}");
    }
    let status = taker.run(["ls"]).json().ok().value();
    assert_eq!(status["roots"].as_array().unwrap().len(), 0, "{status}");
    assert_eq!(status["partials"].as_array().unwrap().len(), 0, "{status}");
}

#[test]
fn manifests_without_bounds() {
    let scratch = Scratch::new("oversized");
    let out = scratch.path("out");
    let huge = vec![0x5a; (64 << 20) + 1];
    let small = manifest(&[file("a")]);
    for (seed, bytes, claims) in [
        (1, huge, None),
        (2, small.clone(), Some(65 << 20)),
        (3, small.clone(), Some(1 << 63)),
        (4, small, Some(1000)),
    ] {
        let taker = scratch.node(&format!("taker-{seed}")).start();
        let provider = Provider::start(10 + seed);
        let link = match claims {
            Some(size) => provider.folder_that_claims(bytes, size),
            None => provider.folder(bytes),
        };
        let run = taker.run(["get", &link, "--timeout", "3", "--json", "-o"]);
        let finished = run.arg(&out).fails(3);
        assert!(
            finished
                .events()
                .iter()
                .any(|event| event["event"] == "banned"),
            "{finished}"
        );
        assert!(!out.exists());
        let peers = taker.status().peers;
        let reason = peers
            .iter()
            .find_map(|peer| peer.reason.clone())
            .unwrap_or_default();
        let expected = if claims == Some(1000) {
            "proof of the size"
        } else {
            "a manifest of"
        };
        assert!(reason.contains(expected), "{reason}");
        assert!(taker.status().memory_bytes < 200 << 20);
    }
}

/// A folder with a file as large as they may be, which no disk here has room for, and of which
/// nothing comes: told like any other failure, without a wait or memory that grows with the claim.
#[test]
fn a_file_larger_than_any_disk() {
    let scratch = Scratch::new("too-large");
    let taker = scratch.node("taker").start();
    let provider = Provider::start(30);
    let out = scratch.path("out");
    for size in [1 << 42, 1 << 45] {
        let entry = Entry::File("a".to_owned(), Hash::of(b"large"), size);
        let link = provider.folder(manifest(&[entry]));
        let started = Instant::now();
        let run = taker.run(["get", &link, "--timeout", "2", "--json", "-o"]);
        let finished = run.arg(&out).output();
        assert!(started.elapsed() < Duration::from_secs(10), "{finished}");
        assert!([1, 3].contains(&finished.code), "{finished}");
        let error = finished.last("error");
        assert!(
            !error["message"].as_str().unwrap().contains('\n'),
            "{finished}"
        );
        assert!(!error["hint"].as_str().unwrap().is_empty(), "{finished}");
        assert!(!out.exists());
        let memory = taker.status().memory_bytes;
        assert!(memory < 400 << 20, "{memory} bytes of memory for {size}");
        let _ = taker.run(["rm", &link]).output();
    }
    // The node is none the worse.
    let file = scratch.path("file.bin");
    write_file(&file, 10_000, 1);
    taker.share(&file);
}

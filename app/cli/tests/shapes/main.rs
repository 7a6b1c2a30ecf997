//! Shapes of content: whatever a person can put on a disk arrives as it was, or is left out and
//! named. What arrives is compared with `diff -r`, and once more for what `diff` does not look at.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

#[path = "../support/mod.rs"]
mod support;

mod left_out;

use serde_json::Value;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::{Node, Scratch, assert_same_tree, is_quick, strip_hints, write_file, write_tree};

const GROUP: u64 = 16 * 1024;
const PIECE: u64 = 64 * 1024;
const GIB: u64 = 1 << 30;

/// Two nodes; the second one is told of the first.
struct Pair {
    scratch: Scratch,
    giver: Node,
    taker: Node,
}

impl Pair {
    fn start(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let giver = scratch.node("giver").start();
        let taker = scratch.node("taker").peer(giver.address()).start();
        Self {
            scratch,
            giver,
            taker,
        }
    }

    /// Shares a path; gives the event that says so, and all the others.
    fn share(&self, path: &Path) -> (Value, Vec<Value>) {
        let run = self.giver.run(["share"]).arg(path).json();
        let finished = run.deadline(Duration::from_secs(240)).ok();
        (finished.last("shared"), finished.events())
    }

    /// Fetches what was shared to a path of the scratch directory.
    fn get(&self, shared: &Value, to: &str) -> (PathBuf, Value) {
        let link = strip_hints(shared["link"].as_str().unwrap());
        let out = self.scratch.path(to);
        let run = self.taker.run(["get", &link, "--timeout", "60", "-o"]);
        let run = run.arg(&out).json().deadline(Duration::from_secs(240));
        let done = run.ok().last("done");
        assert_eq!(done["bytes"], shared["bytes"], "{done}");
        assert_eq!(done["files"], shared["files"], "{done}");
        (out, done)
    }

    /// Shares, fetches and compares.
    fn hand_over(&self, path: &Path, to: &str) -> Value {
        let (shared, events) = self.share(path);
        let skipped: Vec<&Value> = events.iter().filter(|e| e["event"] == "skipped").collect();
        assert!(skipped.is_empty(), "left out: {skipped:?}");
        let (out, done) = self.get(&shared, to);
        assert_no_difference(path, &out);
        // And whoever fetched it provides all of it.
        let list = self.taker.run(["ls"]).json().ok().value();
        let roots = list["roots"].as_array().unwrap();
        let held = roots.iter().find(|root| root["cid"] == done["cid"]);
        assert_eq!(held.unwrap()["available_bytes"], done["bytes"], "{list}");
        done
    }
}

/// By the real `diff -r`, and by our own comparison, which looks at executable bits and the targets
/// of links too.
fn assert_no_difference(left: &Path, right: &Path) {
    let diff = Command::new("diff")
        .args(["-r", "--no-dereference"])
        .arg(left)
        .arg(right)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&diff.stdout);
    let errors = String::from_utf8_lossy(&diff.stderr);
    assert!(diff.status.success(), "diff -r: {said}{errors}");
    assert_same_tree(left, right);
}

#[test]
fn files_of_every_edge_size() {
    let pair = Pair::start("sizes");
    let around = |size: u64| [size - 1, size, size + 1];
    let sizes = [0, 1]
        .into_iter()
        .chain(around(GROUP))
        .chain(around(2 * GROUP))
        .chain(around(PIECE))
        .chain(around(1 << 20))
        .chain([5_000_000]);
    for size in sizes {
        let file = pair.scratch.path(&format!("file-{size}"));
        write_file(&file, size, size);
        let done = pair.hand_over(&file, &format!("out-{size}"));
        assert_eq!(done["bytes"], size);
        let fetched = done["fetched_bytes"].as_u64().unwrap();
        assert!(
            (size..=size + size / 50 + 4096).contains(&fetched),
            "{size} bytes: {done}"
        );
        let from: u64 = (done["sources"].as_array().unwrap().iter())
            .map(|source| source["bytes"].as_u64().unwrap())
            .sum();
        assert_eq!(from, size, "{done}");
    }
}

#[test]
fn a_file_of_one_gibibyte() {
    if is_quick("a_file_of_one_gibibyte") {
        return;
    }
    let pair = Pair::start("gib");
    let file = pair.scratch.path("large.bin");
    write_file(&file, GIB, 1);
    let done = pair.hand_over(&file, "out.bin");
    assert_eq!(done["bytes"], GIB);
    let fetched = done["fetched_bytes"].as_u64().unwrap();
    assert!((GIB..=GIB + GIB / 50).contains(&fetched), "{done}");
    eprintln!("1 GiB fetched in {} s", done["seconds"]);
}

#[test]
fn fifty_thousand_small_files() {
    if is_quick("fifty_thousand_small_files") {
        return;
    }
    let pair = Pair::start("many");
    let folder = pair.scratch.path("folder");
    for index in 0..50_000_u64 {
        let path = folder.join(format!("d{:03}/file {index:05}.txt", index % 250));
        write_file(&path, index * 37 % 1500, index);
    }
    let (shared, _) = pair.share(&folder);
    assert_eq!(shared["files"], 50_000);
    let (out, done) = pair.get(&shared, "out");
    assert_no_difference(&folder, &out);
    eprintln!(
        "50,000 files indexed in {} s, fetched in {} s",
        shared["seconds"], done["seconds"]
    );
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "plain.txt",
        "a/b/c/nested.bin",
        "a/b/sibling",
        "a/empty file",
        "caf\u{e9} na\u{ef}ve.txt",
        "composed e\u{301}.txt",
        "日本語/ファイル名.txt",
        "עברית.txt",
        "🎉🎈/👩\u{200d}👩\u{200d}👧.bin",
        "Ω≈ç√∫˜µ≤",
        " leading space",
        "-rf",
        "--help",
        "~",
        "$HOME",
        "it's \"quoted\"",
        "what is * <this> | ?.mp3",
        "%41%2e%2e",
        "...dots",
        ".hidden/.file",
        "comma,semi;colon&amp#",
        "tools/run.sh*",
        "tools/deep/a.out*",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(255));
    names.push("語".repeat(85));
    names.push(format!("{}deepest", "d/".repeat(60)));
    // A path as long as the system lets a program write it in one go, with room for the scratch
    // directory and the name that an unfinished download has.
    let far: Vec<String> = (0..15).map(|step| format!("{step:0230}")).collect();
    names.push(format!("{}/leaf", far.join("/")));
    names
}

#[test]
fn a_folder_of_every_shape() {
    let pair = Pair::start("shape");
    let folder = pair.scratch.path("Ordner mit Umläuten 文件夹");
    let names = names();
    let mut entries: Vec<(&str, u64)> = names
        .iter()
        .zip(
            [70_000, 1, GROUP, 0, GROUP - 1, GROUP + 1, 300, 12_345]
                .iter()
                .cycle(),
        )
        .map(|(name, size)| (name.as_str(), *size))
        .collect();
    entries.extend([
        ("empty", 0),
        ("empty folder/", 0),
        ("a/b/nothing here/", 0),
        ("nested/only/folders/", 0),
        ("large.bin", 3 * PIECE + 17),
        ("same as large.bin", 3 * PIECE + 17),
    ]);
    write_tree(&folder, &entries, 3);
    std::fs::copy(folder.join("large.bin"), folder.join("same as large.bin")).unwrap();
    for (link, target) in [
        ("to a file", "plain.txt"),
        ("to a folder", "a/b"),
        ("a/b/c/up", "../../../tools/run.sh"),
        ("a/b/c/to the folder itself", "../../.."),
        ("to nothing", "not/there"),
        ("loop 1", "loop 2"),
        ("loop 2", "loop 1"),
        ("through a link", "to a folder/sibling"),
    ] {
        symlink(target, folder.join(link)).unwrap();
    }
    let done = pair.hand_over(&folder, "out");
    let shared: u64 = entries.iter().map(|(_, size)| size).sum();
    assert_eq!(done["bytes"], shared, "{done}");
    let fetched = done["fetched_bytes"].as_u64().unwrap();
    assert!(fetched < shared, "the two equal files came twice: {done}");
}

#[test]
fn folders_with_next_to_nothing_in_them() {
    let pair = Pair::start("nothing");
    for (index, entries) in [
        &[][..],
        &[("only/folders/in/here/", 0)],
        &[("only", 0), ("empty", 0), ("files", 0)],
        &[("one byte", 1)],
    ]
    .into_iter()
    .enumerate()
    {
        let folder = pair.scratch.path(&format!("folder-{index}"));
        write_tree(&folder, entries, 1);
        pair.hand_over(&folder, &format!("out-{index}"));
    }
    let folder = pair.scratch.path("folder-links");
    std::fs::create_dir_all(&folder).unwrap();
    symlink("nowhere", folder.join("link")).unwrap();
    pair.hand_over(&folder, "out-links");
}

#[test]
fn very_long_names_at_the_top() {
    let pair = Pair::start("long");
    let below = pair.scratch.path("into");
    std::fs::create_dir_all(&below).unwrap();
    for name in [
        "n".repeat(255),
        "名".repeat(85),
        format!("{}.tar.gz", "é".repeat(124)),
    ] {
        let file = pair.scratch.path(&name);
        write_file(&file, 100_000, 5);
        let (shared, _) = pair.share(&file);
        assert_eq!(shared["name"], name.as_str());
        // An existing folder receives it under its own name.
        pair.get(&shared, "into");
        assert_no_difference(&file, &below.join(&name));
    }
}

#[test]
fn several_paths_make_one_folder() {
    let pair = Pair::start("several");
    let from = pair.scratch.path("from");
    write_tree(
        &from,
        &[("a.txt", 10), ("b/c.txt", 20_000), ("b/d/", 0), ("e*", 3)],
        9,
    );
    let run = pair.giver.run(["share", "--name", "all of it", "--json"]);
    let run = run.args(["a.txt", "b", "e"].map(|name| from.join(name)));
    let shared = run.ok().last("shared");
    assert_eq!(shared["name"], "all of it");
    let (out, _) = pair.get(&shared, "out/");
    assert_no_difference(&from, &out.join("all of it"));
}

#[test]
fn a_path_that_is_itself_a_link_is_followed() {
    let pair = Pair::start("linked");
    let folder = pair.scratch.path("folder");
    write_tree(&folder, &[("a.txt", 10), ("b/c.txt", 20_000)], 9);
    symlink(&folder, pair.scratch.path("link to folder")).unwrap();
    symlink(folder.join("a.txt"), pair.scratch.path("link to file")).unwrap();
    let (shared, _) = pair.share(&pair.scratch.path("link to folder"));
    assert_no_difference(&folder, &pair.get(&shared, "out").0);
    let (shared, _) = pair.share(&pair.scratch.path("link to file"));
    assert_no_difference(&folder.join("a.txt"), &pair.get(&shared, "out.txt").0);
}

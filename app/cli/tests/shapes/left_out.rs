//! What is left out of a share: links that lead out, special files, names that are dangerous or
//! ambiguous where they arrive.

use super::{Pair, assert_no_difference};
use crate::support::{write_file, write_tree};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

/// Bytes that stand outside of the folder and must never be found at the other side.
const SECRET: &[u8] = b"this is none of their business";

/// Where the link is, where it leads, a part of the reason.
const LINKS_OUT: [(&str, &str, &str); 6] = [
    ("up", "..", "outside"),
    ("up to secret", "../secret", "outside"),
    ("a/b/far up", "../../../secret", "outside"),
    ("a/in and out", "b/../../../secret", "'..' after a name"),
    ("a/absolute", "/etc/passwd", "absolute"),
    ("a/dotted", "./b", "refused"),
];

/// A name, a part of the reason.
const NAMES: [(&[u8], &str); 10] = [
    (b"C:", "name"),
    (b"back\\slash", "name"),
    (b"ends in a dot.", "name"),
    (b"ends in a space ", "name"),
    (b"con", "name"),
    (b"NUL.txt", "name"),
    (b"line\nbreak", "name"),
    (b"escape\x1b[31m", "name"),
    (b"right\xe2\x80\xaeto left", "name"),
    (b"not \xff\xfe unicode", "not valid Unicode"),
];

/// Of two that some systems take for the same, the first in the order of bytes stays.
const COLLIDING: [(&str, &str); 3] = [
    ("README", "readme"),
    ("cafe\u{301}.txt", "caf\u{e9}.txt"),
    ("a/STRASSE", "a/stra\u{df}e"),
];

const KEPT: [(&str, u64); 5] = [
    ("keep.txt", 1000),
    ("a/b/keep.bin", 40_000),
    ("README", 10),
    ("cafe\u{301}.txt", 20),
    ("a/STRASSE", 30),
];

/// Puts everything that cannot be shared into a folder; gives what is expected to be said of each.
fn add_what_is_left_out(folder: &Path) -> BTreeMap<String, &'static str> {
    let mut expected = BTreeMap::new();
    let mut expect = |path: &Path, reason| {
        expected.insert(path.display().to_string(), reason);
    };
    for (link, target, reason) in LINKS_OUT {
        symlink(target, folder.join(link)).unwrap();
        expect(&folder.join(link), reason);
    }
    for (name, reason) in NAMES {
        let path = folder.join(OsStr::from_bytes(name));
        std::fs::write(&path, name).unwrap();
        expect(&path, reason);
    }
    for (_, second) in COLLIDING {
        std::fs::write(folder.join(second), second).unwrap();
        expect(&folder.join(second), "same as");
    }
    let fifo = folder.join("a/fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    expect(&fifo, "neither a file nor a folder");
    drop(UnixListener::bind(folder.join("socket")).unwrap());
    expect(&folder.join("socket"), "neither a file nor a folder");
    expected
}

#[test]
fn links_that_lead_out_special_files_and_dangerous_names() {
    let pair = Pair::start("left-out");
    let folder = pair.scratch.path("folder");
    write_tree(&folder, &KEPT, 4);
    let plain = pair.scratch.path("expected");
    write_tree(&plain, &KEPT, 4);
    std::fs::write(pair.scratch.path("secret"), SECRET).unwrap();
    // A link to a link that leads out stays, and leads nowhere at the other side.
    for tree in [&folder, &plain] {
        symlink("up to secret", tree.join("chain")).unwrap();
    }
    let expected = add_what_is_left_out(&folder);

    let (shared, events) = pair.share(&folder);
    let skipped: BTreeMap<String, String> = (events.iter())
        .filter(|event| event["event"] == "skipped")
        .map(|event| {
            let text = |key: &str| event[key].as_str().unwrap().to_owned();
            (text("path"), text("reason"))
        })
        .collect();
    let paths = |map: Vec<&String>| map.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(
        paths(skipped.keys().collect()),
        paths(expected.keys().collect()),
        "{skipped:#?}"
    );
    for (path, reason) in expected {
        assert!(
            skipped[&path].contains(reason),
            "{path}: {}",
            skipped[&path]
        );
    }
    let kept: u64 = KEPT.iter().map(|(_, size)| size).sum();
    assert_eq!(shared["bytes"], kept);

    let (out, _) = pair.get(&shared, "out");
    assert_no_difference(&plain, &out);
    assert!(
        std::fs::read(out.join("chain")).is_err(),
        "the chain of links leads out"
    );
}

#[test]
fn people_are_told_what_was_left_out() {
    let pair = Pair::start("told");
    let folder = pair.scratch.path("folder");
    write_file(&folder.join("keep.txt"), 10, 1);
    symlink("/etc/passwd", folder.join("link")).unwrap();
    let run = pair.giver.run(["share"]).arg(&folder).ok();
    assert!(run.stdout.starts_with("potluck:"), "{run}");
    let line = run.stderr.lines().find(|line| line.contains("folder/link"));
    assert!(line.is_some_and(|line| line.contains("absolute")), "{run}");
}

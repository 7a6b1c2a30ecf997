//! Manifests: one encoding, and nothing else gets in.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use cid::Cid;
use potluck_content::{
    Address, Entry, EntryError, EntryPath, Hash, Kind, MAX_TOTAL_BYTES, Manifest, ManifestError,
    Node, PathError, PieceLayout, Refused,
};
use proptest::prelude::*;
use serde::Serialize;

/// An entry as a stranger may write it: the schema without the rules.
#[derive(Serialize, Clone, Default)]
struct Foreign<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    exec: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<Cid>,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
}

#[derive(Serialize)]
struct ForeignManifest<'a> {
    v: u64,
    entries: &'a [Foreign<'a>],
}

fn write(v: u64, entries: &[Foreign<'_>]) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(&ForeignManifest { v, entries }).unwrap()
}

fn foreign_file(path: &str) -> Foreign<'_> {
    Foreign {
        path,
        link: Some(Address::blob(Hash::of(b"x")).cid()),
        size: Some(1),
        ..Foreign::default()
    }
}

fn foreign_link<'a>(path: &'a str, target: &'a str) -> Foreign<'a> {
    let target = Some(target);
    Foreign {
        path,
        target,
        ..Foreign::default()
    }
}

fn entry(path: &str, node: Node) -> Entry {
    let path = EntryPath::new(path).unwrap();
    Entry { path, node }
}

fn file(path: &str, content: &[u8]) -> Entry {
    let node = Node::File {
        hash: Hash::of(content),
        size: content.len() as u64,
        executable: false,
    };
    entry(path, node)
}

fn symlink(path: &str, target: &str) -> Entry {
    let target = target.to_owned();
    entry(path, Node::Symlink { target })
}

fn sample() -> Manifest {
    let run = Node::File {
        hash: Hash::of(b"#!/bin/sh\n"),
        size: 10,
        executable: true,
    };
    Manifest::new(vec![
        symlink("docs/latest", "../readme.txt"),
        file("readme.txt", b"hello"),
        entry("bin/run", run),
        entry("empty", Node::Directory),
        file("docs-old", b"hello"),
        file("docs/nothing", b""),
    ])
    .unwrap()
}

fn refuse(bytes: &[u8]) -> ManifestError {
    Manifest::decode(bytes).unwrap_err()
}

fn refuse_entries(entries: &[Foreign<'_>]) -> ManifestError {
    refuse(&write(1, entries))
}

fn reason(entries: &[Foreign<'_>]) -> EntryError {
    match refuse_entries(entries) {
        ManifestError::Entry { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn a_folder_in_and_out() {
    let manifest = sample();
    let paths: Vec<&str> = manifest.entries().iter().map(|e| e.path.as_str()).collect();
    let order = [
        "bin/run",
        "docs/latest",
        "docs/nothing",
        "docs-old",
        "empty",
        "readme.txt",
    ];
    assert_eq!(paths, order);
    assert_eq!((manifest.files(), manifest.total_bytes()), (4, 20));
    let bytes = manifest.encode();
    assert_eq!(Manifest::decode(&bytes), Ok(manifest.clone()));
    assert_eq!(manifest.address().hash, Hash::of(&bytes));
    assert_eq!(manifest.address().kind, Kind::Folder);
    assert_eq!(
        manifest.get("docs/latest"),
        Some(&symlink("docs/latest", "../readme.txt"))
    );
    assert_eq!(manifest.get("docs"), None);
}

#[test]
fn encoding_is_that_of_the_model() {
    let manifest = sample();
    let entries: Vec<Foreign<'_>> = manifest
        .entries()
        .iter()
        .map(|entry| {
            let path = entry.path.as_str();
            match &entry.node {
                Node::File {
                    hash,
                    size,
                    executable,
                } => Foreign {
                    exec: executable.then_some(true),
                    link: Some(Address::blob(*hash).cid()),
                    path,
                    size: Some(*size),
                    target: None,
                },
                Node::Directory => Foreign {
                    path,
                    ..Foreign::default()
                },
                Node::Symlink { target } => foreign_link(path, target),
            }
        })
        .collect();
    assert_eq!(manifest.encode(), write(1, &entries));
    // Heads of numbers of every width.
    for size in [
        23,
        24,
        255,
        256,
        65_535,
        65_536,
        u64::from(u32::MAX),
        1 << 32,
        MAX_TOTAL_BYTES,
    ] {
        let node = Node::File {
            hash: Hash::of(b"x"),
            size,
            executable: false,
        };
        let manifest = Manifest::new(vec![entry("x", node)]).unwrap();
        let model = [Foreign {
            size: Some(size),
            ..foreign_file("x")
        }];
        assert_eq!(manifest.encode(), write(1, &model));
    }
}

#[test]
fn empty_folder() {
    let manifest = Manifest::new(Vec::new()).unwrap();
    assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
    assert_eq!(PieceLayout::for_manifest(&manifest).pieces(), 0);
}

#[test]
fn layout_has_each_blob_once() {
    let manifest = Manifest::new(vec![
        file("c", b"second"),
        file("a", b"first"),
        file("b", b"second"),
        file("d", b""),
        symlink("e", "a"),
    ])
    .unwrap();
    let layout = PieceLayout::for_manifest(&manifest);
    let hashes: Vec<Hash> = layout.blobs().iter().map(|blob| blob.hash).collect();
    assert_eq!(hashes, [&b"first"[..], b"second", b""].map(Hash::of));
    assert_eq!((layout.pieces(), layout.total_bytes()), (2, 11));
    assert_eq!(manifest.total_bytes(), 17);
}

#[test]
fn refuses_hostile_paths() {
    let paths = [
        "../x",
        "/etc/passwd",
        "a/../../x",
        "a//b",
        "a\\b",
        "c:x",
        "nul",
        "a\0b",
        "x. ",
        "",
    ];
    for path in paths {
        let error = refuse_entries(&[foreign_file(path)]);
        assert!(
            matches!(error, ManifestError::Path { index: 0, .. }),
            "{path:?} {error}"
        );
    }
    let long = "x/".repeat(3000);
    let error = refuse_entries(&[foreign_file(&long)]);
    let bytes = long.len();
    assert_eq!(
        error,
        ManifestError::Path {
            index: 0,
            reason: PathError::TooLong { bytes }
        }
    );
}

#[test]
fn refuses_entries_in_each_others_way() {
    let pair = |a, b| reason(&[foreign_file(a), foreign_file(b)]);
    assert_eq!(pair("a", "a"), EntryError::Duplicate);
    assert_eq!(pair("b", "a"), EntryError::Unordered);
    assert_eq!(pair("a-b", "a/b"), EntryError::Unordered);
    for (a, b) in [
        ("A", "a"),
        ("A/x", "a/y"),
        ("A/x", "a"),
        ("Caf\u{e9}", "cafe\u{301}"),
        ("x/B", "x/b"),
    ] {
        let (a, b) = if EntryPath::new(a).unwrap() < EntryPath::new(b).unwrap() {
            (a, b)
        } else {
            (b, a)
        };
        assert!(
            matches!(pair(a, b), EntryError::Collision { .. }),
            "{a} {b}"
        );
    }
    let parent = "x/a".to_owned();
    assert_eq!(
        pair("x/a", "x/a/b"),
        EntryError::Below {
            parent: parent.clone()
        }
    );
    let directory = Foreign {
        path: "x/a",
        ..Foreign::default()
    };
    assert_eq!(
        reason(&[directory, foreign_file("x/a/b/c")]),
        EntryError::Below {
            parent: parent.clone()
        }
    );
    let link = foreign_link("x/a", "b");
    assert_eq!(
        reason(&[link, foreign_file("x/a/b")]),
        EntryError::Below { parent }
    );
    // The same names in different directories are fine.
    let apart = [foreign_file("A/b"), foreign_file("B/B"), foreign_file("c")];
    assert!(Manifest::decode(&write(1, &apart)).is_ok());
}

#[test]
fn refuses_links_out_of_the_folder() {
    for target in ["/etc/passwd", "..", "../../x", "b/../../x", "", "a\\..\\.."] {
        let error = reason(&[foreign_link("a/l", &format!("../{target}"))]);
        assert!(matches!(error, EntryError::Target(_)), "{target:?}");
    }
}

#[test]
fn refuses_impossible_sizes() {
    let sized = |path, size, content: &[u8]| Foreign {
        path,
        size: Some(size),
        link: Some(Address::blob(Hash::of(content)).cid()),
        ..Foreign::default()
    };
    assert_eq!(reason(&[sized("a", 0, b"x")]), EntryError::Size);
    assert_eq!(reason(&[sized("a", 1, b"")]), EntryError::Size);
    let conflict = refuse_entries(&[sized("a", 1, b"x"), sized("b", 2, b"x")]);
    assert_eq!(
        conflict,
        ManifestError::SizeConflict {
            hash: Hash::of(b"x")
        }
    );
    let large = refuse_entries(&[
        sized("a", MAX_TOTAL_BYTES, b"x"),
        sized("b", u64::MAX, b"y"),
    ]);
    assert_eq!(large, ManifestError::TotalTooLarge);
}

#[test]
fn refuses_other_schemas() {
    let malformed = |bytes: &[u8]| {
        let error = refuse(bytes);
        assert!(matches!(error, ManifestError::Malformed { .. }), "{error}");
        assert!(error.to_string().len() < 400);
    };
    for bytes in [
        &b""[..],
        b"\xa0",
        b"\x00",
        b"hello",
        &[0xff; 64],
        b"\xa2\x61v\x01\x67entries",
        b"\xa2\x61v",
    ] {
        malformed(bytes);
    }
    malformed(b"\xa2\x61v\x01\x67entries\xa0");
    malformed(&write(0, &[]));
    malformed(&[&write(1, &[])[..], &[0]].concat());
    let full = write(1, &[foreign_file("a")]);
    for end in 0..full.len() {
        malformed(&full[..end]);
    }
    let mixed = Foreign {
        target: Some("x"),
        ..foreign_file("a")
    };
    let no_size = Foreign {
        size: None,
        ..foreign_file("a")
    };
    let no_link = Foreign {
        link: None,
        ..foreign_file("a")
    };
    let folder = Foreign {
        link: Some(Address::folder(Hash::of(b"x")).cid()),
        ..foreign_file("a")
    };
    let running = Foreign {
        exec: Some(true),
        path: "a",
        ..Foreign::default()
    };
    for entry in [mixed, no_size, no_link, folder, running] {
        malformed(&write(1, &[entry]));
    }
}

#[test]
fn refuses_other_spellings() {
    let not_executable = Foreign {
        exec: Some(false),
        ..foreign_file("a")
    };
    assert_eq!(
        refuse_entries(&[not_executable]),
        ManifestError::NotCanonical
    );
    // A null where nothing should be.
    let directory = b"\xa2\x61v\x01\x67entries\x81\xa1\x64path\x61a";
    assert!(Manifest::decode(directory).is_ok());
    let with_null = b"\xa2\x61v\x01\x67entries\x81\xa2\x64exec\xf6\x64path\x61a";
    assert_eq!(refuse(with_null), ManifestError::NotCanonical);
    // Longer heads than needed, and keys in another order, fail in the decoder or after it.
    refuse(b"\xa2\x61v\x01\x67entries\x98\x01\xa1\x64path\x61a");
    refuse(b"\xa2\x61v\x01\x67entries\x81\xa1\x64path\x78\x01a");
    refuse(b"\xa2\x67entries\x81\xa1\x64path\x61a\x61v\x01");
    refuse(b"\xa2\x61v\x01\x67entries\x9f\xa1\x64path\x61a\xff");
}

#[test]
fn limits_are_judged_first() {
    assert_eq!(refuse(&write(2, &[])), ManifestError::Version { found: 2 });
    assert_eq!(
        refuse(b"\xa3\x61v\x18\x63\x62xy\x00"),
        ManifestError::Version { found: 99 }
    );
    let many = b"\xa2\x61v\x01\x67entries\x9a\x00\x0f\x42\x41";
    assert_eq!(
        refuse(many),
        ManifestError::TooManyEntries { found: 1_000_001 }
    );
    let huge = b"\xa2\x61v\x01\x67entries\x9b\xff\xff\xff\xff\xff\xff\xff\xff";
    assert_eq!(
        refuse(huge),
        ManifestError::TooManyEntries { found: u64::MAX }
    );
    let bytes = 64 * 1024 * 1024 + 1;
    assert_eq!(refuse(&vec![0; bytes]), ManifestError::TooLarge { bytes });
}

#[test]
fn leaves_out_what_can_not_be_in() {
    let entries = vec![
        file("readme", b"1"),
        file("README", b"2"),
        file("Docs/a", b"3"),
        file("docs/a", b"4"),
        file("docs/b", b"5"),
        symlink("out", "../x"),
        file("z", b"6"),
    ];
    let strict = Manifest::new(entries.clone());
    assert!(matches!(strict, Err(ManifestError::Entry { .. })));
    let (manifest, refused) = Manifest::from_valid(entries).unwrap();
    let kept: Vec<&str> = manifest.entries().iter().map(|e| e.path.as_str()).collect();
    assert_eq!(kept, ["Docs/a", "README", "z"]);
    let named = |r: &Refused| r.entry.path.to_string();
    assert_eq!(
        refused.iter().map(named).collect::<Vec<_>>(),
        ["docs/a", "docs/b", "out", "readme"]
    );
    assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
}

#[test]
fn many_entries() {
    let entries = (0..20_000).map(|n| file(&format!("d{}/File{n}.txt", n % 50), b"same"));
    let manifest = Manifest::new(entries.collect()).unwrap();
    assert_eq!(Manifest::decode(&manifest.encode()).as_ref(), Ok(&manifest));
    assert_eq!(PieceLayout::for_manifest(&manifest).pieces(), 1);
}

proptest! {
    #[test]
    fn changed_bytes_are_judged(at in any::<usize>(), byte in any::<u8>()) {
        let mut bytes = sample().encode();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(manifest) = Manifest::decode(&bytes) {
            prop_assert_eq!(manifest.encode(), bytes);
        }
    }
}

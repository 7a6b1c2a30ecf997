//! The test vectors of `docs/spec/content.md`: what this computes must stand in that text.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use potluck_content::tree::{Geometry, outboard, prove};
use potluck_content::{Address, Entry, EntryPath, Hash, Link, Manifest, Node};

const SPEC: &str = include_str!("../../../docs/spec/content.md");

/// Byte `i` is `i mod 251`, as in BLAKE3's own vectors.
fn pattern(size: usize) -> Vec<u8> {
    (0..=250).cycle().take(size).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text without line breaks inside of hex, as long values are wrapped.
fn assert_in_spec(value: &str) {
    let joined: String = SPEC.split_whitespace().collect();
    let wanted: String = value.split_whitespace().collect();
    assert!(
        joined.contains(&wanted),
        "not in the specification: {value}"
    );
}

#[test]
fn hashes_and_addresses() {
    for size in [0, 1, 16_384, 16_385, 49_153, 1_000_000] {
        let data = pattern(size);
        let (root, outboard) = outboard(&data);
        assert_eq!(root, Hash::of(&data));
        let groups = Geometry::new(size as u64).groups();
        assert_in_spec(&format!(
            "| {size} | {groups} | `{root}` | `{}` |",
            Hash::of(&outboard)
        ));
    }
    assert_in_spec(&Address::blob(Hash::of(b"")).to_string());
    assert_in_spec(&hex(&Address::blob(Hash::of(b"")).to_bytes()));
    assert_in_spec(&Address::folder(Hash::of(b"")).to_string());
}

#[test]
fn tree_and_proof() {
    let data = pattern(49_153);
    let (_, outboard) = outboard(&data);
    assert_in_spec(&hex(&outboard));
    let geometry = Geometry::new(49_153);
    for (span, offsets) in [(0..1, "0, 64"), (1..3, "0, 64, 128"), (3..4, "0, 128")] {
        let proof = prove(geometry, outboard.as_slice(), span.clone()).unwrap();
        let row = format!(
            "| {}..{} | {offsets} | `{}` |",
            span.start,
            span.end,
            Hash::of(&proof)
        );
        assert_in_spec(&row);
    }
}

#[test]
fn folder_and_link() {
    let entry = |path: &str, node| Entry {
        path: EntryPath::new(path).unwrap(),
        node,
    };
    let file = |content: &[u8], executable| Node::File {
        hash: Hash::of(content),
        size: content.len() as u64,
        executable,
    };
    let target = "../read me.txt".to_owned();
    let manifest = Manifest::new(vec![
        entry("read me.txt", file(b"hello\n", false)),
        entry("bin/run", file(b"#!/bin/sh\n", true)),
        entry("bin/help", Node::Symlink { target }),
        entry("spare", Node::Directory),
    ])
    .unwrap();
    let encoded = manifest.encode();
    let wrapped: Vec<String> = encoded.chunks(48).map(hex).collect();
    assert_in_spec(&wrapped.join("\n"));
    assert_in_spec(&manifest.address().to_string());
    let addr = "/ip4/192.0.2.7/tcp/4001".parse().unwrap();
    let link = Link::new(manifest.address())
        .with_name("read me & run")
        .with_size(manifest.total_bytes())
        .with_addrs([addr]);
    assert_in_spec(&link.to_string());
}

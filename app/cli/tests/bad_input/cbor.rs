//! Manifests written by hand, since a program that keeps the rules cannot write hostile ones.

use potluck_content::{Address, Hash};

/// An entry, whatever it says.
#[derive(Clone)]
pub(crate) enum Entry {
    File(String, Hash, u64),
    Folder(String),
    Link(String, String),
}

/// A small file at this path.
pub(crate) fn file(path: &str) -> Entry {
    Entry::File(path.to_owned(), Hash::of(b"evil"), 4)
}

pub(crate) fn folder(path: &str) -> Entry {
    Entry::Folder(path.to_owned())
}

pub(crate) fn link(path: &str, target: &str) -> Entry {
    Entry::Link(path.to_owned(), target.to_owned())
}

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

/// The head of an item of this type, in the fewest bytes.
pub(crate) fn head(major: u8, number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let (low, from) = match number {
        0..=23 => return vec![major << 5 | bytes[7]],
        24..=0xff => (24, 7),
        0x100..=0xffff => (25, 6),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 0),
    };
    let mut out = vec![major << 5 | low];
    out.extend_from_slice(&bytes[from..]);
    out
}

fn text(text: &str) -> Vec<u8> {
    [head(TEXT, text.len() as u64), text.as_bytes().to_vec()].concat()
}

fn cid(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u64 + 1;
    [head(TAG, 42), head(BYTES, length), vec![0], bytes.to_vec()].concat()
}

fn entry(entry: &Entry) -> Vec<u8> {
    match entry {
        Entry::File(path, hash, size) => [
            head(MAP, 3),
            text("link"),
            cid(&Address::blob(*hash).to_bytes()),
            text("path"),
            text(path),
            text("size"),
            head(UINT, *size),
        ]
        .concat(),
        Entry::Folder(path) => [head(MAP, 1), text("path"), text(path)].concat(),
        Entry::Link(path, target) => [
            head(MAP, 2),
            text("path"),
            text(path),
            text("target"),
            text(target),
        ]
        .concat(),
    }
}

/// What a manifest of this version starts with, given how many entries it claims.
pub(crate) fn start(version: u64, entries: u64) -> Vec<u8> {
    [
        head(MAP, 2),
        text("v"),
        head(UINT, version),
        text("entries"),
        head(ARRAY, entries),
    ]
    .concat()
}

/// A manifest of these entries, as they come.
pub(crate) fn manifest(entries: &[Entry]) -> Vec<u8> {
    let mut out = start(1, entries.len() as u64);
    for item in entries {
        out.extend(entry(item));
    }
    out
}

#[test]
fn what_is_written_here_is_what_the_program_writes() {
    let entries = [file("a/b.txt"), folder("c"), link("d", "a/b.txt")];
    let bytes = manifest(&entries);
    let read = potluck_content::Manifest::decode(&bytes).unwrap();
    assert_eq!(read.encode(), bytes);
}

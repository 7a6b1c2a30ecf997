//! Writing manifests: DAG-CBOR with one encoding for each folder.
//!
//! The few kinds of items are written by hand: a general serializer would hold several copies of a
//! large manifest, and could fail.

use super::{Entry, Node};
use crate::Address;

/// The version of the format.
pub(super) const VERSION: u64 = 1;

/// What every manifest of this version starts with: a map of two keys, `v: 1`, and `entries`.
pub(super) const PREFIX: &[u8] = b"\xa2\x61v\x01\x67entries";

const UNSIGNED: u8 = 0 << 5;
const BYTES: u8 = 2 << 5;
const TEXT: u8 = 3 << 5;
const ARRAY: u8 = 4 << 5;
const MAP: u8 = 5 << 5;
const TAG: u8 = 6 << 5;
const TRUE: u8 = 0xf5;
/// The tag of a CID in DAG-CBOR; the bytes in it start with a zero.
const CID_TAG: u64 = 42;

/// Encodes entries that are in order.
pub(super) fn manifest(entries: &[Entry]) -> Vec<u8> {
    let mut out = PREFIX.to_vec();
    head(&mut out, ARRAY, entries.len() as u64);
    for item in entries {
        entry(&mut out, item);
    }
    out
}

/// Whether `bytes` are the encoding of these entries, without writing it all out.
pub(super) fn is_encoding_of(bytes: &[u8], entries: &[Entry]) -> bool {
    let mut part = PREFIX.to_vec();
    head(&mut part, ARRAY, entries.len() as u64);
    let Some(mut rest) = bytes.strip_prefix(part.as_slice()) else {
        return false;
    };
    for item in entries {
        part.clear();
        entry(&mut part, item);
        match rest.strip_prefix(part.as_slice()) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

/// An entry is a map; its keys come shorter first, then by letter.
fn entry(out: &mut Vec<u8>, entry: &Entry) {
    let path = entry.path.as_str();
    match &entry.node {
        Node::File {
            hash,
            size,
            executable,
        } => {
            head(out, MAP, if *executable { 4 } else { 3 });
            if *executable {
                text(out, "exec");
                out.push(TRUE);
            }
            text(out, "link");
            link(out, &Address::blob(*hash));
            pair(out, "path", path);
            text(out, "size");
            head(out, UNSIGNED, *size);
        }
        Node::Directory => {
            head(out, MAP, 1);
            pair(out, "path", path);
        }
        Node::Symlink { target } => {
            head(out, MAP, 2);
            pair(out, "path", path);
            pair(out, "target", target);
        }
    }
}

fn pair(out: &mut Vec<u8>, key: &str, value: &str) {
    text(out, key);
    text(out, value);
}

fn text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn link(out: &mut Vec<u8>, address: &Address) {
    let cid = address.to_bytes();
    head(out, TAG, CID_TAG);
    head(out, BYTES, cid.len() as u64 + 1);
    out.push(0);
    out.extend_from_slice(&cid);
}

/// The head of an item: its type and a number in the fewest bytes.
fn head(out: &mut Vec<u8>, major: u8, number: u64) {
    let bytes = number.to_be_bytes();
    match number {
        0..=23 => out.push(major | bytes[7]),
        24..=0xff => out.extend_from_slice(&[major | 24, bytes[7]]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&bytes[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

//! The UnixFS DAG of a file: a balanced tree of nodes over raw leaves.

use cid::Cid;
use multihash::Multihash;
use sha2::{Digest as _, Sha256};

use super::merkle::Sha;

/// Links of one node.
const WIDTH: usize = 1024;
const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;
/// UnixFS: the type of a file's node.
const FILE: u64 = 2;

/// A part of the DAG.
#[derive(Clone, Copy, Debug)]
struct Link {
    cid: Cid,
    /// Bytes of the file under it.
    bytes: u64,
    /// Bytes of all blocks under it, itself included.
    total: u64,
}

/// Builds the DAG from its leaves in order; the nodes that are not full yet are all that is kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Dag {
    levels: Vec<Vec<Link>>,
}

impl Dag {
    pub(super) fn push_leaf(&mut self, hash: &Sha, bytes: u64) {
        let cid = cid_of(RAW, hash);
        let total = bytes;
        self.push(0, Link { cid, bytes, total });
    }

    fn push(&mut self, mut level: usize, mut link: Link) {
        loop {
            if self.levels.len() <= level {
                self.levels.push(Vec::new());
            }
            let Some(links) = self.levels.get_mut(level) else {
                return;
            };
            // A full node goes up only when something follows it: alone, it is the root.
            let full = if links.len() == WIDTH {
                Some(node(links))
            } else {
                None
            };
            if full.is_some() {
                links.clear();
            }
            links.push(link);
            let Some(full) = full else { return };
            link = full;
            level += 1;
        }
    }

    /// The root. A file of one leaf is that leaf; an empty file is an empty one.
    pub(super) fn finish(mut self) -> Cid {
        let mut level = 0;
        loop {
            let above = self.levels.get(level + 1).is_some();
            match self.levels.get(level).map(Vec::as_slice) {
                None | Some([]) => return cid_of(RAW, &Sha256::digest([]).into()),
                Some([link]) if !above => return link.cid,
                Some(links) => {
                    let link = node(links);
                    self.push(level + 1, link);
                }
            }
            level += 1;
        }
    }
}

fn cid_of(codec: u64, hash: &Sha) -> Cid {
    // 32 bytes always fit in 64.
    let hash = Multihash::wrap(SHA2_256, hash).unwrap_or_default();
    Cid::new_v1(codec, hash)
}

/// The node over some links, encoded as DAG-PB: the links before the data.
fn node(links: &[Link]) -> Link {
    let bytes = links.iter().map(|link| link.bytes).sum();
    let mut data = Vec::new();
    field(&mut data, 1, FILE);
    field(&mut data, 3, bytes);
    for link in links {
        field(&mut data, 4, link.bytes);
    }
    let mut block = Vec::new();
    for link in links {
        let mut encoded = Vec::new();
        bytes_field(&mut encoded, 1, &link.cid.to_bytes());
        bytes_field(&mut encoded, 2, b"");
        field(&mut encoded, 3, link.total);
        bytes_field(&mut block, 2, &encoded);
    }
    bytes_field(&mut block, 1, &data);
    let below: u64 = links.iter().map(|link| link.total).sum();
    Link {
        cid: cid_of(DAG_PB, &Sha256::digest(&block).into()),
        bytes,
        total: below + block.len() as u64,
    }
}

/// A number in protobuf.
fn field(out: &mut Vec<u8>, number: u8, value: u64) {
    out.push(number << 3);
    varint(out, value);
}

/// Bytes in protobuf.
fn bytes_field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

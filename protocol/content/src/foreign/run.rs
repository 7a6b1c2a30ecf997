//! Digesting one run of a file.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::merkle::{PieceTree, Sha};
use super::{Cut, LEAF_BYTES};
use crate::GROUP_BYTES;

/// What came of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDigests {
    /// Bytes that were pushed.
    pub(super) bytes: u64,
    /// SHA-1 of each piece.
    pub(super) v1: Vec<[u8; 20]>,
    /// Root of each piece.
    pub(super) v2: Vec<Sha>,
    /// SHA-256 of each leaf.
    pub(super) leaves: Vec<Sha>,
}

/// Takes the bytes of one run, in order, cut anywhere.
#[derive(Clone, Debug)]
pub struct RunDigester {
    cut: Cut,
    bytes: u64,
    piece: Sha1,
    tree: PieceTree,
    leaf: Sha256,
    done: RunDigests,
}

impl RunDigester {
    pub(super) fn new(cut: Cut) -> Self {
        Self {
            cut,
            bytes: 0,
            piece: Sha1::new(),
            tree: PieceTree::new(),
            leaf: Sha256::new(),
            done: RunDigests {
                bytes: 0,
                v1: Vec::new(),
                v2: Vec::new(),
                leaves: Vec::new(),
            },
        }
    }

    /// Takes the bytes that come next. A few groups at a time stay in the cache for all digests.
    pub fn push(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            // Blocks are what all else is made of.
            let left = GROUP_BYTES - self.bytes % GROUP_BYTES;
            let take = usize::try_from(left).map_or(data.len(), |left| left.min(data.len()));
            let (part, rest) = data.split_at(take);
            self.tree.push(part);
            self.piece.update(part);
            self.leaf.update(part);
            self.bytes += part.len() as u64;
            data = rest;
            self.close(false);
        }
    }

    /// Closes what is full, or, at the end, what has anything in it.
    fn close(&mut self, end: bool) {
        let is_due = |unit: u64| {
            let over = self.bytes % unit;
            if end { over != 0 } else { over == 0 }
        };
        if is_due(self.cut.piece_bytes) {
            self.done.v1.push(self.piece.finalize_reset().into());
            let root = self.tree.finish(self.cut.size, self.cut.piece_bytes);
            self.done.v2.extend(root);
        }
        if is_due(LEAF_BYTES) {
            self.done.leaves.push(self.leaf.finalize_reset().into());
        }
    }

    /// The digests of the run, once all its bytes were pushed.
    #[must_use]
    pub fn finish(mut self) -> RunDigests {
        self.close(true);
        self.done.bytes = self.bytes;
        self.done
    }
}

//! The SHA-256 tree of `BitTorrent` v2 (BEP 52).

use sha2::{Digest as _, Sha256};

use crate::GROUP_BYTES;

/// A SHA-256 hash.
pub(super) type Sha = [u8; 32];

/// Bytes of a block, which are those of a group.
#[expect(clippy::cast_possible_truncation, reason = "16 KiB fit any usize")]
const GROUP_LEN: usize = GROUP_BYTES as usize;

/// What stands for a block past the end of a file.
const NO_BLOCK: Sha = [0; 32];

fn parent(left: &Sha, right: &Sha) -> Sha {
    let mut hasher = Sha256::new();
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The root of a tree over `nodes`, filled up with `filler` to `width` (a power of two). `nodes` is
/// used as room for the work.
fn root(nodes: &mut Vec<Sha>, width: usize, mut filler: Sha) -> Sha {
    let mut width = width;
    while width > 1 {
        let mut out = 0;
        let mut at = 0;
        while at < nodes.len() {
            let left = nodes.get(at).copied().unwrap_or(filler);
            let right = nodes.get(at + 1).copied().unwrap_or(filler);
            if let Some(slot) = nodes.get_mut(out) {
                *slot = parent(&left, &right);
            }
            out += 1;
            at += 2;
        }
        nodes.truncate(out);
        filler = parent(&filler, &filler);
        width /= 2;
    }
    nodes.first().copied().unwrap_or(filler)
}

/// The root over the blocks of one piece.
fn piece_root(blocks: &mut Vec<Sha>, piece_leaves: usize) -> Sha {
    root(blocks, piece_leaves, NO_BLOCK)
}

/// The root over the blocks of a file that is no longer than a piece.
fn small_root(blocks: &mut Vec<Sha>) -> Sha {
    let width = blocks.len().next_power_of_two();
    root(blocks, width, NO_BLOCK)
}

/// The root of a file over the roots of its pieces.
pub(super) fn file_root(pieces: &[Sha], piece_leaves: usize) -> Sha {
    let mut filler = NO_BLOCK;
    let mut leaves = 1;
    while leaves < piece_leaves {
        filler = parent(&filler, &filler);
        leaves *= 2;
    }
    let width = pieces.len().next_power_of_two();
    root(&mut pieces.to_vec(), width, filler)
}

/// Takes the bytes of one piece of a file in order, cut anywhere, and gives the root of its tree.
#[derive(Clone, Debug, Default)]
pub struct PieceTree {
    block: Sha256,
    /// Bytes of the block that is not full.
    filled: usize,
    blocks: Vec<Sha>,
}

impl PieceTree {
    /// Nothing is here yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes that come next.
    pub fn push(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let room = GROUP_LEN - self.filled;
            let (part, rest) = data.split_at(room.min(data.len()));
            self.block.update(part);
            self.filled += part.len();
            if self.filled == GROUP_LEN {
                self.close();
            }
            data = rest;
        }
    }

    fn close(&mut self) {
        self.blocks.push(self.block.finalize_reset().into());
        self.filled = 0;
    }

    /// The root of the piece, once all its bytes were pushed, and room for the next one. In a file
    /// that is no longer than a piece of `piece_bytes` (a power of two of at least 16 KiB) it is the
    /// root of the file. `None` when nothing was pushed.
    pub fn finish(&mut self, file_bytes: u64, piece_bytes: u64) -> Option<[u8; 32]> {
        if self.filled > 0 {
            self.close();
        }
        if self.blocks.is_empty() {
            return None;
        }
        let root = if file_bytes <= piece_bytes {
            small_root(&mut self.blocks)
        } else {
            let leaves = usize::try_from(piece_bytes / GROUP_BYTES).unwrap_or(usize::MAX);
            piece_root(&mut self.blocks, leaves)
        };
        self.blocks.clear();
        Some(root)
    }
}

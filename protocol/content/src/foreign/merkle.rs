//! The SHA-256 tree of `BitTorrent` v2 (BEP 52).

use sha2::{Digest as _, Sha256};

use crate::GROUP_BYTES;

/// A SHA-256 hash.
pub(super) type Sha = [u8; 32];

/// Bytes of a block, which are those of a group.
#[expect(clippy::cast_possible_truncation, reason = "16 KiB fit any usize")]
const GROUP_LEN: usize = GROUP_BYTES as usize;

/// Blocks that are hashed at once: those of the widest registers in use, 512 bits.
const LANES: usize = 16;

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
        if self.filled == 0 {
            data = self.push_blocks(data);
        }
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

    /// Takes whole blocks from the front, side by side: on processors without instructions for SHA-256
    /// that is several times faster than one after the other. Gives the rest.
    fn push_blocks<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let (blocks, rest) = data.as_chunks::<GROUP_LEN>();
        for some in blocks.chunks(LANES) {
            let mut messages: [&[u8]; LANES] = [&[]; LANES];
            for (message, block) in messages.iter_mut().zip(some) {
                *message = block;
            }
            let at = self.blocks.len();
            self.blocks.resize(at + some.len(), NO_BLOCK);
            tape_sha256::hash_many(&messages[..some.len()], &mut self.blocks[at..]);
        }
        rest
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree as BEP 52 has it, one block after the other.
    fn slow(data: &[u8], piece_leaves: usize) -> Sha {
        let blocks = data.chunks(GROUP_LEN);
        let mut nodes: Vec<Sha> = blocks.map(|block| Sha256::digest(block).into()).collect();
        nodes.resize(piece_leaves, NO_BLOCK);
        while nodes.len() > 1 {
            let pairs = nodes.chunks(2);
            nodes = pairs.map(|pair| parent(&pair[0], &pair[1])).collect();
        }
        nodes[0]
    }

    #[test]
    fn blocks_side_by_side_are_hashed_as_one_by_one() {
        let bytes = 3 * LANES * GROUP_LEN + 77;
        let bytes_of = |at: usize| u8::try_from(at * at % 251).unwrap();
        let data: Vec<u8> = (0..bytes).map(bytes_of).collect();
        // Every number of whole blocks up to more than are hashed at once, cut evenly or not.
        for blocks in 0..=2 * LANES + 3 {
            for (more, cut) in [(0, GROUP_LEN), (0, usize::MAX), (77, 100_000), (5, 16_385)] {
                let data = &data[..blocks * GROUP_LEN + more];
                let mut tree = PieceTree::new();
                for part in data.chunks(cut) {
                    tree.push(part);
                }
                let leaves = 64;
                let found = tree.finish(u64::MAX, leaves * GROUP_BYTES);
                let expected = (!data.is_empty()).then(|| slow(data, 64));
                assert_eq!(found, expected, "{blocks} {more} {cut}");
            }
        }
    }
}

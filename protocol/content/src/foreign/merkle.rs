//! The SHA-256 tree of `BitTorrent` v2 (BEP 52).

use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
pub(super) type Sha = [u8; 32];

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
pub(super) fn piece_root(blocks: &mut Vec<Sha>, piece_leaves: usize) -> Sha {
    root(blocks, piece_leaves, NO_BLOCK)
}

/// The root over the blocks of a file that is no longer than a piece.
pub(super) fn small_root(blocks: &mut Vec<Sha>) -> Sha {
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

//! The arithmetic of the trees.

use sha2::{Digest as _, Sha256};

use crate::wire::{BLOCK_BYTES, HashList, HashRequest};

/// A SHA-256 hash.
pub(super) type Sha = [u8; 32];

pub(super) fn parent(left: &Sha, right: &Sha) -> Sha {
    let mut hasher = Sha256::new();
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// What stands for a subtree of so many layers that lies past the end of a file.
pub(super) fn filler(layer: u32) -> Sha {
    let mut hash = [0; 32];
    for _ in 0..layer {
        hash = parent(&hash, &hash);
    }
    hash
}

/// The next layer above one that is filled up at its right end.
pub(super) fn fold(nodes: &[Sha], filler: &Sha) -> Vec<Sha> {
    let pairs = nodes.chunks(2).map(|pair| match pair {
        [left, right] => parent(left, right),
        [left, ..] => parent(left, filler),
        [] => *filler,
    });
    pairs.collect()
}

/// The node so many layers above a layer's nodes, which may be fewer than it spans.
pub(super) fn fold_up(nodes: &[Sha], layers: u32, mut filler: Sha) -> Sha {
    let mut nodes = nodes.to_vec();
    for _ in 0..layers {
        nodes = fold(&nodes, &filler);
        filler = parent(&filler, &filler);
    }
    nodes.first().copied().unwrap_or(filler)
}

/// The layer of pieces of this size, counted from the leaves. None when BEP 52 has no such pieces.
pub(super) fn piece_layer(piece_bytes: u64) -> Option<u32> {
    let block = u64::from(BLOCK_BYTES);
    let is_valid = piece_bytes.is_power_of_two() && piece_bytes >= block;
    is_valid.then(|| (piece_bytes / block).ilog2())
}

/// Layers above so many nodes.
pub(super) fn layers_above(nodes: u64) -> u32 {
    let width = nodes.max(1).checked_next_power_of_two();
    width.map_or(u64::BITS, u64::trailing_zeros)
}

/// Whether an answer is right: the hashes of the range lead to the root that the request names, in the
/// tree of a file of so many bytes, and what is past the end of the file is as BEP 52 says.
///
/// False, too, when the request doesn't fit the file, or the answer doesn't go up to the root.
#[must_use]
pub fn verify_hashes(request: &HashRequest, hashes: &HashList<'_>, file_bytes: u64) -> bool {
    let width = request.length.checked_next_power_of_two().unwrap_or(0);
    if width == 0 || request.length == 0 || !request.index.is_multiple_of(width) {
        return false;
    }
    if !request.fits(file_bytes) {
        return false;
    }
    let blocks = file_bytes.div_ceil(u64::from(BLOCK_BYTES));
    let above = layers_above(blocks).saturating_sub(request.base_layer);
    let own_layers = width.trailing_zeros();
    let (base, proof) = hashes.split(request);
    let is_whole = base.len() == request.length as usize
        && u32::try_from(proof.len())
            .is_ok_and(|proof| own_layers.checked_add(proof) == Some(above));
    if !is_whole {
        return false;
    }
    let padding = filler(request.base_layer);
    // The request fits the file, so its base layer is below 31.
    let nodes = blocks.div_ceil(1 << request.base_layer);
    let real = nodes.saturating_sub(request.index.into());
    let real = usize::try_from(real).unwrap_or(usize::MAX);
    if base.iter().skip(real).any(|hash| *hash != padding) {
        return false;
    }
    let mut hash = fold_up(base, own_layers, padding);
    let mut position = request.index >> own_layers;
    for beside in proof {
        hash = if position.is_multiple_of(2) {
            parent(&hash, beside)
        } else {
            parent(beside, &hash)
        };
        position >>= 1;
    }
    hash == request.root
}

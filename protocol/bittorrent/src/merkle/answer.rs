//! Answering requests for hashes.

use std::collections::BTreeMap;

use super::tree::{Sha, filler, fold, fold_up, layers_above, piece_layer};
use crate::Metainfo;
use crate::wire::{HashRequest, MAX_HASHES};

/// Layers between that of the pieces and the lowest that is kept.
const STEP: u32 = 9;
/// Most nodes of the piece layer that are hashed for the range of one request.
const MAX_WORK: u64 = MAX_HASHES as u64;

/// Answers requests for the hashes of one torrent.
///
/// The upper layers of a file are kept once they were asked for, in a 256th of the memory of its piece
/// layer: so each request after the first costs the hashing of a few thousand nodes at most,
/// whatever the size of the file.
#[derive(Clone, Debug, Default)]
pub struct HashAnswers {
    tops: BTreeMap<Sha, Vec<Vec<Sha>>>,
}

/// A piece layer that is known, and what follows from it.
struct Tree<'a> {
    /// The layer of the pieces, counted from the leaves.
    bottom: u32,
    layer: &'a [Sha],
    /// The layers from [`STEP`] above it on. None when the whole tree is lower.
    top: &'a [Vec<Sha>],
}

impl Tree<'_> {
    fn node(&self, layer: u32, index: u64) -> Option<Sha> {
        let up = layer.checked_sub(self.bottom)?;
        let kept = up
            .checked_sub(STEP)
            .and_then(|at| self.top.get(at as usize));
        let index = usize::try_from(index).ok()?;
        if let Some(kept) = kept {
            return Some(kept.get(index).copied().unwrap_or_else(|| filler(layer)));
        }
        let start = index.checked_mul(1_usize.checked_shl(up)?)?;
        let end = start.checked_add(1 << up)?.min(self.layer.len());
        Some(match self.layer.get(start..end) {
            Some(nodes) if !nodes.is_empty() => fold_up(nodes, up, filler(self.bottom)),
            _ => filler(layer),
        })
    }
}

impl HashAnswers {
    /// Nothing was asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The hashes that a request asks for, to be sent with it. None when it is to be refused
    /// ([`crate::wire::Message::HashReject`]): the file is not of the torrent, its piece layer is not
    /// known, the hashes are below that, or the request is none that BEP 52 allows.
    ///
    /// `metainfo` is always that of the same torrent.
    pub fn answer(&mut self, metainfo: &Metainfo, request: &HashRequest) -> Option<Vec<[u8; 32]>> {
        let bottom = piece_layer(metainfo.info().piece_bytes())?;
        let layer = metainfo.layer(&request.root)?;
        let pieces = layer.len() as u64;
        // The tree is as high as that of a file whose pieces are all full.
        let bytes = pieces.checked_mul(metainfo.info().piece_bytes())?;
        let width = request.length.checked_next_power_of_two()?;
        let is_range = (1..=MAX_HASHES).contains(&request.length);
        if !is_range || !request.index.is_multiple_of(width) || !request.fits(bytes) {
            return None;
        }
        let up = request.base_layer.checked_sub(bottom)?;
        let work = u64::from(request.length).checked_shl(up)?;
        if up < STEP && work > MAX_WORK {
            return None;
        }
        let top = match self.tops.get(&request.root) {
            Some(top) => top,
            None if layers_above(pieces) <= STEP => &Vec::new(),
            None => self.tops.entry(request.root).or_insert(top(layer, bottom)),
        };
        answer(&Tree { bottom, layer, top }, request)
    }
}

/// As [`HashAnswers::answer`], for one request: the whole tree of a long file is hashed for it.
#[must_use]
pub fn answer_hashes(metainfo: &Metainfo, request: &HashRequest) -> Option<Vec<[u8; 32]>> {
    HashAnswers::new().answer(metainfo, request)
}

/// All layers from [`STEP`] above the pieces up to the root.
fn top(layer: &[Sha], bottom: u32) -> Vec<Vec<Sha>> {
    let padding = filler(bottom);
    let parts = layer.chunks(1 << STEP);
    let mut nodes: Vec<Sha> = parts.map(|part| fold_up(part, STEP, padding)).collect();
    let mut height = bottom + STEP;
    let mut layers = Vec::new();
    while nodes.len() > 1 {
        let next = fold(&nodes, &filler(height));
        layers.push(nodes);
        nodes = next;
        height += 1;
    }
    layers.push(nodes);
    layers
}

fn answer(tree: &Tree<'_>, request: &HashRequest) -> Option<Vec<Sha>> {
    let start = u64::from(request.index);
    let range = start..start + u64::from(request.length);
    let base = range.map(|index| tree.node(request.base_layer, index));
    let mut hashes: Vec<Sha> = base.collect::<Option<_>>()?;
    let own_layers = request.length.next_power_of_two().trailing_zeros();
    // The lowest that doesn't follow from the range is beside its top.
    let proof = own_layers..=request.proof_layers;
    if proof.clone().count() > request.max_proof_hashes() as usize {
        return None;
    }
    for up in proof {
        let beside = (start >> up) ^ 1;
        hashes.push(tree.node(request.base_layer + up, beside)?);
    }
    Some(hashes)
}

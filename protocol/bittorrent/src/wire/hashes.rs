//! Asking for the hashes of version 2 (BEP 52).

use super::{BLOCK_BYTES, MAX_HASHES, MAX_LAYERS, WireError, numbers};

/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// Bytes of a request on the wire, without the number of its kind.
const REQUEST_BYTES: usize = HASH_BYTES + 4 * 4;
/// Bytes of the longest message with hashes, with the number of its kind.
pub(super) const MAX_HASHES_MESSAGE_BYTES: usize =
    1 + REQUEST_BYTES + HASH_BYTES * (MAX_HASHES + MAX_LAYERS) as usize;

/// A range of hashes of a file's tree, and those beside the way from it to the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashRequest {
    /// The root of the file's tree.
    pub root: [u8; 32],
    /// The layer of the hashes, counted from the leaves, which are layer 0.
    pub base_layer: u32,
    /// The first hash, by its position in the layer.
    pub index: u32,
    /// How many hashes, 1 to [`MAX_HASHES`]; a power of two, except at the end of a layer.
    pub length: u32,
    /// How many layers above the base layer are to be proven. One hash each, but none for those that
    /// follow from the hashes that were asked for.
    pub proof_layers: u32,
}

/// Hashes one after another, 32 bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashList<'a>(&'a [[u8; 32]]);

impl HashRequest {
    pub(super) fn decode(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (root, rest) = payload.split_first_chunk::<HASH_BYTES>()?;
        let (fields, rest) = rest.split_at_checked(REQUEST_BYTES - HASH_BYTES)?;
        let [base_layer, index, length, proof_layers] = numbers(fields)?;
        let request = Self {
            root: *root,
            base_layer,
            index,
            length,
            proof_layers,
        };
        Some((request, rest))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.root);
        for number in [self.base_layer, self.index, self.length, self.proof_layers] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }

    /// Whether any tree has such hashes. Whether the file's has is for those who know the file.
    pub(super) fn check(&self) -> Result<(), WireError> {
        if self.base_layer > MAX_LAYERS || self.proof_layers > MAX_LAYERS {
            return Err(WireError::HashLayer);
        }
        // A range at the end of a layer is cut, and still starts where a full one would.
        let step = self.length.checked_next_power_of_two().unwrap_or(0);
        let is_range = (1..=MAX_HASHES).contains(&self.length)
            && self.index.is_multiple_of(step)
            && self.index < 1 << MAX_LAYERS;
        if is_range {
            Ok(())
        } else {
            Err(WireError::HashRange)
        }
    }

    /// Whether the tree of a file of so many bytes has such hashes below its root, and so many layers
    /// to prove. What is not there is to be refused ([`super::Message::HashReject`]).
    #[must_use]
    pub fn fits(&self, file_bytes: u64) -> bool {
        let leaves = file_bytes.div_ceil(u64::from(BLOCK_BYTES));
        let leaves = leaves.checked_next_power_of_two().unwrap_or(0);
        let height = leaves.checked_ilog2().unwrap_or(0);
        let Some(above) = height.checked_sub(self.base_layer) else {
            return false;
        };
        let end = u64::from(self.index) + u64::from(self.length);
        end <= leaves >> self.base_layer && self.proof_layers < above
    }

    /// Most hashes that prove the others, when the tree is high enough for all the layers.
    #[must_use]
    pub fn max_proof_hashes(&self) -> u32 {
        let bits = self.length.checked_next_power_of_two();
        let own_layers = bits.map_or(u32::BITS, u32::trailing_zeros);
        self.proof_layers
            .saturating_add(1)
            .saturating_sub(own_layers)
    }
}

impl<'a> HashList<'a> {
    /// A list of these hashes.
    #[must_use]
    pub fn new(hashes: &'a [[u8; 32]]) -> Self {
        Self(hashes)
    }

    pub(super) fn decode(bytes: &'a [u8], request: &HashRequest) -> Result<Self, WireError> {
        let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
        let list = Self(hashes);
        list.check(request, bytes.len())?;
        debug_assert!(rest.is_empty());
        Ok(list)
    }

    pub(super) fn check(&self, request: &HashRequest, found: usize) -> Result<(), WireError> {
        let least = HASH_BYTES * request.length as usize;
        let most = least + HASH_BYTES * request.max_proof_hashes() as usize;
        if (least..=most).contains(&found) && found.is_multiple_of(HASH_BYTES) {
            Ok(())
        } else {
            Err(WireError::HashCount { least, most, found })
        }
    }

    /// All hashes.
    #[must_use]
    pub fn all(&self) -> &'a [[u8; 32]] {
        self.0
    }

    /// Those of the base layer, from left to right, and those that prove them, the one closest to
    /// the root last.
    #[must_use]
    pub fn split(&self, request: &HashRequest) -> (&'a [[u8; 32]], &'a [[u8; 32]]) {
        self.0.split_at(self.0.len().min(request.length as usize))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_flattened());
    }
}

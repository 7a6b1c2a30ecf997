//! Hashing groups and joining their chaining values.

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use super::{Geometry, Parent};
use crate::GROUP_BYTES;

/// The length of a full group as an index.
pub(super) const GROUP_LEN: usize = 16 * 1024;

/// Appends the chaining value of each group of `data`, which starts at `first_group` of the blob.
///
/// `data` is whole groups; only the blob's last one may be short. The hash of a blob's only group is
/// its root hash. Regions of a blob can be hashed in any order, on any threads.
pub fn hash_groups(data: &[u8], first_group: u64, geometry: Geometry, out: &mut Vec<[u8; 32]>) {
    if geometry.groups() == 1 {
        out.push(*blake3::hash(data).as_bytes());
        return;
    }
    out.reserve(data.len().div_ceil(GROUP_LEN));
    for (group, bytes) in (first_group..).zip(data.chunks(GROUP_LEN)) {
        out.push(chaining_value(group, bytes));
    }
}

/// The chaining value of one group of a blob that has several. `bytes` is not empty.
pub(super) fn chaining_value(group: u64, bytes: &[u8]) -> [u8; 32] {
    let mut hasher = group_hasher(group);
    hasher.update(bytes);
    hasher.finalize_non_root()
}

/// Hashes one group of a blob from its first byte on.
pub(super) fn group_hasher(group: u64) -> blake3::Hasher {
    // A hasher of its own: resetting one keeps its old offset, which its counters trip over.
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(group.wrapping_mul(GROUP_BYTES));
    hasher
}

/// Joins two chaining values into their parent.
pub(super) fn join(left: &[u8; 32], right: &[u8; 32]) -> Parent {
    let mut parent = [0; 64];
    parent[..32].copy_from_slice(left);
    parent[32..].copy_from_slice(right);
    parent
}

/// Splits a parent in the chaining values of its children.
pub(super) fn split(parent: &Parent) -> ([u8; 32], [u8; 32]) {
    let mut left = [0; 32];
    let mut right = [0; 32];
    left.copy_from_slice(&parent[..32]);
    right.copy_from_slice(&parent[32..]);
    (left, right)
}

/// The hash of a parent: the blob's root hash when it is the top of the tree, else a chaining value.
pub(super) fn parent_hash(parent: &Parent, is_root: bool) -> [u8; 32] {
    let (left, right) = split(parent);
    if is_root {
        *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
    } else {
        merge_subtrees_non_root(&left, &right, Mode::Hash)
    }
}

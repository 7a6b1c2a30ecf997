//! Building a tree as the bytes come by.

use super::geometry::Subtree;
use super::groups::{GROUP_LEN, hash_groups, join, parent_hash};
use super::{Geometry, PARENT_BYTES, Parent};
use crate::Hash;

/// Why the tree can't be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// More bytes than the size said.
    #[error("there are more than the expected {size} bytes")]
    TooLong {
        /// The expected size.
        size: u64,
    },
    /// Fewer bytes than the size said.
    #[error("there are fewer than the expected {size} bytes")]
    TooShort {
        /// The expected size.
        size: u64,
    },
    /// The bytes pushed end within a group that is not the last.
    #[error("groups must be pushed whole")]
    PartialGroup,
}

/// Builds the tree of a blob whose size is known, from its groups in order, in O(log n) memory.
#[derive(Clone, Debug)]
pub struct TreeBuilder {
    geometry: Geometry,
    /// The group that comes next.
    next: u64,
    /// Parents above the next group, from the top, each with its left child once that is known.
    open: Vec<(Subtree, Option<[u8; 32]>)>,
    /// The subtree to go down before the next group: the root, then right children.
    pending: Subtree,
    /// Reused by `push_groups`.
    hashes: Vec<[u8; 32]>,
    root: Option<[u8; 32]>,
}

impl TreeBuilder {
    /// Starts a tree of a blob of `size` bytes.
    #[must_use]
    pub fn new(size: u64) -> Self {
        let geometry = Geometry::new(size);
        Self {
            geometry,
            next: 0,
            open: Vec::new(),
            pending: Subtree::root(geometry),
            hashes: Vec::new(),
            root: None,
        }
    }

    /// The shape of the tree.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The group that must be pushed next.
    #[must_use]
    pub fn next_group(&self) -> u64 {
        self.next
    }

    /// Hashes and adds whole groups (the last of the blob may be short), and appends the parents that
    /// became complete, with their byte offsets in the outboard. An empty blob needs no push.
    pub fn push_groups(
        &mut self,
        data: &[u8],
        parents: &mut Vec<(u64, Parent)>,
    ) -> Result<(), BuildError> {
        let size = self.geometry.size();
        let length = data.len() as u64;
        let rest = self.geometry.span_len(self.next..self.geometry.groups());
        if length > rest {
            return Err(BuildError::TooLong { size });
        }
        if length < rest && !data.len().is_multiple_of(GROUP_LEN) {
            return Err(BuildError::PartialGroup);
        }
        if data.is_empty() {
            return Ok(());
        }
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.clear();
        hash_groups(data, self.next, self.geometry, &mut hashes);
        let result = self.push_hashes(&hashes, parents);
        self.hashes = hashes;
        result
    }

    /// Adds groups that [`hash_groups`] hashed.
    pub fn push_hashes(
        &mut self,
        hashes: &[[u8; 32]],
        parents: &mut Vec<(u64, Parent)>,
    ) -> Result<(), BuildError> {
        if hashes.len() as u64 > self.geometry.groups() - self.next {
            let size = self.geometry.size();
            return Err(BuildError::TooLong { size });
        }
        for hash in hashes {
            self.push(*hash, parents);
        }
        Ok(())
    }

    fn push(&mut self, group: [u8; 32], parents: &mut Vec<(u64, Parent)>) {
        while let Some((left, _)) = self.pending.children() {
            self.open.push((self.pending, None));
            self.pending = left;
        }
        self.next += 1;
        let mut hash = group;
        while let Some((subtree, left)) = self.open.pop() {
            let Some(left) = left else {
                self.open.push((subtree, Some(hash)));
                if let Some((_, right)) = subtree.children() {
                    self.pending = right;
                }
                return;
            };
            let parent = join(&left, &hash);
            parents.push((subtree.offset(), parent));
            hash = parent_hash(&parent, self.open.is_empty());
        }
        self.root = Some(hash);
    }

    /// The root hash, once all groups were pushed.
    pub fn finish(self) -> Result<Hash, BuildError> {
        let size = self.geometry.size();
        match self.root {
            Some(root) => Ok(Hash::from_bytes(root)),
            None if size == 0 => Ok(Hash::of(&[])),
            None => Err(BuildError::TooShort { size }),
        }
    }
}

/// The root hash and the outboard of a blob that is in memory.
#[must_use]
pub fn outboard(data: &[u8]) -> (Hash, Vec<u8>) {
    let mut builder = TreeBuilder::new(data.len() as u64);
    let mut hashes = Vec::new();
    hash_groups(data, 0, builder.geometry, &mut hashes);
    let mut parents = Vec::with_capacity(hashes.len());
    for hash in hashes {
        builder.push(hash, &mut parents);
    }
    // Each parent comes after those below it; in pre-order it comes before them.
    parents.sort_unstable_by_key(|(offset, _)| *offset);
    let mut outboard = Vec::with_capacity(parents.len() * PARENT_BYTES);
    for (_, parent) in &parents {
        outboard.extend_from_slice(parent);
    }
    let root = builder.finish().unwrap_or_else(|_| Hash::of(data));
    (root, outboard)
}

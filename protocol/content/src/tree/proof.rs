//! Proofs of spans: the parents above them, sent ahead of the raw bytes.

use std::ops::Range;

use blake3::hazmat::HasherExt;

use super::geometry::Subtree;
use super::groups::{chaining_value, group_hasher, parent_hash, split};
use super::{Geometry, PARENT_BYTES, Parent};
use crate::Hash;

/// Where the parents of a blob's tree are read from: an outboard in pre-order.
pub trait ParentSource {
    /// Why a parent can't be read.
    type Error;

    /// Reads the parent at this byte offset of the outboard.
    fn parent(&self, offset: u64) -> Result<Parent, Self::Error>;
}

/// The outboard ends before this parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash tree ends before offset {offset}")]
pub struct MissingParent {
    /// The byte offset that was asked for.
    pub offset: u64,
}

impl ParentSource for [u8] {
    type Error = MissingParent;

    fn parent(&self, offset: u64) -> Result<Parent, MissingParent> {
        usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..)?.first_chunk())
            .copied()
            .ok_or(MissingParent { offset })
    }
}

/// Writes the proof of `span`: the parents above its groups in pre-order, no leaves.
///
/// It has exactly [`Geometry::proof_len`] bytes. Groups past the end of the blob are ignored.
pub fn prove<S: ParentSource + ?Sized>(
    geometry: Geometry,
    source: &S,
    span: Range<u64>,
) -> Result<Vec<u8>, S::Error> {
    let mut proof = Vec::new();
    prove_into(geometry, source, span, &mut proof)?;
    Ok(proof)
}

/// As [`prove`], appending to a buffer that the caller reuses.
pub fn prove_into<S: ParentSource + ?Sized>(
    geometry: Geometry,
    source: &S,
    span: Range<u64>,
    out: &mut Vec<u8>,
) -> Result<(), S::Error> {
    out.reserve(geometry.proof_len(&span));
    visit(&Subtree::root(geometry), &span, &mut |subtree| {
        out.extend_from_slice(&source.parent(subtree.offset())?);
        Ok(())
    })
}

/// Visits the parents above the groups of `span` in pre-order.
fn visit<E>(
    subtree: &Subtree,
    span: &Range<u64>,
    parent: &mut impl FnMut(&Subtree) -> Result<(), E>,
) -> Result<(), E> {
    if !subtree.intersects(span) {
        return Ok(());
    }
    let Some((left, right)) = subtree.children() else {
        return Ok(());
    };
    parent(subtree)?;
    visit(&left, span, parent)?;
    visit(&right, span, parent)
}

/// Why a proof shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The span is empty or reaches past the end.
    #[error("groups {}..{} are not a span of a blob of {groups} groups", span.start, span.end)]
    Span {
        /// The span that was asked for.
        span: Range<u64>,
        /// Number of groups of the blob.
        groups: u64,
    },
    /// The proof is cut or extended.
    #[error("the proof has {found} bytes instead of {expected}")]
    Length {
        /// The only length that a proof of this span has.
        expected: usize,
        /// The length that it has.
        found: usize,
    },
    /// A parent's hash is not what the parent above it (or the root) says.
    #[error("the proof does not lead to the blob's hash (parent at {offset})")]
    Mismatch {
        /// Byte offset of the parent in the outboard.
        offset: u64,
    },
}

/// A group's bytes are not those of the blob, or not there in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes of group {group} are not those of the blob")]
pub struct GroupMismatch {
    /// The first group that is wrong.
    pub group: u64,
}

/// What a checked proof shows: the trusted hash of each group of the span.
#[derive(Clone, Debug)]
pub struct VerifiedSpan {
    geometry: Geometry,
    span: Range<u64>,
    groups: Vec<[u8; 32]>,
    parents: Vec<(u64, Parent)>,
}

/// Checks the proof of `span` of the blob named `root`.
///
/// The size in `geometry` is a claim until the last group has been checked against its hash.
pub fn check(
    root: &Hash,
    geometry: Geometry,
    span: Range<u64>,
    proof: &[u8],
) -> Result<VerifiedSpan, ProofError> {
    if !geometry.contains(&span) {
        let groups = geometry.groups();
        return Err(ProofError::Span { span, groups });
    }
    let expected = geometry.proof_len(&span);
    if proof.len() != expected {
        let found = proof.len();
        return Err(ProofError::Length { expected, found });
    }
    let mut checker = Checker {
        span: &span,
        rest: proof,
        // The length check above bounds both: a proof has a parent for each group but one at least.
        groups: Vec::with_capacity(usize::try_from(span.end - span.start).unwrap_or(0)),
        parents: Vec::with_capacity(expected / PARENT_BYTES),
    };
    checker.descend(&Subtree::root(geometry), *root.as_bytes(), true)?;
    let Checker {
        groups, parents, ..
    } = checker;
    Ok(VerifiedSpan {
        geometry,
        span,
        groups,
        parents,
    })
}

struct Checker<'a> {
    span: &'a Range<u64>,
    rest: &'a [u8],
    groups: Vec<[u8; 32]>,
    parents: Vec<(u64, Parent)>,
}

impl Checker<'_> {
    /// Checks one subtree whose hash is known. The depth is that of the tree: at most 50.
    fn descend(&mut self, subtree: &Subtree, hash: [u8; 32], root: bool) -> Result<(), ProofError> {
        if !subtree.intersects(self.span) {
            return Ok(());
        }
        let Some((left, right)) = subtree.children() else {
            self.groups.push(hash);
            return Ok(());
        };
        let offset = subtree.offset();
        let Some((parent, rest)) = self.rest.split_first_chunk::<PARENT_BYTES>() else {
            return Err(ProofError::Mismatch { offset });
        };
        if parent_hash(parent, root) != hash {
            return Err(ProofError::Mismatch { offset });
        }
        self.rest = rest;
        self.parents.push((offset, *parent));
        let (left_hash, right_hash) = split(parent);
        self.descend(&left, left_hash, false)?;
        self.descend(&right, right_hash, false)
    }
}

impl VerifiedSpan {
    /// The span.
    #[must_use]
    pub fn span(&self) -> Range<u64> {
        self.span.clone()
    }

    /// The shape of the blob's tree, as claimed: see [`Self::shows_size`].
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Whether the span has the last group, so that its bytes, once checked, show the blob's size.
    #[must_use]
    pub fn shows_size(&self) -> bool {
        self.span.end == self.geometry.groups()
    }

    /// The parents learnt, with their byte offsets in the outboard.
    #[must_use]
    pub fn parents(&self) -> &[(u64, Parent)] {
        &self.parents
    }

    /// The trusted hashes of the span's groups.
    #[must_use]
    pub fn group_hashes(&self) -> &[[u8; 32]] {
        &self.groups
    }

    /// Checks `bytes`, whole groups of the span from `first_group` on; the blob's last may be short.
    pub fn check_groups(&self, first_group: u64, bytes: &[u8]) -> Result<(), GroupMismatch> {
        self.check_parts(first_group, [bytes])
    }

    /// As [`Self::check_groups`], of bytes that lie in several places: parts in order, cut anywhere.
    pub fn check_parts<'a>(
        &self,
        first_group: u64,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), GroupMismatch> {
        let mut checking = Checking {
            verified: self,
            group: first_group,
            begun: None,
        };
        for part in parts {
            checking.push(part)?;
        }
        checking.finish()
    }

    fn hash_of(&self, group: u64) -> Option<&[u8; 32]> {
        let index = group.checked_sub(self.span.start)?;
        self.groups.get(usize::try_from(index).ok()?)
    }
}

/// Groups that are checked one after the other.
struct Checking<'a> {
    verified: &'a VerifiedSpan,
    group: u64,
    /// A group of which some bytes came, and how many.
    begun: Option<(blake3::Hasher, usize)>,
}

impl Checking<'_> {
    fn push(&mut self, mut bytes: &[u8]) -> Result<(), GroupMismatch> {
        while !bytes.is_empty() {
            let length = self.verified.geometry.group_len(self.group);
            let wanted = length - self.begun.as_ref().map_or(0, |(_, filled)| *filled);
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            if taken.is_empty() {
                // Past the end of the blob.
                return Err(self.mismatch());
            }
            bytes = rest;
            if taken.len() == length {
                let found = if self.verified.geometry.groups() == 1 {
                    *blake3::hash(taken).as_bytes()
                } else {
                    chaining_value(self.group, taken)
                };
                self.compare(found)?;
                continue;
            }
            let begin = || (group_hasher(self.group), 0);
            let (hasher, filled) = self.begun.get_or_insert_with(begin);
            hasher.update(taken);
            *filled += taken.len();
            if *filled == length {
                let found = if self.verified.geometry.groups() == 1 {
                    *hasher.finalize().as_bytes()
                } else {
                    hasher.finalize_non_root()
                };
                self.begun = None;
                self.compare(found)?;
            }
        }
        Ok(())
    }

    fn compare(&mut self, found: [u8; 32]) -> Result<(), GroupMismatch> {
        if self.verified.hash_of(self.group) == Some(&found) {
            self.group += 1;
            Ok(())
        } else {
            Err(self.mismatch())
        }
    }

    fn finish(mut self) -> Result<(), GroupMismatch> {
        if self.verified.geometry.size() == 0 {
            // The one group of an empty blob is there without a byte of it.
            return self.compare(*blake3::hash(&[]).as_bytes());
        }
        if self.begun.is_some() {
            return Err(self.mismatch());
        }
        Ok(())
    }

    fn mismatch(&self) -> GroupMismatch {
        GroupMismatch { group: self.group }
    }
}

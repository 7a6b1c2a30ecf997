//! The shape of a blob's tree, which its size alone decides.

use std::ops::Range;

use super::PARENT_BYTES;
use crate::GROUP_BYTES;

/// The shape of the tree of a blob with a given size.
///
/// Every size is valid here; whether a claimed size is the blob's true one is shown by verifying the
/// last group, whose proof fails for any other size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    size: u64,
}

impl Geometry {
    /// The tree of a blob of `size` bytes.
    #[must_use]
    pub const fn new(size: u64) -> Self {
        Self { size }
    }

    /// Bytes of the blob.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Number of groups, at least one: an empty blob has one empty group.
    #[must_use]
    pub const fn groups(&self) -> u64 {
        let groups = self.size.div_ceil(GROUP_BYTES);
        if groups == 0 { 1 } else { groups }
    }

    /// The span of the last group, whose proof shows the blob's size.
    #[must_use]
    pub const fn last_group(&self) -> Range<u64> {
        self.groups() - 1..self.groups()
    }

    /// Bytes of a group: 16 KiB, less for the last, zero past the end.
    #[must_use]
    pub fn group_len(&self, group: u64) -> usize {
        usize::try_from(self.span_len(group..group.saturating_add(1))).unwrap_or(0)
    }

    /// Bytes of a span of groups. What lies past the end of the blob counts nothing.
    #[must_use]
    pub fn span_len(&self, span: Range<u64>) -> u64 {
        let offset = |group: u64| group.saturating_mul(GROUP_BYTES).min(self.size);
        offset(span.end).saturating_sub(offset(span.start))
    }

    /// Byte offset of a group in the blob.
    #[must_use]
    pub const fn group_offset(&self, group: u64) -> u64 {
        group.saturating_mul(GROUP_BYTES)
    }

    /// Whether `span` is a valid span of this blob: not empty, not past the end.
    #[must_use]
    pub const fn contains(&self, span: &Range<u64>) -> bool {
        span.start < span.end && span.end <= self.groups()
    }

    /// Bytes of the outboard: all parents in pre-order, without a length in front.
    #[must_use]
    pub const fn outboard_len(&self) -> u64 {
        (self.groups() - 1) * PARENT_BYTES as u64
    }

    /// Bytes of the proof of a span: exact, and the same for everyone. Zero for an empty span.
    #[must_use]
    pub fn proof_len(&self, span: &Range<u64>) -> usize {
        let parents = parents_over(&Subtree::root(*self), span);
        usize::try_from(parents).map_or(usize::MAX, |n| n.saturating_mul(PARENT_BYTES))
    }
}

/// Number of parents in `tree` that lie above at least one group of `span`.
fn parents_over(tree: &Subtree, span: &Range<u64>) -> u64 {
    if !tree.intersects(span) {
        return 0;
    }
    match tree.children() {
        None => 0,
        Some(_) if tree.is_within(span) => tree.groups - 1,
        Some((left, right)) => 1 + parents_over(&left, span) + parents_over(&right, span),
    }
}

/// A part of a tree: the parent on top of a run of groups, or one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subtree {
    /// Position of the top parent among all parents in pre-order.
    index: u64,
    /// The first group under it.
    first: u64,
    /// Number of groups under it, at least one.
    groups: u64,
}

impl Subtree {
    pub(super) const fn root(geometry: Geometry) -> Self {
        Self {
            index: 0,
            first: 0,
            groups: geometry.groups(),
        }
    }

    /// The two halves: the left one is the largest power of two that leaves something to the right.
    pub(super) const fn children(&self) -> Option<(Self, Self)> {
        if self.groups < 2 {
            return None;
        }
        let left_groups = self.groups.div_ceil(2).next_power_of_two();
        let left = Self {
            index: self.index + 1,
            first: self.first,
            groups: left_groups,
        };
        // The left half holds one parent fewer than groups, and this parent comes before it.
        let right = Self {
            index: self.index + left_groups,
            first: self.first + left_groups,
            groups: self.groups - left_groups,
        };
        Some((left, right))
    }

    /// Byte offset of the top parent in the outboard.
    pub(super) const fn offset(&self) -> u64 {
        self.index * PARENT_BYTES as u64
    }

    pub(super) const fn intersects(&self, span: &Range<u64>) -> bool {
        span.start < span.end && self.first < span.end && span.start < self.first + self.groups
    }

    const fn is_within(&self, span: &Range<u64>) -> bool {
        span.start <= self.first && self.first + self.groups <= span.end
    }
}

//! The hash tree of a blob: its shape, proofs of spans, and building it.

mod builder;
mod geometry;
mod groups;
mod proof;

pub use builder::{BuildError, TreeBuilder, outboard};
pub use geometry::Geometry;
pub use groups::hash_groups;
pub use proof::{
    GroupMismatch, MissingParent, ParentSource, ProofError, VerifiedSpan, check, prove, prove_into,
};

/// Bytes of a [`Parent`].
pub const PARENT_BYTES: usize = 64;

/// A node of the tree above the groups: the chaining values of its left and right child, joined.
pub type Parent = [u8; PARENT_BYTES];

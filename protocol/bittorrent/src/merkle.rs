//! The trees of SHA-256 hashes of version 2 (BEP 52): getting piece layers from peers, and giving them.
//!
//! A torrent that comes from a magnet link has the root of each file, and not the hashes of its pieces.
//! [`LayerFetch`] asks for those; [`verify_hashes`] checks an answer by itself, up to the root, so that
//! a liar is known at once; [`HashAnswers`] and [`answer_hashes`] answer others.
//!
//! The leaves of a tree are the blocks of a file, filled up with zeros to a power of two. An answer has
//! the hashes of a range, from left to right, and then those beside the way to the root, the lowest
//! first. What lies below the range's own top follows from it and is not sent.
//!
//! Differences from libtorrent 2.1. Its requests prove no more than what it doesn't know yet, here all
//! go up to the root. Of a last range of one hash (513 pieces have one) it asks for that hash alone,
//! which BEP 52 forbids, and then expects the hash beside it, which its own answers lack; here two are
//! asked for. It doesn't look whether what is past the end of a file is as BEP 52 says, here that is
//! part of being right.

mod answer;
mod fetch;
mod tree;

pub use answer::{HashAnswers, answer_hashes};
pub use fetch::{LayerFetch, LayerFetchError, MAX_LAYER_PEERS, PieceLayer};
pub use tree::verify_hashes;

#[cfg(test)]
mod tests;

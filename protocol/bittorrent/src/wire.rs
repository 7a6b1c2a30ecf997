//! What peers say to each other, as bytes.
//!
//! [`Handshake`] opens a connection; then each side sends frames: a length as four bytes, big-endian,
//! and that many bytes with a [`Message`]. [`FrameReader`] finds the frames in what a connection has
//! received; of a block of data it shows the head before the data is there, so that the data can go
//! straight to its place. [`extended`] has the messages of extensions, which peers know by name.
//!
//! Nothing here reads, waits or allocates for what a peer only announced. Sources: BEP 3, 5 (port),
//! 6 (fast extension), 10 (extensions), 52 (version 2).

mod allowed_fast;
mod bitfield;
pub(crate) mod compact;
mod error;
pub mod extended;
mod frame;
mod geometry;
mod handshake;
mod hashes;
mod message;

pub use allowed_fast::{ALLOWED_FAST, MAX_ALLOWED_FAST, allowed_fast};
pub use bitfield::Bitfield;
pub use error::WireError;
pub use frame::{Event, FrameReader};
pub use geometry::{Block, Geometry};
pub use handshake::{
    Agreement, Features, HANDSHAKE_BYTES, HANDSHAKE_HEAD_BYTES, Handshake, PeerId,
};
pub use hashes::{HashList, HashRequest};
pub use message::{Message, PIECE_HEAD_BYTES, piece_head};

use crate::MAX_PIECES;

/// Bytes of the length in front of a frame.
pub const PREFIX_BYTES: usize = 4;
/// Bytes of a block as everybody asks for them (BEP 3).
pub const BLOCK_BYTES: u32 = 16 * 1024;
/// Most bytes that a request may ask for. More than [`BLOCK_BYTES`] is rare, and some drop the peer.
pub const MAX_BLOCK_BYTES: u32 = 128 * 1024;
/// Most bytes of the payload of an extension's message. A piece of metadata has 16 KiB and a little.
pub const MAX_EXTENDED_BYTES: usize = 64 * 1024;
/// Most bytes of a message of an unknown kind.
pub const MAX_UNKNOWN_BYTES: usize = 64 * 1024;
/// Most hashes of the base layer that one message asks for or has, as for libtorrent. BEP 52 advises
/// 512; the leaves of a piece of 128 MiB are 8,192.
pub const MAX_HASHES: u32 = 8192;
/// Most layers of a tree of hashes: of a file of 16 TiB, in leaves of 16 KiB.
pub const MAX_LAYERS: u32 = 31;
/// Most bytes of a frame without its prefix: those of the longest list of hashes. A receive buffer
/// that holds as many and the prefix can take any message.
pub const MAX_FRAME_BYTES: usize = hashes::MAX_HASHES_MESSAGE_BYTES;

// The longest bitfield and the largest block are shorter.
const _: () = assert!(((MAX_PIECES / 8) as usize) < MAX_FRAME_BYTES);
const _: () = assert!(MAX_BLOCK_BYTES as usize + PIECE_HEAD_BYTES <= MAX_FRAME_BYTES);

/// The numbers of a payload that is nothing but numbers.
fn numbers<const N: usize>(payload: &[u8]) -> Option<[u32; N]> {
    let (chunks, rest) = payload.as_chunks::<4>();
    let chunks: &[[u8; 4]; N] = chunks.try_into().ok()?;
    rest.is_empty().then(|| chunks.map(u32::from_be_bytes))
}

#[cfg(test)]
mod tests;

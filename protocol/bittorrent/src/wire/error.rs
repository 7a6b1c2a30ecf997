//! Why bytes are not a message.

use super::{MAX_BLOCK_BYTES, MAX_HASHES, MAX_LAYERS};

/// Why bytes of a peer are refused, or a message can't be sent. After any of them the connection is
/// of no more use: the frames can't be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The connection doesn't begin as one of this protocol.
    #[error("not a BitTorrent handshake")]
    NotHandshake,
    /// A frame longer than its kind can be.
    #[error("a frame of {bytes} bytes, more than the limit of {limit}")]
    TooLong {
        /// Its bytes, without the prefix.
        bytes: usize,
        /// Most bytes of a frame of its kind.
        limit: usize,
    },
    /// A message of another length than its kind has.
    #[error("message {id} can't have {bytes} bytes")]
    Length {
        /// The number of its kind.
        id: u8,
        /// Its bytes, with the number of its kind.
        bytes: usize,
    },
    /// A piece that the torrent doesn't have.
    #[error("piece {piece} of a torrent with {pieces} pieces")]
    NoSuchPiece {
        /// The piece, from 0.
        piece: u32,
        /// Pieces of the torrent, or of the largest there may be when it is not known yet.
        pieces: u32,
    },
    /// A block of no bytes or of too many.
    #[error("a block of {length} bytes instead of 1 to {MAX_BLOCK_BYTES}")]
    BlockLength {
        /// Its bytes.
        length: u32,
    },
    /// A block that goes past the end of its piece.
    #[error("a block of {length} bytes at {begin} goes past the end of piece {piece}")]
    OutsidePiece {
        /// The piece, from 0.
        piece: u32,
        /// Bytes of the piece ahead of the block.
        begin: u32,
        /// Bytes of the block.
        length: u32,
    },
    /// A bitfield of another length than the pieces take.
    #[error("a bitfield of {found} bytes instead of {expected}")]
    BitfieldLength {
        /// Bytes that the pieces take.
        expected: usize,
        /// Bytes that were found.
        found: usize,
    },
    /// A bit behind the last piece is set.
    #[error("a bitfield with pieces past the end")]
    SpareBits,
    /// Hashes that no request may ask for (BEP 52).
    #[error("a range of hashes that is not aligned, or of more than {MAX_HASHES}")]
    HashRange,
    /// A layer that no tree has.
    #[error("a layer of hashes above the limit of {MAX_LAYERS}")]
    HashLayer,
    /// Another number of hashes than was asked for, or a part of one.
    #[error("{found} bytes of hashes instead of {least} to {most}")]
    HashCount {
        /// Least bytes that fit the request.
        least: usize,
        /// Most bytes that fit the request.
        most: usize,
        /// Bytes that were found.
        found: usize,
    },
}

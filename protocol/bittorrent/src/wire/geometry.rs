//! What a torrent's pieces are, for checking what peers say of them.

use super::{MAX_BLOCK_BYTES, WireError};
use crate::{Info, MAX_PIECE_BYTES, MAX_PIECES};

/// Number and size of a torrent's pieces.
///
/// In a torrent of version 2 alone the last piece of each file may be short. That is known to whoever
/// knows the files; here such a piece counts as full, as some clients ask for whole blocks past the end
/// of a file (libtorrent 2.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pieces: u32,
    piece_bytes: u64,
    total_bytes: u64,
}

/// A part of a piece, as requests name it (BEP 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// The piece, from 0.
    pub piece: u32,
    /// Bytes of the piece ahead of it.
    pub begin: u32,
    /// Its bytes, at most [`MAX_BLOCK_BYTES`].
    pub length: u32,
}

impl Geometry {
    /// The pieces of a torrent.
    #[must_use]
    pub fn of(info: &Info) -> Self {
        let pieces = info.pieces();
        let total_bytes = match info.hashes().v1 {
            Some(_) => info.total_bytes(),
            None => u64::from(pieces) * info.piece_bytes(),
        };
        Self {
            pieces,
            piece_bytes: info.piece_bytes(),
            total_bytes,
        }
    }

    /// So many bytes in pieces of `piece_bytes`. None when a torrent can't have such.
    #[must_use]
    pub fn new(total_bytes: u64, piece_bytes: u64) -> Option<Self> {
        let can_be = (1..=MAX_PIECE_BYTES).contains(&piece_bytes) && total_bytes > 0;
        let pieces = can_be.then(|| total_bytes.div_ceil(piece_bytes))?;
        let pieces = u32::try_from(pieces).ok()?;
        (pieces <= MAX_PIECES).then_some(Self {
            pieces,
            piece_bytes,
            total_bytes,
        })
    }

    /// Number of pieces.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Bytes of a piece. None past the end.
    #[must_use]
    pub fn piece_len(&self, piece: u32) -> Option<u64> {
        let start = u64::from(piece) * self.piece_bytes;
        let left = self.total_bytes.checked_sub(start).filter(|left| *left > 0);
        left.map(|left| left.min(self.piece_bytes))
    }
}

/// Checks a piece against the torrent, or, when that is not known yet, against what any may have.
pub(super) fn check_piece(known: Option<&Geometry>, piece: u32) -> Result<u32, WireError> {
    let pieces = known.map_or(MAX_PIECES, Geometry::pieces);
    if piece < pieces {
        Ok(piece)
    } else {
        Err(WireError::NoSuchPiece { piece, pieces })
    }
}

/// Checks a block likewise.
pub(super) fn check_block(known: Option<&Geometry>, block: Block) -> Result<Block, WireError> {
    let Block {
        piece,
        begin,
        length,
    } = block;
    if length == 0 || length > MAX_BLOCK_BYTES {
        return Err(WireError::BlockLength { length });
    }
    check_piece(known, piece)?;
    let piece_bytes = known.and_then(|known| known.piece_len(piece));
    let end = u64::from(begin) + u64::from(length);
    if end > piece_bytes.unwrap_or(MAX_PIECE_BYTES) {
        return Err(WireError::OutsidePiece {
            piece,
            begin,
            length,
        });
    }
    Ok(block)
}

//! The pieces that a peer has.

use potluck_content::PieceSet;

use super::geometry::Geometry;
use super::{MAX_FRAME_BYTES, WireError};
use crate::MAX_PIECES;

/// A bit for each piece that a peer may have, the first piece in the highest bit of the first byte
/// (BEP 3).
///
/// Before the torrent is known, as after a magnet link, it can't be checked: keep it as it came, and
/// ask for [`Self::to_set`] once the number of pieces is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bitfield<'a>(&'a [u8]);

impl<'a> Bitfield<'a> {
    /// A bitfield in these bytes, which were not checked yet.
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes of the bitfield of a set, to be lent to a message.
    #[must_use]
    pub fn bytes_of(set: &PieceSet) -> Vec<u8> {
        let bytes = set.to_bytes().into_iter();
        bytes.map(u8::reverse_bits).collect()
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The set, of a torrent with so many pieces.
    ///
    /// # Errors
    ///
    /// Refuses another length than the pieces take, and bits behind the last piece.
    pub fn to_set(&self, pieces: u32) -> Result<PieceSet, WireError> {
        if pieces > MAX_PIECES {
            let (bytes, limit) = (PieceSet::byte_len(pieces), MAX_FRAME_BYTES);
            return Err(WireError::TooLong { bytes, limit });
        }
        self.check_len(pieces)?;
        let bytes: Vec<u8> = self.0.iter().map(|byte| byte.reverse_bits()).collect();
        PieceSet::from_bytes(pieces, &bytes).map_err(|_| WireError::SpareBits)
    }

    fn check_len(&self, pieces: u32) -> Result<(), WireError> {
        let (expected, found) = (PieceSet::byte_len(pieces), self.0.len());
        if expected == found {
            Ok(())
        } else {
            Err(WireError::BitfieldLength { expected, found })
        }
    }

    pub(super) fn check(&self, known: Option<&Geometry>) -> Result<(), WireError> {
        let Some(known) = known else {
            return Ok(());
        };
        self.check_len(known.pieces())?;
        let used = known.pieces() % 8;
        let spare = if used == 0 { 0 } else { 0xff_u8 >> used };
        match self.0.last() {
            Some(last) if last & spare != 0 => Err(WireError::SpareBits),
            _ => Ok(()),
        }
    }
}

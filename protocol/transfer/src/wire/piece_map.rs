//! Which pieces of a root a provider has.

use potluck_content::{MAX_PIECES, PieceSet, PieceSetError};
use serde::{Deserialize, Serialize};

use super::{WireError, ensure};
use crate::Availability;

/// Bytes of the longest bitmap.
const MAX_BITMAP_BYTES: usize = (MAX_PIECES / 8) as usize;

/// The pieces that a provider has, over the root's layout.
///
/// Whoever doesn't know the layout yet keeps the map as it came, and reads it once the layout is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PieceMap {
    /// All pieces.
    All,
    /// The pieces whose bit is set, in the byte form of [`PieceSet`].
    Bitmap(#[serde(with = "serde_bytes")] Vec<u8>),
}

impl PieceMap {
    /// The map of a set.
    #[must_use]
    pub fn of(set: &PieceSet) -> Self {
        if set.is_full() {
            Self::All
        } else {
            Self::Bitmap(set.to_bytes())
        }
    }

    /// The set, in a layout of so many pieces. A bitmap of another length or with stray bits is refused.
    pub fn to_set(&self, pieces: u32) -> Result<PieceSet, PieceSetError> {
        match self {
            Self::All => Ok(PieceSet::full(pieces)),
            Self::Bitmap(bytes) => PieceSet::from_bytes(pieces, bytes),
        }
    }

    /// The map as a planner takes it.
    pub fn to_availability(&self, pieces: u32) -> Result<Availability, PieceSetError> {
        match self {
            Self::All => Ok(Availability::All),
            Self::Bitmap(bytes) => PieceSet::from_bytes(pieces, bytes).map(Availability::Only),
        }
    }

    pub(super) fn check(&self) -> Result<(), WireError> {
        match self {
            Self::All => Ok(()),
            Self::Bitmap(bytes) => ensure(
                bytes.len() <= MAX_BITMAP_BYTES,
                "bitmap longer than any layout",
            ),
        }
    }
}

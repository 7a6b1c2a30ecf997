//! What a peer has, as it says.

use std::collections::BTreeSet;

use potluck_content::PieceSet;

use crate::wire::{Bitfield, WireError};

/// Single pieces that are remembered before the torrent is known; later ones are forgotten.
const MAX_EARLY: usize = 65_536;

/// A change of what a peer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Every piece.
    All,
    /// No piece.
    None,
    /// These pieces and no others.
    Only(PieceSet),
    /// One more.
    Piece(u32),
    /// One less.
    Gone(u32),
}

/// What a peer has.
#[derive(Debug)]
pub(super) enum Claims {
    Known(PieceSet),
    /// The torrent is not known: what was said, to be understood later.
    Early {
        all: bool,
        bits: Option<Vec<u8>>,
        pieces: BTreeSet<u32>,
    },
}

impl Claims {
    pub(super) fn new(pieces: Option<u32>) -> Self {
        match pieces {
            Some(pieces) => Self::Known(PieceSet::new(pieces)),
            None => Self::Early {
                all: false,
                bits: None,
                pieces: BTreeSet::new(),
            },
        }
    }

    pub(super) fn set(&self) -> Option<&PieceSet> {
        match self {
            Self::Known(set) => Some(set),
            Self::Early { .. } => None,
        }
    }

    /// Keeps a bitfield of a torrent that is not known.
    pub(super) fn keep(&mut self, bitfield: Bitfield<'_>) {
        if let Self::Early { bits, all, .. } = self {
            *bits = Some(bitfield.as_bytes().to_vec());
            *all = false;
        }
    }

    /// Takes in a change; says whether it is one, of a torrent that is known.
    pub(super) fn apply(&mut self, claim: &Claim) -> bool {
        match self {
            Self::Known(set) => change(set, claim),
            Self::Early { all, bits, pieces } => {
                match claim {
                    Claim::All => *all = true,
                    Claim::None => {
                        *all = false;
                        *bits = None;
                        pieces.clear();
                    }
                    Claim::Piece(piece) if pieces.len() < MAX_EARLY => {
                        pieces.insert(*piece);
                    }
                    Claim::Gone(piece) => {
                        pieces.remove(piece);
                    }
                    Claim::Piece(_) | Claim::Only(_) => {}
                }
                false
            }
        }
    }

    /// Understands what was said before the torrent was known.
    pub(super) fn know(&mut self, count: u32) -> Result<(), WireError> {
        let Self::Early { all, bits, pieces } = self else {
            return Ok(());
        };
        let mut set = if *all {
            PieceSet::full(count)
        } else {
            match bits {
                Some(bits) => Bitfield::from_bytes(bits).to_set(count)?,
                None => PieceSet::new(count),
            }
        };
        for &piece in pieces.iter() {
            if piece >= count {
                let pieces = count;
                return Err(WireError::NoSuchPiece { piece, pieces });
            }
            set.insert(piece);
        }
        *self = Self::Known(set);
        Ok(())
    }
}

fn change(set: &mut PieceSet, claim: &Claim) -> bool {
    match claim {
        Claim::Piece(piece) => set.insert(*piece),
        Claim::Gone(piece) => set.remove(*piece),
        Claim::All | Claim::None | Claim::Only(_) => {
            let new = match claim {
                Claim::Only(only) => only.clone(),
                Claim::All => PieceSet::full(set.len()),
                _ => PieceSet::new(set.len()),
            };
            let changed = new != *set;
            *set = new;
            changed
        }
    }
}

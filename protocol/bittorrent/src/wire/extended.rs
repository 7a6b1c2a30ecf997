//! Messages of extensions, by names that peers tell each other (BEP 10).
//!
//! Each side gives the extensions that it takes a number, in its [`ExtendedHandshake`]; the other side
//! sends with that number ([`PeerExtensions`]). Ours are fixed ([`Extension::id`]), so
//! [`Extended::decode`] needs nothing but the message.

mod fetch;
mod handshake;
mod holepunch;
mod metadata;
mod pex;
mod pex_pace;

use super::geometry::{Geometry, check_piece};
use super::{WireError, compact, numbers};
use crate::bencode::{BencodeError, Document, Limits, Node};

pub use fetch::{FetchError, MAX_FETCH_PEERS, MetadataFetch, Progress};
pub use handshake::{ExtendedHandshake, MAX_CLIENT_CHARS, PeerExtensions};
pub use holepunch::{Holepunch, HolepunchFailure, HolepunchKind};
pub use metadata::{METADATA_PIECE_BYTES, MetadataMessage};
pub use pex::{MAX_PEX_PEERS, Pex, PexFlags, PexPeer};
pub use pex_pace::{PEX_SECONDS, PexGate, PexSender, PexVerdict};

/// What a dictionary of an extension may nest and hold: the handshakes of others have some thirty
/// items.
const LIMITS: Limits = Limits {
    depth: 10,
    items: 1000,
};

/// An extension that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extension {
    /// Peers tell each other of peers (BEP 11).
    Pex,
    /// Info dictionaries, for those who come with a magnet link (BEP 9).
    Metadata,
    /// A piece is gone again (BEP 54).
    DontHave,
    /// Two peers behind gateways are brought together (BEP 55).
    Holepunch,
}

/// A message of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extended<'a> {
    /// Which extensions the sender takes, and more about it.
    Handshake(Box<ExtendedHandshake>),
    /// Other peers.
    Pex(Pex),
    /// A part of the info dictionary, or the wish for one.
    Metadata(MetadataMessage<'a>),
    /// A piece that the sender has no longer, from 0.
    DontHave(u32),
    /// Help with reaching a peer.
    Holepunch(Holepunch),
    /// With a number that we gave to no extension, to be ignored.
    Unknown {
        /// The number.
        id: u8,
    },
}

/// Why the payload of an extension's message is refused. The connection itself is still sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExtendedError {
    /// Not bencode, or too much of it.
    #[error("the message is broken: {0}")]
    Bencode(#[from] BencodeError),
    /// Bencode, and no dictionary.
    #[error("the message is no dictionary")]
    NotDictionary,
    /// A field that must be there is not, or is out of its bounds.
    #[error("the message's field '{field}' is missing or broken")]
    Field {
        /// The field.
        field: &'static str,
    },
    /// A message of another length than its kind has.
    #[error("the message can't have {bytes} bytes")]
    Length {
        /// Its bytes.
        bytes: usize,
    },
    /// A piece that the torrent doesn't have.
    #[error(transparent)]
    Piece(#[from] WireError),
}

impl Extension {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pex, Self::Metadata, Self::DontHave, Self::Holepunch];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pex => "ut_pex",
            Self::Metadata => "ut_metadata",
            Self::DontHave => "lt_donthave",
            Self::Holepunch => "ut_holepunch",
        }
    }

    /// The number with which others send it to us.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::Pex => 1,
            Self::Metadata => 2,
            Self::DontHave => 3,
            Self::Holepunch => 4,
        }
    }

    fn named(name: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|extension| extension.name().as_bytes() == name)
    }
}

impl<'a> Extended<'a> {
    /// Reads a [`super::Message::Extended`] that was sent to us. Pieces are checked as there.
    ///
    /// # Errors
    ///
    /// Refuses what its extension can't have sent.
    pub fn decode(
        id: u8,
        payload: &'a [u8],
        known: Option<&Geometry>,
    ) -> Result<Self, ExtendedError> {
        if id == 0 {
            let handshake = ExtendedHandshake::decode(payload)?;
            return Ok(Self::Handshake(Box::new(handshake)));
        }
        let mut all = Extension::ALL.into_iter();
        let Some(extension) = all.find(|extension| extension.id() == id) else {
            return Ok(Self::Unknown { id });
        };
        Ok(match extension {
            Extension::Pex => Self::Pex(Pex::decode(payload)?),
            Extension::Metadata => Self::Metadata(MetadataMessage::decode(payload)?),
            Extension::DontHave => {
                let bytes = payload.len();
                let [piece] = numbers(payload).ok_or(ExtendedError::Length { bytes })?;
                Self::DontHave(check_piece(known, piece)?)
            }
            Extension::Holepunch => Self::Holepunch(Holepunch::decode(payload)?),
        })
    }

    /// The payload, and the extension that it is for: none for the handshake, whose number is 0.
    /// None for what is not known here.
    #[must_use]
    pub fn encode(&self) -> Option<(Option<Extension>, Vec<u8>)> {
        Some(match self {
            Self::Handshake(handshake) => (None, handshake.encode()),
            Self::Pex(pex) => (Some(Extension::Pex), pex.encode()),
            Self::Metadata(metadata) => (Some(Extension::Metadata), metadata.encode()?),
            Self::DontHave(piece) => (Some(Extension::DontHave), piece.to_be_bytes().to_vec()),
            Self::Holepunch(punch) => (Some(Extension::Holepunch), punch.encode()),
            Self::Unknown { .. } => return None,
        })
    }
}

/// Reads a dictionary from the front of a payload, and hands it to `read` with what follows it.
fn with_dict<'a, T>(
    payload: &'a [u8],
    read: impl FnOnce(Node<'_, 'a>, &'a [u8]) -> Result<T, ExtendedError>,
) -> Result<T, ExtendedError> {
    let document = Document::read(payload, LIMITS)?;
    let root = document.root();
    if !root.is_dict() {
        return Err(ExtendedError::NotDictionary);
    }
    let rest = payload.get(root.raw().len()..).unwrap_or_default();
    read(root, rest)
}

#[cfg(test)]
mod tests;

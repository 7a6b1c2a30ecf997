//! How a connection begins (BEP 3).

use std::fmt;

use super::WireError;
use crate::{InfoHashV1, InfoHashes};

/// Bytes of a handshake.
pub const HANDSHAKE_BYTES: usize = 68;
/// Bytes of a handshake ahead of the peer's id: what the other side needs to answer.
pub const HANDSHAKE_HEAD_BYTES: usize = 48;

const NAME: &[u8; 20] = b"\x13BitTorrent protocol";

/// The name that a peer gives itself, 20 bytes: often a few letters for its program, then chance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 20]);

/// What a peer can do, from the eight reserved bytes of its handshake. Bits of unknown meaning are
/// ignored and never sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features {
    /// Messages of extensions (BEP 10).
    pub extended: bool,
    /// The fast extension (BEP 6).
    pub fast: bool,
    /// The DHT, and so the message with its port (BEP 5).
    pub dht: bool,
    /// Version 2, on a connection that asks for a hybrid by its infohash of version 1 (BEP 52).
    pub v2: bool,
}

/// The first bytes of each side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// What the sender can do.
    pub features: Features,
    /// The torrent; one of version 2 by the first bytes of its infohash
    /// ([`crate::InfoHashV2::truncated`]).
    pub infohash: InfoHashV1,
    /// Who sends it.
    pub peer: PeerId,
}

/// By which name both sides of a connection know a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// What the handshake of the side that answers says.
    pub infohash: InfoHashV1,
    /// Whether messages of version 2 may be sent: the infohash is the one of version 2.
    pub is_v2: bool,
}

impl PeerId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({})", self.0.escape_ascii())
    }
}

impl Features {
    fn decode(reserved: [u8; 8]) -> Self {
        Self {
            extended: reserved[5] & 0x10 != 0,
            fast: reserved[7] & 0x04 != 0,
            dht: reserved[7] & 0x01 != 0,
            v2: reserved[7] & 0x10 != 0,
        }
    }

    fn encode(self) -> [u8; 8] {
        let bit = |is_set, bit| if is_set { bit } else { 0_u8 };
        let last = bit(self.fast, 0x04) | bit(self.dht, 0x01) | bit(self.v2, 0x10);
        [0, 0, 0, 0, 0, bit(self.extended, 0x10), 0, last]
    }

    /// What two peers can do together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            extended: self.extended && other.extended,
            fast: self.fast && other.fast,
            dht: self.dht && other.dht,
            v2: self.v2 && other.v2,
        }
    }
}

impl Handshake {
    /// Whether a connection that began with these bytes, however few, can be a handshake. If not it
    /// may be an encrypted one.
    #[must_use]
    pub fn can_begin_with(bytes: &[u8]) -> bool {
        bytes.iter().zip(NAME).all(|(byte, named)| byte == named)
    }

    /// The handshake's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HANDSHAKE_BYTES] {
        let mut bytes = [0; HANDSHAKE_BYTES];
        bytes[..20].copy_from_slice(NAME);
        bytes[20..28].copy_from_slice(&self.features.encode());
        bytes[28..48].copy_from_slice(self.infohash.as_bytes());
        bytes[48..].copy_from_slice(&self.peer.0);
        bytes
    }

    /// Reads a handshake.
    ///
    /// # Errors
    ///
    /// Refuses bytes that begin otherwise than all handshakes do.
    pub fn decode(bytes: &[u8; HANDSHAKE_BYTES]) -> Result<Self, WireError> {
        let (head, peer) = bytes.split_at(HANDSHAKE_HEAD_BYTES);
        let head = head.try_into().map_err(|_| WireError::NotHandshake)?;
        let peer = peer.try_into().map_err(|_| WireError::NotHandshake)?;
        let (features, infohash) = Self::decode_head(head)?;
        Ok(Self {
            features,
            infohash,
            peer: PeerId(peer),
        })
    }

    /// Reads what stands ahead of the peer's id. Some wait for an answer before they send the id.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`].
    pub fn decode_head(
        bytes: &[u8; HANDSHAKE_HEAD_BYTES],
    ) -> Result<(Features, InfoHashV1), WireError> {
        if !Self::can_begin_with(bytes) {
            return Err(WireError::NotHandshake);
        }
        let mut reserved = [0; 8];
        reserved.copy_from_slice(&bytes[20..28]);
        let mut infohash = [0; 20];
        infohash.copy_from_slice(&bytes[28..]);
        Ok((Features::decode(reserved), InfoHashV1::from_bytes(infohash)))
    }
}

impl Agreement {
    /// How to answer somebody who asked for a torrent of ours with these names: by the name of
    /// version 2 when both sides can. None when it is another torrent.
    #[must_use]
    pub fn to_answer(asked: InfoHashV1, theirs: Features, ours: &InfoHashes) -> Option<Self> {
        let v2 = ours.v2.map(|hash| hash.truncated());
        let by_v2 = v2.map(|infohash| Self {
            infohash,
            is_v2: true,
        });
        if v2 == Some(asked) {
            return by_v2;
        }
        let by_v1 = Self {
            infohash: asked,
            is_v2: false,
        };
        let upgraded = by_v2.filter(|_| theirs.v2);
        (ours.v1 == Some(asked)).then_some(upgraded.unwrap_or(by_v1))
    }

    /// What an answer says to us who asked for `asked`, with these features, for a torrent with these
    /// names. None when it is about another torrent, or a version that we did not offer.
    #[must_use]
    pub fn from_answer(
        asked: InfoHashV1,
        offered: Features,
        answered: InfoHashV1,
        ours: &InfoHashes,
    ) -> Option<Self> {
        let is_v2 = ours.v2.is_some_and(|hash| hash.truncated() == answered);
        let is_upgrade = is_v2 && offered.v2 && ours.v1 == Some(asked);
        (answered == asked || is_upgrade).then_some(Self {
            infohash: answered,
            is_v2,
        })
    }
}

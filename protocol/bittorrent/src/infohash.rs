//! Infohashes: the names of torrents.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// The SHA-1 of an info dictionary: the name of a torrent of version 1 (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashV1([u8; 20]);

/// The SHA-256 of an info dictionary: the name of a torrent of version 2 (BEP 52).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashV2([u8; 32]);

/// Why a text is not an infohash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InfoHashError {
    /// The text has another length.
    #[error("an infohash can't have {0} characters")]
    Length(usize),
    /// A character is no digit of the encoding.
    #[error("the infohash has a character that is no digit")]
    Digit,
}

/// The names of one torrent: one of version 1, one of version 2, or, for a hybrid, both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashes {
    /// The name of version 1.
    pub v1: Option<InfoHashV1>,
    /// The name of version 2.
    pub v2: Option<InfoHashV2>,
}

impl InfoHashV1 {
    /// Hashes the bytes of an info dictionary.
    #[must_use]
    pub fn of(info: &[u8]) -> Self {
        Self(Sha1::digest(info).into())
    }

    /// The infohash with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The bytes of the infohash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl InfoHashV2 {
    /// Hashes the bytes of an info dictionary.
    #[must_use]
    pub fn of(info: &[u8]) -> Self {
        Self(Sha256::digest(info).into())
    }

    /// The infohash with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the infohash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its first 20 bytes, which stand for it in handshakes, at trackers and in the DHT.
    #[must_use]
    pub fn truncated(&self) -> InfoHashV1 {
        let mut bytes = [0; 20];
        bytes.copy_from_slice(&self.0[..20]);
        InfoHashV1(bytes)
    }
}

impl fmt::Display for InfoHashV1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Display for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for InfoHashV1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InfoHashV1({self})")
    }
}

impl fmt::Debug for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InfoHashV2({self})")
    }
}

/// Reads 40 hexadecimal digits, or 32 of base 32 as old links have them.
impl FromStr for InfoHashV1 {
    type Err = InfoHashError;

    fn from_str(text: &str) -> Result<Self, InfoHashError> {
        let bytes = match text.len() {
            40 => HEXLOWER_PERMISSIVE.decode(text.as_bytes()),
            32 => BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()),
            _ => return Err(InfoHashError::Length(text.chars().count())),
        };
        let bytes = bytes.map_err(|_| InfoHashError::Digit)?;
        bytes.try_into().map(Self).map_err(|_| InfoHashError::Digit)
    }
}

/// Reads 64 hexadecimal digits.
impl FromStr for InfoHashV2 {
    type Err = InfoHashError;

    fn from_str(text: &str) -> Result<Self, InfoHashError> {
        if text.len() != 64 {
            return Err(InfoHashError::Length(text.chars().count()));
        }
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        let bytes = bytes.map_err(|_| InfoHashError::Digit)?;
        bytes.try_into().map(Self).map_err(|_| InfoHashError::Digit)
    }
}

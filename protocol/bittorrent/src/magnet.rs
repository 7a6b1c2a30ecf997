//! Magnet links (BEP 9, BEP 53).

mod parse;
mod peer;

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{InfoHashError, InfoHashes};

pub use peer::{PeerAddress, PeerAddressError};

/// Most bytes of a magnet link.
pub const MAX_MAGNET_BYTES: usize = 64 * 1024;
/// Most trackers, web seeds, peers or ranges of files that a link has, each. What is more is left out.
pub const MAX_MAGNET_LIST: usize = 256;

/// Characters that stand for themselves in a value.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A magnet link: `magnet:?xt=urn:btih:…&xt=urn:btmh:…&dn=…&xl=…&tr=…&ws=…&x.pe=…&so=…`.
///
/// Everything but the infohashes is a hint, and is believed only after it proved true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magnet {
    /// What the link leads to: at least one infohash (`xt`).
    pub hashes: InfoHashes,
    /// How its maker calls it (`dn`). Not safe for a file until made so.
    pub name: Option<String>,
    /// Bytes in all (`xl`).
    pub size: Option<u64>,
    /// Addresses of trackers (`tr`).
    pub trackers: Vec<String>,
    /// Addresses of web seeds (`ws`).
    pub web_seeds: Vec<String>,
    /// Peers that may have it (`x.pe`).
    pub peers: Vec<PeerAddress>,
    /// The files that are wanted, by their positions from 0 (`so`). All when there is none.
    pub select: Vec<RangeInclusive<u32>>,
}

/// Why a text is not a magnet link that can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MagnetError {
    /// More bytes than [`MAX_MAGNET_BYTES`].
    #[error("the magnet link has {bytes} bytes, more than the limit of {MAX_MAGNET_BYTES}")]
    TooLong {
        /// Bytes of the text.
        bytes: usize,
    },
    /// Does not begin as one.
    #[error("not a magnet link")]
    Syntax,
    /// An infohash can't be read.
    #[error("the magnet link's infohash is refused: {0}")]
    InfoHash(#[from] InfoHashError),
    /// An infohash of version 2 that is not made with SHA-256.
    #[error("the magnet link's infohash is of an unknown kind")]
    Multihash,
    /// Two infohashes of one version, that differ.
    #[error("the magnet link leads to two torrents")]
    Twice,
    /// No infohash at all.
    #[error("the magnet link has no BitTorrent infohash")]
    NoInfoHash,
}

impl Magnet {
    /// A link with infohashes alone.
    #[must_use]
    pub fn new(hashes: InfoHashes) -> Self {
        Self {
            hashes,
            name: None,
            size: None,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            peers: Vec::new(),
            select: Vec::new(),
        }
    }

    /// Whether the file at a position, from 0, is wanted.
    #[must_use]
    pub fn wants(&self, file: u32) -> bool {
        self.select.is_empty() || self.select.iter().any(|range| range.contains(&file))
    }
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("magnet:")?;
        let mut mark = '?';
        let mut field = |f: &mut fmt::Formatter<'_>, key: &str, value: &dyn fmt::Display| {
            write!(f, "{}{key}={value}", std::mem::replace(&mut mark, '&'))
        };
        let escaped = |value: &str| utf8_percent_encode(value, ESCAPED).to_string();
        if let Some(hash) = self.hashes.v1 {
            field(f, "xt", &format_args!("urn:btih:{hash}"))?;
        }
        if let Some(hash) = self.hashes.v2 {
            field(f, "xt", &format_args!("urn:btmh:{}{hash}", parse::SHA_256))?;
        }
        if let Some(name) = &self.name {
            field(f, "dn", &escaped(name))?;
        }
        if let Some(size) = self.size {
            field(f, "xl", &size)?;
        }
        for tracker in &self.trackers {
            field(f, "tr", &escaped(tracker))?;
        }
        for seed in &self.web_seeds {
            field(f, "ws", &escaped(seed))?;
        }
        for peer in &self.peers {
            field(f, "x.pe", peer)?;
        }
        if self.select.is_empty() {
            return Ok(());
        }
        let ranges = self.select.iter().map(|range| {
            let (first, last) = (range.start(), range.end());
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        });
        field(f, "so", &ranges.collect::<Vec<_>>().join(","))
    }
}

impl FromStr for Magnet {
    type Err = MagnetError;

    fn from_str(text: &str) -> Result<Self, MagnetError> {
        parse::magnet(text)
    }
}

#[cfg(test)]
mod tests;

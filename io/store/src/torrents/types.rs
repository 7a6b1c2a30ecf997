//! What callers give and get.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use potluck_bittorrent::{InfoHashV1, InfoHashes, Metainfo};

use crate::records::TorrentOwnerRecord;

/// Names a torrent in the store: its infohash of version 1, or the truncated one of version 2 where
/// there is no version 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TorrentKey([u8; 20]);

impl TorrentKey {
    /// The key of a torrent.
    #[must_use]
    pub fn of(metainfo: &Metainfo) -> Self {
        // A torrent that was read has a hash of one version at least.
        Self::of_hashes(&metainfo.info().hashes())
            .unwrap_or_else(|| Self(*InfoHashV1::of(metainfo.info().bytes()).as_bytes()))
    }

    /// The key of a torrent of which only infohashes are known. Those of a link may be one of two:
    /// then the torrent may turn out to have another key. None without any.
    #[must_use]
    pub fn of_hashes(hashes: &InfoHashes) -> Option<Self> {
        let truncated = hashes.v2.map(|v2| v2.truncated());
        hashes.v1.or(truncated).map(|hash| Self(*hash.as_bytes()))
    }

    /// The key with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for TorrentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        InfoHashV1::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for TorrentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TorrentKey({self})")
    }
}

/// A torrent to fetch.
#[derive(Clone, Debug)]
pub struct TorrentSpec {
    /// The torrent; its piece layers may be missing still.
    pub metainfo: Arc<Metainfo>,
    /// The final name: of the file, or of the folder.
    pub dest: PathBuf,
    /// Positions of the files that are wanted, in the order of the torrent; `None` for all.
    pub wanted: Option<Vec<u32>>,
    /// Seconds since 1970.
    pub now_unix: u64,
}

/// A torrent of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TorrentInfo {
    /// Names it.
    pub key: TorrentKey,
    /// All its infohashes.
    pub hashes: InfoHashes,
    /// The name of its file or folder, as the torrent has it.
    pub name: String,
    /// The final name: where its files are once complete.
    pub place: PathBuf,
    /// Whether only some of its files are wanted.
    pub selected: bool,
    /// Bytes of the wanted files.
    pub wanted_bytes: u64,
    /// Bytes of the wanted files that are here; of what does not run, those of the last checkpoint.
    pub have_bytes: u64,
    /// Its files stand under their final names.
    pub complete: bool,
    /// It is open in this process to be fetched.
    pub running: bool,
    /// It is complete and meant to be seeded.
    pub seed: bool,
    /// When it was begun or added, in seconds since 1970.
    pub created_unix: u64,
    /// When it became complete, in seconds since 1970.
    pub completed_unix: Option<u64>,
    /// Bytes given to peers, in all runs.
    pub uploaded_bytes: u64,
    /// Bytes got from peers, in all runs.
    pub fetched_bytes: u64,
    /// What the owner wants of it, and how long it was seeded.
    pub owner: TorrentOwnerRecord,
}

/// What was done for a torrent since it was counted last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TorrentCount {
    /// Bytes given to peers.
    pub uploaded_bytes: u64,
    /// Bytes got from peers.
    pub fetched_bytes: u64,
    /// Seconds that all of it was given to whoever asked.
    pub seeded_seconds: u64,
}

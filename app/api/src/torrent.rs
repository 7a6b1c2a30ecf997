//! What a torrent file or a magnet link says.

use serde::{Deserialize, Serialize};

/// A torrent, as `potluck torrent show` tells of it. A magnet link alone knows less: no files, no pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TorrentReport {
    /// Name of the file or folder.
    pub name: Option<String>,
    /// Infohash of version 1, 40 hexadecimal digits.
    pub infohash_v1: Option<String>,
    /// Infohash of version 2, 64 hexadecimal digits.
    pub infohash_v2: Option<String>,
    /// Peers may come from its trackers alone (BEP 27).
    pub private: bool,
    /// Bytes of all files, without padding.
    pub bytes: Option<u64>,
    /// Bytes of a piece.
    pub piece_bytes: Option<u64>,
    /// Number of pieces.
    pub pieces: Option<u32>,
    /// Files in the order of the pieces, without padding.
    pub files: Vec<TorrentFile>,
    /// Trackers in tiers (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// Web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// What its maker says about it.
    pub comment: Option<String>,
    /// The program that made it.
    pub created_by: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created_unix: Option<u64>,
    /// The magnet link that leads to it.
    pub magnet: String,
}

/// A file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TorrentFile {
    /// Where it goes, below the place where the torrent is put.
    pub path: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its position among all files, from 0, as links select it (BEP 53).
    pub index: u64,
    /// Where it leads, if it is a symbolic link that can be made.
    pub link: Option<String>,
}

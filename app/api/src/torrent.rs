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

/// A torrent that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TorrentMade {
    /// The torrent file.
    pub file: String,
    /// What is not in the torrent, the first thousand.
    pub left_out: Vec<LeftOut>,
    /// How much is not in the torrent.
    pub left_out_count: u64,
    /// What it says.
    #[serde(flatten)]
    pub torrent: TorrentReport,
}

/// Something on disk that a torrent can't describe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Where it is.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Files on disk, held against a torrent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TorrentCheck {
    /// Name of the torrent.
    pub name: String,
    /// The file or folder that was read.
    pub place: String,
    /// All of it is there and good.
    pub complete: bool,
    /// Number of pieces.
    pub pieces: u64,
    /// Pieces that are what the torrent says.
    pub good_pieces: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes in good pieces.
    pub good_bytes: u64,
    /// The files in the order of the torrent.
    pub files: Vec<FileVerdict>,
}

/// A file on disk, held against a torrent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileVerdict {
    /// Its path in the torrent.
    pub path: String,
    /// Its bytes, as the torrent says.
    pub bytes: u64,
    /// Those in good pieces. A piece of two files that is bad counts for both.
    pub good_bytes: u64,
    /// How it is.
    pub state: FileState,
}

/// How a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    /// As the torrent says.
    Good,
    /// Bytes are wrong.
    Damaged,
    /// It is longer or shorter.
    Size,
    /// It is not there.
    Missing,
    /// It can't be looked at.
    Unreadable,
}

impl FileState {
    /// The word for people and scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Damaged => "damaged",
            Self::Size => "size",
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Body of `POST /api/v1/torrents/seed`; the answer is a stream of [`SeedEvent`], one JSON object a
/// line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeedRequest {
    /// Absolute path of the torrent file.
    pub torrent: String,
    /// Absolute path of the torrent's file or folder, or of the folder that it lies in.
    pub place: String,
}

/// One line of the stream that answers a [`SeedRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SeedEvent {
    /// The files are being read.
    Checking {
        /// Bytes done.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
    /// They are what the torrent says, and are served from where they lie.
    Seeding {
        /// Name of the torrent.
        name: String,
        /// The file or folder.
        place: String,
        /// Bytes of all files.
        bytes: u64,
        /// The magnet link that leads to it.
        magnet: String,
        /// The port where peers reach this node.
        port: u16,
    },
    /// It failed; the last line of the stream.
    Error(crate::ErrorBody),
}

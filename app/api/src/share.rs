use crate::ErrorBody;
use serde::{Deserialize, Serialize};

/// Body of `POST /api/v1/share`; the answer is a stream of [`ShareEvent`], one JSON object a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShareRequest {
    /// Absolute paths of files or folders.
    pub paths: Vec<String>,
    /// Name to show instead of the file's own.
    #[serde(default)]
    pub name: Option<String>,
    /// Copy the bytes into the data directory instead of sharing them in place.
    #[serde(default)]
    pub copy: bool,
    /// Leave out files that cannot be read instead of failing.
    #[serde(default)]
    pub skip_unreadable: bool,
    /// Share the one path as torrents too.
    #[serde(default)]
    pub torrent: Option<TorrentWish>,
}

/// How torrents of what is shared are to be.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TorrentWish {
    /// Bytes of a piece; chosen by the size when it is not given.
    #[serde(default)]
    pub piece_bytes: Option<u64>,
    /// Trackers in tiers (BEP 12).
    #[serde(default)]
    pub trackers: Vec<Vec<String>>,
    /// Peers come from its trackers alone (BEP 27).
    #[serde(default)]
    pub private: bool,
}

/// A torrent that was made of what is shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedTorrent {
    /// The torrent file.
    pub file: String,
    /// The magnet link that leads to it.
    pub magnet: String,
}

/// One line of the `share` event stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ShareEvent {
    /// Looking which files there are.
    Scanning {
        /// Files found so far.
        files: u64,
        /// Bytes found so far.
        bytes: u64,
    },
    /// Computing addresses.
    Hashing {
        /// Bytes done.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
        /// Files done.
        done_files: u64,
        /// Files in all.
        total_files: u64,
        /// Bytes per second.
        rate: u64,
    },
    /// Something in the folder is not part of the share.
    Skipped {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// Indexed and announced; the link is ready to be given away.
    Shared {
        /// The link, with this node's addresses as hints.
        link: String,
        /// Address of the content.
        cid: String,
        /// Name.
        name: String,
        /// Bytes of all files.
        bytes: u64,
        /// Number of files.
        files: u64,
        /// Seconds it took.
        seconds: f64,
        /// Torrents of it, when they were asked for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        torrents: Vec<SharedTorrent>,
    },
    /// It failed; the last line of the stream.
    Error(ErrorBody),
}

/// Where the bytes of a root are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Origin {
    /// Shared where its owner has it.
    Shared {
        /// The paths.
        paths: Vec<String>,
    },
    /// Copied into the data directory.
    Copied,
    /// Fetched to this path.
    Fetched {
        /// The path.
        path: String,
    },
}

/// A file that no longer is what was shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which file.
    pub path: String,
    /// `changed`, `missing`, `unreadable` or `corrupt`.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// One thing this node holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RootSummary {
    /// Its address.
    pub cid: String,
    /// A link with this node's addresses as hints.
    pub link: String,
    /// Its name.
    pub name: String,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of them that this node can provide.
    pub available_bytes: u64,
    /// Number of files.
    pub files: u64,
    /// Protected from eviction.
    pub pinned: bool,
    /// Where the bytes are.
    pub origin: Origin,
    /// When it was added, seconds since 1970.
    pub created: u64,
    /// Files that are not what they were.
    pub problems: Vec<Problem>,
    /// Why others can't have it, if the owner's settings are why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Answer of `GET /api/v1/roots`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RootList {
    /// What this node holds, newest first.
    pub roots: Vec<RootSummary>,
    /// Downloads that were begun and can be resumed with the same link.
    pub partials: Vec<crate::TransferStatus>,
}

/// Body of `POST /api/v1/roots/remove`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RemoveRequest {
    /// CID, link, or the unambiguous name of a root.
    pub target: String,
}

/// Answer of `POST /api/v1/roots/remove`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RemoveResponse {
    /// What was removed.
    pub cid: String,
    /// Its name.
    pub name: String,
    /// Bytes freed in the data directory; the owner's own files are never deleted.
    pub freed_bytes: u64,
}

/// Body of `POST /api/v1/roots/pin`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PinRequest {
    /// CID, link, or the unambiguous name of a root.
    pub target: String,
    /// Pin or unpin.
    pub pinned: bool,
}

/// Body of `POST /api/v1/verify`; the answer is a stream of [`VerifyEvent`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VerifyRequest {
    /// CID, link, or the unambiguous name of a root; `None`: everything.
    #[serde(default)]
    pub target: Option<String>,
    /// Fetch what is damaged again from peers (fetched and copied content only).
    #[serde(default)]
    pub repair: bool,
}

/// One line of the `verify` event stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum VerifyEvent {
    /// Reading.
    Checking {
        /// Which root.
        cid: String,
        /// Its name.
        name: String,
        /// Bytes read.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
    /// A root was read to its end.
    Checked {
        /// Which root.
        cid: String,
        /// Its name.
        name: String,
        /// Bytes read.
        bytes: u64,
        /// Bytes that are damaged or gone.
        bad_bytes: u64,
        /// The files concerned.
        problems: Vec<Problem>,
    },
    /// Damaged bytes are being fetched again.
    Repairing {
        /// Which root.
        cid: String,
        /// Bytes still to come.
        left_bytes: u64,
    },
    /// Damaged bytes were replaced.
    Repaired {
        /// Which root.
        cid: String,
        /// Bytes fetched.
        bytes: u64,
    },
    /// Everything was checked.
    Verified {
        /// Roots checked.
        roots: u64,
        /// Bytes read.
        bytes: u64,
        /// Bytes that are still damaged.
        bad_bytes: u64,
    },
    /// It failed; the last line of the stream.
    Error(ErrorBody),
}

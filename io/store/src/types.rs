//! What the store reports: roots, problems, partial downloads, usage.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use potluck_content::tree::Parent;
use potluck_content::{Address, Manifest, PieceSet};

use crate::buffer::Buffer;

/// How a store is set up.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Memory that the metadata database may use as a cache.
    pub cache_bytes: usize,
    /// Files kept open for reading.
    pub open_files: usize,
    /// Most bytes that the node may own (copies in the data directory); `None` is no bound.
    pub quota_bytes: Option<u64>,
    /// How long a file must have been left alone before its bytes, once found right, are served again
    /// without being hashed. `None` is what the system needs for a change to show: 60 s, or more where
    /// it is set to hold back writes for longer.
    pub trust_after: Option<Duration>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 8 * 1024 * 1024,
            open_files: 64,
            quota_bytes: None,
            trust_after: None,
        }
    }
}

/// Something that this node holds: a file or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its address.
    pub address: Address,
    /// The name people see.
    pub name: String,
    /// Bytes of all its files (each entry counts, also when two are equal).
    pub bytes: u64,
    /// Number of files.
    pub files: u64,
    /// Protected from eviction.
    pub pinned: bool,
    /// Where its bytes are.
    pub origin: Origin,
    /// When it came to the store, in Unix seconds, as the caller said.
    pub created_unix: u64,
    /// The pieces that were selected, when it was not fetched whole.
    pub selected: Option<PieceSet>,
    /// What is known to be wrong with its files, at most [`crate::MAX_PROBLEMS_LISTED`].
    pub problems: Vec<Problem>,
}

/// Where the bytes of a root are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Shared in place: the owner's files, never modified.
    Shared {
        /// The files or folders that were shared.
        paths: Vec<PathBuf>,
    },
    /// Copied to the data directory.
    Copied,
    /// Fetched from others.
    Fetched {
        /// The file or folder that was fetched.
        path: PathBuf,
    },
}

/// A file that no longer holds what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// What happened to it.
    pub what: What,
}

/// What looking at the files of a root, without reading them, shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// All known problems of the root, at most [`crate::MAX_PROBLEMS_LISTED`].
    pub problems: Vec<Problem>,
    /// Files that are not as they were when they were indexed, and yet may hold the same bytes; as
    /// many at most.
    pub touched: Vec<PathBuf>,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// It was edited, truncated or replaced.
    Changed,
    /// It is gone.
    Missing,
    /// It cannot be read.
    Unreadable,
    /// Its bytes are wrong although its size and times are as they were.
    Corrupt,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "was changed",
            Self::Missing => "is missing",
            Self::Unreadable => "cannot be read",
            Self::Corrupt => "is damaged on disk",
        })
    }
}

/// What to share.
#[derive(Clone, Debug)]
pub struct ShareRequest {
    /// Files and folders. One folder is shared as itself; several paths become one folder.
    pub paths: Vec<PathBuf>,
    /// The name that people see; by default the last name of the path, or `shared`.
    pub name: Option<String>,
    /// Copy into the data directory instead of sharing in place.
    pub copy: bool,
    /// Hashing threads; 0 is as many as the machine has processors.
    pub threads: usize,
    /// Leave out (and report) files that cannot be read, instead of failing.
    pub skip_unreadable: bool,
    /// The time, in Unix seconds.
    pub now_unix: u64,
}

impl ShareRequest {
    /// A request to share one path in place.
    #[must_use]
    pub fn path(path: impl Into<PathBuf>, now_unix: u64) -> Self {
        Self {
            paths: vec![path.into()],
            name: None,
            copy: false,
            threads: 0,
            skip_unreadable: false,
            now_unix,
        }
    }
}

/// How far sharing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareProgress {
    /// Files found so far; final once `walking` is false.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Files done.
    pub files_done: u64,
    /// Bytes done (hashed, or known from before).
    pub bytes_done: u64,
    /// The folder is still being listed.
    pub walking: bool,
}

/// What came of a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The root.
    pub root: Root,
    /// What was left out, and why; at most [`crate::MAX_SKIPPED_LISTED`].
    pub skipped: Vec<Skipped>,
    /// How many were left out in all.
    pub skipped_count: u64,
    /// Bytes that had to be hashed; the others were known and unchanged.
    pub hashed_bytes: u64,
}

/// A file that is not part of a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Why it was left out, in words.
    pub reason: String,
}

/// How far a verification is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes to check.
    pub bytes: u64,
    /// Bytes checked.
    pub bytes_done: u64,
    /// Files with a problem so far.
    pub problems: u64,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// Bytes that were read and checked.
    pub checked_bytes: u64,
    /// Files that are not as they should be, at most [`crate::MAX_PROBLEMS_LISTED`].
    pub problems: Vec<Problem>,
    /// How many files in all are not as they should be.
    pub problem_count: u64,
    /// Pieces that no file of this root holds any more.
    pub bad: PieceSet,
}

/// What to download, and to where.
#[derive(Clone, Debug)]
pub struct DownloadSpec {
    /// The root.
    pub address: Address,
    /// The name people see.
    pub name: String,
    /// The manifest, for a folder. It is checked against the address.
    pub manifest: Option<Arc<Manifest>>,
    /// Size of the root blob (the file; ignored for a folder).
    pub size: u64,
    /// The last group of the file with its proof, which proves the size. `None` only for a folder,
    /// or when the caller has checked the size itself.
    pub head: Option<Head>,
    /// The final name of the file or folder.
    pub dest: PathBuf,
    /// Which entries of the folder.
    pub selection: Selection,
    /// The time, in Unix seconds.
    pub now_unix: u64,
}

/// The last group of a blob with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The proof of the last group.
    pub proof: Vec<u8>,
    /// The bytes of the last group.
    pub data: Vec<u8>,
}

/// Which entries of a folder are downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// Those with these places in the manifest.
    Entries(Vec<u32>),
}

/// A download that is not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialInfo {
    /// The root.
    pub address: Address,
    /// The name people see.
    pub name: String,
    /// The final name of the file or folder.
    pub dest: PathBuf,
    /// Bytes that are wanted.
    pub wanted_bytes: u64,
    /// Wanted bytes that are here, as of the last checkpoint (or now, when it is running).
    pub have_bytes: u64,
    /// When it was begun, in Unix seconds.
    pub created_unix: u64,
    /// It is open in this process.
    pub running: bool,
    /// It repairs a root that is held, in place.
    pub repair: bool,
}

/// A peer to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// Its id, at most 128 bytes.
    pub peer: Vec<u8>,
    /// Its addresses as text, at most 32 of at most 512 bytes.
    pub addrs: Vec<String>,
    /// When it was last seen, in Unix seconds.
    pub last_seen_unix: u64,
}

/// What the data directory holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of copies that the node owns.
    pub owned_bytes: u64,
    /// Bytes of hash trees.
    pub tree_bytes: u64,
    /// Bytes of partial downloads (they stand beside their destinations).
    pub partial_bytes: u64,
    /// Bytes of the metadata.
    pub metadata_bytes: u64,
    /// Most bytes that the node may own.
    pub quota_bytes: Option<u64>,
}

/// A parent of a hash tree with its place in the outboard.
pub type PlacedParent = (u64, Parent);

/// Reused buffers for a span that is read: its proof and its bytes.
#[derive(Clone, Debug, Default)]
pub struct SpanBuf {
    pub(crate) proof: Vec<u8>,
    pub(crate) data: Buffer,
    pub(crate) data_len: usize,
}

impl SpanBuf {
    /// An empty buffer; it grows to the longest span read into it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The proof of the span: parents in pre-order, no leaves.
    #[must_use]
    pub fn proof(&self) -> &[u8] {
        &self.proof
    }

    /// The bytes of the span.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.data.get(self.data_len)
    }

    /// The proof and the bytes, for a sender that wants to own them.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Vec<u8>) {
        let data = self.data().to_vec();
        (self.proof, data)
    }
}

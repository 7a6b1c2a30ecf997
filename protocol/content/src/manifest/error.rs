//! Why something is not a folder.

use super::{Entry, MAX_ENTRIES, MAX_MANIFEST_BYTES, MAX_TOTAL_BYTES};
use crate::{EntryPath, Hash, PathError, TargetError};

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// More bytes than [`MAX_MANIFEST_BYTES`].
    #[error("a manifest of {bytes} bytes is larger than the limit of {MAX_MANIFEST_BYTES}")]
    TooLarge {
        /// Bytes of the manifest.
        bytes: usize,
    },
    /// More entries than [`MAX_ENTRIES`].
    #[error("a manifest of {found} entries has more than the limit of {MAX_ENTRIES}")]
    TooManyEntries {
        /// Number of entries.
        found: u64,
    },
    /// More bytes of files than [`MAX_TOTAL_BYTES`].
    #[error("the files of the folder have more than {MAX_TOTAL_BYTES} bytes")]
    TotalTooLarge,
    /// A later version of the format.
    #[error("the folder was made by a newer program (manifest version {found})")]
    Version {
        /// The version that was found.
        found: u64,
    },
    /// Not DAG-CBOR, or of another schema.
    #[error("not a manifest: {reason}")]
    Malformed {
        /// What is wrong, shortened.
        reason: String,
    },
    /// The right content, written in another way than the one way there is.
    #[error("the manifest is not in its canonical encoding")]
    NotCanonical,
    /// An entry's path is refused.
    #[error("entry {index} of the manifest: {reason}")]
    Path {
        /// Position of the entry.
        index: usize,
        /// What is wrong with its path.
        reason: PathError,
    },
    /// An entry can't be in the folder.
    #[error("{path:?}: {reason}")]
    Entry {
        /// The entry's path.
        path: EntryPath,
        /// What is wrong with it.
        reason: EntryError,
    },
    /// The same blob with two sizes.
    #[error("the blob {hash} has two sizes in the manifest")]
    SizeConflict {
        /// The blob.
        hash: Hash,
    },
}

/// Why an entry can't be in the folder, given the entries before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The same path again.
    #[error("the path is there twice")]
    Duplicate,
    /// The path should come before the one before it.
    #[error("the entry is out of order")]
    Unordered,
    /// A name in it differs from another in the same directory by case or composition alone, which
    /// many file systems do not tell apart.
    #[error("the name {name:?} is the same as {other:?} on some systems")]
    Collision {
        /// The name.
        name: String,
        /// The name that was there before.
        other: String,
    },
    /// It lies below something that is not a directory, or a directory said to be empty.
    #[error("it lies below {parent:?}, which has nothing below it")]
    Below {
        /// The path that can't have anything below it.
        parent: String,
    },
    /// It is a file of no bytes with a hash of some, or the reverse.
    #[error("its size does not fit its hash")]
    Size,
    /// Its target as a symbolic link is refused.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// An entry that was left out of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The entry.
    pub entry: Entry,
    /// Why it can't be in the folder.
    pub reason: EntryError,
}

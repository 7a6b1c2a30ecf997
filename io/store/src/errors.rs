//! What can go wrong, one enum for each operation.
//!
//! [`Fault`] is what every operation can meet (a full disk, a failing disk, a damaged record); the
//! enums of the operations add what only they can meet.

use std::io;
use std::path::{Path, PathBuf};

use potluck_content::Address;

use crate::types::What;

/// A failure of the machine below the store rather than of what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file system that holds `dir` is full (or the owner's disk quota is used up). Nothing that
    /// was finished is lost; the operation can be tried again once there is space.
    #[error("no space left in {}", dir.display())]
    NoSpace {
        /// The directory that could not take more.
        dir: PathBuf,
    },
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb: "read", "create".
        action: &'static str,
        /// The file or directory it was done to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The metadata database failed.
    #[error("the metadata in {} failed: {message}", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// What the database said.
        message: String,
    },
    /// A stored record or a file in the data directory does not make sense.
    #[error("the data directory is damaged: {what}")]
    Corrupt {
        /// Which record or file, and why.
        what: String,
    },
}

impl Fault {
    /// The directory that is full, when that is the reason.
    #[must_use]
    pub fn no_space(&self) -> Option<&Path> {
        match self {
            Self::NoSpace { dir } => Some(dir),
            _ => None,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        if is_no_space(&source) {
            let dir = if path.is_dir() {
                Some(path)
            } else {
                path.parent()
            };
            return Self::NoSpace {
                dir: dir.unwrap_or(path).to_path_buf(),
            };
        }
        Self::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }
}

pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses the data directory.
    #[error("{} is in use by {}", dir.display(), holder(*pid))]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// The process that holds it, when it said so.
        pid: Option<u32>,
    },
    /// The data directory was written by a newer version of the program.
    #[error("{} has format {found}; this version reads up to {supported}", dir.display())]
    Newer {
        /// The data directory.
        dir: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format this program reads.
        supported: u32,
    },
    /// Anything else, down to a full disk.
    #[error(transparent)]
    Fault(#[from] Fault),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

/// Why something could not be shared.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// A path that was named does not exist.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The path as resolved.
        path: PathBuf,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file kept changing while it was read.
    #[error("{} changed while it was being read", path.display())]
    Changing {
        /// The file.
        path: PathBuf,
    },
    /// A path that was named is neither a file nor a folder.
    #[error("{} is neither a file nor a folder", path.display())]
    Special {
        /// The path as resolved.
        path: PathBuf,
    },
    /// A path or name that was given cannot be the name of a share.
    #[error("{name:?} cannot be shared under this name: {reason}")]
    BadName {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// Two of several paths have the same last name.
    #[error("two of the paths are called {name:?}")]
    SameName {
        /// The name.
        name: String,
    },
    /// The path is the data directory, lies in it, or has it in it: the node's key and the indexes of
    /// the share itself would be part of what is shared.
    #[error("{} cannot be shared: {}", path.display(), where_own(path, own))]
    OwnDirectory {
        /// The path that was named, resolved.
        path: PathBuf,
        /// The data directory.
        own: PathBuf,
    },
    /// No path was given.
    #[error("nothing to share")]
    Nothing,
    /// The folder has more entries, or deeper ones, than a manifest can list.
    #[error("too large for one share: {reason}")]
    TooLarge {
        /// Which bound was met.
        reason: String,
    },
    /// Copying would exceed the quota of the data directory.
    #[error("copying needs {needed} bytes; the quota leaves {left}")]
    Quota {
        /// Bytes to copy.
        needed: u64,
        /// Bytes that the quota still allows.
        left: u64,
    },
    /// The progress callback asked to stop. What was hashed is remembered.
    #[error("stopped")]
    Stopped,
    /// Anything else, down to a full disk.
    #[error(transparent)]
    Fault(#[from] Fault),
}

fn where_own(path: &Path, own: &Path) -> String {
    if path == own {
        "it is the data directory of this node".to_owned()
    } else if path.starts_with(own) {
        format!(
            "it lies in the data directory of this node, {}",
            own.display()
        )
    } else {
        format!(
            "the data directory of this node lies in it, at {}",
            own.display()
        )
    }
}

/// Why a span could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store does not have these bytes.
    #[error("not in this store")]
    NotHave,
    /// The span is empty, out of the blob, or longer than [`crate::MAX_SPAN_BYTES`].
    #[error("no such span")]
    BadSpan,
    /// The store had these bytes, but the file no longer holds them.
    #[error("{} {what}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What happened to it.
        what: What,
    },
    /// Anything else.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a root could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store does not hold this root.
    #[error("not in this store")]
    NotHave,
    /// The progress callback asked to stop.
    #[error("stopped")]
    Stopped,
    /// Anything else.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a download (or a repair) could not begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Something stands under the final name already.
    #[error("{} exists already", dest.display())]
    DestExists {
        /// The final name.
        dest: PathBuf,
    },
    /// This process is downloading the same root already.
    #[error("{address} is being downloaded already")]
    Busy {
        /// The root.
        address: Address,
    },
    /// A download of this root for another place was begun on another file system.
    #[error("a download of this to {} was begun; finish or drop it first", dest.display())]
    OtherDest {
        /// Where that one goes.
        dest: PathBuf,
    },
    /// The destination has no last name, or one that files cannot have.
    #[error("{} cannot be a destination: {reason}", dest.display())]
    BadDest {
        /// The destination.
        dest: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// The manifest or the head does not prove what was asked for.
    #[error("the description of the content is wrong: {0}")]
    BadContent(&'static str),
    /// There is no root, or no partial download, of this address.
    #[error("not in this store")]
    NotHave,
    /// A root shared in place is its owner's and is never modified.
    #[error("files that are shared in place are not repaired; restore them, or share them again")]
    InPlace,
    /// Anything else, down to a full disk.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why verified bytes could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file system of the destination is full.
    #[error("no space left in {}: {needed} more bytes are needed", dir.display())]
    NoSpace {
        /// The directory that could not take more.
        dir: PathBuf,
        /// Bytes that this download still has to write.
        needed: u64,
    },
    /// The blob, group or piece does not exist or the length is not that of whole groups.
    #[error("no such range")]
    BadRange,
    /// The download was finished or dropped.
    #[error("the download has ended")]
    Ended,
    /// Anything else.
    #[error(transparent)]
    Fault(Fault),
}

impl From<Fault> for WriteError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoSpace { dir } => Self::NoSpace { dir, needed: 0 },
            other => Self::Fault(other),
        }
    }
}

/// Why a download could not be finished. Nothing is lost: it can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// Pieces are missing.
    #[error("{missing} pieces are missing")]
    Incomplete {
        /// How many.
        missing: u32,
    },
    /// Something came to stand under the final name meanwhile.
    #[error("{} exists already", dest.display())]
    DestExists {
        /// The final name.
        dest: PathBuf,
    },
    /// A file of the download was changed by someone else; these pieces are wanted again.
    #[error("{} was changed while it was being downloaded", path.display())]
    Tampered {
        /// The file.
        path: PathBuf,
    },
    /// The download was finished or dropped.
    #[error("the download has ended")]
    Ended,
    /// Anything else, down to a full disk.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a partial download could not be dropped.
#[derive(Debug, thiserror::Error)]
pub enum DropError {
    /// It is running: stop it first.
    #[error("the download is running")]
    Busy,
    /// Anything else.
    #[error(transparent)]
    Fault(#[from] Fault),
}

//! What can go wrong with torrents alone.

use std::path::PathBuf;

use crate::errors::{BeginError, Fault};
use crate::types::What;

/// Why a torrent could not be begun, or gone on with.
#[derive(Debug, thiserror::Error)]
pub enum TorrentBeginError {
    /// Something stands under the final name already.
    #[error("{} exists already", dest.display())]
    DestExists {
        /// The final name.
        dest: PathBuf,
    },
    /// This process is fetching the torrent already.
    #[error("this torrent is being downloaded already")]
    Busy,
    /// The torrent was begun for another place.
    #[error("a download of this torrent to {} was begun; finish or drop it first", dest.display())]
    OtherDest {
        /// Where that one goes.
        dest: PathBuf,
    },
    /// All files of the torrent are here.
    #[error("this torrent is in {} already", place.display())]
    Complete {
        /// The file or folder.
        place: PathBuf,
    },
    /// The destination has no last name, or one that files cannot have.
    #[error("{} cannot be a destination: {reason}", dest.display())]
    BadDest {
        /// The destination.
        dest: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// A file that the torrent does not have was asked for, or none at all.
    #[error("the files that were chosen are wrong: {0}")]
    BadSelection(&'static str),
    /// Another torrent with the same infohash is in the store.
    #[error("another torrent with the same infohash is here")]
    OtherContent,
    /// There is no such torrent in the store.
    #[error("not in this store")]
    NotHave,
    /// Anything else, down to a full disk.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<BeginError> for TorrentBeginError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::DestExists { dest } => Self::DestExists { dest },
            BeginError::BadDest { dest, reason } => Self::BadDest { dest, reason },
            BeginError::Fault(fault) => Self::Fault(fault),
            other => Self::Fault(Fault::corrupt(other.to_string())),
        }
    }
}

/// Why a torrent could not be added.
#[derive(Debug, thiserror::Error)]
pub enum TorrentAddError {
    /// The torrent is being fetched by this process, or dropped.
    #[error("this torrent is being downloaded")]
    Busy,
    /// A download of it was begun.
    #[error("a download of this torrent to {} was begun; finish or drop it first", dest.display())]
    Unfinished {
        /// Where that one goes.
        dest: PathBuf,
    },
    /// A file is not there, or is not the one of the torrent.
    #[error("{} {what}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: What,
    },
    /// Anything else, down to a full disk.
    #[error(transparent)]
    Fault(#[from] Fault),
}

//! Why something is not a torrent.

use potluck_content::{MAX_TOTAL_BYTES, PathError};

use super::{MAX_FILE_BYTES, MAX_FILES, MAX_METAINFO_BYTES, MAX_PATHS_BYTES, MAX_PIECES};
use crate::bencode::BencodeError;

/// Why a torrent file or an info dictionary is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetainfoError {
    /// More bytes than [`MAX_METAINFO_BYTES`].
    #[error("a torrent file of {bytes} bytes is larger than the limit of {MAX_METAINFO_BYTES}")]
    TooLarge {
        /// Bytes of the file.
        bytes: usize,
    },
    /// Not bencode (BEP 3).
    #[error("not a torrent file: {0}")]
    Bencode(#[from] BencodeError),
    /// Not a dictionary, or of an info dictionary with something behind it.
    #[error("not a torrent file: it is no dictionary")]
    NotDictionary,
    /// A field that must be there is not, or is of another kind.
    #[error("the torrent's field '{field}' is missing or broken")]
    Field {
        /// The field.
        field: &'static str,
    },
    /// A torrent of version 2 that is not in the one encoding there is (BEP 52).
    #[error("the torrent is not in its canonical encoding")]
    NotCanonical,
    /// A later version of the format.
    #[error("the torrent is of version {found}, which is not known")]
    Version {
        /// The version that was found.
        found: i64,
    },
    /// A piece length that is zero, too large, or, in version 2, no power of two from 16 KiB.
    #[error("the torrent's pieces can't have {found} bytes")]
    PieceLength {
        /// The length that was found.
        found: i64,
    },
    /// A file has no name, or one of which nothing is usable.
    #[error("file {index} of the torrent has no name")]
    NoName {
        /// Position of the file, from 0.
        index: usize,
    },
    /// The path of a file is too long or too deep.
    #[error("file {index} of the torrent: {reason}")]
    Path {
        /// Position of the file, from 0.
        index: usize,
        /// What is wrong.
        reason: PathError,
    },
    /// A file has no size, a negative one, or more than [`MAX_FILE_BYTES`].
    #[error("file {index} of the torrent has no size from 0 to {MAX_FILE_BYTES}")]
    FileSize {
        /// Position of the file, from 0.
        index: usize,
    },
    /// No bytes at all, or more than [`MAX_TOTAL_BYTES`].
    #[error("a torrent has 1 to {MAX_TOTAL_BYTES} bytes")]
    TotalSize,
    /// No file.
    #[error("the torrent has no files")]
    NoFiles,
    /// More files than [`MAX_FILES`].
    #[error("the torrent has more than {MAX_FILES} files")]
    TooManyFiles,
    /// Paths of more bytes than [`MAX_PATHS_BYTES`].
    #[error("the paths of the torrent's files have more than {MAX_PATHS_BYTES} bytes")]
    PathsTooLong,
    /// More pieces than [`MAX_PIECES`].
    #[error("the torrent has {found} pieces, more than the limit of {MAX_PIECES}")]
    TooManyPieces {
        /// Number of pieces.
        found: u64,
    },
    /// Another number of hashes than of pieces.
    #[error("the torrent has {found} bytes of piece hashes instead of {expected}")]
    PieceHashes {
        /// Bytes that the pieces take.
        expected: u64,
        /// Bytes that were found.
        found: usize,
    },
    /// The file tree of version 2 has something that is neither a file nor a directory.
    #[error("the torrent's file tree is broken")]
    Tree,
    /// A file of version 2 is padding.
    #[error("file {index} of the torrent's file tree is padding")]
    PaddingInTree {
        /// Position of the file, from 0.
        index: usize,
    },
    /// A file of version 2 has bytes and no root.
    #[error("file {index} of the torrent has no root of its hashes")]
    NoRoot {
        /// Position of the file, from 0.
        index: usize,
    },
    /// The two descriptions of a hybrid differ (BEP 52).
    #[error("the torrent describes its files in two ways that differ")]
    Inconsistent,
    /// A piece layer that fits no file, or not its root, or a root of files of two lengths (BEP 52).
    #[error("a piece layer of the torrent doesn't fit its files")]
    Layer,
}

/// Why a torrent can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A version 2 torrent, or a hybrid, needs the root of each file that has bytes.
    #[error("the root of {path:?} is not known")]
    NoRoot {
        /// Path of the file.
        path: String,
    },
    /// What was made would be refused.
    #[error(transparent)]
    Refused(#[from] MetainfoError),
    /// Two files have the same path, or one is a directory of another.
    #[error("the torrent has {path:?} twice")]
    Twice {
        /// Path of the file.
        path: String,
    },
    /// The name or a path would be changed by those who read the torrent.
    #[error("{name:?} is not safe for a file")]
    Name {
        /// The name.
        name: String,
    },
}

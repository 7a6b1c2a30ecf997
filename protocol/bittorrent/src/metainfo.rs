//! Torrent files and the part of them that names the content.

mod build;
mod entry;
mod error;
mod hasher;
mod info;
mod layers;
mod layout;
mod name;
mod outer;
mod symlink;
mod tree;
mod v1;

use std::collections::BTreeMap;
use std::ops::Range;

use potluck_content::EntryPath;

use crate::InfoHashes;
use crate::bencode::Limits;

pub use build::{Builder, NewFile, Version};
pub use error::{BuildError, MetainfoError};
pub use hasher::{PieceDigest, PieceDigester};
pub use layout::{Layout, Span};

/// Most bytes of a torrent file.
pub const MAX_METAINFO_BYTES: usize = 64 * 1024 * 1024;
/// Most bytes of an info dictionary: the hashes of [`MAX_PIECES`] pieces, and the names of files.
pub const MAX_INFO_BYTES: usize = MAX_METAINFO_BYTES;
/// Most files of a torrent, padding included.
pub const MAX_FILES: usize = 500_000;
/// Most bytes of the paths of all files, and directories of version 2, together.
pub const MAX_PATHS_BYTES: usize = 128 * 1024 * 1024;
/// Most pieces of a torrent, as for libtorrent.
pub const MAX_PIECES: u32 = 1 << 21;
/// Most bytes of a piece, as for libtorrent. In version 2, where it is a power of two, 256 MiB.
pub const MAX_PIECE_BYTES: u64 = (1 << 29) - (1 << 14);
/// Most bytes of one file: just below 16 TiB, as for libtorrent. All together may have
/// [`potluck_content::MAX_TOTAL_BYTES`].
pub const MAX_FILE_BYTES: u64 = (1 << 44) - (1 << 14) - 1;
/// Most trackers, web seeds or nodes that are kept, each.
pub const MAX_URLS: usize = 1024;
/// Most bytes of an address of a tracker or a web seed; longer ones are left out.
pub const MAX_URL_BYTES: usize = 2048;

/// What a torrent file may nest and hold. Both are libtorrent's limits.
const LIMITS: Limits = Limits {
    depth: 100,
    items: 3_000_000,
};

/// A torrent file: what names the content, and where to look for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metainfo {
    info: Info,
    layers: BTreeMap<[u8; 32], Vec<[u8; 32]>>,
    /// Trackers in tiers: all of one tier are tried before the next (BEP 12). A plain `announce` is a
    /// tier of its own when there is no list.
    pub trackers: Vec<Vec<String>>,
    /// Addresses of web seeds (BEP 19). With several files they end with a slash.
    pub web_seeds: Vec<String>,
    /// Hosts and ports of nodes of the DHT (BEP 5).
    pub nodes: Vec<(String, u16)>,
    /// What its maker says about it.
    pub comment: Option<String>,
    /// The program that made it.
    pub created_by: Option<String>,
    /// When it was made, in seconds since 1970.
    pub creation_date_seconds: Option<u64>,
}

impl Metainfo {
    /// Reads and checks a torrent file of any version. What follows its end is ignored, as others do.
    ///
    /// # Errors
    ///
    /// Refuses what is no bencode, describes no files, breaks a limit, gives two descriptions that
    /// differ, or has piece layers that don't fit their roots. What only helps to find others
    /// (trackers, web seeds, texts) is left out where it is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        outer::read(bytes)
    }

    /// The torrent file of an info dictionary alone, as peers send it for a magnet link (BEP 9): with
    /// no trackers, and with piece layers still to be asked for.
    #[must_use]
    pub fn from_info(info: Info) -> Self {
        Self {
            info,
            layers: BTreeMap::new(),
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            nodes: Vec::new(),
            comment: None,
            created_by: None,
            creation_date_seconds: None,
        }
    }

    /// The torrent file, with the info dictionary byte by byte as it was read.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        outer::write(self)
    }

    /// What names the content.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The hashes of the pieces of the file with this root, one for each, if they are known.
    #[must_use]
    pub fn layer(&self, root: &[u8; 32]) -> Option<&[[u8; 32]]> {
        self.layers.get(root).map(Vec::as_slice)
    }

    /// Adds the piece layer of the files with this root, once somebody sent it (BEP 52).
    ///
    /// # Errors
    ///
    /// Refuses a layer that no file has, or that doesn't fit the root.
    pub fn add_layer(&mut self, root: [u8; 32], layer: Vec<[u8; 32]>) -> Result<(), MetainfoError> {
        layers::check(&self.info, &root, &layer)?;
        self.layers.insert(root, layer);
        Ok(())
    }

    /// Whether a piece is what the torrent says. Version 2 decides where it was hashed and its hash is
    /// known, else version 1; without either it is not. `layout` is that of the torrent.
    #[must_use]
    pub fn is_piece(&self, layout: &Layout, piece: u32, found: &PieceDigest) -> bool {
        if let (Some(found), Some(expected)) = (found.v2, self.v2_piece(layout, piece)) {
            return found == expected;
        }
        found.v1.is_some() && found.v1 == self.info.v1_piece(piece)
    }

    /// Whether [`Self::is_piece`] decides by version 2 for this piece.
    #[must_use]
    pub fn has_v2_piece(&self, layout: &Layout, piece: u32) -> bool {
        self.v2_piece(layout, piece).is_some()
    }

    /// The root of a piece in version 2: that of its file, or one of its layer.
    fn v2_piece(&self, layout: &Layout, piece: u32) -> Option<[u8; 32]> {
        let (file, size, at) = layout.owner(piece.into())?;
        let root = self.info.files.get(file)?.root?;
        if size <= self.info.piece_bytes {
            return Some(root);
        }
        let layer = self.layers.get(&root)?;
        layer.get(usize::try_from(at).ok()?).copied()
    }

    /// The roots of files whose piece layers are not known yet. None in a torrent without version 2.
    pub fn missing_layers(&self) -> impl Iterator<Item = [u8; 32]> + '_ {
        let files = self.info.files.iter();
        let roots = files.filter(|file| file.size > self.info.piece_bytes);
        roots
            .filter_map(|file| file.root)
            .filter(|root| !self.layers.contains_key(root))
    }
}

/// What names the content of a torrent: its files and their hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    bytes: Vec<u8>,
    hashes: InfoHashes,
    name: String,
    is_single: bool,
    is_private: bool,
    piece_bytes: u64,
    total_bytes: u64,
    files: Vec<FileEntry>,
    /// Where the SHA-1 hashes of the pieces are in `bytes`.
    v1_pieces: Option<Range<usize>>,
}

/// A file of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it goes: below the name of the torrent, unless that is the file. Safe, and different from
    /// all others of the torrent whatever the case.
    pub path: EntryPath,
    /// Its bytes.
    pub size: u64,
    /// Bytes before it when pieces are counted, padding included. In version 2 each file that has any
    /// bytes starts a piece.
    pub offset: u64,
    /// What it is.
    pub kind: FileKind,
    /// Whether its owner may run it (BEP 47).
    pub executable: bool,
    /// Whether it is meant to be hidden (BEP 47).
    pub hidden: bool,
    /// The root of its SHA-256 tree, in version 2. None for an empty file.
    pub root: Option<[u8; 32]>,
}

/// What a file of a torrent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A file.
    Regular,
    /// Zeros up to the end of a piece, which nobody stores (BEP 47).
    Padding,
    /// A symbolic link to another file or directory of the torrent (BEP 47).
    Symlink {
        /// Where it leads, from where the torrent is. None when that is nothing of the torrent, or
        /// goes in a circle: then it is not made.
        target: Option<EntryPath>,
    },
}

impl Info {
    /// Reads and checks an info dictionary (BEP 3, BEP 52).
    ///
    /// # Errors
    ///
    /// As [`Metainfo::parse`], and when anything follows the dictionary.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        info::read_alone(bytes)
    }

    /// The bytes whose hashes are the infohashes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The names of the torrent: of each version that it describes its content in.
    #[must_use]
    pub fn hashes(&self) -> InfoHashes {
        self.hashes
    }

    /// The name of the file or folder, safe for a file system.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the torrent is one file rather than a folder.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.is_single
    }

    /// Whether peers may come from its trackers alone (BEP 27).
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.is_private
    }

    /// Bytes of a piece; the last one of a torrent, in version 2 of a file, may be shorter.
    #[must_use]
    pub fn piece_bytes(&self) -> u64 {
        self.piece_bytes
    }

    /// Bytes of all pieces, padding included.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Number of pieces.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        let pieces = self.total_bytes.div_ceil(self.piece_bytes);
        u32::try_from(pieces).unwrap_or(u32::MAX)
    }

    /// The files, in the order of the pieces.
    #[must_use]
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// The SHA-1 hash of a piece, padding included. None past the end, and without version 1.
    #[must_use]
    pub fn v1_piece(&self, piece: u32) -> Option<[u8; 20]> {
        let hashes = self.bytes.get(self.v1_pieces.clone()?)?;
        let start = usize::try_from(piece).ok()?.checked_mul(20)?;
        let hash = hashes.get(start..start.checked_add(20)?)?;
        hash.try_into().ok()
    }
}

#[cfg(test)]
mod tests;

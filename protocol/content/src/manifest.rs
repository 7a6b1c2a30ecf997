//! Folders: manifests that name blobs.

mod check;
mod decode;
mod encode;
mod error;

use crate::path::compare_paths;
use crate::{Address, EntryPath, Hash};

pub use error::{EntryError, ManifestError, Refused};

/// Most bytes of an encoded manifest.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024 * 1024;
/// Most entries of a manifest.
pub const MAX_ENTRIES: usize = 1_000_000;
/// Most bytes that a file has, or the files of a folder together: 32 TiB.
pub const MAX_TOTAL_BYTES: u64 = 1 << 45;

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: EntryPath,
    /// What it is.
    pub node: Node,
}

/// What an entry of a folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A file.
    File {
        /// The blob with its bytes.
        hash: Hash,
        /// Bytes of the blob.
        size: u64,
        /// Whether its owner may run it.
        executable: bool,
    },
    /// A directory with nothing in it; the others follow from the paths.
    Directory,
    /// A symbolic link that stays inside the folder.
    Symlink {
        /// What it points to, from its own directory.
        target: String,
    },
}

/// A folder: its entries ordered by path, checked.
///
/// A folder has one encoding, so its address depends on nothing but what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<Entry>,
    total_bytes: u64,
    hash: Hash,
}

impl Manifest {
    /// Makes a folder of these entries, in any order; refuses it all when one can't be in it.
    pub fn new(entries: Vec<Entry>) -> Result<Self, ManifestError> {
        let (manifest, refused) = Self::from_valid(entries)?;
        match refused.into_iter().next() {
            None => Ok(manifest),
            Some(Refused { entry, reason }) => {
                let path = entry.path;
                Err(ManifestError::Entry { path, reason })
            }
        }
    }

    /// Makes a folder of these entries, leaving out those that can't be in it: of names that collide
    /// the first in order stays.
    pub fn from_valid(mut entries: Vec<Entry>) -> Result<(Self, Vec<Refused>), ManifestError> {
        if entries.len() > MAX_ENTRIES {
            let found = entries.len() as u64;
            return Err(ManifestError::TooManyEntries { found });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let mut reasons = check::entry_errors(&entries)
            .collect::<Vec<_>>()
            .into_iter()
            .peekable();
        let (mut kept, mut refused) = (Vec::with_capacity(entries.len()), Vec::new());
        for (index, entry) in entries.into_iter().enumerate() {
            match reasons.next_if(|(at, _)| *at == index) {
                Some((_, reason)) => refused.push(Refused { entry, reason }),
                None => kept.push(entry),
            }
        }
        let total_bytes = check::total_bytes(&kept)?;
        let encoded = encode::manifest(&kept);
        let bytes = encoded.len();
        if bytes > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge { bytes });
        }
        let manifest = Self {
            entries: kept,
            total_bytes,
            hash: Hash::of(&encoded),
        };
        Ok((manifest, refused))
    }

    /// Reads an encoded manifest from anywhere: everything that [`Self::encode`] would not write is
    /// refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let entries = decode::entries(bytes)?;
        if let Some((index, reason)) = check::entry_errors(&entries).next() {
            let path = entries[index].path.clone();
            return Err(ManifestError::Entry { path, reason });
        }
        let total_bytes = check::total_bytes(&entries)?;
        if !encode::is_encoding_of(bytes, &entries) {
            return Err(ManifestError::NotCanonical);
        }
        Ok(Self {
            entries,
            total_bytes,
            hash: Hash::of(bytes),
        })
    }

    /// The one encoding of the folder, in DAG-CBOR.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode::manifest(&self.entries)
    }

    /// The address of the folder: the hash of its encoding.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::folder(self.hash)
    }

    /// The entries, ordered by path.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry at a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Entry> {
        let compare = |entry: &Entry| compare_paths(entry.path.as_str(), path);
        let found = self.entries.binary_search_by(compare).ok()?;
        self.entries.get(found)
    }

    /// Number of files.
    #[must_use]
    pub fn files(&self) -> usize {
        let is_file = |entry: &&Entry| matches!(entry.node, Node::File { .. });
        self.entries.iter().filter(is_file).count()
    }

    /// Bytes of all files, as they lie on a disk: equal files each count.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }
}

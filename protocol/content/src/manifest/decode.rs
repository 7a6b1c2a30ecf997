//! Reading manifests that may come from anyone.

use cid::Cid;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::encode::{PREFIX, VERSION};
use super::{Entry, MAX_ENTRIES, MAX_MANIFEST_BYTES, ManifestError, Node};
use crate::{Address, EntryPath, Hash, Kind};

/// Characters of a decoder's message that are kept: it may quote what a stranger wrote.
const MAX_REASON: usize = 160;

/// Reads the entries. Their paths are checked, and nothing else.
pub(super) fn entries(bytes: &[u8]) -> Result<Vec<Entry>, ManifestError> {
    if bytes.len() > MAX_MANIFEST_BYTES {
        let bytes = bytes.len();
        return Err(ManifestError::TooLarge { bytes });
    }
    check_start(bytes)?;
    let manifest: WireManifest<'_> =
        serde_ipld_dagcbor::from_slice(bytes).map_err(|error| malformed(&error.to_string()))?;
    if manifest.v != VERSION {
        return Err(ManifestError::Version { found: manifest.v });
    }
    let entries = manifest.entries.into_iter().enumerate();
    entries.map(|(index, entry)| entry.read(index)).collect()
}

/// Judges the version and the number of entries before anything is stored.
fn check_start(bytes: &[u8]) -> Result<(), ManifestError> {
    if let Some(rest) = bytes.strip_prefix(PREFIX) {
        return match unsigned(rest, 0x80) {
            Some(found) if found > MAX_ENTRIES as u64 => {
                Err(ManifestError::TooManyEntries { found })
            }
            Some(_) => Ok(()),
            None => Err(malformed("the entries are not a list")),
        };
    }
    let keys = (0xa1..=0xb7).contains(bytes.first().unwrap_or(&0));
    let version = keys
        .then(|| bytes.get(1..)?.strip_prefix(b"\x61v"))
        .flatten();
    match version.and_then(|rest| unsigned(rest, 0)) {
        Some(found) if found > VERSION => Err(ManifestError::Version { found }),
        _ => Err(malformed("it does not start as one")),
    }
}

/// The number in the head of an item of this type.
fn unsigned(bytes: &[u8], major: u8) -> Option<u64> {
    let first = *bytes.first()?;
    let width = match first.checked_sub(major)? {
        direct @ 0..=23 => return Some(u64::from(direct)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let number = bytes.get(1..=width)?;
    Some(
        number
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    )
}

fn malformed(reason: &str) -> ManifestError {
    let reason = reason.escape_debug().take(MAX_REASON).collect();
    ManifestError::Malformed { reason }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireManifest<'a> {
    v: u64,
    #[serde(borrow)]
    entries: Vec<WireEntry<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireEntry<'a> {
    exec: Option<bool>,
    link: Option<BlobLink>,
    path: &'a str,
    size: Option<u64>,
    target: Option<&'a str>,
}

impl WireEntry<'_> {
    fn read(self, index: usize) -> Result<Entry, ManifestError> {
        let path = EntryPath::new(self.path);
        let path = path.map_err(|reason| ManifestError::Path { index, reason })?;
        let node = match (self.link, self.size, self.exec, self.target) {
            (Some(BlobLink(hash)), Some(size), exec, None) => Node::File {
                hash,
                size,
                executable: exec.unwrap_or(false),
            },
            (None, None, None, None) => Node::Directory,
            (None, None, None, Some(target)) => Node::Symlink {
                target: target.to_owned(),
            },
            _ => return Err(malformed("an entry is no file, link or empty directory")),
        };
        Ok(Entry { path, node })
    }
}

/// The hash in a CID of a blob.
struct BlobLink(Hash);

impl<'de> Deserialize<'de> for BlobLink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cid = Cid::deserialize(deserializer)?;
        match Address::from_cid(&cid).map_err(D::Error::custom)? {
            Address {
                kind: Kind::Blob,
                hash,
            } => Ok(Self(hash)),
            Address { .. } => Err(D::Error::custom("a file's link is not to a blob")),
        }
    }
}

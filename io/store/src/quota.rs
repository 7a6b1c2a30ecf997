//! What the node owns, and making room.

use std::fs;
use std::path::Path;
use std::sync::PoisonError;

use potluck_content::Address;
use redb::ReadableTable;

use crate::db::DbError;
use crate::errors::{Fault, ShareError};
use crate::open::{Inner, Store};
use crate::records::{BlobRecord, Home, RootRecord, TreePlace};
use crate::roots::delete_files;
use crate::tables;
use crate::types::{Origin, Usage};

impl Store {
    /// What the data directory holds.
    pub fn usage(&self) -> Result<Usage, Fault> {
        let mut usage = self.inner.owned()?;
        for partial in self.partials()? {
            usage.partial_bytes += partial.have_bytes;
        }
        let metadata = fs::metadata(self.inner.dir.join("meta.redb"));
        usage.metadata_bytes = metadata.map_or(0, |metadata| metadata.len());
        usage.quota_bytes = self.inner.quota();
        Ok(usage)
    }

    /// Removes copied roots that nobody pinned, the least recently used first, until the node owns at
    /// most `owned_bytes`. Gives what was removed.
    pub fn evict(&self, owned_bytes: u64) -> Result<Vec<Address>, Fault> {
        let _changing = self
            .inner
            .changing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.inner.evict(owned_bytes)
    }

    /// Removes what nothing refers to: hashes of shares that were stopped and never finished, and
    /// files that a crash or a full disk left in the data directory. How many were removed.
    pub fn tidy(&self) -> Result<u64, Fault> {
        let inner = &self.inner;
        let _changing = inner
            .changing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        inner.touches.flush(&inner.db)?;
        let mut removed = inner.tidy_records()?;
        for kind in ["trees", "blobs"] {
            removed += inner.tidy_files(kind)?;
        }
        Ok(removed)
    }
}

impl Inner {
    fn owned(&self) -> Result<Usage, Fault> {
        self.db.read(|transaction| {
            let mut usage = Usage::default();
            for item in transaction.open_table(tables::BLOBS)?.iter()? {
                let (_, value) = item?;
                let record = BlobRecord::decode(value.value());
                let record = record.map_err(|error| DbError::record("blobs", error))?;
                if record.home != Home::Elsewhere {
                    usage.owned_bytes += record.size;
                }
                usage.tree_bytes += match &record.tree {
                    TreePlace::None => 0,
                    TreePlace::Inline(tree) => tree.len() as u64,
                    TreePlace::File => {
                        potluck_content::tree::Geometry::new(record.size).outboard_len()
                    }
                };
            }
            Ok(usage)
        })
    }

    /// Makes room for a copy of `bytes` within the quota, by evicting if need be.
    pub(crate) fn make_room(&self, bytes: u64) -> Result<(), ShareError> {
        let Some(quota) = self.quota() else {
            return Ok(());
        };
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes <= quota {
            self.evict(quota - bytes)?;
        }
        let left = quota.saturating_sub(self.owned()?.owned_bytes);
        if bytes > left {
            return Err(ShareError::Quota {
                needed: bytes,
                left,
            });
        }
        Ok(())
    }

    fn evict(&self, owned_bytes: u64) -> Result<Vec<Address>, Fault> {
        let mut removed = Vec::new();
        let mut owned = self.owned()?.owned_bytes;
        if owned <= owned_bytes {
            return Ok(removed);
        }
        self.touches.flush(&self.db)?;
        let mut candidates = self.db.read(|transaction| {
            let used = transaction.open_table(tables::USED)?;
            let mut candidates = Vec::new();
            for item in transaction.open_table(tables::ROOTS)?.iter()? {
                let (key, value) = item?;
                let record = RootRecord::decode(value.value());
                let record = record.map_err(|error| DbError::record("roots", error))?;
                if record.origin == Origin::Copied && !record.pinned {
                    let last = used.get(record.number)?.map_or(0, |value| value.value());
                    candidates.push((last, tables::address_of(key.value())?));
                }
            }
            Ok(candidates)
        })?;
        candidates.sort_unstable();
        for (_, address) in candidates {
            owned = owned.saturating_sub(self.remove_root(&address)?.unwrap_or(0));
            removed.push(address);
            if owned <= owned_bytes {
                break;
            }
        }
        Ok(removed)
    }

    /// Removes blobs that no place refers to, and files whose blob is not known.
    fn tidy_records(&self) -> Result<u64, Fault> {
        let (removed, files) = self.db.write(|transaction| {
            let mut blobs = transaction.open_table(tables::BLOBS)?;
            let mut smalls = transaction.open_table(tables::SMALL)?;
            let places = transaction.open_table(tables::PLACES)?;
            let (mut orphans, mut delete) = (Vec::new(), Vec::new());
            for item in blobs.iter()? {
                let (key, value) = item?;
                let hash = potluck_content::Hash::from_bytes(*key.value());
                let first = tables::place_key(&hash, 0, 0);
                let last = tables::place_key(&hash, u64::MAX, u32::MAX);
                if places
                    .range::<&tables::PlaceKey>(&first..=&last)?
                    .next()
                    .is_some()
                {
                    continue;
                }
                if let Ok(record) = BlobRecord::decode(value.value()) {
                    delete.extend((record.tree == TreePlace::File).then(|| self.tree_path(&hash)));
                    delete.extend((record.home == Home::File).then(|| self.blob_path(&hash)));
                }
                orphans.push(hash);
            }
            for hash in &orphans {
                blobs.remove(hash.as_bytes())?;
                smalls.remove(hash.as_bytes())?;
            }
            let mut files = transaction.open_table(tables::FILES)?;
            let mut stale = Vec::new();
            for item in files.iter()? {
                let (key, value) = item?;
                let record = crate::records::FileRecord::decode(value.value());
                let known = match record {
                    Ok(record) => blobs.get(record.hash.as_bytes())?.is_some(),
                    Err(_) => false,
                };
                if !known {
                    stale.push(key.value().to_vec());
                }
            }
            for path in &stale {
                files.remove(path.as_slice())?;
            }
            Ok((orphans.len() as u64, delete))
        })?;
        self.blobs.clear();
        delete_files(&files);
        Ok(removed)
    }

    /// Removes files of `trees` or `blobs` that no record speaks of.
    fn tidy_files(&self, kind: &str) -> Result<u64, Fault> {
        let top = self.dir.join(kind);
        let list = |dir: &Path| -> Result<Vec<std::path::PathBuf>, Fault> {
            let io = |error| Fault::io("list", dir, error);
            let entries = fs::read_dir(dir).map_err(io)?;
            entries.map(|entry| Ok(entry.map_err(io)?.path())).collect()
        };
        let mut unknown = Vec::new();
        for dir in list(&top)?.into_iter().filter(|dir| dir.is_dir()) {
            for path in list(&dir)? {
                if !self.speaks_of(&path)? {
                    unknown.push(path);
                }
            }
        }
        delete_files(&unknown);
        Ok(unknown.len() as u64)
    }

    fn speaks_of(&self, path: &Path) -> Result<bool, Fault> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (hex, tree) = match name.strip_suffix(".obao") {
            Some(hex) => (hex, true),
            None => (&*name, false),
        };
        let Ok(hash) = hex.parse::<potluck_content::Hash>() else {
            return Ok(false);
        };
        self.db.read(|transaction| {
            let record = tables::blob(&transaction.open_table(tables::BLOBS)?, hash.as_bytes())?;
            Ok(record.is_some_and(|record| {
                if tree {
                    record.tree == TreePlace::File
                } else {
                    record.home == Home::File
                }
            }))
        })
    }
}

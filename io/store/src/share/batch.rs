//! Keeping hashed files, many with one transaction.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use potluck_content::Hash;
use redb::ReadableTable;

use super::file::{Done, NewCopy};
use crate::errors::Fault;
use crate::open::Inner;
use crate::records::{BlobRecord, FileRecord, Home, TreePlace};
use crate::sys::{self, Dir};
use crate::tables;

/// Files that are kept with one transaction at most.
const BATCH_FILES: usize = 4096;
/// Bytes of copies that wait in memory before they are kept.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How long a hashed file waits for others before it is kept.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// Files that are synced one by one; for more, the whole file system is.
const MAX_SINGLE_SYNCS: usize = 16;

/// Hashed files that wait to be kept.
pub(super) struct Batch<'a> {
    inner: &'a Inner,
    since: Instant,
    files: Vec<(PathBuf, Done)>,
    /// Bytes of copies that wait in memory.
    bytes: usize,
}

/// A hashed file whose tree and copy are in their places.
struct Placed {
    path: Vec<u8>,
    record: FileRecord,
    tree: TreePlace,
    small: Option<Vec<u8>>,
    home: Home,
}

impl<'a> Batch<'a> {
    pub(super) fn new(inner: &'a Inner) -> Self {
        Self {
            inner,
            since: Instant::now(),
            files: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn add(&mut self, path: PathBuf, done: Done) {
        if let Some(NewCopy::Small(bytes)) = &done.copy {
            self.bytes += bytes.len();
        }
        self.files.push((path, done));
    }

    pub(super) fn commit_if_due(&mut self, last: bool) -> Result<(), Fault> {
        let full = self.files.len() >= BATCH_FILES || self.bytes >= BATCH_BYTES;
        if last || full || self.since.elapsed() >= BATCH_TIME {
            self.commit()?;
        }
        Ok(())
    }

    /// Puts trees and copies in their places, syncs them, and then records them.
    pub(super) fn commit(&mut self) -> Result<(), Fault> {
        self.since = Instant::now();
        self.bytes = 0;
        if self.files.is_empty() {
            return Ok(());
        }
        let inner = self.inner;
        let files = std::mem::take(&mut self.files);
        let singly = files.len() <= MAX_SINGLE_SYNCS;
        let _changing = inner
            .changing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut placed = Vec::with_capacity(files.len());
        let mut written = false;
        for (path, done) in files {
            let placed_file = place(inner, &path, done, singly)?;
            written |= placed_file.tree == TreePlace::File || placed_file.home == Home::File;
            placed.push(placed_file);
        }
        if written && !singly {
            let io = |error| Fault::io("sync", &inner.dir, error);
            Dir::open(&inner.dir)
                .and_then(|dir| dir.sync_file_system())
                .map_err(io)?;
        }
        record(inner, &placed)
    }
}

fn place(inner: &Inner, path: &Path, done: Done, sync: bool) -> Result<Placed, Fault> {
    let hash = done.record.hash;
    let tree = done.tree.keep(inner, &hash, sync)?;
    let (small, home) = match done.copy {
        None => (None, Home::Elsewhere),
        Some(NewCopy::Small(bytes)) => (Some(bytes), Home::Database),
        Some(NewCopy::File(temporary)) => {
            let target = inner.blob_path(&hash);
            inner.put_in_place(&temporary.path, &target, sync)?;
            (None, Home::File)
        }
    };
    Ok(Placed {
        path: sys::path_to_bytes(path),
        record: done.record,
        tree,
        small,
        home,
    })
}

fn record(inner: &Inner, placed: &[Placed]) -> Result<(), Fault> {
    inner.db.write(|transaction| {
        let mut files = transaction.open_table(tables::FILES)?;
        let mut blobs = transaction.open_table(tables::BLOBS)?;
        let mut smalls = transaction.open_table(tables::SMALL)?;
        for file in placed {
            let hash: Hash = file.record.hash;
            let key = hash.as_bytes();
            files.insert(file.path.as_slice(), file.record.encode().as_slice())?;
            let old = tables::blob(&blobs, key)?.map_or(Home::Elsewhere, |old| old.home);
            let home = if old == Home::Elsewhere {
                file.home
            } else {
                old
            };
            if let Some(bytes) = file.small.as_ref().filter(|_| home == Home::Database)
                && smalls.get(key)?.is_none()
            {
                smalls.insert(key, bytes.as_slice())?;
            }
            let size = file.record.stamp.size;
            let blob = BlobRecord {
                size,
                tree: file.tree.clone(),
                home,
            };
            blobs.insert(key, blob.encode().as_slice())?;
        }
        Ok(())
    })
}

//! Hashing one file that may change meanwhile.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use potluck_content::Hash;

use crate::buffer::Buffer;
use crate::errors::{Fault, ShareError};
use crate::hashing::{Control, HashFailure, Hashed, Source, hash_one, hash_parallel};
use crate::open::Inner;
use crate::read::Identity;
use crate::records::{FileRecord, Stamp};
use crate::sys;
use crate::trees::NewTree;

/// Files from this size on are hashed by all threads together; others by one thread each.
pub(super) const LARGE: u64 = 8 * 1024 * 1024;
/// Copies up to this size are kept in the database.
const MAX_SMALL_COPY: u64 = 16 * 1024;
/// A file that was changed this shortly before it was read may be changed again without its times
/// showing it: clocks of file systems are coarse.
const SETTLE_SECONDS: i64 = 2;
/// A file that changes while it is read is read once more.
const ATTEMPTS: usize = 2;

/// A file that was hashed, and copied if that was asked for.
pub(super) struct Done {
    pub(super) record: FileRecord,
    pub(super) executable: bool,
    pub(super) tree: NewTree,
    pub(super) copy: Option<NewCopy>,
}

/// A copy that is not in its place yet.
pub(super) enum NewCopy {
    Small(Vec<u8>),
    File(Temporary),
}

/// A temporary file, removed unless it was moved away.
pub(super) struct Temporary {
    pub(super) path: PathBuf,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Threads that hash one file, and what to call meanwhile.
pub(super) type Parallel<'a> = (usize, &'a mut dyn FnMut() -> ControlFlow<()>);

/// Hashes one file, on this thread or, when `parallel`, on several.
pub(super) fn hash_file(
    inner: &Inner,
    path: &Path,
    copy: bool,
    control: &Control,
    buffer: &mut Buffer,
    mut parallel: Option<Parallel<'_>>,
) -> Result<Done, ShareError> {
    for _ in 0..ATTEMPTS {
        let unreadable = |source: io::Error| ShareError::Unreadable {
            path: path.to_path_buf(),
            source,
        };
        let file = sys::open_source(path).map_err(unreadable)?;
        let before = sys::facts_of(&file.metadata().map_err(unreadable)?);
        let now = SystemTime::now();
        let settled = is_settled(&before.stamp);
        let size = before.stamp.size;
        let temporary = if copy && size > MAX_SMALL_COPY {
            Some(temporary(inner)?)
        } else {
            None
        };
        let target = temporary
            .as_ref()
            .map(|(copy, file)| (file, copy.path.as_path()));
        let source = Source {
            file: &file,
            size,
            copy: target,
        };
        let result = match &mut parallel {
            Some((threads, tick)) => hash_parallel(inner, &source, control, *threads, *tick),
            None => hash_one(inner, &source, control, buffer),
        };
        let Hashed { hash, tree } = match result {
            Ok(hashed) => hashed,
            Err(HashFailure::Short) => continue,
            Err(HashFailure::Stopped) => return Err(ShareError::Stopped),
            Err(HashFailure::Read(source)) => return Err(unreadable(source)),
            Err(HashFailure::Fault(fault)) => return Err(fault.into()),
        };
        let after = sys::facts_of(&file.metadata().map_err(unreadable)?);
        if Identity::of(&after) != Identity::of(&before) {
            continue;
        }
        inner.blobs.was_hashed(hash, Identity::of(&after), now);
        let copy = match temporary {
            Some((temporary, _)) => Some(NewCopy::File(temporary)),
            None if copy => Some(NewCopy::Small(small_copy(&file, size, &hash, path)?)),
            None => None,
        };
        let record = FileRecord {
            hash,
            stamp: before.stamp,
            settled,
        };
        return Ok(Done {
            record,
            executable: before.executable,
            tree,
            copy,
        });
    }
    Err(ShareError::Changing {
        path: path.to_path_buf(),
    })
}

fn temporary(inner: &Inner) -> Result<(Temporary, File), Fault> {
    let path = inner.temporary();
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path);
    let file = file.map_err(|error| Fault::io("create", &path, error))?;
    Ok((Temporary { path }, file))
}

fn small_copy(file: &File, size: u64, hash: &Hash, path: &Path) -> Result<Vec<u8>, ShareError> {
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    let read = sys::read_exact_at(file, &mut bytes, 0);
    if read.is_err() || Hash::of(&bytes) != *hash {
        return Err(ShareError::Changing {
            path: path.to_path_buf(),
        });
    }
    Ok(bytes)
}

fn is_settled(stamp: &Stamp) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now
        .ok()
        .and_then(|now| i64::try_from(now.as_secs()).ok())
        .unwrap_or(0);
    stamp.mtime.max(stamp.ctime) + SETTLE_SECONDS < now
}

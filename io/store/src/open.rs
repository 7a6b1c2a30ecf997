//! Opening a data directory: one process at a time, never one from a newer version.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::cache::RootCache;
use crate::db::Db;
use crate::errors::{Fault, OpenError};
use crate::partial::{self, RunningMap};
use crate::read::{BlobCache, Touches};
use crate::torrents::{self, RunningTorrents};
use crate::types::StoreOptions;

/// The format of a data directory that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;
/// Stands for "no quota".
const NO_QUOTA: u64 = u64::MAX;

/// The files, partial downloads and metadata of one node. Cheap to clone; all methods block.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// What all clones of a store share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    pub(crate) db: Db,
    pub(crate) roots: RootCache,
    pub(crate) blobs: BlobCache,
    pub(crate) touches: Touches,
    pub(crate) running: RunningMap,
    pub(crate) torrents: RunningTorrents,
    /// Held by whoever adds or removes roots, so that a blob is never dropped while it is added.
    pub(crate) changing: Mutex<()>,
    /// Numbers the temporary files of this process.
    pub(crate) next_temporary: AtomicU64,
    quota: AtomicU64,
    /// Locked as long as the store is open. Declared last: it is let go of last.
    _lock: File,
}

impl Store {
    /// Opens the data directory, creating it when it does not exist, and mends what a crash left.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        let dir = std::path::absolute(dir).map_err(|error| Fault::io("find", dir, error))?;
        create_private(&dir)?;
        let lock = lock(&dir)?;
        check_format(&dir)?;
        for name in ["trees", "blobs", "partial", "torrents", "tmp"] {
            create_private(&dir.join(name))?;
        }
        empty(&dir.join("tmp"))?;
        let db = Db::open(&dir.join("meta.redb"), options.cache_bytes)?;
        let touches = Touches::load(&db)?;
        let inner = Inner {
            db,
            roots: RootCache::new(),
            blobs: BlobCache::new(options.open_files, options.trust_after),
            touches,
            running: RunningMap::default(),
            torrents: RunningTorrents::default(),
            changing: Mutex::new(()),
            next_temporary: AtomicU64::new(0),
            quota: AtomicU64::new(options.quota_bytes.unwrap_or(NO_QUOTA)),
            dir,
            _lock: lock,
        };
        partial::mend(&inner)?;
        torrents::mend(&inner)?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Sets the bound on bytes that the node owns. What is there already stays; see [`Self::evict`].
    pub fn set_quota(&self, quota_bytes: Option<u64>) {
        self.inner
            .quota
            .store(quota_bytes.unwrap_or(NO_QUOTA), Ordering::Relaxed);
    }
}

impl Inner {
    pub(crate) fn quota(&self) -> Option<u64> {
        Some(self.quota.load(Ordering::Relaxed)).filter(|quota| *quota != NO_QUOTA)
    }

    /// A path for a new temporary file; what a crash leaves there is removed at the next opening.
    pub(crate) fn temporary(&self) -> PathBuf {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        self.dir.join("tmp").join(number.to_string())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Only hints are lost when this fails.
        let _ = self.touches.flush(&self.db);
    }
}

fn create_private(dir: &Path) -> Result<(), Fault> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(dir)
        .map_err(|error| Fault::io("create", dir, error))
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let io = |error| Fault::io("lock", &path, error);
    let mut file = File::options();
    let file = file
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let mut file = file.map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = (&file).take(32).read_to_string(&mut text);
            return Err(OpenError::Locked {
                dir: dir.to_path_buf(),
                pid: text.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(io(error).into()),
    }
    // Only the message of another process's error needs the number, so a full disk may lose it.
    let _ = file.set_len(0);
    let _ = file.rewind();
    let _ = writeln!(file, "{}", std::process::id());
    Ok(file)
}

fn check_format(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join("version");
    match fs::read(&path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(bytes.get(..16).unwrap_or(&bytes)).into_owned();
            match text.trim().parse::<u32>() {
                Ok(found) if found > FORMAT => {
                    let dir = dir.to_path_buf();
                    Err(OpenError::Newer {
                        dir,
                        found,
                        supported: FORMAT,
                    })
                }
                Ok(FORMAT) => Ok(()),
                _ => Err(Fault::corrupt(format!("{} is not a version", path.display())).into()),
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(write_format(dir, &path)?),
        Err(error) => Err(Fault::io("read", &path, error).into()),
    }
}

/// Writes the version in one step, so that a crash can't leave half a version.
fn write_format(dir: &Path, path: &Path) -> Result<(), Fault> {
    let new = dir.join("version.new");
    let io = |error| Fault::io("write", path, error);
    let mut file = File::create(&new).map_err(io)?;
    writeln!(file, "{FORMAT}").map_err(io)?;
    file.sync_all().map_err(io)?;
    fs::rename(&new, path).map_err(io)
}

fn empty(dir: &Path) -> Result<(), Fault> {
    let io = |error| Fault::io("empty", dir, error);
    for entry in fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot remove a temporary file");
        }
    }
    Ok(())
}

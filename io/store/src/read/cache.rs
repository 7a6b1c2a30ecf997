//! Blobs that were read last stay open; files that were hashed last are remembered.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use lru::LruCache;
use potluck_content::Hash;

use super::opened::OpenBlob;
use super::trust::{Identity, min_age};

/// Hashed files that are remembered.
const MAX_HASHED: NonZeroUsize = match NonZeroUsize::new(4096) {
    Some(hashed) => hashed,
    None => NonZeroUsize::MIN,
};

/// Bounded by number; each open blob holds at most two open files and 256 KiB, or 64 KiB.
#[derive(Debug)]
pub(crate) struct BlobCache {
    open: Mutex<LruCache<Hash, Arc<OpenBlob>>>,
    /// Files that this process hashed whole, and how each looked.
    hashed: Mutex<LruCache<Hash, Identity>>,
    min_age: Duration,
}

impl BlobCache {
    pub(crate) fn new(open_files: usize, trust_after: Option<Duration>) -> Self {
        let capacity = NonZeroUsize::new(open_files.div_ceil(2)).unwrap_or(NonZeroUsize::MIN);
        Self {
            open: Mutex::new(LruCache::new(capacity)),
            hashed: Mutex::new(LruCache::new(MAX_HASHED)),
            min_age: min_age(trust_after),
        }
    }

    pub(crate) fn get(&self, hash: &Hash) -> Option<Arc<OpenBlob>> {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(hash)
            .cloned()
    }

    pub(super) fn put(&self, hash: Hash, opened: Arc<OpenBlob>) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(hash, opened);
    }

    pub(crate) fn forget(&self, hash: &Hash) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop(hash);
    }

    pub(crate) fn clear(&self) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The age from which on files are trusted.
    pub(super) fn min_age(&self) -> Duration {
        self.min_age
    }

    /// Remembers that a file was hashed whole. The reading began at `now`, and the file looked so
    /// before and after.
    pub(crate) fn was_hashed(&self, hash: Hash, identity: Identity, now: SystemTime) {
        if identity.is_old(now, self.min_age) {
            self.hashed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .put(hash, identity);
        }
    }

    /// Whether this file was hashed whole when it looked so.
    pub(super) fn is_hashed(&self, hash: &Hash, identity: &Identity) -> bool {
        self.hashed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(hash)
            == Some(identity)
    }

    /// What is read of a blob next is hashed.
    pub(crate) fn doubt(&self, hash: &Hash) {
        self.hashed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop(hash);
        self.forget(hash);
    }

    /// What is read next of any blob is hashed.
    pub(crate) fn doubt_all(&self) {
        self.hashed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.clear();
    }
}

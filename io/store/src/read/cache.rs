//! Blobs that were read last stay open.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use potluck_content::Hash;

use super::opened::OpenBlob;

/// Bounded by number; each holds at most two open files, or 64 KiB.
#[derive(Debug)]
pub(crate) struct BlobCache {
    open: Mutex<LruCache<Hash, Arc<OpenBlob>>>,
}

impl BlobCache {
    pub(crate) fn new(open_files: usize) -> Self {
        let capacity = NonZeroUsize::new(open_files.div_ceil(2)).unwrap_or(NonZeroUsize::MIN);
        Self {
            open: Mutex::new(LruCache::new(capacity)),
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
}

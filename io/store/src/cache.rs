//! Layouts and manifests that were used last.

use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use potluck_content::{Address, Kind, Manifest, PieceLayout};

/// What the cache may weigh: entries of manifests and blobs of layouts, about 100 bytes each.
const MAX_WEIGHT: usize = 100_000;

/// A root's layout and manifest.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) layout: Arc<PieceLayout>,
    pub(crate) manifest: Option<Arc<Manifest>>,
}

impl Described {
    /// Describes a root that is one file.
    pub(crate) fn blob(address: &Address, size: u64) -> Self {
        debug_assert!(address.kind == Kind::Blob);
        Self {
            layout: Arc::new(PieceLayout::for_blob(address.hash, size)),
            manifest: None,
        }
    }

    /// Describes a folder.
    pub(crate) fn folder(manifest: Arc<Manifest>) -> Self {
        Self {
            layout: Arc::new(PieceLayout::for_manifest(&manifest)),
            manifest: Some(manifest),
        }
    }

    fn weight(&self) -> usize {
        self.layout.blobs().len() + self.manifest.as_ref().map_or(0, |m| m.entries().len())
    }
}

/// Bounded by weight; the last one used always stays.
#[derive(Debug)]
pub(crate) struct RootCache {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    roots: LruCache<Address, Described>,
    weight: usize,
}

impl RootCache {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                roots: LruCache::unbounded(),
                weight: 0,
            }),
        }
    }

    pub(crate) fn get(&self, address: &Address) -> Option<Described> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.roots.get(address).cloned()
    }

    pub(crate) fn put(&self, address: Address, described: Described) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.weight += described.weight();
        if let Some(old) = state.roots.put(address, described) {
            state.weight -= old.weight();
        }
        while state.weight > MAX_WEIGHT && state.roots.len() > 1 {
            let Some((_, old)) = state.roots.pop_lru() else {
                break;
            };
            state.weight -= old.weight();
        }
    }
}

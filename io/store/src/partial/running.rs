//! Downloads that are open in this process.

use std::collections::HashMap;
use std::io::IoSliceMut;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use potluck_content::{Address, Hash, PieceSet};

use super::checkpoint::Dirty;
use super::journal::Journal;
use super::parts::Parts;
use super::trees::PartialTrees;
use crate::cache::Described;
use crate::open::Inner;
use crate::read::{Failure, Target, judge, read_checked};
use crate::records::PartialRecord;
use crate::sys;
use crate::types::What;

/// A download that is open.
#[derive(Debug)]
pub(crate) struct Running {
    pub(super) inner: Arc<Inner>,
    pub(super) address: Address,
    pub(super) described: Described,
    pub(super) dest: PathBuf,
    pub(super) part_path: PathBuf,
    pub(super) wanted: PieceSet,
    pub(super) record: Mutex<PartialRecord>,
    pub(super) state: Mutex<State>,
    /// Writers share it; finishing holds it alone.
    pub(super) gate: RwLock<()>,
    /// Held by the one checkpoint (or finish) at a time.
    pub(super) syncing: Mutex<()>,
    pub(super) journal: Mutex<Journal>,
    pub(super) trees: PartialTrees,
    pub(super) parts: Parts,
    /// Held by whoever writes to the page cache.
    pub(super) alone: Mutex<()>,
    pub(super) dirty: Mutex<Dirty>,
}

/// What changes while a download runs.
#[derive(Debug)]
pub(super) struct State {
    pub(super) have: PieceSet,
    /// It was finished.
    pub(super) ended: bool,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    pub(crate) fn have(&self) -> PieceSet {
        lock(&self.state).have.clone()
    }

    /// Bytes that are still to be written.
    pub(super) fn missing_bytes(&self) -> u64 {
        let mut missing = self.wanted.clone();
        missing.subtract(&lock(&self.state).have);
        self.described.layout.bytes_of(&missing)
    }

    /// Reads a span that was verified before, and verifies it again.
    pub(super) fn read(
        &self,
        blob: u32,
        span: &Range<u64>,
        out: &mut Target<'_, '_>,
    ) -> Result<(), Failure> {
        let layout = &self.described.layout;
        let Some(named) = usize::try_from(blob)
            .ok()
            .and_then(|blob| layout.blobs().get(blob))
        else {
            return Err(Failure::BadSpan);
        };
        let hash = named.hash;
        let file = match self.parts.open(blob) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(Failure::Source(What::Missing)),
            Err(fault) => return Err(Failure::Fault(fault)),
        };
        let mut read = |places: &mut [IoSliceMut<'_>], offset| {
            let read = sys::read_exact_vectored_at(&file, places, offset);
            read.map_err(|error| judge(error, &self.part_path))
        };
        let tree = self.trees.reader(blob);
        read_checked(&hash, layout.geometry(blob), span, &tree, &mut read, out)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inner.running.forget_dead(&self.address);
    }
}

#[derive(Debug)]
enum Slot {
    /// A download that is being opened, or dropped.
    Reserved,
    Open(Weak<Running>),
}

/// The downloads that are open, by root: one each.
#[derive(Debug, Default)]
pub(crate) struct RunningMap {
    slots: Mutex<HashMap<Address, Slot>>,
}

/// Keeps a root's place until the download is open.
pub(super) struct Reserved<'a> {
    map: &'a RunningMap,
    address: Address,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut slots = lock(&self.map.slots);
        if matches!(slots.get(&self.address), Some(Slot::Reserved)) {
            slots.remove(&self.address);
        }
    }
}

impl Reserved<'_> {
    pub(super) fn fill(self, running: &Arc<Running>) {
        let mut slots = lock(&self.map.slots);
        slots.insert(self.address, Slot::Open(Arc::downgrade(running)));
    }
}

impl RunningMap {
    /// Takes a root's place; `None` when it is taken.
    pub(super) fn reserve(&self, address: Address) -> Option<Reserved<'_>> {
        // Held until the lock is free again: dropping the last handle of a download takes the lock.
        let known = self.get(&address);
        // One that was finished may still be in someone's hands.
        let known_open = known
            .as_ref()
            .is_some_and(|running| !lock(&running.state).ended);
        let mut slots = lock(&self.slots);
        let taken = match slots.get(&address) {
            None => false,
            Some(Slot::Reserved) => true,
            Some(Slot::Open(running)) => match &known {
                Some(known) if running.as_ptr() == Arc::as_ptr(known) => known_open,
                _ => running.strong_count() > 0,
            },
        };
        if taken {
            return None;
        }
        slots.insert(address, Slot::Reserved);
        Some(Reserved { map: self, address })
    }

    pub(super) fn get(&self, address: &Address) -> Option<Arc<Running>> {
        match lock(&self.slots).get(address) {
            Some(Slot::Open(running)) => running.upgrade(),
            Some(Slot::Reserved) | None => None,
        }
    }

    /// Frees the place of a download that was dropped or finished.
    fn forget_dead(&self, address: &Address) {
        let mut slots = lock(&self.slots);
        if let Some(Slot::Open(running)) = slots.get(address)
            && running.strong_count() == 0
        {
            slots.remove(address);
        }
    }

    fn all(&self) -> Vec<Arc<Running>> {
        let slots = lock(&self.slots);
        let open = slots.values().filter_map(|slot| match slot {
            Slot::Open(running) => running.upgrade(),
            Slot::Reserved => None,
        });
        open.collect()
    }

    /// The pieces that a running download has.
    pub(crate) fn have(&self, address: &Address) -> Option<PieceSet> {
        let running = self.get(address)?;
        let state = lock(&running.state);
        if state.ended {
            None
        } else {
            Some(state.have.clone())
        }
    }

    /// Reads a span of whichever running download has it.
    pub(crate) fn read_span(
        &self,
        hash: &Hash,
        span: &Range<u64>,
        out: &mut Target<'_, '_>,
    ) -> Option<Result<(), Failure>> {
        for running in self.all() {
            let layout = &running.described.layout;
            let Some(blob) = layout.find_blob(hash) else {
                continue;
            };
            if !layout.geometry(blob).contains(span) {
                return Some(Err(Failure::BadSpan));
            }
            let mut covering = layout.pieces_covering(blob, span.clone());
            let state = lock(&running.state);
            let here = !state.ended && covering.all(|piece| state.have.contains(piece));
            drop(state);
            if here {
                return Some(running.read(blob, span, out));
            }
        }
        None
    }

    /// The size of a blob of a running download.
    pub(crate) fn blob_size(&self, hash: &Hash) -> Option<u64> {
        self.all().iter().find_map(|running| {
            let layout = &running.described.layout;
            let blob = usize::try_from(layout.find_blob(hash)?).ok()?;
            layout.blobs().get(blob).map(|blob| blob.size)
        })
    }
}

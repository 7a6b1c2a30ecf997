//! Torrents that are being fetched by this process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, RwLock, Weak};

use potluck_bittorrent::{Layout, Metainfo};
use potluck_content::PieceSet;

use super::files::Files;
use super::shape;
use super::types::TorrentKey;
use crate::errors::{Fault, WriteError};
use crate::open::Inner;
use crate::partial::{Dirty, Journal, lock};
use crate::records::TorrentRecord;

/// A torrent that is being fetched.
///
/// Locks are taken in the order `gate`, `syncing`, `journal`, `state`, and none of the others while
/// one of these is waited for.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) inner: Arc<Inner>,
    pub(super) key: TorrentKey,
    pub(super) layout: Layout,
    pub(super) metainfo: Mutex<Arc<Metainfo>>,
    pub(super) dest: PathBuf,
    pub(super) part_path: PathBuf,
    pub(super) wanted: PieceSet,
    pub(super) record: Mutex<TorrentRecord>,
    pub(super) state: Mutex<State>,
    /// Told when a write ends, and when a piece can be written to again.
    pub(super) moved_on: Condvar,
    /// Writers share it; finishing holds it alone.
    pub(super) gate: RwLock<()>,
    /// Held by the one checkpoint (or finish) at a time.
    pub(super) syncing: Mutex<()>,
    pub(super) journal: Mutex<Journal>,
    pub(super) files: Files,
    pub(super) dirty: Mutex<Dirty>,
}

/// What changes while a torrent is fetched.
#[derive(Debug)]
pub(super) struct State {
    pub(super) have: PieceSet,
    /// Bytes of wanted files in these.
    pub(super) have_bytes: u64,
    /// How many threads write to a piece just now.
    pub(super) writing: BTreeMap<u32, u32>,
    /// Pieces that are being completed: nobody may write to them.
    pub(super) sealed: BTreeSet<u32>,
    /// It was finished.
    pub(super) ended: bool,
}

impl Running {
    pub(super) fn have(&self) -> PieceSet {
        lock(&self.state).have.clone()
    }

    pub(super) fn have_bytes(&self) -> u64 {
        lock(&self.state).have_bytes
    }

    pub(super) fn metainfo(&self) -> Arc<Metainfo> {
        Arc::clone(&lock(&self.metainfo))
    }

    pub(super) fn update_metainfo(&self, metainfo: Arc<Metainfo>) -> Result<(), WriteError> {
        if metainfo.info() != self.metainfo().info() {
            return Err(WriteError::BadRange);
        }
        let _syncing = lock(&self.syncing);
        self.check_open()?;
        self.inner
            .put_torrent_metainfo(&self.key, &metainfo)
            .map_err(|fault| self.refused(fault))?;
        *lock(&self.metainfo) = metainfo;
        Ok(())
    }

    pub(super) fn check_open(&self) -> Result<(), WriteError> {
        if lock(&self.state).ended {
            Err(WriteError::Ended)
        } else {
            Ok(())
        }
    }

    /// Says how much room is missing when there is none.
    pub(super) fn refused(&self, fault: Fault) -> WriteError {
        match fault {
            Fault::NoSpace { dir } => WriteError::NoSpace {
                dir,
                needed: self.missing_bytes(),
            },
            other => WriteError::Fault(other),
        }
    }

    /// Bytes that are still to be written.
    fn missing_bytes(&self) -> u64 {
        let mut missing = self.wanted.clone();
        missing.subtract(&lock(&self.state).have);
        let lengths = missing
            .iter()
            .map(|piece| shape::piece_len(&self.layout, piece));
        lengths.sum()
    }

    /// Takes pieces back: they are wanted again.
    pub(super) fn lose(&self, pieces: &PieceSet) {
        let mut state = lock(&self.state);
        state.have.subtract(pieces);
        state.have_bytes = self.bytes_of(&state.have);
    }

    /// Bytes of wanted files in a set of pieces.
    pub(super) fn bytes_of(&self, pieces: &PieceSet) -> u64 {
        let selection = self.files.selection();
        let bytes = pieces
            .iter()
            .map(|piece| shape::wanted_in(&self.layout, selection, piece));
        bytes.sum()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let own: *const Self = self;
        self.inner.torrents.release(&self.key, own);
    }
}

#[derive(Debug)]
enum Slot {
    /// A torrent that is being opened, added or removed.
    Reserved,
    Open(Weak<Running>),
}

/// The torrents that are being fetched.
#[derive(Debug, Default)]
pub(crate) struct RunningTorrents {
    slots: Mutex<BTreeMap<TorrentKey, Slot>>,
}

/// Keeps a torrent's place until it is open.
pub(super) struct Reserved<'a> {
    map: &'a RunningTorrents,
    key: TorrentKey,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut slots = lock(&self.map.slots);
        if matches!(slots.get(&self.key), Some(Slot::Reserved)) {
            slots.remove(&self.key);
        }
    }
}

impl Reserved<'_> {
    pub(super) fn fill(self, running: &Arc<Running>) {
        let mut slots = lock(&self.map.slots);
        slots.insert(self.key, Slot::Open(Arc::downgrade(running)));
    }
}

impl RunningTorrents {
    /// Takes a torrent's place; `None` when it is taken.
    pub(super) fn reserve(&self, key: TorrentKey) -> Option<Reserved<'_>> {
        let mut slots = lock(&self.slots);
        let taken = match slots.get(&key) {
            None => false,
            Some(Slot::Reserved) => true,
            Some(Slot::Open(running)) => running.strong_count() > 0,
        };
        if taken {
            return None;
        }
        slots.insert(key, Slot::Reserved);
        drop(slots);
        Some(Reserved { map: self, key })
    }

    pub(super) fn get(&self, key: &TorrentKey) -> Option<Arc<Running>> {
        // The last handle must not be dropped while the lock is held: that takes the lock again.
        let weak = match lock(&self.slots).get(key) {
            Some(Slot::Open(running)) => running.clone(),
            Some(Slot::Reserved) | None => return None,
        };
        weak.upgrade()
    }

    /// Frees the place of a torrent that was dropped or finished.
    pub(super) fn release(&self, key: &TorrentKey, running: *const Running) {
        let mut slots = lock(&self.slots);
        if let Some(Slot::Open(known)) = slots.get(key)
            && known.as_ptr() == running
        {
            slots.remove(key);
        }
    }
}

//! Finding out what of a torrent is here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, RwLock};

use potluck_bittorrent::Metainfo;
use potluck_content::PieceSet;

use super::files::Files;
use super::running::{Running, State};
use super::shape;
use super::types::TorrentKey;
use crate::errors::Fault;
use crate::open::Inner;
use crate::partial::{Dirty, Journal, lock};
use crate::records::TorrentRecord;
use crate::tables;
use crate::trees::sync_dir;

/// What a torrent is opened from.
pub(super) struct Opening<'a> {
    pub(super) inner: &'a Arc<Inner>,
    pub(super) key: TorrentKey,
    pub(super) metainfo: Arc<Metainfo>,
    pub(super) record: TorrentRecord,
    pub(super) files: Files,
    pub(super) part_path: PathBuf,
}

impl Opening<'_> {
    /// Opens the journal, and finds out which pieces are here.
    pub(super) fn open(self) -> Result<Arc<Running>, Fault> {
        let dir = self.inner.torrent_dir(&self.record);
        std::fs::create_dir_all(&dir).map_err(|error| Fault::io("create", &dir, error))?;
        let (journal, claimed) = Journal::open(&dir.join("journal"))?;
        // Their names must outlast a power cut as well as what is in them.
        sync_dir(&dir)?;
        sync_dir(dir.parent().unwrap_or(&dir))?;
        let layout = self.metainfo.info().layout();
        let pieces = shape::pieces(&layout);
        let committed = self.inner.db.read(|transaction| {
            let bitmaps = transaction.open_table(tables::TORRENT_BITMAPS)?;
            Ok(bitmaps
                .get(self.key.as_bytes())?
                .map(|value| value.value().to_vec()))
        })?;
        let committed = committed.and_then(|bytes| PieceSet::from_bytes(pieces, &bytes).ok());
        let state = State {
            have: PieceSet::new(pieces),
            have_bytes: 0,
            writing: BTreeMap::new(),
            sealed: BTreeSet::new(),
            ended: false,
        };
        let running = Running {
            inner: Arc::clone(self.inner),
            key: self.key,
            layout,
            wanted: shape::wanted_pieces(self.metainfo.info(), self.files.selection()),
            metainfo: Mutex::new(self.metainfo),
            dest: self.record.dest.clone(),
            part_path: self.part_path,
            record: Mutex::new(self.record),
            state: Mutex::new(state),
            moved_on: Condvar::new(),
            gate: RwLock::new(()),
            syncing: Mutex::new(()),
            journal: Mutex::new(journal),
            files: self.files,
            dirty: Mutex::new(Dirty::all()),
        };
        running.recover(committed.unwrap_or_else(|| PieceSet::new(pieces)), &claimed)?;
        Ok(Arc::new(running))
    }
}

impl Running {
    /// Finds out which pieces are here: those that were synced and whose files still reach that far,
    /// and of those in the journal the ones that are right.
    fn recover(&self, mut synced: PieceSet, claimed: &[u32]) -> Result<(), Fault> {
        let mut needed = BTreeMap::new();
        for piece in synced.iter() {
            for span in self.layout.spans(piece.into()) {
                if let Some(file) = span.file.and_then(|file| u32::try_from(file).ok()) {
                    // Pieces are in the order of their bytes, so the last one reaches furthest.
                    needed.insert(file, span.offset + span.bytes);
                }
            }
        }
        let mut short = BTreeSet::new();
        for (file, needed) in needed {
            if self.files.length(file)?.unwrap_or(0) < needed {
                short.insert(file);
            }
        }
        if !short.is_empty() {
            let lost = self.pieces_of(|file| short.contains(&file));
            synced.subtract(&lost);
        }
        for piece in claimed {
            let is_new = *piece < synced.len() && !synced.contains(*piece);
            if is_new && self.is_right(*piece).unwrap_or(false) {
                synced.insert(*piece);
            }
        }
        let have_bytes = self.bytes_of(&synced);
        let mut state = lock(&self.state);
        state.have = synced;
        state.have_bytes = have_bytes;
        Ok(())
    }

    /// The pieces that have bytes of any of some files.
    pub(super) fn pieces_of(&self, is_one: impl Fn(u32) -> bool) -> PieceSet {
        let mut found = PieceSet::new(shape::pieces(&self.layout));
        for piece in 0..found.len() {
            let mut files = self.layout.spans(piece.into()).filter_map(|span| span.file);
            if files.any(|file| u32::try_from(file).is_ok_and(&is_one)) {
                found.insert(piece);
            }
        }
        found
    }
}

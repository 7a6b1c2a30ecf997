//! Making progress survive a power cut.

use super::rows::change_totals;
use super::running::Running;
use crate::errors::{Fault, WriteError};
use crate::partial::{Dirty, lock};
use crate::records::TorrentRecord;
use crate::tables;

impl Running {
    pub(super) fn checkpoint(&self) -> Result<(), WriteError> {
        let _syncing = lock(&self.syncing);
        self.check_open()?;
        self.checkpoint_locked(None)
            .map_err(|fault| self.refused(fault))
    }

    /// Takes a checkpoint while `syncing` is held, and puts a record with it.
    pub(super) fn checkpoint_locked(&self, record: Option<&TorrentRecord>) -> Result<(), Fault> {
        let (have, have_bytes, upto) = {
            let journal = lock(&self.journal);
            let state = lock(&self.state);
            (state.have.to_bytes(), state.have_bytes, journal.length())
        };
        if upto == 0 && record.is_none() {
            return Ok(());
        }
        // Whatever a piece in `have` needed was noted as dirty before the piece was.
        self.sync_written()?;
        self.inner.db.write(|transaction| {
            transaction
                .open_table(tables::TORRENT_BITMAPS)?
                .insert(self.key.as_bytes(), have.as_slice())?;
            change_totals(transaction, &self.key, |(up, down, _)| {
                (up, down, have_bytes)
            })?;
            if let Some(record) = record {
                let mut torrents = transaction.open_table(tables::TORRENTS)?;
                torrents.insert(self.key.as_bytes(), record.encode().as_slice())?;
            }
            Ok(())
        })?;
        lock(&self.journal).cut(upto)
    }

    /// Syncs everything that was written so far.
    pub(super) fn sync_written(&self) -> Result<(), Fault> {
        let dirty = std::mem::take(&mut *lock(&self.dirty));
        let synced = self.sync_dirty(&dirty);
        if synced.is_err() {
            *lock(&self.dirty) = Dirty::all();
        }
        synced
    }

    fn sync_dirty(&self, dirty: &Dirty) -> Result<(), Fault> {
        if dirty.many {
            return self.files.sync_all();
        }
        for file in &dirty.blobs {
            if let Some(open) = self.files.open(*file)? {
                let synced = open.sync_data();
                synced.map_err(|error| Fault::io("sync", &self.files.path_of(*file), error))?;
            }
        }
        Ok(())
    }
}

//! Making progress survive a power cut.

use std::collections::BTreeSet;

use super::running::{Running, lock};
use crate::errors::{Fault, WriteError};
use crate::records::PartialRecord;
use crate::tables;

/// Files that are synced one by one; for more, the whole file system is.
const MAX_SINGLE_SYNCS: usize = 16;

/// What was written since the last checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    pub(crate) blobs: BTreeSet<u32>,
    /// More files than are worth remembering, or new ones, whose names must be synced too.
    pub(crate) many: bool,
}

impl Dirty {
    pub(crate) fn add(&mut self, blob: u32, created: bool) {
        if self.many {
            return;
        }
        self.blobs.insert(blob);
        if created || self.blobs.len() > MAX_SINGLE_SYNCS {
            self.many = true;
            self.blobs.clear();
        }
    }

    /// Everything may have been written.
    pub(crate) fn all() -> Self {
        Self {
            blobs: BTreeSet::new(),
            many: true,
        }
    }
}

impl Running {
    pub(super) fn checkpoint(&self) -> Result<(), WriteError> {
        let _syncing = lock(&self.syncing);
        if lock(&self.state).ended {
            return Err(WriteError::Ended);
        }
        self.checkpoint_locked(None)
            .map_err(|fault| self.refused(fault))
    }

    /// Takes a checkpoint while `syncing` is held, and puts a record with it.
    pub(super) fn checkpoint_locked(&self, record: Option<&PartialRecord>) -> Result<(), Fault> {
        let (have, upto) = {
            let journal = lock(&self.journal);
            let state = lock(&self.state);
            (state.have.clone(), journal.length())
        };
        if upto == 0 && record.is_none() {
            return Ok(());
        }
        // Whatever a piece in `have` needed was noted as dirty before the piece was.
        self.sync_written()?;
        let key = tables::address_key(&self.address);
        let bytes = have.to_bytes();
        self.inner.db.write(|transaction| {
            transaction
                .open_table(tables::BITMAPS)?
                .insert(&key, bytes.as_slice())?;
            if let Some(record) = record {
                let mut partials = transaction.open_table(tables::PARTIALS)?;
                partials.insert(&key, record.encode().as_slice())?;
            }
            Ok(())
        })?;
        lock(&self.journal).cut(upto)
    }

    /// Syncs everything that was written so far.
    pub(super) fn sync_written(&self) -> Result<(), Fault> {
        let dirty = std::mem::take(&mut *lock(&self.dirty));
        let synced = self.sync_dirty(&dirty).and_then(|()| self.trees.sync());
        if synced.is_err() {
            *lock(&self.dirty) = Dirty::all();
        }
        synced
    }

    fn sync_dirty(&self, dirty: &Dirty) -> Result<(), Fault> {
        if dirty.many {
            return self.parts.sync_all(&self.described.layout);
        }
        for blob in &dirty.blobs {
            if let Some(file) = self.parts.open(*blob)? {
                let synced = file.sync_data();
                synced.map_err(|error| Fault::io("sync", &self.part_path, error))?;
            }
        }
        Ok(())
    }
}

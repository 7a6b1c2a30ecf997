//! What reading learns and the database need not know at once: uses of copies, healed stamps.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::opened::OpenBlob;
use crate::db::Db;
use crate::errors::Fault;
use crate::records::FileRecord;
use crate::sys;
use crate::tables;

/// Healed records that gather before they are written.
const MAX_WAITING: usize = 256;

/// Hints that wait to be written; losing them costs nothing but time.
#[derive(Debug)]
pub(crate) struct Touches {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts uses, so that roots can be ordered by their last one without a clock.
    uses: u64,
    used: HashMap<u64, u64>,
    healed: Vec<(Vec<u8>, FileRecord)>,
}

impl Touches {
    pub(crate) fn load(db: &Db) -> Result<Self, Fault> {
        let uses = db.read(|transaction| {
            let counters = transaction.open_table(tables::COUNTERS)?;
            Ok(counters.get("uses")?.map_or(0, |value| value.value()))
        })?;
        Ok(Self {
            state: Mutex::new(State {
                uses,
                ..State::default()
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a blob of a root was read.
    pub(super) fn used(&self, opened: &OpenBlob) {
        self.used_root(opened.root_number());
    }

    /// Notes that a root came or was read.
    pub(crate) fn used_root(&self, number: u64) {
        let mut state = self.lock();
        state.uses += 1;
        let uses = state.uses;
        state.used.insert(number, uses);
    }

    /// Notes that a file looks otherwise and holds the same.
    pub(super) fn healed(&self, path: &Path, record: FileRecord, db: &Db) {
        let mut state = self.lock();
        state.healed.push((sys::path_to_bytes(path), record));
        let full = state.healed.len() >= MAX_WAITING;
        drop(state);
        if full && let Err(error) = self.flush(db) {
            tracing::warn!(%error, "cannot record that files were touched");
        }
    }

    /// Writes what waits.
    pub(crate) fn flush(&self, db: &Db) -> Result<(), Fault> {
        let mut state = self.lock();
        let used = std::mem::take(&mut state.used);
        let healed = std::mem::take(&mut state.healed);
        let uses = state.uses;
        drop(state);
        if used.is_empty() && healed.is_empty() {
            return Ok(());
        }
        db.write(|transaction| {
            transaction
                .open_table(tables::COUNTERS)?
                .insert("uses", uses)?;
            let mut table = transaction.open_table(tables::USED)?;
            let numbers = transaction.open_table(tables::NUMBERS)?;
            for (number, use_count) in &used {
                if redb::ReadableTable::get(&numbers, number)?.is_some() {
                    table.insert(number, use_count)?;
                }
            }
            let mut files = transaction.open_table(tables::FILES)?;
            for (path, record) in &healed {
                files.insert(path.as_slice(), record.encode().as_slice())?;
            }
            Ok(())
        })
    }
}

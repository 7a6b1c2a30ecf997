//! Downloads that are not finished.
//!
//! Verified bytes go to a *part* beside the destination: a directory `.<name>.<8 hex>.potluck-part`
//! that only its owner can enter, with the file or folder under the name `data` in it. What is there
//! is known on two levels, so that neither a killed process nor a power cut costs finished work:
//!
//! * a *journal*, appended to whenever pieces were written. It is in the system's memory at once, so
//!   it survives the process; after a restart its pieces are checked against the hash tree.
//! * a *bitmap* in the database, committed by a checkpoint once the bytes were synced to the disk.
//!   Its pieces are trusted; the journal is cut.
//!
//! Nothing stands under the final name before all of it was synced; it gets there by one rename that
//! never replaces anything. A crash between that rename and its record is mended at the next start.

mod begin;
mod checkpoint;
mod direct;
mod finish;
mod forget;
mod journal;
mod local;
mod mend;
mod opening;
mod parts;
mod place;
mod repair;
mod replace;
mod running;
mod settle;
mod shape;
mod trees;
mod write;

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use potluck_content::{Address, Manifest, PieceLayout, PieceSet};
use redb::ReadableTable;

use crate::db::DbError;
use crate::errors::{DropError, Fault, FinishError, WriteError};
use crate::open::{Inner, Store};
use crate::records::{PartialRecord, Purpose};
use crate::tables;
use crate::types::{PartialInfo, PlacedParent};

pub(crate) use begin::random_id;
pub(crate) use checkpoint::Dirty;
pub(crate) use finish::split;
pub(crate) use journal::Journal;
pub(crate) use mend::mend;
pub(crate) use parts::{DATA, enter, open_in};
pub(crate) use place::{check_free, make_part, open_part, part_name, remove_part, resolve_dest};
pub(crate) use running::{RunningMap, lock};
pub(crate) use shape::remove_if_there;

use running::Running;

/// How the names of unfinished downloads end.
pub(crate) const PART_SUFFIX: &str = ".potluck-part";

/// A download (or a repair) that is open in this process: keep it in an `Arc` to use it from several
/// threads. Dropping it without [`Self::finish`] keeps everything for the next time.
#[derive(Debug)]
pub struct Download {
    running: Arc<Running>,
}

impl Download {
    /// The root.
    #[must_use]
    pub fn address(&self) -> Address {
        self.running.address
    }

    /// The pieces of the root.
    #[must_use]
    pub fn layout(&self) -> &Arc<PieceLayout> {
        &self.running.described.layout
    }

    /// The manifest, of a folder.
    #[must_use]
    pub fn manifest(&self) -> Option<&Arc<Manifest>> {
        self.running.described.manifest.as_ref()
    }

    /// The pieces that are here.
    #[must_use]
    pub fn have(&self) -> PieceSet {
        self.running.have()
    }

    /// The pieces that are wanted: those of the selected entries.
    #[must_use]
    pub fn wanted(&self) -> PieceSet {
        self.running.wanted.clone()
    }

    /// The final name.
    #[must_use]
    pub fn dest(&self) -> &Path {
        &self.running.dest
    }

    /// Where the bytes are until they get their final name (of a repair: the damaged root).
    #[must_use]
    pub fn part_path(&self) -> &Path {
        &self.running.part_path
    }

    /// Writes whole groups of a blob that were verified; the blob's last group may be short.
    pub fn write(&self, blob: u32, first_group: u64, data: &[u8]) -> Result<(), WriteError> {
        self.running.write(blob, first_group, &[IoSlice::new(data)])
    }

    /// As [`Self::write`], of bytes that lie in several places: parts in order, cut anywhere.
    pub fn write_vectored(
        &self,
        blob: u32,
        first_group: u64,
        parts: &[IoSlice<'_>],
    ) -> Result<(), WriteError> {
        self.running.write(blob, first_group, parts)
    }

    /// Keeps parents of a blob's tree that were verified, so that the bytes can be checked again and
    /// delivered to others.
    pub fn write_parents(&self, blob: u32, parents: &[PlacedParent]) -> Result<(), WriteError> {
        self.running.write_parents(blob, parents)
    }

    /// Notes that pieces were written in full, with their parents. From here on a killed process does
    /// not lose them.
    pub fn complete(&self, pieces: &[u32]) -> Result<(), WriteError> {
        self.running.complete(pieces)
    }

    /// Syncs what was written to the disk and records it. From here on a power cut does not lose it.
    pub fn checkpoint(&self) -> Result<(), WriteError> {
        self.running.checkpoint()
    }

    /// Copies what other roots of the store hold. Gives all pieces that are here then.
    pub fn fill_from_local(&self) -> Result<PieceSet, WriteError> {
        self.running.fill_from_local()
    }

    /// Gives everything its final name, and records the root as held when `serve`. After an error the
    /// download stays as it was and can be finished later.
    pub fn finish(&self, serve: bool, now_unix: u64) -> Result<PathBuf, FinishError> {
        self.running.finish(serve, now_unix)
    }
}

impl Store {
    /// Downloads and repairs that are not finished.
    pub fn partials(&self) -> Result<Vec<PartialInfo>, Fault> {
        let records = self.inner.db.read(|transaction| {
            let mut found = Vec::new();
            let bitmaps = transaction.open_table(tables::BITMAPS)?;
            for item in transaction.open_table(tables::PARTIALS)?.iter()? {
                let (key, value) = item?;
                let record = PartialRecord::decode(value.value());
                let record = record.map_err(|error| DbError::record("partials", error))?;
                let bitmap = bitmaps
                    .get(key.value())?
                    .map(|value| value.value().to_vec());
                found.push((tables::address_of(key.value())?, record, bitmap));
            }
            Ok(found)
        })?;
        records
            .into_iter()
            .map(|record| self.partial_info(record))
            .collect()
    }

    /// The pieces of an unfinished download that are here: now when it is running, else as of the last
    /// checkpoint. `None` when there is no such download.
    pub fn kept_pieces(&self, address: &Address) -> Result<Option<PieceSet>, Fault> {
        if let Some(running) = self.inner.running.get(address) {
            return Ok(Some(running.have()));
        }
        let Some(described) = self.inner.describe(address)? else {
            return Ok(None);
        };
        let key = tables::address_key(address);
        let bitmap = self.inner.db.read(|transaction| {
            let bitmaps = transaction.open_table(tables::BITMAPS)?;
            Ok(bitmaps.get(&key)?.map(|value| value.value().to_vec()))
        })?;
        let pieces = described.layout.pieces();
        Ok(bitmap.and_then(|bytes| PieceSet::from_bytes(pieces, &bytes).ok()))
    }

    fn partial_info(
        &self,
        (address, record, bitmap): (Address, PartialRecord, Option<Vec<u8>>),
    ) -> Result<PartialInfo, Fault> {
        let running = self.inner.running.get(&address);
        let mut wanted_bytes = record.root_size;
        let mut have_bytes = 0;
        if let Some(described) = self.inner.describe(&address)? {
            let layout = &described.layout;
            let have = match &running {
                Some(running) => Some(running.have()),
                None => bitmap.and_then(|bytes| PieceSet::from_bytes(layout.pieces(), &bytes).ok()),
            };
            let wanted = begin::wanted(&described, &record.purpose);
            wanted_bytes = layout.bytes_of(&wanted);
            if let Some(mut have) = have {
                have.intersect_with(&wanted);
                have_bytes = layout.bytes_of(&have);
            }
        }
        Ok(PartialInfo {
            address,
            name: record.name,
            dest: record.dest,
            wanted_bytes,
            have_bytes,
            created_unix: record.created_unix,
            running: running.is_some(),
            repair: record.purpose == Purpose::Repair,
        })
    }

    /// Deletes a partial download that is not running. Whether there was one.
    pub fn drop_partial(&self, address: &Address) -> Result<bool, DropError> {
        let Some(_reserved) = self.inner.running.reserve(*address) else {
            return Err(DropError::Busy);
        };
        let Some(record) = self.inner.partial_record(address)? else {
            return Ok(false);
        };
        self.inner.drop_partial_record(address, &record)?;
        Ok(true)
    }
}

impl Inner {
    pub(crate) fn partial_record(&self, address: &Address) -> Result<Option<PartialRecord>, Fault> {
        let key = tables::address_key(address);
        self.db
            .read(|transaction| tables::partial(&transaction.open_table(tables::PARTIALS)?, &key))
    }

    fn put_partial_record(&self, address: &Address, record: &PartialRecord) -> Result<(), Fault> {
        let key = tables::address_key(address);
        self.db.write(|transaction| {
            let mut partials = transaction.open_table(tables::PARTIALS)?;
            partials.insert(&key, record.encode().as_slice())?;
            Ok(())
        })
    }

    /// The directory of a partial download in the data directory.
    fn partial_dir(&self, record: &PartialRecord) -> PathBuf {
        self.dir.join("partial").join(format!("{:016x}", record.id))
    }
}

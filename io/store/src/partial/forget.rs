//! Deleting partial downloads.

use potluck_content::Address;
use redb::WriteTransaction;

use super::place::remove_part;
use super::running::lock;
use crate::db::DbError;
use crate::errors::Fault;
use crate::open::Inner;
use crate::records::{PartialRecord, Purpose};
use crate::roots::{Dropped, delete_files};
use crate::tables;

/// Something to record.
pub(super) type Record<'a> = &'a dyn Fn(&WriteTransaction) -> Result<(), DbError>;

impl Inner {
    /// Forgets what was fetched of a download whose part is gone.
    pub(super) fn start_over(
        &self,
        address: &Address,
        record: &PartialRecord,
    ) -> Result<(), Fault> {
        let key = tables::address_key(address);
        self.db.write(|transaction| {
            transaction.open_table(tables::BITMAPS)?.remove(&key)?;
            Ok(())
        })?;
        let dir = self.partial_dir(record);
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Fault::io("remove", &dir, error));
            }
            _ => {}
        }
        remove_part(&record.part)
    }

    /// Deletes a partial download: its part, its records, its manifest.
    pub(super) fn drop_partial_record(
        &self,
        address: &Address,
        record: &PartialRecord,
    ) -> Result<(), Fault> {
        match &record.purpose {
            Purpose::Fetch { .. } => remove_part(&record.part)?,
            Purpose::Repair => self.remove_staged(address, record)?,
        }
        self.forget_partial(address, record)
    }

    /// Removes the records of a partial download and its directory.
    pub(super) fn forget_partial(
        &self,
        address: &Address,
        record: &PartialRecord,
    ) -> Result<(), Fault> {
        let _changing = lock(&self.changing);
        self.forget_partial_and(address, record, &|_| Ok(()))
    }

    /// As [`Self::forget_partial`], while `changing` is held; `and` is done in the same transaction.
    pub(super) fn forget_partial_and(
        &self,
        address: &Address,
        record: &PartialRecord,
        and: Record<'_>,
    ) -> Result<(), Fault> {
        let dropped = self.db.write(|transaction| {
            and(transaction)?;
            let mut dropped = Dropped::default();
            let key = tables::address_key(address);
            transaction.open_table(tables::PARTIALS)?.remove(&key)?;
            transaction.open_table(tables::BITMAPS)?.remove(&key)?;
            if record.purpose == Purpose::Repair {
                return Ok(dropped);
            }
            transaction
                .open_table(tables::NUMBERS)?
                .remove(record.number)?;
            self.drop_places(transaction, &address.hash, record.number, &mut dropped)?;
            Ok(dropped)
        })?;
        self.blobs.clear();
        delete_files(&dropped.files);
        let dir = self.partial_dir(record);
        if let Err(error) = std::fs::remove_dir_all(&dir)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %dir.display(), %error, "cannot remove a directory");
        }
        Ok(())
    }
}

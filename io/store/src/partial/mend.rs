//! What a crash left between the final rename and its record.

use std::fs;

use potluck_content::Address;
use redb::ReadableTable;

use super::settle::Settling;
use super::trees::PartialTrees;
use crate::db::DbError;
use crate::errors::Fault;
use crate::open::Inner;
use crate::records::{PartialRecord, Purpose, Stage};
use crate::sys;
use crate::tables;

/// Completes downloads that got their final name and were not recorded yet, and removes directories
/// of downloads that are no more.
pub(crate) fn mend(inner: &Inner) -> Result<(), Fault> {
    let records = inner.db.read(|transaction| {
        let mut found = Vec::new();
        for item in transaction.open_table(tables::PARTIALS)?.iter()? {
            let (key, value) = item?;
            let record = PartialRecord::decode(value.value());
            let record = record.map_err(|error| DbError::record("partials", error))?;
            found.push((tables::address_of(key.value())?, record));
        }
        Ok(found)
    })?;
    for (address, record) in &records {
        let Stage::Finishing { serve } = record.stage else {
            continue;
        };
        if let Err(error) = mend_one(inner, address, record, serve) {
            // The store works without it; it is tried again at the next start.
            tracing::warn!(path = %record.dest.display(), %error, "cannot record a finished download");
        }
    }
    remove_unknown(inner, &records)
}

fn mend_one(
    inner: &Inner,
    address: &Address,
    record: &PartialRecord,
    serve: bool,
) -> Result<(), Fault> {
    if record.purpose == Purpose::Repair {
        return Ok(());
    }
    let inode = |path: &std::path::Path| {
        let metadata = fs::symlink_metadata(path).ok()?;
        Some(sys::facts_of(&metadata).stamp.inode)
    };
    if inode(&record.part.join(super::parts::DATA)) == Some(record.inode) {
        let record = PartialRecord {
            stage: Stage::Running,
            ..record.clone()
        };
        return inner.put_partial_record(address, &record);
    }
    if inode(&record.dest) != Some(record.inode) {
        // It got its name, and someone moved or removed it since: nothing to go on with.
        return inner.drop_partial_record(address, record);
    }
    let Some(described) = inner.describe(address)? else {
        return Ok(());
    };
    let trees = PartialTrees::open(&inner.partial_dir(record).join("trees"), &described.layout)?;
    let settling = Settling {
        inner,
        address,
        described: &described,
        record,
        trees: &trees,
        created_unix: record.created_unix,
    };
    settling.settle(serve)
}

fn remove_unknown(inner: &Inner, records: &[(Address, PartialRecord)]) -> Result<(), Fault> {
    let dir = inner.dir.join("partial");
    let io = |error| Fault::io("list", &dir, error);
    for entry in fs::read_dir(&dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let known = records
            .iter()
            .any(|(_, record)| inner.partial_dir(record) == path);
        if !known && let Err(error) = fs::remove_dir_all(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot remove a directory");
        }
    }
    Ok(())
}

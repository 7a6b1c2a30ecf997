//! Finding blobs that may be what somebody looks for under another address.

use std::collections::{BTreeMap, BTreeSet};

use potluck_content::Hash;
use redb::ReadableTable;

use crate::db::DbError;
use crate::errors::Fault;
use crate::open::Store;
use crate::records::BlobRecord;
use crate::tables;

/// Blobs of one size that are told.
const MAX_ALIKE: usize = 4;

impl Store {
    /// Blobs that have one of these sizes in bytes, a few of each size. Whether they are what the caller
    /// looks for is for the caller to find out, and so is whether their files are still there.
    pub fn blobs_of_sizes(&self, sizes: &BTreeSet<u64>) -> Result<BTreeMap<u64, Vec<Hash>>, Fault> {
        self.inner.db.read(|transaction| {
            let mut found: BTreeMap<u64, Vec<Hash>> = BTreeMap::new();
            for item in transaction.open_table(tables::BLOBS)?.iter()? {
                let (hash, value) = item?;
                let record = BlobRecord::decode(value.value())
                    .map_err(|error| DbError::record("blobs", error))?;
                if !sizes.contains(&record.size) {
                    continue;
                }
                let alike = found.entry(record.size).or_default();
                if alike.len() < MAX_ALIKE {
                    alike.push(Hash::from_bytes(*hash.value()));
                }
            }
            Ok(found)
        })
    }
}

//! Keeping the manifests of folders: they are blobs that the node owns.

use std::fs::File;
use std::io::Write;

use potluck_content::Hash;
use potluck_content::tree::TreeBuilder;
use redb::WriteTransaction;

use crate::db::DbError;
use crate::errors::Fault;
use crate::open::Inner;
use crate::records::{BlobRecord, Home, PlaceRecord};
use crate::tables::{self, OWNED_ENTRY};
use crate::trees::NewTree;

/// Manifests up to this size are kept in the database.
const MAX_SMALL_MANIFEST: usize = 64 * 1024;

/// A manifest whose tree and large bytes are in their places, ready to be recorded.
pub(crate) struct KeptManifest<'a> {
    hash: Hash,
    bytes: &'a [u8],
    record: BlobRecord,
}

impl Inner {
    /// Writes what of a manifest does not go into the database.
    pub(crate) fn keep_manifest<'a>(
        &self,
        hash: Hash,
        bytes: &'a [u8],
    ) -> Result<KeptManifest<'a>, Fault> {
        let mut builder = TreeBuilder::new(bytes.len() as u64);
        let mut tree = NewTree::create(self, builder.geometry())?;
        let mut parents = Vec::new();
        let pushed = builder.push_groups(bytes, &mut parents);
        pushed.map_err(|error| Fault::corrupt(format!("hashing a manifest: {error}")))?;
        tree.add(&parents)?;
        let tree = tree.keep(self, &hash, true)?;
        let home = if bytes.len() <= MAX_SMALL_MANIFEST {
            Home::Database
        } else {
            Home::File
        };
        if home == Home::File {
            let path = self.temporary();
            let io = |error| Fault::io("write", &path, error);
            let mut file = File::options()
                .write(true)
                .create_new(true)
                .open(&path)
                .map_err(io)?;
            file.write_all(bytes).map_err(io)?;
            drop(file);
            self.put_in_place(&path, &self.blob_path(&hash), true)?;
        }
        Ok(KeptManifest {
            hash,
            bytes,
            record: BlobRecord {
                size: bytes.len() as u64,
                tree,
                home,
            },
        })
    }
}

impl KeptManifest<'_> {
    /// Records the manifest as owned under a root number.
    pub(crate) fn record(
        &self,
        transaction: &WriteTransaction,
        number: u64,
    ) -> Result<(), DbError> {
        let key = self.hash.as_bytes();
        if self.record.home == Home::Database {
            transaction
                .open_table(tables::SMALL)?
                .insert(key, self.bytes)?;
        }
        let mut blobs = transaction.open_table(tables::BLOBS)?;
        blobs.insert(key, self.record.encode().as_slice())?;
        let mut places = transaction.open_table(tables::PLACES)?;
        let place = tables::place_key(&self.hash, number, OWNED_ENTRY);
        places.insert(&place, PlaceRecord::Owned.encode().as_slice())?;
        Ok(())
    }
}

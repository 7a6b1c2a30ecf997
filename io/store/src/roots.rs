//! What the node holds: listing, describing, pinning, removing.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use potluck_content::{Address, Hash, Kind, Manifest, PieceLayout, PieceSet};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use crate::cache::Described;
use crate::db::DbError;
use crate::errors::Fault;
use crate::open::{Inner, Store};
use crate::problems;
use crate::records::{BlobRecord, Home, PlaceRecord, RootRecord, TreePlace};
use crate::tables;
use crate::types::Root;

impl Store {
    /// Everything that this node holds (not what it is still fetching), in no special order.
    pub fn roots(&self) -> Result<Vec<Root>, Fault> {
        self.inner.db.read(|transaction| {
            let mut found = Vec::new();
            for item in transaction.open_table(tables::ROOTS)?.iter()? {
                let (key, value) = item?;
                let address = tables::address_of(key.value())?;
                let record = RootRecord::decode(value.value());
                let record = record.map_err(|error| DbError::record("roots", error))?;
                found.push(shown(transaction, address, record)?);
            }
            Ok(found)
        })
    }

    /// One root, when the node holds it.
    pub fn root(&self, address: &Address) -> Result<Option<Root>, Fault> {
        root(&self.inner, address)
    }

    /// The pieces of a root that is held or being downloaded.
    pub fn layout(&self, address: &Address) -> Result<Option<Arc<PieceLayout>>, Fault> {
        Ok(self
            .inner
            .describe(address)?
            .map(|described| described.layout))
    }

    /// The manifest of a folder that is held or being downloaded.
    pub fn manifest(&self, address: &Address) -> Result<Option<Arc<Manifest>>, Fault> {
        Ok(self
            .inner
            .describe(address)?
            .and_then(|described| described.manifest))
    }

    /// The pieces of a root that can be delivered: of what is held all but known problems, of a
    /// running download those that are verified. `None` when the store knows nothing of the root.
    pub fn available(&self, address: &Address) -> Result<Option<PieceSet>, Fault> {
        let running = self.inner.running.have(address);
        let held = self.inner.held_pieces(address)?;
        Ok(match (held, running) {
            (Some(mut held), Some(running)) => {
                held.union_with(&running);
                Some(held)
            }
            (held, running) => held.or(running),
        })
    }

    /// Protects a root from eviction, or no longer. Whether the root is held.
    pub fn set_pinned(&self, address: &Address, pinned: bool) -> Result<bool, Fault> {
        let key = tables::address_key(address);
        self.inner.db.write(|transaction| {
            let mut roots = transaction.open_table(tables::ROOTS)?;
            let Some(record) = tables::root(&roots, &key)? else {
                return Ok(false);
            };
            if record.pinned != pinned {
                let record = RootRecord { pinned, ..record };
                roots.insert(&key, record.encode().as_slice())?;
            }
            Ok(true)
        })
    }

    /// Forgets a root. Only what the node owns (copies, hash trees) is deleted, never files of the
    /// owner, also not those that were fetched. Whether the root was held.
    pub fn remove(&self, address: &Address) -> Result<bool, Fault> {
        let _changing = self
            .inner
            .changing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(self.inner.remove_root(address)?.is_some())
    }
}

/// One root, when it is held.
pub(crate) fn root(inner: &Inner, address: &Address) -> Result<Option<Root>, Fault> {
    inner.db.read(|transaction| {
        let roots = transaction.open_table(tables::ROOTS)?;
        match tables::root(&roots, &tables::address_key(address))? {
            Some(record) => shown(transaction, *address, record).map(Some),
            None => Ok(None),
        }
    })
}

fn shown(
    transaction: &ReadTransaction,
    address: Address,
    record: RootRecord,
) -> Result<Root, DbError> {
    Ok(Root {
        address,
        problems: problems::list(transaction, record.number)?,
        name: record.name,
        bytes: record.bytes,
        files: record.files,
        pinned: record.pinned,
        origin: record.origin,
        created_unix: record.created_unix,
        selected: record.selected,
    })
}

impl Inner {
    pub(crate) fn address_of_number(&self, number: u64) -> Result<Option<Address>, Fault> {
        self.db.read(|transaction| {
            let numbers = transaction.open_table(tables::NUMBERS)?;
            let value = numbers.get(number)?;
            value
                .map(|value| tables::address_of(value.value()))
                .transpose()
        })
    }

    pub(crate) fn root_record(&self, address: &Address) -> Result<Option<RootRecord>, Fault> {
        let key = tables::address_key(address);
        self.db
            .read(|transaction| tables::root(&transaction.open_table(tables::ROOTS)?, &key))
    }

    fn held_pieces(&self, address: &Address) -> Result<Option<PieceSet>, Fault> {
        let Some(record) = self.root_record(address)? else {
            return Ok(None);
        };
        let Some(described) = self.describe(address)? else {
            return Ok(None);
        };
        let pieces = described.layout.pieces();
        let mut held = match record.selected {
            Some(selected) if selected.len() == pieces => selected,
            Some(_) => return Err(Fault::corrupt(format!("the selected pieces of {address}"))),
            None => PieceSet::full(pieces),
        };
        let bad = self.db.read(|transaction| {
            let table = transaction.open_table(tables::BAD)?;
            let value = table.get(record.number)?;
            value
                .map(|value| problems::decode_bad(pieces, value.value()))
                .transpose()
        })?;
        if let Some(bad) = bad {
            held.subtract(&bad);
        }
        Ok(Some(held))
    }

    /// The layout and manifest of a root that is held or partly here.
    pub(crate) fn describe(&self, address: &Address) -> Result<Option<Described>, Fault> {
        let key = tables::address_key(address);
        let size = self.db.read(|transaction| {
            let root = tables::root(&transaction.open_table(tables::ROOTS)?, &key)?;
            if let Some(root) = root {
                return Ok(Some(root.root_size));
            }
            let partial = tables::partial(&transaction.open_table(tables::PARTIALS)?, &key)?;
            Ok(partial.map(|partial| partial.root_size))
        })?;
        let Some(size) = size else { return Ok(None) };
        // Asked for only now: what is no longer here may still be in the cache.
        if let Some(described) = self.roots.get(address) {
            return Ok(Some(described));
        }
        let described = match address.kind {
            Kind::Blob => Described::blob(address, size),
            Kind::Folder => Described::folder(Arc::new(self.load_manifest(&address.hash)?)),
        };
        self.roots.put(*address, described.clone());
        Ok(Some(described))
    }

    fn load_manifest(&self, hash: &Hash) -> Result<Manifest, Fault> {
        let damaged = |why: String| Fault::corrupt(format!("the manifest {hash}: {why}"));
        let bytes = self.db.read(|transaction| {
            let small = transaction.open_table(tables::SMALL)?;
            Ok(small
                .get(hash.as_bytes())?
                .map(|value| value.value().to_vec()))
        })?;
        let bytes = match bytes {
            Some(bytes) => bytes,
            None => {
                let path = self.blob_path(hash);
                fs::read(&path).map_err(|error| Fault::io("read", &path, error))?
            }
        };
        if Hash::of(&bytes) != *hash {
            return Err(damaged("its bytes were changed".to_owned()));
        }
        Manifest::decode(&bytes).map_err(|error| damaged(error.to_string()))
    }

    /// Removes a root's records and what the node owns of it. `changing` is held by the caller. Gives
    /// the bytes of copies that were deleted; `None` when the root is not held.
    pub(crate) fn remove_root(&self, address: &Address) -> Result<Option<u64>, Fault> {
        let key = tables::address_key(address);
        let Some(record) = self.root_record(address)? else {
            return Ok(None);
        };
        let hashes = match self.describe(address) {
            Ok(described) => hashes_of(address, described.as_ref()),
            // A manifest that can't be read must not keep its root for ever.
            Err(Fault::Corrupt { .. } | Fault::Io { .. }) => [address.hash].into(),
            Err(fault) => return Err(fault),
        };
        let dropped = self.db.write(|transaction| {
            let mut dropped = Dropped::default();
            for hash in &hashes {
                self.drop_places(transaction, hash, record.number, &mut dropped)?;
            }
            transaction.open_table(tables::ROOTS)?.remove(&key)?;
            forget_number(transaction, record.number)?;
            Ok(dropped)
        })?;
        self.blobs.clear();
        delete_files(&dropped.files);
        Ok(Some(dropped.owned_bytes))
    }

    /// Removes the places of a blob under a root number; the blob too when they were its last.
    pub(crate) fn drop_places(
        &self,
        transaction: &WriteTransaction,
        hash: &Hash,
        number: u64,
        dropped: &mut Dropped,
    ) -> Result<(), DbError> {
        let mut places = transaction.open_table(tables::PLACES)?;
        let mut files = transaction.open_table(tables::FILES)?;
        let first = tables::place_key(hash, number, 0);
        let last = tables::place_key(hash, number, u32::MAX);
        let mut paths = Vec::new();
        for item in places.extract_from_if::<&tables::PlaceKey, _>(&first..=&last, |_, _| true)? {
            let (_, value) = item?;
            if let Ok(PlaceRecord::Path(path)) = PlaceRecord::decode(value.value()) {
                paths.push(path);
            }
        }
        let first = tables::place_key(hash, 0, 0);
        let last = tables::place_key(hash, u64::MAX, u32::MAX);
        let mut owned_elsewhere = false;
        let mut others = false;
        for item in places.range::<&tables::PlaceKey>(&first..=&last)? {
            let (key, _) = item?;
            others = true;
            owned_elsewhere |= tables::place_owner(key.value()).1 == tables::OWNED_ENTRY;
            if owned_elsewhere {
                break;
            }
        }
        if !others {
            for path in paths {
                if tables::file(&files, &path)?.is_some_and(|file| file.hash == *hash) {
                    files.remove(path.as_slice())?;
                }
            }
        }
        self.drop_blob(transaction, hash, others, owned_elsewhere, dropped)
    }

    fn drop_blob(
        &self,
        transaction: &WriteTransaction,
        hash: &Hash,
        keep: bool,
        keep_copy: bool,
        dropped: &mut Dropped,
    ) -> Result<(), DbError> {
        let mut blobs = transaction.open_table(tables::BLOBS)?;
        let Some(record) = tables::blob(&blobs, hash.as_bytes())? else {
            return Ok(());
        };
        if !keep_copy && record.home != Home::Elsewhere {
            dropped.owned_bytes += record.size;
        }
        if !keep_copy {
            match record.home {
                Home::Elsewhere => {}
                Home::Database => {
                    transaction
                        .open_table(tables::SMALL)?
                        .remove(hash.as_bytes())?;
                }
                Home::File => dropped.files.push(self.blob_path(hash)),
            }
        }
        if !keep {
            if record.tree == TreePlace::File {
                dropped.files.push(self.tree_path(hash));
            }
            blobs.remove(hash.as_bytes())?;
        } else if !keep_copy && record.home != Home::Elsewhere {
            let record = BlobRecord {
                home: Home::Elsewhere,
                ..record
            };
            blobs.insert(hash.as_bytes(), record.encode().as_slice())?;
        }
        Ok(())
    }
}

/// What was dropped, and is deleted once the transaction is committed.
#[derive(Default)]
pub(crate) struct Dropped {
    /// Files of the data directory.
    pub(crate) files: Vec<PathBuf>,
    /// Bytes of copies.
    pub(crate) owned_bytes: u64,
}

/// Forgets what stands under a root number alone.
pub(crate) fn forget_number(transaction: &WriteTransaction, number: u64) -> Result<(), DbError> {
    transaction.open_table(tables::NUMBERS)?.remove(number)?;
    transaction.open_table(tables::USED)?.remove(number)?;
    clear_problems(transaction, number)
}

/// Forgets the known problems of a root.
pub(crate) fn clear_problems(transaction: &WriteTransaction, number: u64) -> Result<(), DbError> {
    transaction.open_table(tables::BAD)?.remove(number)?;
    let mut problems = transaction.open_table(tables::PROBLEMS)?;
    let first = tables::problem_key(number, 0);
    let last = tables::problem_key(number, u32::MAX);
    problems.retain_in::<&tables::ProblemKey, _>(&first..=&last, |_, _| false)?;
    Ok(())
}

/// The blobs of a root: those of its layout and its own.
fn hashes_of(address: &Address, described: Option<&Described>) -> BTreeSet<Hash> {
    let mut hashes = BTreeSet::from([address.hash]);
    if let Some(described) = described {
        hashes.extend(described.layout.blobs().iter().map(|blob| blob.hash));
    }
    hashes
}

/// Deletes files of the data directory that nothing refers to any more.
pub(crate) fn delete_files(files: &[PathBuf]) {
    for path in files {
        match fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot delete a file");
            }
        }
    }
}

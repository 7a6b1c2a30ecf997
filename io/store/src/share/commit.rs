//! Recording a root once all its files are known.

use std::path::PathBuf;
use std::sync::PoisonError;

use potluck_content::{Address, Entry, MAX_TOTAL_BYTES, Manifest, Node};
use redb::WriteTransaction;

use super::Task;
use super::index::Indexer;
use super::walk::Walk;
use crate::cache::Described;
use crate::db::DbError;
use crate::errors::{Fault, ShareError};
use crate::open::Inner;
use crate::records::{FileRecord, Home, PlaceRecord, RootRecord};
use crate::roots::clear_problems;
use crate::sys;
use crate::tables::{self, OWNED_ENTRY};
use crate::types::{Origin, Root};

/// The root of a share, ready to be recorded.
struct Plan {
    address: Address,
    described: Described,
    /// The encoded manifest of a folder.
    manifest: Option<Vec<u8>>,
    bytes: u64,
    files: u64,
    /// The files: which of the walk, under which entry of the manifest.
    places: Vec<(usize, u32, FileRecord)>,
}

/// Records the root. `None` when blobs were removed meanwhile: then their files are unknown again.
pub(super) fn commit(
    task: &mut Task<'_>,
    walk: &Walk,
    indexer: &mut Indexer,
) -> Result<Option<Root>, ShareError> {
    let plan = if walk.single {
        single(walk, indexer)?
    } else {
        folder(task, walk, indexer)?
    };
    let Some(plan) = plan else { return Ok(None) };
    let inner = task.inner;
    let _changing = inner
        .changing
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let missing = missing(inner, &plan, task.request.copy)?;
    if !missing.is_empty() {
        for index in missing {
            indexer.forget(index);
        }
        return Ok(None);
    }
    let number = record(task, walk, &plan)?;
    inner.touches.used_root(number);
    inner.blobs.clear();
    inner.roots.put(plan.address, plan.described);
    let root = crate::roots::root(inner, &plan.address)?;
    root.map(Some)
        .ok_or_else(|| Fault::corrupt("the root that was just recorded").into())
}

fn single(walk: &Walk, indexer: &Indexer) -> Result<Option<Plan>, ShareError> {
    let Some(known) = indexer.known.first().copied().flatten() else {
        let path = walk.bases.first().cloned().unwrap_or_default();
        return Err(ShareError::Changing { path });
    };
    let size = known.record.stamp.size;
    if size > MAX_TOTAL_BYTES {
        let reason = format!("a file has {MAX_TOTAL_BYTES} bytes at most");
        return Err(ShareError::TooLarge { reason });
    }
    let address = Address::blob(known.record.hash);
    Ok(Some(Plan {
        address,
        described: Described::blob(&address, size),
        manifest: None,
        bytes: size,
        files: 1,
        places: vec![(0, 0, known.record)],
    }))
}

fn folder(task: &mut Task<'_>, walk: &Walk, indexer: &Indexer) -> Result<Option<Plan>, ShareError> {
    let mut entries = walk.others.clone();
    for (found, known) in walk.files.iter().zip(&indexer.known) {
        let Some(known) = known else { continue };
        let hash = known.record.hash;
        let node = Node::File {
            hash,
            size: known.record.stamp.size,
            executable: known.executable,
        };
        entries.push(Entry {
            path: found.entry.clone(),
            node,
        });
    }
    let too_large = |error: potluck_content::ManifestError| ShareError::TooLarge {
        reason: error.to_string(),
    };
    let (manifest, refused) = Manifest::from_valid(entries).map_err(too_large)?;
    for refused in refused {
        let base = walk
            .bases
            .first()
            .map(PathBuf::as_path)
            .filter(|_| walk.bases.len() == 1);
        let path = base.map_or_else(
            || PathBuf::from(refused.entry.path.as_str()),
            |base| base.join(refused.entry.path.as_str()),
        );
        task.skips.add(path, refused.reason.to_string());
    }
    let mut places = Vec::with_capacity(walk.files.len());
    for (index, (found, known)) in walk.files.iter().zip(&indexer.known).enumerate() {
        let Some(known) = known else { continue };
        let at = manifest
            .entries()
            .binary_search_by(|entry| entry.path.cmp(&found.entry));
        let Some(entry) = at.ok().and_then(|at| u32::try_from(at).ok()) else {
            continue;
        };
        places.push((index, entry, known.record));
    }
    Ok(Some(Plan {
        address: manifest.address(),
        bytes: manifest.total_bytes(),
        files: manifest.files() as u64,
        manifest: Some(manifest.encode()),
        described: Described::folder(manifest.into()),
        places,
    }))
}

/// Files whose blobs are no longer recorded (a root that held them was removed meanwhile).
fn missing(inner: &Inner, plan: &Plan, copy: bool) -> Result<Vec<usize>, Fault> {
    inner.db.read(|transaction| {
        let blobs = transaction.open_table(tables::BLOBS)?;
        let mut missing = Vec::new();
        for (index, _, record) in &plan.places {
            let blob = tables::blob(&blobs, record.hash.as_bytes())?;
            if blob.is_none_or(|blob| copy && blob.home == Home::Elsewhere) {
                missing.push(*index);
            }
        }
        Ok(missing)
    })
}

fn record(task: &Task<'_>, walk: &Walk, plan: &Plan) -> Result<u64, Fault> {
    let inner = task.inner;
    let copy = task.request.copy;
    let origin = if copy {
        Origin::Copied
    } else {
        Origin::Shared {
            paths: walk.bases.clone(),
        }
    };
    let kept = plan.manifest.as_ref();
    let kept = kept
        .map(|bytes| inner.keep_manifest(plan.address.hash, bytes))
        .transpose()?;
    let root_size = match &plan.manifest {
        Some(manifest) => manifest.len() as u64,
        None => plan.bytes,
    };
    inner.db.write(|transaction| {
        let key = tables::address_key(&plan.address);
        let old = tables::root(&transaction.open_table(tables::ROOTS)?, &key)?;
        let number = match &old {
            Some(old) => old.number,
            None => tables::next_number(transaction, "roots")?,
        };
        transaction
            .open_table(tables::NUMBERS)?
            .insert(number, key.as_slice())?;
        clear_problems(transaction, number)?;
        if let Some(kept) = &kept {
            kept.record(transaction, number)?;
        }
        insert_places(transaction, walk, plan, number, copy)?;
        let root = RootRecord {
            number,
            name: walk.name.clone(),
            bytes: plan.bytes,
            files: plan.files,
            root_size,
            pinned: old.as_ref().is_some_and(|old| old.pinned),
            origin: origin.clone(),
            created_unix: old.map_or(task.request.now_unix, |old| old.created_unix),
            selected: None,
        };
        transaction
            .open_table(tables::ROOTS)?
            .insert(&key, root.encode().as_slice())?;
        Ok(number)
    })
}

fn insert_places(
    transaction: &WriteTransaction,
    walk: &Walk,
    plan: &Plan,
    number: u64,
    copy: bool,
) -> Result<(), DbError> {
    let mut places = transaction.open_table(tables::PLACES)?;
    for (index, entry, record) in &plan.places {
        let Some(found) = walk.files.get(*index) else {
            continue;
        };
        if copy {
            let key = tables::place_key(&record.hash, number, OWNED_ENTRY);
            places.insert(&key, PlaceRecord::Owned.encode().as_slice())?;
        } else {
            let place = PlaceRecord::Path(sys::path_to_bytes(&walk.path(found)));
            let key = tables::place_key(&record.hash, number, *entry);
            places.insert(&key, place.encode().as_slice())?;
        }
    }
    Ok(())
}

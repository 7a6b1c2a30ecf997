//! Replacing damaged files of a root that the node fetched or copied.
//!
//! A repair is a download of the damaged files alone. Each is built beside the file that it is to
//! replace, from what any file of the store still holds and from what is fetched, and takes its place
//! by one rename once it is whole. Files shared in place are their owner's and are never touched.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use potluck_content::{Address, Hash, Node, PieceSet};

use super::Download;
use super::begin::random_id;
use super::finish::split;
use super::opening::Opening;
use super::parts::{Parts, Staged, Targets};
use super::place::part_name;
use crate::cache::Described;
use crate::db::DbError;
use crate::errors::{BeginError, Fault, WriteError};
use crate::open::{Inner, Store};
use crate::records::{PartialRecord, PlaceRecord, ProblemRecord, Purpose, RootRecord, Stage};
use crate::sys;
use crate::tables::{self, OWNED_ENTRY};
use crate::types::Origin;

/// A place of a blob that is to be repaired.
#[derive(Clone, Debug)]
pub(super) struct Damaged {
    pub(super) entry: u32,
    /// `None` for the copy that the node owns.
    pub(super) path: Option<PathBuf>,
}

impl Store {
    /// Begins to repair a root that was fetched or copied: the files with recorded problems, and those
    /// with pieces in `bad`. What the store still has of them is taken from there at once;
    /// the pieces then missing from [`Download::have`] are to be fetched.
    pub fn begin_repair(
        &self,
        address: &Address,
        bad: &PieceSet,
        now_unix: u64,
    ) -> Result<Download, BeginError> {
        let inner = &self.inner;
        let root = inner.root_record(address)?.ok_or(BeginError::NotHave)?;
        if matches!(root.origin, Origin::Shared { .. }) {
            return Err(BeginError::InPlace);
        }
        let described = inner.describe(address)?.ok_or(BeginError::NotHave)?;
        let reserved = inner.running.reserve(*address);
        let reserved = reserved.ok_or(BeginError::Busy { address: *address })?;
        let damaged = inner.damaged(&root, &described, bad)?;
        let record = match inner.partial_record(address)? {
            Some(old) if old.purpose == Purpose::Repair => old,
            Some(old) => return Err(BeginError::OtherDest { dest: old.dest }),
            None => inner.record_repair(address, &root, now_unix)?,
        };
        let staged = inner.stage(&record, &described, damaged)?;
        let mut wanted = root
            .selected
            .unwrap_or_else(|| PieceSet::full(described.layout.pieces()));
        if wanted.len() != described.layout.pieces() {
            wanted = PieceSet::full(described.layout.pieces());
        }
        let mut elsewhere = wanted.clone();
        for blob in staged.keys() {
            elsewhere.remove_range(described.layout.pieces_of_blob(*blob));
        }
        let blobs: Vec<u32> = staged.keys().copied().collect();
        let part_path = record.dest.clone();
        let parts = Parts::new(Targets::Repair { staged }, &part_path);
        let address = *address;
        let opening = Opening {
            inner,
            address,
            described,
            record,
            parts,
            part_path,
            wanted,
        };
        let running = opening.open(&elsewhere)?;
        for blob in blobs {
            running.parts.create(blob)?;
        }
        reserved.fill(&running);
        let filled = running.fill_from_local();
        filled.map_err(|error| match error {
            WriteError::NoSpace { dir, .. } => BeginError::Fault(Fault::NoSpace { dir }),
            WriteError::Fault(fault) => BeginError::Fault(fault),
            WriteError::BadRange | WriteError::Ended => BeginError::NotHave,
        })?;
        Ok(Download { running })
    }

    pub(super) fn resume_repair(
        &self,
        address: &Address,
        now_unix: u64,
    ) -> Result<Download, BeginError> {
        let layout = self.layout(address)?.ok_or(BeginError::NotHave)?;
        self.begin_repair(address, &PieceSet::new(layout.pieces()), now_unix)
    }
}

impl Inner {
    /// The places that are to be repaired, by blob.
    fn damaged(
        &self,
        root: &RootRecord,
        described: &Described,
        bad: &PieceSet,
    ) -> Result<BTreeMap<u32, Vec<Damaged>>, Fault> {
        let layout = &described.layout;
        let mut bad_blobs: Vec<u32> = bad
            .iter()
            .filter(|piece| *piece < layout.pieces())
            .map(|piece| layout.blob_of_piece(piece))
            .collect();
        bad_blobs.dedup();
        let found = self.db.read(|transaction| {
            let mut found: Vec<(Hash, Damaged)> = Vec::new();
            let problems = transaction.open_table(tables::PROBLEMS)?;
            let first = tables::problem_key(root.number, 0);
            let last = tables::problem_key(root.number, u32::MAX);
            for item in problems.range::<&tables::ProblemKey>(&first..=&last)? {
                let (key, value) = item?;
                let record = ProblemRecord::decode(value.value())
                    .map_err(|error| DbError::record("problems", error))?;
                let entry = tables::problem_entry(key.value());
                let path = (entry != OWNED_ENTRY).then(|| sys::bytes_to_path(&record.path));
                found.push((record.hash, Damaged { entry, path }));
            }
            let places = transaction.open_table(tables::PLACES)?;
            for blob in &bad_blobs {
                let index = usize::try_from(*blob).unwrap_or(usize::MAX);
                let Some(hash) = layout.blobs().get(index).map(|blob| blob.hash) else {
                    continue;
                };
                if found.iter().any(|(known, _)| *known == hash) {
                    continue;
                }
                let first = tables::place_key(&hash, root.number, 0);
                let last = tables::place_key(&hash, root.number, u32::MAX);
                for item in places.range::<&tables::PlaceKey>(&first..=&last)? {
                    let (key, value) = item?;
                    let place = PlaceRecord::decode(value.value())
                        .map_err(|error| DbError::record("places", error))?;
                    let (_, entry) = tables::place_owner(key.value());
                    let path = match place {
                        PlaceRecord::Owned => None,
                        PlaceRecord::Path(path) => Some(sys::bytes_to_path(&path)),
                    };
                    found.push((hash, Damaged { entry, path }));
                }
            }
            Ok(found)
        })?;
        let mut damaged: BTreeMap<u32, Vec<Damaged>> = BTreeMap::new();
        for (hash, place) in found {
            if let Some(blob) = layout
                .find_blob(&hash)
                .filter(|_| may_replace(root, &place))
            {
                damaged.entry(blob).or_default().push(place);
            }
        }
        Ok(damaged)
    }

    fn record_repair(
        &self,
        address: &Address,
        root: &RootRecord,
        now_unix: u64,
    ) -> Result<PartialRecord, Fault> {
        let dest = match &root.origin {
            Origin::Fetched { path } => path.clone(),
            Origin::Copied | Origin::Shared { .. } => self.dir.clone(),
        };
        let record = PartialRecord {
            id: random_id(),
            number: root.number,
            name: root.name.clone(),
            root_size: root.root_size,
            dest,
            part: PathBuf::new(),
            inode: 0,
            created_unix: now_unix,
            purpose: Purpose::Repair,
            stage: Stage::Running,
        };
        self.put_partial_record(address, &record)?;
        Ok(record)
    }

    /// Decides where the replacements are built.
    fn stage(
        &self,
        record: &PartialRecord,
        described: &Described,
        damaged: BTreeMap<u32, Vec<Damaged>>,
    ) -> Result<BTreeMap<u32, Staged>, Fault> {
        let own = self.partial_dir(record);
        let mut staged = BTreeMap::new();
        for (blob, places) in damaged {
            let beside = places.iter().find_map(|place| place.path.as_deref());
            let (dir, name) = match beside {
                Some(path) => {
                    let (parent, name) = split(path);
                    (parent.to_path_buf(), part_name(name, record.id))
                }
                None => (own.clone(), OsString::from(format!("b{blob}"))),
            };
            fs::create_dir_all(&dir).map_err(|error| Fault::io("create", &dir, error))?;
            let executable = places
                .iter()
                .any(|place| is_executable(described, place.entry));
            staged.insert(
                blob,
                Staged {
                    dir,
                    name,
                    executable,
                    places,
                },
            );
        }
        Ok(staged)
    }

    /// Removes the replacements that a repair has begun.
    pub(super) fn remove_staged(
        &self,
        address: &Address,
        record: &PartialRecord,
    ) -> Result<(), Fault> {
        let Some(root) = self.root_record(address)? else {
            return Ok(());
        };
        let Some(described) = self.describe(address)? else {
            return Ok(());
        };
        let all = PieceSet::new(described.layout.pieces());
        for places in self.damaged(&root, &described, &all)?.values() {
            let Some(path) = places.iter().find_map(|place| place.path.as_deref()) else {
                continue;
            };
            let (parent, name) = split(path);
            let _ = fs::remove_file(parent.join(part_name(name, record.id)));
        }
        Ok(())
    }
}

/// Only what was fetched to the root's own place may be replaced, and the node's own copies.
fn may_replace(root: &RootRecord, place: &Damaged) -> bool {
    match (&root.origin, &place.path) {
        (_, None) => true,
        (Origin::Fetched { path: top }, Some(path)) => path.starts_with(top),
        _ => false,
    }
}

pub(super) fn is_executable(described: &Described, entry: u32) -> bool {
    let manifest = described.manifest.as_ref();
    let entry = usize::try_from(entry)
        .ok()
        .and_then(|entry| manifest?.entries().get(entry));
    entry.is_some_and(|entry| {
        matches!(
            entry.node,
            Node::File {
                executable: true,
                ..
            }
        )
    })
}

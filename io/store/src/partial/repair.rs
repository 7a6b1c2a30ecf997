//! Replacing damaged files of a root that the node fetched or copied.
//!
//! A repair is a download of the damaged files alone. Each is built beside the file that it is to
//! replace, from what any file of the store still holds and from what is fetched, and takes its place
//! by one rename once it is whole. Files shared in place are their owner's and are never touched.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use potluck_content::{Address, Hash, Node, PieceSet};

use super::Download;
use super::begin::random_id;
use super::finish::split;
use super::opening::Opening;
use super::parts::{Parts, Staged, Targets};
use super::place::part_name;
use super::running::Running;
use super::shape::copy;
use crate::cache::Described;
use crate::db::DbError;
use crate::errors::{BeginError, Fault, FinishError, WriteError};
use crate::open::{Inner, Store};
use crate::records::{
    BlobRecord, FileRecord, Home, PartialRecord, PlaceRecord, ProblemRecord, Purpose, RootRecord,
    Stage,
};
use crate::roots::clear_problems;
use crate::sys::{self, Dir};
use crate::tables::{self, OWNED_ENTRY};
use crate::types::Origin;

/// A place of a blob that is to be repaired.
#[derive(Clone, Debug)]
pub(super) struct Damaged {
    entry: u32,
    /// `None` for the copy that the node owns.
    path: Option<PathBuf>,
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

fn is_executable(described: &Described, entry: u32) -> bool {
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

impl Running {
    /// Puts the replacements in the places of the damaged files.
    pub(super) fn finish_repair(&self, record: &PartialRecord) -> Result<(), FinishError> {
        let Targets::Repair { staged } = &self.parts.targets else {
            return Ok(());
        };
        let layout = &self.described.layout;
        for blob in staged.keys() {
            let index = usize::try_from(*blob).unwrap_or(usize::MAX);
            let Some(named) = layout.blobs().get(index) else {
                continue;
            };
            let path = staged.get(blob).map(|staged| staged.dir.join(&staged.name));
            self.check_file(
                *blob,
                named.size,
                path.as_deref().unwrap_or(&self.part_path),
            )?;
        }
        self.sync_written()?;
        self.checkpoint_locked()?;
        let mut files = Vec::new();
        let mut smalls = Vec::new();
        for (blob, staged) in staged {
            let index = usize::try_from(*blob).unwrap_or(usize::MAX);
            let Some(named) = layout.blobs().get(index) else {
                continue;
            };
            let source = self.parts.open(*blob)?;
            let source = source.ok_or_else(|| Fault::corrupt("a replacement is gone"))?;
            self.replace(
                staged,
                named.hash,
                &source,
                named.size,
                &mut files,
                &mut smalls,
            )?;
        }
        self.parts.close();
        self.inner.blobs.clear();
        self.inner.db.write(|transaction| {
            let mut records = transaction.open_table(tables::FILES)?;
            for (path, file) in &files {
                records.insert(
                    sys::path_to_bytes(path).as_slice(),
                    file.encode().as_slice(),
                )?;
            }
            let mut table = transaction.open_table(tables::SMALL)?;
            for (hash, bytes) in &smalls {
                table.insert(hash.as_bytes(), bytes.as_slice())?;
            }
            clear_problems(transaction, record.number)
        })?;
        self.inner.forget_partial(&self.address, record)?;
        Ok(())
    }

    fn replace(
        &self,
        staged: &Staged,
        hash: Hash,
        source: &Arc<fs::File>,
        size: u64,
        files: &mut Vec<(PathBuf, FileRecord)>,
        smalls: &mut Vec<(Hash, Vec<u8>)>,
    ) -> Result<(), Fault> {
        let built = staged.dir.join(&staged.name);
        // Those that need a copy come first: the last one takes the replacement itself.
        let mut places: Vec<&Damaged> = staged.places.iter().collect();
        places.sort_by_key(|place| {
            place
                .path
                .as_deref()
                .is_some_and(|path| path.parent() == Some(&staged.dir))
        });
        let last = places.len().saturating_sub(1);
        for (at, place) in places.into_iter().enumerate() {
            match &place.path {
                None => {
                    if let Some(bytes) = self.replace_owned(hash, source, size)? {
                        smalls.push((hash, bytes));
                    }
                }
                Some(path) if at == last => {
                    rename_over(&built, path)?;
                    files.push((path.clone(), file_record(hash, path)));
                }
                Some(path) => {
                    let executable = is_executable(&self.described, place.entry);
                    copy_over(source, size, path, executable)?;
                    files.push((path.clone(), file_record(hash, path)));
                }
            }
        }
        Ok(())
    }

    /// Replaces the node's own copy; gives its bytes when it is kept in the database.
    fn replace_owned(
        &self,
        hash: Hash,
        source: &fs::File,
        size: u64,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let inner = &self.inner;
        let record: Option<BlobRecord> = inner.db.read(|transaction| {
            tables::blob(&transaction.open_table(tables::BLOBS)?, hash.as_bytes())
        })?;
        if record.is_some_and(|record| record.home == Home::Database) {
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
            let read = sys::read_exact_at(source, &mut bytes, 0);
            read.map_err(|error| Fault::io("read", &self.part_path, error))?;
            return Ok(Some(bytes));
        }
        let temporary = inner.temporary();
        let io = |error| Fault::io("write", &temporary, error);
        let to = fs::File::options()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(io)?;
        copy(source, &to, size).map_err(io)?;
        to.sync_data().map_err(io)?;
        inner.put_in_place(&temporary, &inner.blob_path(&hash))?;
        Ok(None)
    }
}

fn file_record(hash: Hash, path: &Path) -> FileRecord {
    let metadata = fs::symlink_metadata(path);
    let stamp = metadata
        .map(|metadata| sys::facts_of(&metadata).stamp)
        .unwrap_or_default();
    FileRecord {
        hash,
        stamp,
        settled: false,
    }
}

fn rename_over(from: &Path, path: &Path) -> Result<(), Fault> {
    let io = |error| Fault::io("replace", path, error);
    let (parent, name) = split(path);
    let (from_parent, from_name) = split(from);
    let to = Dir::open(parent).map_err(io)?;
    let from = Dir::open(from_parent).map_err(io)?;
    from.rename_over(from_name, &to, name).map_err(io)?;
    to.sync().map_err(io)
}

/// Copies a whole file beside `path` and puts it in its place.
fn copy_over(source: &fs::File, size: u64, path: &Path, executable: bool) -> Result<(), Fault> {
    let io = |error| Fault::io("replace", path, error);
    let (parent, name) = split(path);
    fs::create_dir_all(parent).map_err(io)?;
    let dir = Dir::open(parent).map_err(io)?;
    let temporary = part_name(name, random_id());
    let to = dir.create_file(&temporary, executable).map_err(io)?;
    let copied = copy(source, &to, size)
        .and_then(|()| to.sync_data())
        .map_err(io);
    if copied.is_err() {
        let _ = dir.remove_file(&temporary);
    }
    copied?;
    dir.rename_over(&temporary, &dir, name).map_err(io)?;
    dir.sync().map_err(io)
}

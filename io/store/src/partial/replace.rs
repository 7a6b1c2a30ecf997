//! Putting repaired files in the places of damaged ones.

use std::fs;
use std::path::{Path, PathBuf};

use potluck_content::Hash;

use super::begin::random_id;
use super::finish::split;
use super::parts::{Staged, Targets};
use super::place::part_name;
use super::repair::{Damaged, is_executable};
use super::running::Running;
use super::shape::copy;
use crate::errors::{Fault, FinishError};
use crate::records::{BlobRecord, FileRecord, Home, PartialRecord};
use crate::roots::clear_problems;
use crate::sys::{self, Dir};
use crate::tables;

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
        self.checkpoint_locked(None)?;
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
        source: &fs::File,
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
        drop(to);
        inner.put_in_place(&temporary, &inner.blob_path(&hash), true)?;
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

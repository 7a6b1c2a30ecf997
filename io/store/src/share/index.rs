//! Hashing all files of a share, and keeping what was hashed as it comes.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Task;
use super::batch::Batch;
use super::file::{Done, LARGE, hash_file};
use super::walk::Walk;
use crate::buffer::Buffer;
use crate::errors::ShareError;
use crate::hashing::{Control, run_workers};
use crate::records::{FileRecord, Home};
use crate::sys;
use crate::tables;

/// What is known of a file of the share.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) record: FileRecord,
    pub(super) executable: bool,
}

/// Hashes the files of a share.
pub(super) struct Indexer {
    /// One for each file of the walk; `None` before it is hashed, and for those left out.
    pub(super) known: Vec<Option<Known>>,
    /// Files that are left out.
    dropped: Vec<bool>,
    pub(super) hashed_bytes: u64,
}

impl Indexer {
    pub(super) fn new(walk: &Walk) -> Self {
        let files = walk.files.len();
        Self {
            known: vec![None; files],
            dropped: vec![false; files],
            hashed_bytes: 0,
        }
    }

    /// Makes every file known or left out.
    pub(super) fn run(&mut self, task: &mut Task<'_>, walk: &Walk) -> Result<(), ShareError> {
        self.recall(task, walk)?;
        let unknown = |(index, known): (usize, &Option<Known>)| known.is_none().then_some(index);
        let unknown: Vec<usize> = self.known.iter().enumerate().filter_map(unknown).collect();
        let unknown: Vec<usize> = unknown
            .into_iter()
            .filter(|index| !self.is_dropped(*index))
            .collect();
        if task.request.copy {
            let size = |index: &usize| walk.files.get(*index).map_or(0, |found| found.size);
            task.inner.make_room(unknown.iter().map(size).sum())?;
        }
        let is_large = |index: &usize| walk.files.get(*index).is_some_and(|f| f.size >= LARGE);
        let (large, small): (Vec<usize>, Vec<usize>) = unknown.into_iter().partition(is_large);
        self.hash_small(task, walk, &small)?;
        for index in large {
            self.hash_large(task, walk, index)?;
        }
        if task.tick().is_break() {
            Err(ShareError::Stopped)
        } else {
            Ok(())
        }
    }

    fn is_dropped(&self, index: usize) -> bool {
        self.dropped.get(index).copied().unwrap_or(false)
    }

    /// Recognises files that were hashed before and look the same.
    fn recall(&mut self, task: &mut Task<'_>, walk: &Walk) -> Result<(), ShareError> {
        let copy = task.request.copy;
        let mut recalled = Vec::new();
        task.inner.db.read(|transaction| {
            recalled.clear();
            let files = transaction.open_table(tables::FILES)?;
            let blobs = transaction.open_table(tables::BLOBS)?;
            for (index, found) in walk.files.iter().enumerate() {
                if self.known.get(index).is_none_or(Option::is_some) || self.is_dropped(index) {
                    continue;
                }
                let path = walk.path(found);
                let Some(record) = tables::file(&files, &sys::path_to_bytes(&path))? else {
                    continue;
                };
                let Some(executable) = unchanged(&path, &record) else {
                    continue;
                };
                let blob = tables::blob(&blobs, record.hash.as_bytes())?;
                if blob.is_some_and(|blob| !copy || blob.home != Home::Elsewhere) {
                    recalled.push((index, Known { record, executable }));
                }
            }
            Ok(())
        })?;
        for (index, known) in recalled {
            task.known_bytes += known.record.stamp.size;
            task.seen.files_done += 1;
            self.learn(index, known);
        }
        Ok(())
    }

    fn learn(&mut self, index: usize, known: Known) {
        if let Some(slot) = self.known.get_mut(index) {
            *slot = Some(known);
        }
    }

    /// Hashes small files, each on one of several threads.
    fn hash_small(
        &mut self,
        task: &mut Task<'_>,
        walk: &Walk,
        indexes: &[usize],
    ) -> Result<(), ShareError> {
        let threads = task.threads().min(indexes.len());
        let next = AtomicUsize::new(0);
        let results: Mutex<VecDeque<(usize, Result<Done, ShareError>)>> = Mutex::default();
        let (inner, copy) = (task.inner, task.request.copy);
        let control = std::mem::take(&mut task.control);
        let work = || {
            let mut buffer = Buffer::new();
            while !control.stopped() {
                let claimed = next.fetch_add(1, Ordering::Relaxed);
                let Some(index) = indexes.get(claimed) else {
                    return;
                };
                let Some(found) = walk.files.get(*index) else {
                    return;
                };
                let done = hash_file(inner, &walk.path(found), copy, &control, &mut buffer, None);
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.push_back((*index, done));
            }
        };
        let mut batch = Batch::new(inner);
        let mut failure = None;
        let mut drain = |last: bool| -> ControlFlow<()> {
            let taken =
                std::mem::take(&mut *results.lock().unwrap_or_else(PoisonError::into_inner));
            for (index, result) in taken {
                if let Err(error) = self.take(task, walk, index, result, &mut batch) {
                    failure.get_or_insert(error);
                }
            }
            if let Err(error) = batch.commit_if_due(last) {
                failure.get_or_insert(error.into());
            }
            task.known_bytes += control.bytes.swap(0, Ordering::Relaxed);
            if task.tick().is_break() {
                failure.get_or_insert(ShareError::Stopped);
            }
            if failure.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        if !indexes.is_empty() {
            run_workers(threads, &control, &work, &mut || drain(false));
        }
        let _ = drain(true);
        task.control = Control::default();
        failure.map_or(Ok(()), Err)
    }

    fn hash_large(
        &mut self,
        task: &mut Task<'_>,
        walk: &Walk,
        index: usize,
    ) -> Result<(), ShareError> {
        let Some(found) = walk.files.get(index) else {
            return Ok(());
        };
        let threads = task.threads();
        let (inner, copy) = (task.inner, task.request.copy);
        let control = std::mem::take(&mut task.control);
        let result = {
            let mut tick = || {
                task.known_bytes += control.bytes.swap(0, Ordering::Relaxed);
                task.tick()
            };
            let path = walk.path(found);
            hash_file(
                inner,
                &path,
                copy,
                &control,
                &mut Buffer::new(),
                Some((threads, &mut tick)),
            )
        };
        let mut batch = Batch::new(inner);
        self.take(task, walk, index, result, &mut batch)?;
        batch.commit()?;
        Ok(())
    }

    /// Takes the result of one file.
    fn take(
        &mut self,
        task: &mut Task<'_>,
        walk: &Walk,
        index: usize,
        result: Result<Done, ShareError>,
        batch: &mut Batch<'_>,
    ) -> Result<(), ShareError> {
        let Some(found) = walk.files.get(index) else {
            return Ok(());
        };
        match result {
            Ok(done) => {
                let known = Known {
                    record: done.record,
                    executable: done.executable,
                };
                self.learn(index, known);
                self.hashed_bytes += done.record.stamp.size;
                task.seen.files_done += 1;
                batch.add(walk.path(found), done);
                Ok(())
            }
            Err(ShareError::Unreadable { path, source })
                if source.kind() == std::io::ErrorKind::NotFound && !walk.single =>
            {
                self.drop_file(index);
                task.skips
                    .add(path, "it was removed while the folder was being read");
                Ok(())
            }
            Err(ShareError::Unreadable { path, source })
                if task.request.skip_unreadable && !walk.single =>
            {
                self.drop_file(index);
                task.skips.add(path, format!("cannot be read: {source}"));
                Ok(())
            }
            Err(ShareError::Changing { path }) if task.request.skip_unreadable && !walk.single => {
                self.drop_file(index);
                task.skips.add(path, "it changed while it was being read");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn drop_file(&mut self, index: usize) {
        if let Some(slot) = self.dropped.get_mut(index) {
            *slot = true;
        }
    }

    /// Files whose blobs were removed since they were recognised must be hashed again.
    pub(super) fn forget(&mut self, index: usize) {
        if let Some(slot) = self.known.get_mut(index) {
            *slot = None;
        }
    }
}

/// Whether a file looks as it did, and may be trusted to be the same; then whether it is executable.
fn unchanged(path: &Path, record: &FileRecord) -> Option<bool> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    let facts = sys::facts_of(&metadata);
    (record.settled && facts.stamp == record.stamp).then_some(facts.executable)
}

//! Checking all files of a root against its hashes.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use potluck_content::{Address, GROUP_BYTES, Hash, PieceSet};
use redb::ReadableTable;

use crate::cache::Described;
use crate::db::DbError;
use crate::errors::{Fault, VerifyError};
use crate::hashing::{Control, HashFailure, Hashed, Source, hash_one, hash_parallel, run_workers};
use crate::open::{Inner, Store};
use crate::read::{Failure, judge, read_checked};
use crate::records::{
    BlobRecord, FileRecord, Home, PlaceRecord, ProblemRecord, RootRecord, TreePlace,
};
use crate::roots::clear_problems;
use crate::sys;
use crate::tables;
use crate::types::{Problem, SpanBuf, VerifyProgress, VerifyReport, What};
use crate::{MAX_PROBLEMS_LISTED, MAX_SPAN_BYTES};

/// Files from this size on are hashed by all threads together.
const LARGE: u64 = 8 * 1024 * 1024;

impl Store {
    /// Reads every file of a root and checks it. Problems are recorded, and those that are no more
    /// forgotten; hash trees that were lost are built again. `threads` 0 is as many as the machine has
    /// processors.
    pub fn verify(
        &self,
        address: &Address,
        threads: usize,
        progress: &mut dyn FnMut(&VerifyProgress) -> ControlFlow<()>,
    ) -> Result<VerifyReport, VerifyError> {
        let inner = &self.inner;
        let root = inner.root_record(address)?.ok_or(VerifyError::NotHave)?;
        let described = inner.describe(address)?.ok_or(VerifyError::NotHave)?;
        let jobs = inner.jobs(&root, &described)?;
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads.min(256),
        };
        let mut seen = VerifyProgress::default();
        seen.bytes = jobs.iter().map(|job| job.record.size).sum();
        let mut outcomes = BTreeMap::new();
        inner.blobs.clear();
        inner.verify_jobs(
            &jobs,
            &described,
            threads,
            &mut seen,
            progress,
            &mut outcomes,
        )?;
        inner.conclude(&root, &described, &jobs, &outcomes)
    }
}

/// A file (or owned copy) that is to be checked.
struct Job {
    hash: Hash,
    blob: u32,
    entry: u32,
    place: PlaceRecord,
    record: BlobRecord,
}

/// What came of it.
struct Outcome {
    what: Option<What>,
    /// The pieces of the blob that are right.
    good: PieceSet,
    /// The file as it looks, when it is right.
    file: Option<FileRecord>,
    /// The tree, when the one kept was not right.
    tree: Option<TreePlace>,
    read: u64,
}

impl Inner {
    /// The places of a root that should hold its blobs, and those that it misses.
    fn jobs(&self, root: &RootRecord, described: &Described) -> Result<Vec<Job>, Fault> {
        let layout = &described.layout;
        self.db.read(|transaction| {
            let places = transaction.open_table(tables::PLACES)?;
            let blobs = transaction.open_table(tables::BLOBS)?;
            let mut jobs = Vec::new();
            for (blob, named) in (0..).zip(layout.blobs()) {
                let Some(record) = tables::blob(&blobs, named.hash.as_bytes())? else {
                    continue;
                };
                let first = tables::place_key(&named.hash, root.number, 0);
                let last = tables::place_key(&named.hash, root.number, u32::MAX);
                for item in places.range::<&tables::PlaceKey>(&first..=&last)? {
                    let (key, value) = item?;
                    let (_, entry) = tables::place_owner(key.value());
                    let place = PlaceRecord::decode(value.value())
                        .map_err(|error| DbError::record("places", error))?;
                    let record = record.clone();
                    jobs.push(Job {
                        hash: named.hash,
                        blob,
                        entry,
                        place,
                        record,
                    });
                }
            }
            Ok(jobs)
        })
    }

    fn verify_jobs(
        &self,
        jobs: &[Job],
        described: &Described,
        threads: usize,
        seen: &mut VerifyProgress,
        progress: &mut dyn FnMut(&VerifyProgress) -> ControlFlow<()>,
        outcomes: &mut BTreeMap<usize, Outcome>,
    ) -> Result<(), VerifyError> {
        let control = Control::default();
        let found: Mutex<BTreeMap<usize, Outcome>> = Mutex::default();
        let fault: Mutex<Option<Fault>> = Mutex::default();
        let next = AtomicUsize::new(0);
        let take = |index: usize, result: Result<Option<Outcome>, Fault>| match result {
            Ok(Some(outcome)) => {
                found
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(index, outcome);
            }
            Ok(None) => {}
            Err(error) => {
                fault
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(error);
                control.stop.store(true, Ordering::Relaxed);
            }
        };
        let mut tick = || {
            let found = found.lock().unwrap_or_else(PoisonError::into_inner);
            let wrong = found.values().filter(|outcome| outcome.what.is_some());
            seen.problems = wrong.count() as u64;
            drop(found);
            seen.bytes_done = control.bytes.load(Ordering::Relaxed).min(seen.bytes);
            progress(seen)
        };
        let is_large = |job: &Job| job.record.size >= LARGE && threads > 1;
        let work = || {
            let mut buffer = Vec::new();
            while !control.stopped() {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(index) else { return };
                if !is_large(job) {
                    take(
                        index,
                        self.check(job, described, &control, &mut |source| {
                            hash_one(self, source, &control, &mut buffer)
                        }),
                    );
                }
            }
        };
        run_workers(threads.min(jobs.len()), &control, &work, &mut tick);
        for (index, job) in jobs.iter().enumerate().filter(|(_, job)| is_large(job)) {
            if control.stopped() {
                break;
            }
            take(
                index,
                self.check(job, described, &control, &mut |source| {
                    hash_parallel(self, source, &control, threads, &mut tick)
                }),
            );
        }
        if let Some(fault) = fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(fault.into());
        }
        if control.stopped() {
            return Err(VerifyError::Stopped);
        }
        *outcomes = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(())
    }

    /// Checks one file. `None` when it was stopped.
    fn check(
        &self,
        job: &Job,
        described: &Described,
        control: &Control,
        hash: &mut dyn FnMut(&Source<'_>) -> Result<Hashed, HashFailure>,
    ) -> Result<Option<Outcome>, Fault> {
        let pieces = described.layout.pieces();
        let wrong = |what, good| Outcome {
            what: Some(what),
            good,
            file: None,
            tree: None,
            read: 0,
        };
        if job.place == PlaceRecord::Owned && job.record.home == Home::Database {
            return self.check_small(job, described).map(Some);
        }
        let path = self.job_path(job);
        let judged = |error| match judge(error, &path) {
            Failure::Fault(fault) => Err(fault),
            Failure::Source(what) => Ok(what),
            _ => Ok(What::Unreadable),
        };
        let opened = sys::open_source(&path).and_then(|file| Ok((file.metadata()?, file)));
        let (before, file) = match opened {
            Ok((metadata, file)) => (sys::facts_of(&metadata).stamp, file),
            Err(error) => return Ok(Some(wrong(judged(error)?, PieceSet::new(pieces)))),
        };
        let size = job.record.size;
        let mut what = if before.size == size {
            What::Corrupt
        } else {
            What::Changed
        };
        if before.size == size {
            match hash(&Source {
                file: &file,
                size,
                copy: None,
            }) {
                Ok(hashed) if hashed.hash == job.hash => {
                    return self.right(job, described, before, hashed).map(Some);
                }
                Ok(_) => {}
                Err(HashFailure::Stopped) => return Ok(None),
                Err(HashFailure::Fault(fault)) => return Err(fault),
                Err(HashFailure::Short) => what = What::Changed,
                Err(HashFailure::Read(error)) => what = judged(error)?,
            }
        }
        if what == What::Corrupt && !self.looks_as_hashed(&path, job, before)? {
            what = What::Changed;
        }
        let good = self.good_pieces(job, described, &file, control)?;
        let mut outcome = wrong(what, good);
        outcome.read = size.min(before.size);
        Ok(Some(outcome))
    }

    fn job_path(&self, job: &Job) -> PathBuf {
        match &job.place {
            PlaceRecord::Owned => self.blob_path(&job.hash),
            PlaceRecord::Path(path) => sys::bytes_to_path(path),
        }
    }

    /// Whether a file has the stamp that it had when it was hashed.
    fn looks_as_hashed(
        &self,
        path: &Path,
        job: &Job,
        stamp: crate::records::Stamp,
    ) -> Result<bool, Fault> {
        if job.place == PlaceRecord::Owned {
            return Ok(true);
        }
        let key = sys::path_to_bytes(path);
        let known = self
            .db
            .read(|transaction| tables::file(&transaction.open_table(tables::FILES)?, &key))?;
        Ok(known.is_some_and(|known| known.hash == job.hash && known.stamp == stamp))
    }

    /// A file that is right: its tree is compared with the one that is kept.
    fn right(
        &self,
        job: &Job,
        described: &Described,
        stamp: crate::records::Stamp,
        hashed: Hashed,
    ) -> Result<Outcome, Fault> {
        let tree = if hashed.tree.is_as(self, &job.hash, &job.record.tree) {
            None
        } else {
            Some(hashed.tree.keep(self, &job.hash, true)?)
        };
        let file = FileRecord {
            hash: job.hash,
            stamp,
            settled: false,
        };
        let file = (job.place != PlaceRecord::Owned).then_some(file);
        let mut good = PieceSet::new(described.layout.pieces());
        good.insert_range(described.layout.pieces_of_blob(job.blob));
        Ok(Outcome {
            what: None,
            good,
            file,
            tree,
            read: job.record.size,
        })
    }

    fn check_small(&self, job: &Job, described: &Described) -> Result<Outcome, Fault> {
        let bytes = self.db.read(|transaction| {
            let small = transaction.open_table(tables::SMALL)?;
            Ok(small
                .get(job.hash.as_bytes())?
                .map(|value| value.value().to_vec()))
        })?;
        let mut good = PieceSet::new(described.layout.pieces());
        let what = match bytes {
            None => Some(What::Missing),
            Some(bytes) if Hash::of(&bytes) != job.hash => Some(What::Corrupt),
            Some(_) => {
                good.insert_range(described.layout.pieces_of_blob(job.blob));
                None
            }
        };
        Ok(Outcome {
            what,
            good,
            file: None,
            tree: None,
            read: job.record.size,
        })
    }

    /// The pieces of a damaged file that are still right.
    fn good_pieces(
        &self,
        job: &Job,
        described: &Described,
        file: &File,
        control: &Control,
    ) -> Result<PieceSet, Fault> {
        let layout = &described.layout;
        let geometry = layout.geometry(job.blob);
        let mut good = PieceSet::new(layout.pieces());
        let mut buffer = SpanBuf::new();
        let tree = self.open_tree(&job.hash, &job.record);
        let step = MAX_SPAN_BYTES / GROUP_BYTES;
        let mut read = |bytes: &mut [u8], offset| {
            let read = sys::read_exact_at(file, bytes, offset);
            read.map_err(|error| judge(error, Path::new("")))
        };
        for number in layout.pieces_of_blob(job.blob) {
            if control.stopped() {
                break;
            }
            let groups = layout.piece(number).groups;
            let mut first = groups.start;
            let mut right = true;
            while first < groups.end && right {
                let span = first..groups.end.min(first + step);
                let reader = tree.reader();
                let checked =
                    read_checked(&job.hash, geometry, &span, &reader, &mut read, &mut buffer);
                if let Err(Failure::Fault(fault)) = checked {
                    return Err(fault);
                }
                right = checked.is_ok();
                first = span.end;
            }
            if right {
                good.insert(number);
            }
        }
        Ok(good)
    }

    /// Records what was found.
    fn conclude(
        &self,
        root: &RootRecord,
        described: &Described,
        jobs: &[Job],
        outcomes: &BTreeMap<usize, Outcome>,
    ) -> Result<VerifyReport, VerifyError> {
        let pieces = described.layout.pieces();
        let mut bad = root
            .selected
            .clone()
            .filter(|selected| selected.len() == pieces);
        let bad = bad.get_or_insert_with(|| PieceSet::full(pieces));
        let mut report = VerifyReport {
            checked_bytes: 0,
            problems: Vec::new(),
            problem_count: 0,
            bad: PieceSet::new(pieces),
        };
        for (job, outcome) in outcomes
            .iter()
            .filter_map(|(at, o)| Some((jobs.get(*at)?, o)))
        {
            report.checked_bytes += outcome.read;
            bad.subtract(&outcome.good);
            let Some(what) = outcome.what else { continue };
            report.problem_count += 1;
            if report.problems.len() < MAX_PROBLEMS_LISTED {
                report.problems.push(Problem {
                    path: self.job_path(job),
                    what,
                });
            }
        }
        report.bad = bad.clone();
        self.db.write(|transaction| {
            let numbers = transaction.open_table(tables::NUMBERS)?;
            if numbers.get(root.number)?.is_none() {
                return Ok(());
            }
            clear_problems(transaction, root.number)?;
            let mut problems = transaction.open_table(tables::PROBLEMS)?;
            let mut files = transaction.open_table(tables::FILES)?;
            let mut blobs = transaction.open_table(tables::BLOBS)?;
            for (job, outcome) in outcomes
                .iter()
                .filter_map(|(at, o)| Some((jobs.get(*at)?, o)))
            {
                let path = sys::path_to_bytes(&self.job_path(job));
                if let Some(what) = outcome.what {
                    let key = tables::problem_key(root.number, job.entry);
                    let problem = ProblemRecord {
                        hash: job.hash,
                        what,
                        path,
                    };
                    problems.insert(&key, problem.encode().as_slice())?;
                    continue;
                }
                if let Some(file) = &outcome.file {
                    let known = tables::file(&files, &path)?;
                    if known
                        .is_none_or(|known| known.stamp != file.stamp || known.hash != file.hash)
                    {
                        files.insert(path.as_slice(), file.encode().as_slice())?;
                    }
                }
                if let Some(tree) = &outcome.tree
                    && let Some(record) = tables::blob(&blobs, job.hash.as_bytes())?
                {
                    let record = BlobRecord {
                        tree: tree.clone(),
                        ..record
                    };
                    blobs.insert(job.hash.as_bytes(), record.encode().as_slice())?;
                }
            }
            if !bad.is_empty() {
                let mut table = transaction.open_table(tables::BAD)?;
                table.insert(root.number, bad.to_bytes().as_slice())?;
            }
            Ok(())
        })?;
        self.blobs.clear();
        Ok(report)
    }
}

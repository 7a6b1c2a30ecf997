//! Checking all files of a root against its hashes.

mod check;
mod conclude;
mod refresh;
mod run;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use potluck_content::{Address, Hash};

use crate::cache::Described;
use crate::db::DbError;
use crate::errors::{Fault, VerifyError};
use crate::open::{Inner, Store};
use crate::records::{BlobRecord, FileRecord, PlaceRecord, RootRecord, TreePlace};
use crate::sys;
use crate::tables;
use crate::types::{VerifyProgress, VerifyReport, What};

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
        inner.blobs.doubt_all();
        let outcomes = inner.run(&jobs, &described, threads, progress)?;
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
    good: Good,
    /// The file as it looks, when it is right.
    file: Option<FileRecord>,
    /// The tree, when the one kept was not right.
    tree: Option<TreePlace>,
    /// Bytes that were checked.
    read: u64,
}

/// The pieces of a file that are right.
enum Good {
    All,
    Pieces(Vec<u32>),
}

/// What came of the files that were checked, by job.
type Outcomes = BTreeMap<usize, Outcome>;

impl Outcome {
    fn wrong(what: What, pieces: Vec<u32>, read: u64) -> Self {
        Self {
            what: Some(what),
            good: Good::Pieces(pieces),
            file: None,
            tree: None,
            read,
        }
    }
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

    fn job_path(&self, job: &Job) -> PathBuf {
        match &job.place {
            PlaceRecord::Owned => self.blob_path(&job.hash),
            PlaceRecord::Path(path) => sys::bytes_to_path(path),
        }
    }
}

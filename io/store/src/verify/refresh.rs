//! Looking at the files of a root without reading them.

use std::collections::BTreeSet;

use potluck_content::Address;

use super::Job;
use crate::MAX_PROBLEMS_LISTED;
use crate::errors::{Fault, VerifyError};
use crate::open::{Inner, Store};
use crate::problems::Noticed;
use crate::read::{Failure, judge};
use crate::records::{FileRecord, PlaceRecord, Stamp};
use crate::sys::{self, EntryKind};
use crate::tables;
use crate::types::{Glance, What};

impl Store {
    /// Looks at the files of a root without reading them. Those that are gone or have another size are
    /// recorded as problems. Of those that have their size but another time, or were put in the place
    /// of the one that was indexed, only [`Self::verify`] and reading them tell whether they changed.
    pub fn refresh(&self, address: &Address) -> Result<Glance, VerifyError> {
        let inner = &self.inner;
        let root = inner.root_record(address)?.ok_or(VerifyError::NotHave)?;
        let described = inner.describe(address)?.ok_or(VerifyError::NotHave)?;
        let known = inner.known_problems(root.number)?;
        let (mut noticed, mut touched) = (Vec::new(), Vec::new());
        let jobs = inner.jobs(&root, &described)?;
        let indexed = inner.indexed(&jobs)?;
        for (job, file) in jobs.into_iter().zip(indexed) {
            if job.place == PlaceRecord::Owned || known.contains(&job.entry) {
                continue;
            }
            let what = match inner.glance(&job, file.as_ref())? {
                Seen::Right => continue,
                Seen::Touched => {
                    if touched.len() < MAX_PROBLEMS_LISTED {
                        touched.push(inner.job_path(&job));
                    }
                    continue;
                }
                Seen::Wrong(what) => what,
            };
            let span = described.layout.geometry(job.blob).last_group();
            noticed.push(Noticed {
                hash: job.hash,
                number: root.number,
                entry: job.entry,
                what,
                place: job.place,
                span,
            });
        }
        if !noticed.is_empty() {
            inner.notice(&noticed)?;
        }
        let root = self.root(address)?;
        Ok(Glance {
            problems: root.map(|root| root.problems).unwrap_or_default(),
            touched,
        })
    }
}

/// How a file looks from outside.
enum Seen {
    Right,
    /// Not as when it was indexed, and yet it may be the same.
    Touched,
    Wrong(What),
}

impl Inner {
    fn known_problems(&self, number: u64) -> Result<BTreeSet<u32>, Fault> {
        self.db.read(|transaction| {
            let problems = transaction.open_table(tables::PROBLEMS)?;
            let first = tables::problem_key(number, 0);
            let last = tables::problem_key(number, u32::MAX);
            let range = problems.range::<&tables::ProblemKey>(&first..=&last)?;
            range
                .map(|item| Ok(tables::problem_entry(item?.0.value())))
                .collect()
        })
    }

    /// How the files at the places of a root looked when they were indexed.
    fn indexed(&self, jobs: &[Job]) -> Result<Vec<Option<FileRecord>>, Fault> {
        self.db.read(|transaction| {
            let files = transaction.open_table(tables::FILES)?;
            let look_up = |job: &Job| match &job.place {
                PlaceRecord::Owned => Ok(None),
                PlaceRecord::Path(path) => tables::file(&files, path),
            };
            jobs.iter().map(look_up).collect()
        })
    }

    fn glance(&self, job: &Job, file: Option<&FileRecord>) -> Result<Seen, Fault> {
        let path = self.job_path(job);
        let metadata = match std::fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                return match judge(error, &path) {
                    Failure::Fault(fault) => Err(fault),
                    Failure::Source(what) => Ok(Seen::Wrong(what)),
                    _ => Ok(Seen::Right),
                };
            }
        };
        let facts = sys::facts_of(&metadata);
        if facts.kind != EntryKind::File || facts.stamp.size != job.record.size {
            return Ok(Seen::Wrong(What::Changed));
        }
        // The time of the last change to the file's metadata says nothing of its bytes: a new mode
        // or another name for the same file sets it too.
        let content = |stamp: &Stamp| (stamp.mtime, stamp.mtime_nanos, stamp.inode);
        let same = file.is_none_or(|file| {
            file.hash == job.hash && content(&file.stamp) == content(&facts.stamp)
        });
        Ok(if same { Seen::Right } else { Seen::Touched })
    }
}

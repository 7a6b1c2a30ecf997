//! Looking at the files of a root without reading them.

use std::collections::BTreeSet;

use potluck_content::Address;

use super::Job;
use crate::errors::{Fault, VerifyError};
use crate::open::{Inner, Store};
use crate::problems::Noticed;
use crate::read::{Failure, judge};
use crate::records::PlaceRecord;
use crate::sys::{self, EntryKind};
use crate::tables;
use crate::types::{Problem, What};

impl Store {
    /// Looks whether the files of a root are there with their sizes, which costs little, and records
    /// as problems those that are not. Gives all known problems of the root. That a file changed and
    /// kept its size, or is right again, only [`Self::verify`] and reading it tell.
    pub fn refresh(&self, address: &Address) -> Result<Vec<Problem>, VerifyError> {
        let inner = &self.inner;
        let root = inner.root_record(address)?.ok_or(VerifyError::NotHave)?;
        let described = inner.describe(address)?.ok_or(VerifyError::NotHave)?;
        let known = inner.known_problems(root.number)?;
        let mut noticed = Vec::new();
        for job in inner.jobs(&root, &described)? {
            let PlaceRecord::Path(_) = &job.place else {
                continue;
            };
            let Some(what) = inner.glance(&job)? else {
                continue;
            };
            if !known.contains(&job.entry) {
                let span = described.layout.geometry(job.blob).last_group();
                let (hash, number, entry, place) = (job.hash, root.number, job.entry, job.place);
                noticed.push(Noticed {
                    hash,
                    number,
                    entry,
                    what,
                    place,
                    span,
                });
            }
        }
        if !noticed.is_empty() {
            inner.notice(&noticed)?;
        }
        Ok(self
            .root(address)?
            .map(|root| root.problems)
            .unwrap_or_default())
    }
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

    /// What is visibly wrong with a file.
    fn glance(&self, job: &Job) -> Result<Option<What>, Fault> {
        let path = self.job_path(job);
        let metadata = match std::fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                return match judge(error, &path) {
                    Failure::Fault(fault) => Err(fault),
                    Failure::Source(what) => Ok(Some(what)),
                    _ => Ok(None),
                };
            }
        };
        let facts = sys::facts_of(&metadata);
        let right = facts.kind == EntryKind::File && facts.stamp.size == job.record.size;
        Ok((!right).then_some(What::Changed))
    }
}

//! Recording what a verification found.

use potluck_content::PieceSet;
use redb::{ReadableTable, WriteTransaction};

use super::{Good, Job, Outcome, Outcomes};
use crate::MAX_PROBLEMS_LISTED;
use crate::cache::Described;
use crate::db::DbError;
use crate::errors::VerifyError;
use crate::open::Inner;
use crate::records::{BlobRecord, ProblemRecord, RootRecord};
use crate::roots::clear_problems;
use crate::sys;
use crate::tables;
use crate::types::{Problem, VerifyReport};

impl Inner {
    /// Records what was found.
    pub(super) fn conclude(
        &self,
        root: &RootRecord,
        described: &Described,
        jobs: &[Job],
        outcomes: &Outcomes,
    ) -> Result<VerifyReport, VerifyError> {
        let layout = &described.layout;
        let selected = root
            .selected
            .as_ref()
            .filter(|selected| selected.len() == layout.pieces());
        let bad = selected
            .cloned()
            .unwrap_or_else(|| PieceSet::full(layout.pieces()));
        let problems = Vec::new();
        let mut report = VerifyReport {
            checked_bytes: 0,
            problems,
            problem_count: 0,
            bad,
        };
        for (job, outcome) in pairs(jobs, outcomes) {
            report.checked_bytes += outcome.read;
            match &outcome.good {
                Good::All => report.bad.remove_range(layout.pieces_of_blob(job.blob)),
                Good::Pieces(pieces) => pieces.iter().for_each(|piece| {
                    report.bad.remove(*piece);
                }),
            }
            let Some(what) = outcome.what else { continue };
            report.problem_count += 1;
            if report.problems.len() < MAX_PROBLEMS_LISTED {
                report.problems.push(Problem {
                    path: self.job_path(job),
                    what,
                });
            }
        }
        self.db.write(|transaction| {
            if transaction
                .open_table(tables::NUMBERS)?
                .get(root.number)?
                .is_none()
            {
                // It was removed meanwhile.
                return Ok(());
            }
            clear_problems(transaction, root.number)?;
            for (job, outcome) in pairs(jobs, outcomes) {
                self.record_outcome(transaction, root, job, outcome)?;
            }
            if !report.bad.is_empty() {
                let mut table = transaction.open_table(tables::BAD)?;
                table.insert(root.number, report.bad.to_bytes().as_slice())?;
            }
            Ok(())
        })?;
        self.blobs.doubt_all();
        Ok(report)
    }

    fn record_outcome(
        &self,
        transaction: &WriteTransaction,
        root: &RootRecord,
        job: &Job,
        outcome: &Outcome,
    ) -> Result<(), DbError> {
        let path = sys::path_to_bytes(&self.job_path(job));
        if let Some(what) = outcome.what {
            let mut problems = transaction.open_table(tables::PROBLEMS)?;
            let key = tables::problem_key(root.number, job.entry);
            let problem = ProblemRecord {
                hash: job.hash,
                what,
                path,
            };
            problems.insert(&key, problem.encode().as_slice())?;
            return Ok(());
        }
        if let Some(file) = &outcome.file {
            let mut files = transaction.open_table(tables::FILES)?;
            let known = tables::file(&files, &path)?;
            if known.is_none_or(|known| known.stamp != file.stamp || known.hash != file.hash) {
                files.insert(path.as_slice(), file.encode().as_slice())?;
            }
        }
        if let Some(tree) = &outcome.tree {
            let mut blobs = transaction.open_table(tables::BLOBS)?;
            if let Some(record) = tables::blob(&blobs, job.hash.as_bytes())? {
                let record = BlobRecord {
                    tree: tree.clone(),
                    ..record
                };
                blobs.insert(job.hash.as_bytes(), record.encode().as_slice())?;
            }
        }
        Ok(())
    }
}

fn pairs<'a>(
    jobs: &'a [Job],
    outcomes: &'a Outcomes,
) -> impl Iterator<Item = (&'a Job, &'a Outcome)> {
    outcomes
        .iter()
        .filter_map(|(at, outcome)| Some((jobs.get(*at)?, outcome)))
}

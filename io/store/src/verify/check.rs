//! Checking one file.

use std::fs::File;
use std::io::IoSliceMut;
use std::path::Path;

use potluck_content::{GROUP_BYTES, Hash};

use super::{Good, Job, Outcome};
use crate::MAX_SPAN_BYTES;
use crate::cache::Described;
use crate::errors::Fault;
use crate::hashing::{Control, HashFailure, Hashed, Source};
use crate::open::Inner;
use crate::read::{Failure, Target, judge, read_checked};
use crate::records::{FileRecord, Home, PlaceRecord, Stamp};
use crate::sys;
use crate::tables;
use crate::types::{SpanBuf, What};

impl Inner {
    /// Checks one file; `hash` hashes it. `None` when it was stopped.
    pub(super) fn check(
        &self,
        job: &Job,
        described: &Described,
        control: &Control,
        hash: &mut dyn FnMut(&Source<'_>) -> Result<Hashed, HashFailure>,
    ) -> Result<Option<Outcome>, Fault> {
        if job.place == PlaceRecord::Owned && job.record.home == Home::Database {
            return self.check_small(job).map(Some);
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
            Err(error) => return Ok(Some(Outcome::wrong(judged(error)?, Vec::new(), 0))),
        };
        let size = job.record.size;
        let mut what = What::Changed;
        if before.size == size {
            match hash(&Source {
                file: &file,
                size,
                copy: None,
            }) {
                Ok(hashed) if hashed.hash == job.hash => {
                    return self.right(job, before, hashed).map(Some);
                }
                Ok(_) if self.looks_as_hashed(&path, job, before)? => what = What::Corrupt,
                Ok(_) | Err(HashFailure::Short) => {}
                Err(HashFailure::Stopped) => return Ok(None),
                Err(HashFailure::Fault(fault)) => return Err(fault),
                Err(HashFailure::Read(error)) => what = judged(error)?,
            }
        }
        let good = self.good_pieces(job, described, &file, control)?;
        Ok(Some(Outcome::wrong(what, good, size.min(before.size))))
    }

    /// Whether a file has the stamp that it had when it was hashed.
    fn looks_as_hashed(&self, path: &Path, job: &Job, stamp: Stamp) -> Result<bool, Fault> {
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
    fn right(&self, job: &Job, stamp: Stamp, hashed: Hashed) -> Result<Outcome, Fault> {
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
        Ok(Outcome {
            what: None,
            good: Good::All,
            file,
            tree,
            read: job.record.size,
        })
    }

    fn check_small(&self, job: &Job) -> Result<Outcome, Fault> {
        let bytes = self.db.read(|transaction| {
            let small = transaction.open_table(tables::SMALL)?;
            Ok(small
                .get(job.hash.as_bytes())?
                .map(|value| value.value().to_vec()))
        })?;
        let read = job.record.size;
        Ok(match bytes {
            None => Outcome::wrong(What::Missing, Vec::new(), 0),
            Some(bytes) if Hash::of(&bytes) != job.hash => {
                Outcome::wrong(What::Corrupt, Vec::new(), read)
            }
            Some(_) => Outcome {
                what: None,
                good: Good::All,
                file: None,
                tree: None,
                read,
            },
        })
    }

    /// The pieces of a damaged file that are still right.
    fn good_pieces(
        &self,
        job: &Job,
        described: &Described,
        file: &File,
        control: &Control,
    ) -> Result<Vec<u32>, Fault> {
        let layout = &described.layout;
        let geometry = layout.geometry(job.blob);
        let tree = self.open_tree(&job.hash, &job.record);
        let step = MAX_SPAN_BYTES / GROUP_BYTES;
        let mut buffer = SpanBuf::new();
        let mut read = |places: &mut [IoSliceMut<'_>], offset| {
            let read = sys::read_exact_vectored_at(file, places, offset);
            read.map_err(|error| judge(error, Path::new("")))
        };
        let mut good = Vec::new();
        for number in layout.pieces_of_blob(job.blob) {
            let groups = layout.piece(number).groups;
            let mut first = groups.start;
            while first < groups.end && !control.stopped() {
                let span = first..groups.end.min(first + step);
                let reader = tree.reader();
                let mut out = Target::Buffer(&mut buffer);
                match read_checked(&job.hash, geometry, &span, &reader, &mut read, &mut out) {
                    Ok(()) => first = span.end,
                    Err(Failure::Fault(fault)) => return Err(fault),
                    Err(_) => break,
                }
            }
            if first == groups.end {
                good.push(number);
            }
        }
        Ok(good)
    }
}

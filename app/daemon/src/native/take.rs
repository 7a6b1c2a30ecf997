//! Verifies what a lane delivered where it lies, and hands it to the sink from there.

use crate::source::{FetchItem, Job, SinkError};
use potluck_content::tree::{Geometry, VerifiedSpan};
use potluck_net::PipeReader;
use std::io::IoSlice;

/// Why bytes were not kept.
pub(super) enum Problem {
    /// This group is not what its hash says.
    Wrong(u64),
    Sink(SinkError),
}

/// How far one item has come.
pub(super) struct Taking<'a> {
    job: &'a Job,
    item: &'a FetchItem,
    geometry: Geometry,
    verified: VerifiedSpan,
    /// The first group that is not kept yet.
    group: u64,
    /// The beginning of that group, where the lane's portions tore it.
    torn: Vec<u8>,
}

/// Whole groups in a row that were verified and not written yet.
struct Run<'a> {
    first: u64,
    parts: Vec<IoSlice<'a>>,
}

impl<'a> Taking<'a> {
    pub(super) fn new(job: &'a Job, item: &'a FetchItem, verified: VerifiedSpan) -> Self {
        Self {
            job,
            item,
            geometry: Geometry::new(item.size),
            verified,
            group: item.groups.start,
            torn: Vec::new(),
        }
    }

    /// The first group that is not kept yet.
    pub(super) fn group(&self) -> u64 {
        self.group
    }

    pub(super) fn is_done(&self) -> bool {
        self.group >= self.item.groups.end
    }

    /// Takes what is there, up to the end of the item; says how many bytes that was.
    pub(super) fn take(&mut self, reader: &PipeReader) -> Result<usize, Problem> {
        let mut run = Run {
            first: self.group,
            parts: Vec::new(),
        };
        let mut taken = 0;
        for chunk in reader.chunks() {
            if self.is_done() {
                break;
            }
            taken += self.chunk(chunk, &mut run)?;
        }
        self.write(&mut run)?;
        Ok(taken)
    }

    fn chunk<'b>(&mut self, chunk: &'b [u8], run: &mut Run<'b>) -> Result<usize, Problem> {
        let mut rest = chunk;
        if !self.torn.is_empty() {
            rest = self.mend(rest, run)?;
        }
        let mut whole = 0;
        let first = self.group;
        while !self.is_done() && rest.len() - whole >= self.geometry.group_len(self.group) {
            whole += self.geometry.group_len(self.group);
            self.group += 1;
        }
        let (groups, rest) = rest.split_at(whole);
        if !groups.is_empty() {
            self.check(first, groups)?;
            run.parts.push(IoSlice::new(groups));
        }
        if self.is_done() {
            return Ok(chunk.len() - rest.len());
        }
        self.torn.extend_from_slice(rest);
        Ok(chunk.len())
    }

    /// Adds to the torn group; returns what is left once it is whole.
    fn mend<'b>(&mut self, bytes: &'b [u8], run: &mut Run<'_>) -> Result<&'b [u8], Problem> {
        let missing = self.geometry.group_len(self.group) - self.torn.len();
        let (now, rest) = bytes.split_at(missing.min(bytes.len()));
        self.torn.extend_from_slice(now);
        if now.len() < missing {
            return Ok(rest);
        }
        self.write(run)?;
        let torn = std::mem::take(&mut self.torn);
        self.check(self.group, &torn)?;
        let written = self.job.sink.write(self.item.blob, self.group, &torn);
        written.map_err(Problem::Sink)?;
        self.torn = torn;
        self.torn.clear();
        self.group += 1;
        run.first = self.group;
        Ok(rest)
    }

    fn check(&self, first: u64, groups: &[u8]) -> Result<(), Problem> {
        let checked = self.verified.check_groups(first, groups);
        checked.map_err(|wrong| Problem::Wrong(wrong.group))
    }

    fn write(&self, run: &mut Run<'_>) -> Result<(), Problem> {
        if run.parts.is_empty() {
            return Ok(());
        }
        let sink = &self.job.sink;
        let written = match run.parts.as_slice() {
            [only] => sink.write(self.item.blob, run.first, only),
            parts => sink.write_vectored(self.item.blob, run.first, parts),
        };
        written.map_err(Problem::Sink)?;
        run.parts.clear();
        run.first = self.group;
        Ok(())
    }
}

//! Keeping verified bytes as they come.

use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::PoisonError;

use potluck_content::GROUP_BYTES;
use potluck_content::tree::Geometry;

use super::running::{Running, lock};
use crate::errors::{Fault, WriteError};
use crate::sys;
use crate::types::PlacedParent;

impl Running {
    /// Writes whole groups, whose bytes are those of `parts` in order, cut anywhere.
    pub(super) fn write(
        &self,
        blob: u32,
        first_group: u64,
        parts: &[IoSlice<'_>],
    ) -> Result<(), WriteError> {
        let _writing = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        let geometry = self.geometry(blob)?;
        let length = parts.iter().map(|part| part.len() as u64).sum();
        let Some(groups) = whole_groups(geometry, first_group, length) else {
            return Err(WriteError::BadRange);
        };
        if length == 0 || self.has_all(blob, &groups) {
            // What is here was verified; writing it again could only do harm.
            return Ok(());
        }
        let (file, created) = self
            .parts
            .create(blob)
            .map_err(|fault| self.refused(fault))?;
        let offset = geometry.group_offset(first_group);
        let written = self.write_parts((blob, geometry.size()), &file, parts, offset);
        lock(&self.dirty).add(blob, created);
        written.map_err(|error| self.refused(Fault::io("write", &self.part_path, error)))
    }

    fn write_parts(
        &self,
        blob: (u32, u64),
        file: &File,
        parts: &[IoSlice<'_>],
        offset: u64,
    ) -> io::Result<()> {
        let direct = self.parts.direct.write(blob, file, parts, offset)?;
        let mut rest = parts.to_vec();
        let mut rest = rest.as_mut_slice();
        IoSlice::advance_slices(&mut rest, direct);
        if rest.is_empty() {
            return Ok(());
        }
        // The system lets one write to a file at a time, and those that wait keep their cores busy.
        let _alone = lock(&self.alone);
        sys::write_all_vectored_at(file, rest, offset + direct as u64)
    }

    pub(super) fn write_parents(
        &self,
        blob: u32,
        parents: &[PlacedParent],
    ) -> Result<(), WriteError> {
        let _writing = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        self.geometry(blob)?;
        match self.trees.write(blob, parents) {
            Ok(true) => Ok(()),
            Ok(false) => Err(WriteError::BadRange),
            Err(fault) => Err(self.refused(fault)),
        }
    }

    pub(super) fn complete(&self, pieces: &[u32]) -> Result<(), WriteError> {
        let _writing = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        let all = self.described.layout.pieces();
        if pieces.iter().any(|piece| *piece >= all) {
            return Err(WriteError::BadRange);
        }
        // The journal is locked first here and in checkpoints, so that no checkpoint sees a piece
        // whose entry it would then leave in the journal, or the other way around.
        let mut journal = lock(&self.journal);
        let state = lock(&self.state);
        let new = pieces
            .iter()
            .copied()
            .filter(|piece| !state.have.contains(*piece));
        let new: Vec<u32> = new.collect();
        drop(state);
        if new.is_empty() {
            return Ok(());
        }
        journal.append(&new).map_err(|fault| self.refused(fault))?;
        let mut state = lock(&self.state);
        for piece in new {
            state.have.insert(piece);
        }
        Ok(())
    }

    fn check_open(&self) -> Result<(), WriteError> {
        if lock(&self.state).ended {
            Err(WriteError::Ended)
        } else {
            Ok(())
        }
    }

    fn geometry(&self, blob: u32) -> Result<Geometry, WriteError> {
        let layout = &self.described.layout;
        let known = usize::try_from(blob).is_ok_and(|blob| blob < layout.blobs().len());
        if known {
            Ok(layout.geometry(blob))
        } else {
            Err(WriteError::BadRange)
        }
    }

    fn has_all(&self, blob: u32, groups: &Range<u64>) -> bool {
        let mut covering = self.described.layout.pieces_covering(blob, groups.clone());
        let state = lock(&self.state);
        covering.all(|piece| state.have.contains(piece))
    }

    /// Says how much room is missing when there is none.
    pub(super) fn refused(&self, fault: Fault) -> WriteError {
        match fault {
            Fault::NoSpace { dir } => WriteError::NoSpace {
                dir,
                needed: self.missing_bytes(),
            },
            other => WriteError::Fault(other),
        }
    }
}

/// The groups that `length` bytes from `first` on are, if they are whole groups of the blob.
fn whole_groups(geometry: Geometry, first: u64, length: u64) -> Option<Range<u64>> {
    let end = first.checked_add(length.div_ceil(GROUP_BYTES))?;
    (end <= geometry.groups() && geometry.span_len(first..end) == length).then_some(first..end)
}

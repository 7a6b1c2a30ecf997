//! Keeping bytes as they come, and pieces once they are right.

use std::sync::PoisonError;

use super::running::Running;
use super::shape;
use crate::errors::{Fault, WriteError};
use crate::partial::lock;
use crate::sys;

/// A write to a piece that is going on.
struct Writing<'a> {
    running: &'a Running,
    piece: u32,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.running.state);
        if let Some(count) = state.writing.get_mut(&self.piece) {
            *count -= 1;
            if *count == 0 {
                state.writing.remove(&self.piece);
            }
        }
        drop(state);
        self.running.moved_on.notify_all();
    }
}

/// A piece that nobody writes to.
struct Sealed<'a> {
    running: &'a Running,
    piece: u32,
}

impl Drop for Sealed<'_> {
    fn drop(&mut self) {
        lock(&self.running.state).sealed.remove(&self.piece);
        self.running.moved_on.notify_all();
    }
}

impl Running {
    pub(super) fn write(&self, piece: u32, begin: u64, data: &[u8]) -> Result<(), WriteError> {
        let _writing = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        let parts = shape::parts(&self.layout, piece, begin, data.len());
        let parts = parts.ok_or(WriteError::BadRange)?;
        let Some(_writing) = self.start_writing(piece) else {
            // What is here was verified; writing it again could only do harm.
            return Ok(());
        };
        for part in parts {
            let Some(index) = part.file else { continue };
            let bytes = data.get(part.at).unwrap_or_default();
            let (file, created) = self
                .files
                .create(index)
                .map_err(|fault| self.refused(fault))?;
            let written = sys::write_all_at(&file, bytes, part.offset);
            lock(&self.dirty).add(index, created);
            written.map_err(|error| {
                self.refused(Fault::io("write", &self.files.path_of(index), error))
            })?;
        }
        Ok(())
    }

    /// Notes that a piece is written to, unless it is here. Waits while it is being completed.
    fn start_writing(&self, piece: u32) -> Option<Writing<'_>> {
        let state = lock(&self.state);
        let state = self
            .moved_on
            .wait_while(state, |state| state.sealed.contains(&piece));
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.have.contains(piece) {
            return None;
        }
        *state.writing.entry(piece).or_default() += 1;
        drop(state);
        Some(Writing {
            running: self,
            piece,
        })
    }

    /// Waits until nobody writes to a piece, and keeps it so. `None` when it is here already.
    fn seal(&self, piece: u32) -> Option<Sealed<'_>> {
        let state = lock(&self.state);
        let state = self
            .moved_on
            .wait_while(state, |state| state.sealed.contains(&piece));
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.have.contains(piece) {
            return None;
        }
        state.sealed.insert(piece);
        let state = self
            .moved_on
            .wait_while(state, |state| state.writing.contains_key(&piece));
        drop(state.unwrap_or_else(PoisonError::into_inner));
        Some(Sealed {
            running: self,
            piece,
        })
    }

    pub(super) fn complete(&self, piece: u32) -> Result<(), WriteError> {
        self.complete_if(piece, || Ok(true)).map(|_| ())
    }

    pub(super) fn verify(&self, piece: u32) -> Result<bool, WriteError> {
        self.complete_if(piece, || self.is_right(piece))
    }

    /// Notes that a piece is here, if it is right while nobody writes to it.
    fn complete_if(
        &self,
        piece: u32,
        is_right: impl FnOnce() -> Result<bool, Fault>,
    ) -> Result<bool, WriteError> {
        let _writing = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        if piece >= shape::pieces(&self.layout) {
            return Err(WriteError::BadRange);
        }
        let Some(sealed) = self.seal(piece) else {
            return Ok(true);
        };
        if !is_right().map_err(|fault| self.refused(fault))? {
            return Ok(false);
        }
        let bytes = shape::wanted_in(&self.layout, self.files.selection(), piece);
        // The journal is locked first here and in checkpoints, so that no checkpoint sees a piece
        // whose entry it would then leave in the journal, or the other way around.
        let mut journal = lock(&self.journal);
        journal
            .append(&[piece])
            .map_err(|fault| self.refused(fault))?;
        let mut state = lock(&self.state);
        state.have.insert(piece);
        state.have_bytes = state.have_bytes.saturating_add(bytes);
        drop(state);
        drop(journal);
        drop(sealed);
        Ok(true)
    }
}

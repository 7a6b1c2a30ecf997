//! The parents that a download has learnt, of all its blobs in one file.

use std::fs::File;
use std::path::{Path, PathBuf};

use potluck_content::PieceLayout;
use potluck_content::tree::PARENT_BYTES;

use crate::errors::Fault;
use crate::sys;
use crate::trees::TreeReader;
use crate::types::PlacedParent;

/// The outboards of all blobs of a layout, one after the other. What was not learnt reads as zeros,
/// or is past the end.
#[derive(Debug)]
pub(super) struct PartialTrees {
    pub(super) path: PathBuf,
    file: File,
    /// Where the outboard of each blob begins; at the end, where the last one ends.
    offsets: Vec<u64>,
}

impl PartialTrees {
    pub(super) fn open(path: &Path, layout: &PieceLayout) -> Result<Self, Fault> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = options
            .open(path)
            .map_err(|error| Fault::io("open", path, error))?;
        let mut offsets = Vec::with_capacity(layout.blobs().len() + 1);
        let mut offset = 0;
        for blob in layout.blobs() {
            offsets.push(offset);
            offset += potluck_content::tree::Geometry::new(blob.size).outboard_len();
        }
        offsets.push(offset);
        Ok(Self {
            path: path.to_path_buf(),
            file,
            offsets,
        })
    }

    /// Where a blob's outboard lies in the file.
    pub(super) fn span(&self, blob: u32) -> std::ops::Range<u64> {
        let at = |index: usize| self.offsets.get(index).copied().unwrap_or(0);
        let index = usize::try_from(blob).unwrap_or(usize::MAX - 1);
        at(index)..at(index + 1)
    }

    pub(super) fn reader(&self, blob: u32) -> TreeReader<'_> {
        TreeReader::file(&self.file, self.span(blob).start)
    }

    /// Keeps parents of a blob. Those that follow each other are written at once. `false` when one
    /// lies outside the blob's outboard.
    pub(super) fn write(&self, blob: u32, parents: &[PlacedParent]) -> Result<bool, Fault> {
        let span = self.span(blob);
        let length = PARENT_BYTES as u64;
        let within = |offset: u64| {
            offset.is_multiple_of(length)
                && offset
                    .checked_add(length)
                    .is_some_and(|end| end <= span.end - span.start)
        };
        if !parents.iter().all(|(offset, _)| within(*offset)) {
            return Ok(false);
        }
        let mut run: Vec<u8> = Vec::new();
        let mut start = 0;
        for (offset, parent) in parents {
            if !run.is_empty() && start + run.len() as u64 != *offset {
                self.write_at(&run, span.start + start)?;
                run.clear();
            }
            if run.is_empty() {
                start = *offset;
            }
            run.extend_from_slice(parent);
        }
        self.write_at(&run, span.start + start)?;
        Ok(true)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Fault> {
        let written = sys::write_all_at(&self.file, bytes, offset);
        written.map_err(|error| Fault::io("write", &self.path, error))
    }

    pub(super) fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), Fault> {
        let read = sys::read_exact_at(&self.file, bytes, offset);
        read.map_err(|error| Fault::io("read", &self.path, error))
    }

    pub(super) fn sync(&self) -> Result<(), Fault> {
        self.file
            .sync_data()
            .map_err(|error| Fault::io("sync", &self.path, error))
    }
}

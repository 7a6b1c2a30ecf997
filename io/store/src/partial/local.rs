//! Taking from other roots of the store what need not be fetched.

use std::io::IoSlice;

use potluck_content::tree::check;
use potluck_content::{GROUP_BYTES, Hash, Piece, PieceSet};

use super::running::Running;
use crate::errors::{Fault, ReadError, WriteError};
use crate::read::Target;
use crate::types::SpanBuf;
use crate::{MAX_SPAN_BYTES, tables};

/// Pieces that are noted as complete at once.
const BATCH: usize = 1024;

impl Running {
    /// Copies pieces that finished files of the store hold, verifying each.
    pub(super) fn fill_from_local(&self) -> Result<PieceSet, WriteError> {
        let layout = &self.described.layout;
        let mut missing = self.wanted.clone();
        missing.subtract(&self.have());
        let mut buffer = SpanBuf::new();
        let mut done = Vec::new();
        for (index, blob) in (0..).zip(layout.blobs()) {
            let pieces = layout
                .pieces_of_blob(index)
                .filter(|piece| missing.contains(*piece));
            let pieces: Vec<u32> = pieces.collect();
            if pieces.is_empty() || !self.is_held(&blob.hash).map_err(WriteError::from)? {
                continue;
            }
            for piece in pieces {
                if self.copy_piece(&blob.hash, &layout.piece(piece), &mut buffer)? {
                    done.push(piece);
                }
                if done.len() >= BATCH {
                    self.complete(&done)?;
                    done.clear();
                }
            }
        }
        self.complete(&done)?;
        Ok(self.have())
    }

    fn is_held(&self, hash: &Hash) -> Result<bool, Fault> {
        self.inner.db.read(|transaction| {
            let blobs = transaction.open_table(tables::BLOBS)?;
            Ok(redb::ReadableTable::get(&blobs, hash.as_bytes())?.is_some())
        })
    }

    /// Copies one piece. `false` when no file of the store holds it (any more).
    fn copy_piece(
        &self,
        hash: &Hash,
        piece: &Piece,
        buffer: &mut SpanBuf,
    ) -> Result<bool, WriteError> {
        let geometry = self.described.layout.geometry(piece.blob);
        let step = MAX_SPAN_BYTES / GROUP_BYTES;
        let mut first = piece.groups.start;
        while first < piece.groups.end {
            let span = first..piece.groups.end.min(first + step);
            match self
                .inner
                .read_held(hash, &span, &mut Target::Buffer(buffer))
            {
                Ok(()) => {}
                Err(ReadError::Fault(fault @ Fault::NoSpace { .. })) => {
                    return Err(self.refused(fault));
                }
                Err(error) => {
                    tracing::debug!(%hash, %error, "not taken from this store");
                    return Ok(false);
                }
            }
            let Ok(verified) = check(hash, geometry, span.clone(), buffer.proof()) else {
                return Ok(false);
            };
            // What is served may have been found right earlier; what is kept is checked now.
            if verified.check_groups(first, buffer.data()).is_err() {
                self.inner.blobs.doubt(hash);
                return Ok(false);
            }
            self.write_parents(piece.blob, verified.parents())?;
            self.write(piece.blob, first, &[IoSlice::new(buffer.data())])?;
            first = span.end;
        }
        Ok(true)
    }
}

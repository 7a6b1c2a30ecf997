//! Reading what was fetched, to give it to others or to hash it again.

use std::io;

use potluck_bittorrent::PieceDigester;

use super::running::Running;
use super::shape;
use crate::errors::{Fault, ReadError};
use crate::partial::lock;
use crate::sys;
use crate::types::What;

/// Bytes that are hashed at once.
const STEP: usize = 256 * 1024;

impl Running {
    pub(super) fn read(&self, piece: u32, begin: u64, out: &mut [u8]) -> Result<(), ReadError> {
        if lock(&self.state).ended {
            return Err(ReadError::NotHave);
        }
        let parts = shape::parts(&self.layout, piece, begin, out.len());
        for part in parts.ok_or(ReadError::BadSpan)? {
            let place = out.get_mut(part.at).unwrap_or_default();
            let Some(file) = part.file else {
                place.fill(0);
                continue;
            };
            if !self.read_file(file, part.offset, place)? {
                if !lock(&self.state).have.contains(piece) {
                    return Err(ReadError::NotHave);
                }
                return Err(ReadError::Changed {
                    path: self.files.path_of(file),
                    what: What::Missing,
                });
            }
        }
        Ok(())
    }

    /// Whether the file reaches that far.
    fn read_file(&self, file: u32, offset: u64, out: &mut [u8]) -> Result<bool, Fault> {
        let Some(open) = self.files.open(file)? else {
            return Ok(false);
        };
        match sys::read_exact_at(&open, out, offset) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(Fault::io("read", &self.files.path_of(file), error)),
        }
    }

    /// Whether the bytes of a piece on disk are what the torrent says, as far as that is known.
    pub(super) fn is_right(&self, piece: u32) -> Result<bool, Fault> {
        let metainfo = self.metainfo();
        let v2 = metainfo.has_v2_piece(&self.layout, piece);
        let mut digester = PieceDigester::new(!v2, v2);
        let mut buffer = Vec::new();
        for span in self.layout.spans(piece.into()) {
            let Some(file) = span.file else {
                digester.push_padding(span.bytes);
                continue;
            };
            let Ok(file) = u32::try_from(file) else {
                return Ok(false);
            };
            let mut done = 0;
            while done < span.bytes {
                let step = usize::try_from(span.bytes - done).map_or(STEP, |left| left.min(STEP));
                buffer.resize(step.max(buffer.len()), 0);
                let out = buffer.get_mut(..step).unwrap_or_default();
                if !self.read_file(file, span.offset + done, out)? {
                    return Ok(false);
                }
                digester.push(out);
                done += step as u64;
            }
        }
        let owner = self.layout.owner(piece.into());
        let file_bytes = owner.map_or(0, |(_, size, _)| size);
        let found = digester.finish(file_bytes, self.layout.piece_bytes());
        Ok(metainfo.is_piece(&self.layout, piece, &found))
    }
}

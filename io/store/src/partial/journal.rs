//! The pieces that were written since the last checkpoint.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::errors::Fault;
use crate::sys;

/// Bytes of an entry: a piece and a check that tells it from what is not one.
const ENTRY: usize = 8;
/// Longest journal that is read; a checkpoint cuts it long before.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Appended to by whoever completes pieces, cut by checkpoints.
///
/// An entry that a crash or a full disk cut short is overwritten or, when read, left out. Entries are
/// only claims: their pieces are hashed before they count.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Journal {
    /// Opens or creates a journal and gives the pieces in it.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<u32>), Fault> {
        let io = |error| Fault::io("open", path, error);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(io)?;
        let found = file.metadata().map_err(io)?.len().min(MAX_BYTES);
        let mut bytes = vec![0; usize::try_from(found).unwrap_or(0)];
        sys::read_exact_at(&file, &mut bytes, 0).map_err(io)?;
        let (entries, _) = bytes.as_chunks::<ENTRY>();
        let pieces = entries.iter().filter_map(decode).collect();
        let length = (entries.len() * ENTRY) as u64;
        Ok((
            Self {
                path: path.to_path_buf(),
                file,
                length,
            },
            pieces,
        ))
    }

    /// How long it is: what [`Self::cut`] takes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn append(&mut self, pieces: &[u32]) -> Result<(), Fault> {
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| encode(*piece)).collect();
        self.write(&bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Removes what was there when the journal was `upto` long. What came later moves to the front.
    /// It is never missing in between: entries may be there twice, which does no harm.
    pub(super) fn cut(&mut self, upto: u64) -> Result<(), Fault> {
        let rest = self.length.saturating_sub(upto);
        let mut bytes = vec![0; usize::try_from(rest).unwrap_or(0)];
        let read = sys::read_exact_at(&self.file, &mut bytes, upto);
        read.map_err(|error| Fault::io("read", &self.path, error))?;
        self.write(&bytes, 0)?;
        self.length = rest;
        self.file
            .set_len(rest)
            .map_err(|error| Fault::io("cut", &self.path, error))
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<(), Fault> {
        let written = sys::write_all_at(&self.file, bytes, offset);
        written.map_err(|error: io::Error| Fault::io("write", &self.path, error))
    }
}

fn encode(piece: u32) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..4].copy_from_slice(&piece.to_le_bytes());
    entry[4..].copy_from_slice(&check(piece).to_le_bytes());
    entry
}

fn decode(entry: &[u8; ENTRY]) -> Option<u32> {
    let [a, b, c, d, e, f, g, h] = *entry;
    let piece = u32::from_le_bytes([a, b, c, d]);
    (u32::from_le_bytes([e, f, g, h]) == check(piece)).then_some(piece)
}

/// Never equal for an entry of zeros, as a hole in a file reads.
const fn check(piece: u32) -> u32 {
    !piece.rotate_left(7) ^ 0x5bd1_e995
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_keeps_the_whole_entries_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let pieces: Vec<u32> = (0..20).map(|n| n * 77_777).collect();
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(&pieces).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for end in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..end]).unwrap();
            let (mut journal, found) = Journal::open(&path).unwrap();
            assert_eq!(found, pieces[..end / ENTRY]);
            journal.append(&[5]).unwrap();
            let (_, found) = Journal::open(&path).unwrap();
            assert_eq!(found.last(), Some(&5));
            assert_eq!(found.len(), end / ENTRY + 1);
        }
    }

    #[test]
    fn damage_costs_only_the_entries_it_hits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(&[1, 2, 3]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&path, &damaged).unwrap();
            let (_, found) = Journal::open(&path).unwrap();
            let hit = u32::try_from(at / 8 + 1).unwrap();
            let expected: Vec<u32> = [1, 2, 3].into_iter().filter(|n| *n != hit).collect();
            assert_eq!(found, expected);
        }
        std::fs::write(&path, [0; 64]).unwrap();
        assert!(Journal::open(&path).unwrap().1.is_empty());
    }

    #[test]
    fn a_cut_keeps_what_came_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(&[1, 2, 3]).unwrap();
        let upto = journal.length();
        journal.append(&[4, 5]).unwrap();
        journal.cut(upto).unwrap();
        journal.append(&[6]).unwrap();
        assert_eq!(Journal::open(&path).unwrap().1, [4, 5, 6]);
    }
}

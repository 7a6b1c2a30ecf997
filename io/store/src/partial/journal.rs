//! The pieces that were written since the last checkpoint.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::errors::Fault;
use crate::records::{JOURNAL_ENTRY, decode_journal, encode_journal_entry};
use crate::sys;

/// Longest journal that is read; a checkpoint cuts it long before.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Appended to by whoever completes pieces, cut by checkpoints.
///
/// An entry that a crash or a full disk cut short is overwritten or, when read, left out. Entries are
/// only claims: their pieces are hashed before they count.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Journal {
    /// Opens or creates a journal and gives the pieces in it.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<u32>), Fault> {
        let io = |error| Fault::io("open", path, error);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(io)?;
        let found = file.metadata().map_err(io)?.len().min(MAX_BYTES);
        let mut bytes = vec![0; usize::try_from(found).unwrap_or(0)];
        sys::read_exact_at(&file, &mut bytes, 0).map_err(io)?;
        let pieces = decode_journal(&bytes);
        let length = (bytes.len() / JOURNAL_ENTRY * JOURNAL_ENTRY) as u64;
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
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn append(&mut self, pieces: &[u32]) -> Result<(), Fault> {
        let bytes: Vec<u8> = (pieces.iter())
            .flat_map(|piece| encode_journal_entry(*piece))
            .collect();
        self.write(&bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Removes what was there when the journal was `upto` long. What came later moves to the front.
    /// It is never missing in between: entries may be there twice, which does no harm.
    pub(crate) fn cut(&mut self, upto: u64) -> Result<(), Fault> {
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
            assert_eq!(found, pieces[..end / JOURNAL_ENTRY]);
            journal.append(&[5]).unwrap();
            let (_, found) = Journal::open(&path).unwrap();
            assert_eq!(found.last(), Some(&5));
            assert_eq!(found.len(), end / JOURNAL_ENTRY + 1);
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

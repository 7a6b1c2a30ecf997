//! What two torrents have in common: the same files, wherever they lie among the pieces of each.
//!
//! In version 2 a file is known by its size and the root of its tree (BEP 52; the root alone does not
//! tell the hash of a piece from that of a file). Version 1 names no files: there, files of equal size
//! are taken for the same until bytes prove otherwise, and bytes that come from one torrent are hashed
//! under the other before they count for it.

#[cfg(test)]
mod tests;

mod alike;

use std::collections::BTreeMap;
use std::ops::Range;

use alike::Alike;
use potluck_content::PieceSet;

use crate::wire::{BLOCK_BYTES, Block};
use crate::{FileEntry, FileKind, Info, Layout};

/// A file that two torrents have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommonFile {
    /// Its position in our torrent.
    pub ours: usize,
    /// Its position in the other one.
    pub theirs: usize,
    /// Its bytes.
    pub size: u64,
    /// Both torrents name it by the same root. Else its size is the same, and no more is known.
    pub is_proven: bool,
    their_start: u64,
}

/// What a peer of the other torrent is asked for to have a block of ours, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LentPart {
    /// The block, as our torrent is cut.
    pub ours: Block,
    /// Bytes of it ahead of this part.
    pub at: u32,
    /// Bytes of it that come in parts; what follows them is padding.
    pub whole: u32,
    /// What the peer is asked for.
    pub theirs: Block,
}

/// The files that two torrents have in common. One of them is "ours", the one that is fetched.
#[derive(Clone, Debug)]
pub struct Overlap {
    ours: Layout,
    our_pieces: u32,
    their_pieces: u32,
    their_piece_bytes: u64,
    /// By their position in ours.
    files: BTreeMap<usize, CommonFile>,
    our_starts: BTreeMap<usize, u64>,
}

/// Files that have bytes of their own.
fn real(info: &Info) -> impl Iterator<Item = (usize, &FileEntry)> {
    let files = info.files().iter().enumerate();
    files.filter(|(_, file)| file.kind == FileKind::Regular && file.size > 0)
}

impl Overlap {
    /// Compares two torrents.
    #[must_use]
    pub fn new(ours: &Info, theirs: &Info) -> Self {
        let mut by_size: BTreeMap<u64, Alike<'_>> = BTreeMap::new();
        for (index, file) in real(theirs) {
            by_size.entry(file.size).or_default().add(index, file);
        }
        let theirs_at = |index: usize| theirs.files().get(index).map_or(0, |file| file.offset);
        let mut files = BTreeMap::new();
        let mut our_starts = BTreeMap::new();
        for (index, file) in real(ours) {
            let alike = by_size.get(&file.size);
            let Some((theirs, is_proven)) = alike.and_then(|alike| alike.same(file)) else {
                continue;
            };
            our_starts.insert(index, file.offset);
            files.insert(
                index,
                CommonFile {
                    ours: index,
                    theirs,
                    size: file.size,
                    is_proven,
                    their_start: theirs_at(theirs),
                },
            );
        }
        Self {
            ours: ours.layout(),
            our_pieces: ours.pieces(),
            their_pieces: theirs.pieces(),
            their_piece_bytes: theirs.piece_bytes().max(1),
            files,
            our_starts,
        }
    }

    /// Whether they have nothing in common.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files in common, in the order of our torrent.
    pub fn files(&self) -> impl Iterator<Item = &CommonFile> {
        self.files.values()
    }

    /// Only these files, by their position in our torrent, are in common.
    pub fn retain(&mut self, keep: impl Fn(&CommonFile) -> bool) {
        self.files.retain(|_, file| keep(file));
    }

    /// Where a byte of our file is in the other torrent: the piece, and bytes ahead of it there.
    #[must_use]
    pub fn position(&self, file: usize, offset: u64) -> Option<(u32, u64)> {
        let common = self.files.get(&file).filter(|file| offset < file.size)?;
        let at = common.their_start + offset;
        let piece = u32::try_from(at / self.their_piece_bytes).ok()?;
        Some((piece, at % self.their_piece_bytes))
    }

    /// Bytes of a piece of the other torrent, files and padding together.
    #[must_use]
    pub fn their_piece_bytes(&self) -> u64 {
        self.their_piece_bytes
    }

    /// Whether all bytes of our piece are in pieces that the other torrent has.
    #[must_use]
    pub fn covers(&self, piece: u32, they_have: &PieceSet) -> bool {
        let mut any = false;
        for span in self.ours.spans(piece.into()) {
            let Some(file) = span.file else { continue };
            let Some(pieces) = self.their_range(file, span.offset, span.bytes) else {
                return false;
            };
            if !they_have.contains_range(pieces) {
                return false;
            }
            any = true;
        }
        any
    }

    /// Our pieces of which all bytes are in pieces that the other torrent has.
    #[must_use]
    pub fn covered(&self, they_have: &PieceSet) -> PieceSet {
        let mut covered = PieceSet::new(self.our_pieces);
        for piece in self.our_files_pieces() {
            if self.covers(piece, they_have) {
                covered.insert(piece);
            }
        }
        covered
    }

    /// Our pieces that consist of nothing but files in common, whoever has them.
    #[must_use]
    pub fn common(&self) -> PieceSet {
        self.covered(&PieceSet::full(self.their_pieces))
    }

    /// Our pieces that have bytes in common with a piece of the other torrent.
    pub fn touched(&self, their_piece: u32) -> impl Iterator<Item = u32> + '_ {
        let start = u64::from(their_piece) * self.their_piece_bytes;
        let end = start + self.their_piece_bytes;
        let files = self.files.values();
        files.flat_map(move |file| {
            let from = start.max(file.their_start);
            let to = end.min(file.their_start + file.size);
            match from < to {
                true => self.our_range(file, from - file.their_start, to - from),
                false => 0..0,
            }
        })
    }

    /// Whether peers of the other torrent can be asked for our piece: it is of one file.
    #[must_use]
    pub fn is_lendable(&self, piece: u32) -> bool {
        self.lender(piece).is_some()
    }

    /// What peers of the other torrent are to be asked for to have our piece, in its order. A block within
    /// which one of their pieces ends comes in parts. Empty when the piece can't be had so.
    #[must_use]
    pub fn lent_parts(&self, piece: u32) -> Vec<LentPart> {
        let mut parts = Vec::new();
        let Some((start, file_bytes)) = self.lender(piece) else {
            return parts;
        };
        let total = self.ours.spans(piece.into()).map(|span| span.bytes).sum();
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let mut begin = 0;
        while begin < file_bytes {
            let end = u64::min(total, begin + u64::from(BLOCK_BYTES));
            let whole = file_bytes.min(end) - begin;
            let ours = Block {
                piece,
                begin: number(begin),
                length: number(end - begin),
            };
            let mut at = 0;
            while at < whole {
                let place = start + begin + at;
                let ahead = place % self.their_piece_bytes;
                let length = (whole - at).min(self.their_piece_bytes - ahead);
                let theirs = Block {
                    piece: number(place / self.their_piece_bytes),
                    begin: number(ahead),
                    length: number(length),
                };
                parts.push(LentPart {
                    ours,
                    at: number(at),
                    whole: number(whole),
                    theirs,
                });
                at += length;
            }
            begin = end;
        }
        parts
    }

    /// Our pieces that have bytes of a file in common, by its position in the other torrent.
    pub fn pieces_of_theirs(&self, file: usize) -> impl Iterator<Item = u32> + '_ {
        let files = self.files.values().filter(move |one| one.theirs == file);
        files.flat_map(|file| self.our_range(file, 0, file.size))
    }

    /// Where the file bytes of our piece begin in the other torrent, and how many they are.
    fn lender(&self, piece: u32) -> Option<(u64, u64)> {
        let mut spans = self.ours.spans(piece.into());
        let first = spans.next()?;
        let common = self.files.get(&first.file?)?;
        let start = common.their_start + first.offset;
        spans
            .all(|span| span.file.is_none())
            .then_some((start, first.bytes))
    }

    fn their_range(&self, file: usize, offset: u64, bytes: u64) -> Option<Range<u32>> {
        let common = self.files.get(&file)?;
        let first = (common.their_start + offset) / self.their_piece_bytes;
        let last = (common.their_start + offset + bytes).div_ceil(self.their_piece_bytes);
        Some(u32::try_from(first).ok()?..u32::try_from(last).ok()?)
    }

    fn our_range(&self, file: &CommonFile, offset: u64, bytes: u64) -> Range<u32> {
        let Some(start) = self.our_starts.get(&file.ours) else {
            return 0..0;
        };
        let first = (start + offset) / self.ours.piece_bytes();
        let last = (start + offset + bytes).div_ceil(self.ours.piece_bytes());
        let piece = |at: u64| u32::try_from(at).unwrap_or(self.our_pieces);
        piece(first)..piece(last)
    }

    /// The pieces of all our files in common, each once.
    fn our_files_pieces(&self) -> impl Iterator<Item = u32> + '_ {
        let mut next = 0;
        let files = self.files.values();
        files.flat_map(move |file| {
            let pieces = self.our_range(file, 0, file.size);
            let pieces = pieces.start.max(next)..pieces.end;
            next = next.max(pieces.end);
            pieces
        })
    }
}

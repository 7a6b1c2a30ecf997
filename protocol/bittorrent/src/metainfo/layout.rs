//! Which bytes of which files a piece is made of.

use super::{FileKind, Info};

/// Some bytes of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Position of the file in the torrent, from 0. None for padding, which is zeros.
    pub file: Option<usize>,
    /// Bytes of the file before it.
    pub offset: u64,
    /// Its bytes; one at least.
    pub bytes: u64,
}

/// A file in its place among the pieces.
#[derive(Clone, Copy, Debug)]
struct Placed {
    /// Position in the torrent. None for padding.
    index: Option<usize>,
    offset: u64,
    size: u64,
}

/// Where the files of a torrent lie in its pieces.
#[derive(Clone, Debug)]
pub struct Layout {
    piece_bytes: u64,
    total_bytes: u64,
    /// In order, without those that have no bytes.
    files: Vec<Placed>,
}

impl Layout {
    /// Files one after the other: position (None for padding) and bytes of each.
    pub(super) fn of_parts(
        parts: impl IntoIterator<Item = (Option<usize>, u64)>,
        piece_bytes: u64,
    ) -> Self {
        let mut end = 0;
        let place = |(index, size): (Option<usize>, u64)| {
            let offset = end;
            end += size;
            Placed {
                index,
                offset,
                size,
            }
        };
        let files = parts.into_iter().filter(|(_, size)| *size > 0);
        let files: Vec<Placed> = files.map(place).collect();
        Self {
            piece_bytes: piece_bytes.max(1),
            total_bytes: end,
            files,
        }
    }

    /// Bytes of a piece; the last one may be shorter.
    #[must_use]
    pub fn piece_bytes(&self) -> u64 {
        self.piece_bytes
    }

    /// Bytes of all pieces, padding included.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Bytes of all files, without padding.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        let files = self.files.iter().filter(|file| file.index.is_some());
        files.map(|file| file.size).sum()
    }

    /// Number of pieces.
    #[must_use]
    pub fn pieces(&self) -> u64 {
        self.total_bytes.div_ceil(self.piece_bytes)
    }

    /// What a piece is made of, in order. In version 2 alone a piece ends with its file, and what is
    /// missing to its full length is nothing. Empty past the end.
    pub fn spans(&self, piece: u64) -> impl Iterator<Item = Span> + '_ {
        let start = piece.saturating_mul(self.piece_bytes);
        let end = start.saturating_add(self.piece_bytes);
        let files = self.files.iter().skip(self.first(start));
        files
            .take_while(move |file| file.offset < end)
            .map(move |file| {
                let from = file.offset.max(start);
                Span {
                    file: file.index,
                    offset: from - file.offset,
                    bytes: end.min(file.offset + file.size) - from,
                }
            })
    }

    /// The first file that ends after so many bytes.
    fn first(&self, start: u64) -> usize {
        self.files
            .partition_point(|file| file.offset + file.size <= start)
    }

    /// The file that a piece is of where each file starts one: its position, its size, and which of
    /// its pieces this is. None past the end.
    #[must_use]
    pub fn owner(&self, piece: u64) -> Option<(usize, u64, u64)> {
        let start = piece.checked_mul(self.piece_bytes)?;
        let first = self.first(start);
        let file = self.files.get(first).filter(|file| file.offset <= start)?;
        Some((
            file.index?,
            file.size,
            (start - file.offset) / self.piece_bytes,
        ))
    }
}

impl Info {
    /// Where the files lie in the pieces.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let files = self.files.iter().enumerate();
        let files = files.filter(|(_, file)| file.size > 0);
        let place = |(index, file): (usize, &super::FileEntry)| Placed {
            index: (file.kind != FileKind::Padding).then_some(index),
            offset: file.offset,
            size: file.size,
        };
        Layout {
            piece_bytes: self.piece_bytes,
            total_bytes: self.total_bytes,
            files: files.map(place).collect(),
        }
    }
}

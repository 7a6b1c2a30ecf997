//! Groups of a file, as a Potluck peer sends them, taken as blocks of a torrent.

use super::super::PeerKey;
use super::super::assembly::{Taken, Verdict};
use super::super::content::{Content, FilesError};
use super::super::news::News;
use crate::source::{Sink, SinkError};
use potluck_bittorrent::FileKind;
use potluck_bittorrent::wire::{BLOCK_BYTES, Block};
use potluck_content::tree::Parent;
use potluck_content::{GROUP_BYTES, PieceSet};
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// The pieces of a torrent that are of one file alone, and which groups of the file each of them is.
pub(super) struct FilePieces {
    start: u64,
    pieces: BTreeMap<u32, Range<u64>>,
    count: u32,
}

impl FilePieces {
    /// Those of the one file with this size. None when the torrent has none or several, or its blocks are no
    /// groups of it.
    pub(super) fn new(content: &Content, size: u64) -> Option<Self> {
        let files = content.metainfo.info().files().iter().enumerate();
        let mut alike =
            files.filter(|(_, file)| file.kind == FileKind::Regular && file.size == size);
        let (index, file) = alike.next()?;
        // Of two, nothing says which it is.
        if alike.next().is_some() {
            return None;
        }
        let piece_bytes = content.layout.piece_bytes();
        let is_aligned = file.offset.is_multiple_of(GROUP_BYTES)
            && piece_bytes.is_multiple_of(GROUP_BYTES)
            && u64::from(BLOCK_BYTES) == GROUP_BYTES;
        if !is_aligned {
            return None;
        }
        let first = file.offset / piece_bytes;
        let last = (file.offset + size).div_ceil(piece_bytes);
        let whole = (first..last).filter_map(|piece| {
            let mut spans = content.layout.spans(piece);
            let span = spans.next().filter(|span| span.file == Some(index))?;
            let is_alone = spans.all(|span| span.file.is_none());
            let groups =
                span.offset / GROUP_BYTES..(span.offset + span.bytes).div_ceil(GROUP_BYTES);
            is_alone.then_some((u32::try_from(piece).ok()?, groups))
        });
        Some(Self {
            start: file.offset,
            pieces: whole.collect(),
            count: content.geometry.pieces(),
        })
    }

    /// The groups of a piece.
    pub(super) fn groups(&self, piece: u32) -> Option<Range<u64>> {
        self.pieces.get(&piece).cloned()
    }

    /// The pieces of the torrent that can be had from a peer with these pieces of the file, which have so
    /// many groups each.
    pub(super) fn claims(&self, have: &PieceSet, piece_groups: u64) -> PieceSet {
        let mut claims = PieceSet::new(self.count);
        let number = |piece: u64| u32::try_from(piece).unwrap_or(u32::MAX);
        for (piece, groups) in &self.pieces {
            let theirs =
                number(groups.start / piece_groups)..number(groups.end.div_ceil(piece_groups));
            if have.contains_range(theirs) {
                claims.insert(*piece);
            }
        }
        claims
    }
}

/// Takes groups as blocks, and remembers what came of them.
pub(super) struct BlockSink {
    content: Arc<Content>,
    pieces: Arc<FilePieces>,
    key: PeerKey,
    came: Mutex<Vec<(u32, Came)>>,
}

/// What came of a piece.
pub(super) enum Came {
    Whole { liars: Vec<PeerKey> },
    Wrong { liar: Option<PeerKey> },
    Needless { bytes: u64 },
    Unwritable { message: String, no_space: bool },
}

impl Came {
    /// As news for the swarm, of an order.
    pub(super) fn news(self, piece: u32, order: u32) -> News {
        match self {
            Self::Whole { liars } => News::Piece {
                order,
                piece,
                liars,
            },
            Self::Wrong { liar } => News::Wrong { order, piece, liar },
            Self::Needless { bytes } => News::Wasted { bytes },
            Self::Unwritable { message, no_space } => News::Unwritable(message, no_space),
        }
    }
}

impl BlockSink {
    pub(super) fn new(content: Arc<Content>, pieces: Arc<FilePieces>, key: PeerKey) -> Self {
        Self {
            content,
            pieces,
            key,
            came: Mutex::default(),
        }
    }

    /// What came since it was asked last, by piece.
    pub(super) fn take(&self) -> Vec<(u32, Came)> {
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *came)
    }

    fn group(&self, group: u64, data: &mut Vec<u8>) -> Result<(), SinkError> {
        let at = self.pieces.start + group * GROUP_BYTES;
        let piece_bytes = self.content.layout.piece_bytes();
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let (piece, begin) = (number(at / piece_bytes), at % piece_bytes);
        let left = self.content.piece_bytes(piece).saturating_sub(begin);
        let length = left.min(GROUP_BYTES);
        // What follows the file in its last block is padding.
        data.resize(usize::try_from(length).unwrap_or_default(), 0);
        let block = Block {
            piece,
            begin: number(begin),
            length: number(length),
        };
        let taken = self.content.take(block, data, self.key);
        let (came, failed) = match taken {
            Ok(Taken::Kept) => return Ok(()),
            Ok(Taken::Needless | Taken::Checking) => (Came::Needless { bytes: length }, None),
            Ok(Taken::Full(full)) => match self.content.check(piece, &full) {
                Ok(Some(Verdict::Right { liars })) => (Came::Whole { liars }, None),
                Ok(Some(Verdict::Wrong { liar })) => (Came::Wrong { liar }, None),
                Ok(None) => (Came::Needless { bytes: length }, None),
                Err(error) => unwritable(&error),
            },
            Err(error) => unwritable(&error),
        };
        let mut all = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((piece, came));
        failed.map_or(Ok(()), Err)
    }
}

/// A block can't be kept: what the swarm and what the engine are told.
fn unwritable(error: &FilesError) -> (Came, Option<SinkError>) {
    let came = Came::Unwritable {
        message: error.to_string(),
        no_space: error.is_no_space(),
    };
    let refused = match error.is_no_space() {
        true => SinkError::NoSpace {
            place: "the torrent's folder".to_owned(),
        },
        false => SinkError::Io(error.to_string()),
    };
    (came, Some(refused))
}

impl Sink for BlockSink {
    fn write_vectored(
        &self,
        _blob: u32,
        first_group: u64,
        parts: &[IoSlice<'_>],
    ) -> Result<(), SinkError> {
        let mut group = first_group;
        let mut data = Vec::with_capacity(BLOCK_BYTES as usize);
        for part in parts {
            let mut rest: &[u8] = part;
            while !rest.is_empty() {
                let missing = BLOCK_BYTES as usize - data.len();
                let (now, after) = rest.split_at(missing.min(rest.len()));
                data.extend_from_slice(now);
                rest = after;
                if data.len() == BLOCK_BYTES as usize {
                    self.group(group, &mut data)?;
                    data.clear();
                    group += 1;
                }
            }
        }
        // The last group of a file is shorter.
        if !data.is_empty() {
            self.group(group, &mut data)?;
        }
        Ok(())
    }

    fn write_parents(&self, _blob: u32, _parents: &[(u64, Parent)]) -> Result<(), SinkError> {
        Ok(())
    }

    fn complete(&self, _pieces: &[u32]) -> Result<(), SinkError> {
        Ok(())
    }
}

//! How the bytes of a root are numbered in pieces.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::tree::Geometry;
use crate::{GROUP_BYTES, Hash, MAX_ENTRIES, MAX_TOTAL_BYTES, Manifest, Node, PieceSet};

/// Most pieces that a layout has.
pub const MAX_PIECES: u32 = 1 << 22;

/// Groups in a piece are 2 to the power of this at least: 64 KiB.
const MIN_PIECE_LOG: u32 = 2;
/// And at most: 16 MiB, which is what one request may ask for.
const MAX_PIECE_LOG: u32 = 10;
/// Up to that, pieces grow until the bytes fill at most this many of them.
const MANY_PIECES: u64 = 65_536;

// Every blob ends with at most one piece that is not full.
const _: () = assert!(
    MAX_TOTAL_BYTES / (GROUP_BYTES << MAX_PIECE_LOG) + MAX_ENTRIES as u64 <= MAX_PIECES as u64
);

/// A blob in a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayoutBlob {
    /// The blob's name.
    pub hash: Hash,
    /// Its bytes.
    pub size: u64,
    /// Its first piece.
    pub first_piece: u32,
    /// Number of its pieces; none when it is empty.
    pub pieces: u32,
}

/// A run of groups of one blob: the unit of availability and planning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Position of the blob in [`PieceLayout::blobs`].
    pub blob: u32,
    /// The groups of the blob.
    pub groups: Range<u64>,
    /// Bytes of those groups.
    pub bytes: u64,
}

/// The pieces of a root: each blob once, in the order of the manifest, cut in runs of groups.
///
/// Everyone who knows the root computes the same layout, so that a piece number means the same bytes
/// to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceLayout {
    blobs: Vec<LayoutBlob>,
    /// Positions in `blobs`, ordered by hash.
    by_hash: Vec<u32>,
    /// Bytes of all blobs before each blob.
    offsets: Vec<u64>,
    pieces: u32,
    piece_log: u32,
    total_bytes: u64,
}

impl PieceLayout {
    /// The layout of one blob, of at most [`MAX_TOTAL_BYTES`].
    #[must_use]
    pub fn for_blob(hash: Hash, size: u64) -> Self {
        Self::cut(vec![(hash, size)])
    }

    /// The layout of a folder's files. The manifest itself is not in it.
    #[must_use]
    pub fn for_manifest(manifest: &Manifest) -> Self {
        let mut seen = BTreeSet::new();
        let files = manifest
            .entries()
            .iter()
            .filter_map(|entry| match entry.node {
                Node::File { hash, size, .. } => Some((hash, size)),
                Node::Directory | Node::Symlink { .. } => None,
            });
        Self::cut(files.filter(|(hash, _)| seen.insert(*hash)).collect())
    }

    /// Cuts distinct blobs. Their number is that of a manifest's entries at most.
    fn cut(sizes: Vec<(Hash, u64)>) -> Self {
        let total_bytes = sizes
            .iter()
            .fold(0u64, |sum, (_, size)| sum.saturating_add(*size));
        let mut piece_log = MIN_PIECE_LOG;
        while piece_log < MAX_PIECE_LOG
            && total_bytes.div_ceil(GROUP_BYTES << piece_log) > MANY_PIECES
        {
            piece_log += 1;
        }
        let mut pieces = 0u32;
        let mut offset = 0u64;
        let mut offsets = Vec::with_capacity(sizes.len());
        let mut blobs = Vec::with_capacity(sizes.len());
        for (hash, size) in sizes {
            let count = size.div_ceil(GROUP_BYTES << piece_log);
            let count = u32::try_from(count).map_or(MAX_PIECES, |count| count.min(MAX_PIECES));
            blobs.push(LayoutBlob {
                hash,
                size,
                first_piece: pieces,
                pieces: count,
            });
            pieces = pieces.saturating_add(count);
            offsets.push(offset);
            offset = offset.saturating_add(size);
        }
        let mut by_hash: Vec<u32> = (0u32..).take(blobs.len()).collect();
        by_hash.sort_unstable_by_key(|blob| blobs[*blob as usize].hash);
        Self {
            blobs,
            by_hash,
            offsets,
            pieces,
            piece_log,
            total_bytes,
        }
    }

    /// Number of pieces.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Groups in a full piece.
    #[must_use]
    pub fn piece_groups(&self) -> u64 {
        1 << self.piece_log
    }

    /// Bytes of a full piece.
    #[must_use]
    pub fn piece_bytes(&self) -> u64 {
        GROUP_BYTES << self.piece_log
    }

    /// Bytes of all blobs, each counted once.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// The distinct blobs in order.
    #[must_use]
    pub fn blobs(&self) -> &[LayoutBlob] {
        &self.blobs
    }

    /// The position of a blob in [`Self::blobs`].
    #[must_use]
    pub fn find_blob(&self, hash: &Hash) -> Option<u32> {
        let key = |blob: &u32| self.blobs[*blob as usize].hash;
        let found = self.by_hash.binary_search_by_key(hash, key).ok()?;
        self.by_hash.get(found).copied()
    }

    /// The groups of a piece.
    ///
    /// # Panics
    ///
    /// When the layout has no such piece, as indexing does. For a number from outside, use
    /// [`Self::get`].
    #[must_use]
    pub fn piece(&self, piece: u32) -> Piece {
        assert!(piece < self.pieces, "piece {piece} of {}", self.pieces);
        let index = self.blob_of_piece(piece);
        let blob = &self.blobs[index as usize];
        let geometry = Geometry::new(blob.size);
        let start = u64::from(piece - blob.first_piece) << self.piece_log;
        let groups = start..geometry.groups().min(start + self.piece_groups());
        Piece {
            blob: index,
            bytes: geometry.span_len(groups.clone()),
            groups,
        }
    }

    /// The groups of a piece, when there is such a piece.
    #[must_use]
    pub fn get(&self, piece: u32) -> Option<Piece> {
        (piece < self.pieces).then(|| self.piece(piece))
    }

    /// The pieces of a blob; none for a blob that the layout hasn't.
    #[must_use]
    pub fn pieces_of_blob(&self, blob: u32) -> Range<u32> {
        self.blobs.get(blob as usize).map_or(0..0, |blob| {
            blob.first_piece..blob.first_piece + blob.pieces
        })
    }

    /// The blob that a piece belongs to.
    #[must_use]
    pub fn blob_of_piece(&self, piece: u32) -> u32 {
        // The last blob that starts at or before the piece. An empty blob starts where the next one
        // does, and comes before it.
        let after = self.blobs.partition_point(|blob| blob.first_piece <= piece);
        u32::try_from(after.saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// The shape of a blob's tree.
    ///
    /// # Panics
    ///
    /// When the layout has no such blob, as indexing does.
    #[must_use]
    pub fn geometry(&self, blob: u32) -> Geometry {
        Geometry::new(self.blobs[blob as usize].size)
    }

    /// The pieces of which all groups are among these groups of a blob.
    #[must_use]
    pub fn pieces_within(&self, blob: u32, groups: Range<u64>) -> Range<u32> {
        let pieces = self.pieces_of_blob(blob);
        let Some(whole) = self.blobs.get(blob as usize) else {
            return pieces;
        };
        let start = groups.start.div_ceil(self.piece_groups());
        let end = if groups.end >= Geometry::new(whole.size).groups() {
            u64::from(whole.pieces)
        } else {
            groups.end >> self.piece_log
        };
        nth_pieces(&pieces, start, end)
    }

    /// The pieces of which any group is among these groups of a blob.
    #[must_use]
    pub fn pieces_covering(&self, blob: u32, groups: Range<u64>) -> Range<u32> {
        let pieces = self.pieces_of_blob(blob);
        let size = self.blobs.get(blob as usize).map_or(0, |blob| blob.size);
        let end = groups.end.min(Geometry::new(size).groups());
        if groups.start >= end {
            return pieces.start..pieces.start;
        }
        let start = groups.start >> self.piece_log;
        nth_pieces(&pieces, start, end.div_ceil(self.piece_groups()))
    }

    /// Bytes of the pieces in a set.
    #[must_use]
    pub fn bytes_of(&self, set: &PieceSet) -> u64 {
        set.ranges().map(|range| self.bytes_of_range(range)).sum()
    }

    fn bytes_of_range(&self, range: Range<u32>) -> u64 {
        self.bytes_before(range.end) - self.bytes_before(range.start)
    }

    /// Bytes of all pieces below this one.
    #[must_use]
    pub fn bytes_before(&self, piece: u32) -> u64 {
        if piece >= self.pieces {
            return self.total_bytes;
        }
        let blob = self.blob_of_piece(piece) as usize;
        let within = u64::from(piece - self.blobs[blob].first_piece) * self.piece_bytes();
        self.offsets[blob] + within
    }
}

/// From the `start`th to the `end`th of a blob's pieces, as far as there are so many.
fn nth_pieces(pieces: &Range<u32>, start: u64, end: u64) -> Range<u32> {
    let nth = |n: u64| {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        pieces.start.saturating_add(n).min(pieces.end)
    };
    nth(start)..nth(end).max(nth(start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layout(sizes: &[u64]) -> PieceLayout {
        let named = (0u64..).zip(sizes);
        PieceLayout::cut(
            named
                .map(|(n, size)| (Hash::of(&n.to_be_bytes()), *size))
                .collect(),
        )
    }

    #[test]
    fn empty_blob_has_no_piece() {
        let layout = PieceLayout::for_blob(Hash::of(b""), 0);
        assert_eq!(layout.pieces(), 0);
        assert_eq!(layout.get(0), None);
        assert_eq!(layout.pieces_of_blob(0), 0..0);
        assert_eq!(layout.pieces_of_blob(1), 0..0);
    }

    #[test]
    fn pieces_grow_with_the_total() {
        let piece_bytes = |total| PieceLayout::for_blob(Hash::of(b""), total).piece_bytes();
        assert_eq!(piece_bytes(1), 64 << 10);
        assert_eq!(piece_bytes(4 << 30), 64 << 10);
        assert_eq!(piece_bytes((4 << 30) + 1), 128 << 10);
        assert_eq!(piece_bytes(1 << 40), 16 << 20);
        assert_eq!(piece_bytes(20 << 40), 16 << 20);
        let largest = PieceLayout::for_blob(Hash::of(b""), MAX_TOTAL_BYTES);
        assert_eq!(largest.pieces(), 1 << 21);
        assert_eq!(largest.piece((1 << 21) - 1).groups.end, 1 << 31);
        let beyond = PieceLayout::for_blob(Hash::of(b""), u64::MAX);
        assert_eq!(beyond.pieces(), MAX_PIECES);
    }

    #[test]
    fn finds_blobs() {
        let layout = layout(&[5, 0, 300_000, 7]);
        for (index, blob) in (0u32..).zip(layout.blobs()) {
            assert_eq!(layout.find_blob(&blob.hash), Some(index));
        }
        assert_eq!(layout.find_blob(&Hash::of(b"another")), None);
    }

    proptest! {
        #[test]
        fn pieces_cover_all_bytes_once(
            sizes in proptest::collection::vec(0u64..2_000_000, 0..12),
            large in 0u64..(1 << 36),
        ) {
            let layout = layout(&[&sizes[..], &[large]].concat());
            let (mut bytes, mut next) = (0, (0, 0));
            for number in 0..layout.pieces() {
                let piece = layout.piece(number);
                prop_assert_eq!(layout.bytes_before(number), bytes);
                if piece.blob != next.0 {
                    next = (piece.blob, 0);
                }
                prop_assert_eq!(piece.groups.start, next.1);
                prop_assert!(piece.groups.end > piece.groups.start);
                next.1 = piece.groups.end;
                bytes += piece.bytes;
                prop_assert_eq!(layout.blob_of_piece(number), piece.blob);
                let own = number..number + 1;
                prop_assert_eq!(layout.pieces_within(piece.blob, piece.groups.clone()), own.clone());
                prop_assert_eq!(layout.pieces_covering(piece.blob, piece.groups.clone()), own);
            }
            prop_assert_eq!(bytes, layout.total_bytes());
            prop_assert_eq!(layout.bytes_of(&PieceSet::full(layout.pieces())), bytes);
            prop_assert!(layout.pieces() as usize <= 65_536 + layout.blobs().len());
        }

        #[test]
        fn spans_map_to_pieces(size in 1u64..5_000_000, start in 0u64..400, length in 0u64..400) {
            let layout = layout(&[100, size]);
            let span = start..start + length;
            let end = Geometry::new(size).groups();
            let all = layout.pieces_of_blob(1);
            let groups = |p: u32| layout.piece(p).groups;
            let within: Vec<u32> = all.clone()
                .filter(|p| groups(*p).start >= span.start && groups(*p).end <= span.end.min(end))
                .collect();
            let covering: Vec<u32> = all
                .filter(|p| groups(*p).start < span.end && groups(*p).end > span.start)
                .collect();
            prop_assert_eq!(layout.pieces_within(1, span.clone()).collect::<Vec<_>>(), within);
            let found: Vec<u32> = layout.pieces_covering(1, span).collect();
            prop_assert_eq!(found, if length == 0 { Vec::new() } else { covering });
        }
    }
}

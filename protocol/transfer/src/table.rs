//! The pieces of a download, as far as a planner needs to know them.

use std::sync::Arc;

use potluck_content::{MAX_PIECES, PieceLayout, PieceSet};

/// How many pieces there are, how long each is, and which belong to one blob.
///
/// Of native content that is its [`PieceLayout`]; of anything else, such as a torrent, the sizes of its pieces in
/// their order, all of one blob.
#[derive(Clone, Debug)]
pub struct PieceTable(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Native(Arc<PieceLayout>),
    /// The bytes before each piece, and those of all.
    Sizes(Arc<[u64]>),
}

impl PieceTable {
    /// A table of pieces with these sizes in bytes; those beyond [`MAX_PIECES`] are left out.
    #[must_use]
    pub fn of_sizes(sizes: impl IntoIterator<Item = u64>) -> Self {
        let mut end = 0u64;
        let sizes = sizes.into_iter().take(MAX_PIECES as usize);
        let ends = sizes.map(|size| {
            end = end.saturating_add(size);
            end
        });
        Self(Kind::Sizes(std::iter::once(0).chain(ends).collect()))
    }

    /// Number of pieces.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        match &self.0 {
            Kind::Native(layout) => layout.pieces(),
            Kind::Sizes(before) => u32::try_from(before.len() - 1).unwrap_or(MAX_PIECES),
        }
    }

    /// Bytes of all pieces.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.bytes_before(self.pieces())
    }

    /// Bytes of all pieces below this one.
    #[must_use]
    pub fn bytes_before(&self, piece: u32) -> u64 {
        match &self.0 {
            Kind::Native(layout) => layout.bytes_before(piece),
            Kind::Sizes(before) => {
                let known = before.get(piece as usize).or(before.last());
                known.copied().unwrap_or(0)
            }
        }
    }

    /// Bytes of the pieces in a set.
    #[must_use]
    pub fn bytes_of(&self, set: &PieceSet) -> u64 {
        let ranges = set.ranges();
        ranges
            .map(|range| self.bytes_before(range.end) - self.bytes_before(range.start))
            .sum()
    }

    /// Bytes of a piece, and the blob that it is of. None past the end.
    pub(crate) fn get(&self, piece: u32) -> Option<Place> {
        match &self.0 {
            Kind::Native(layout) => layout.get(piece).map(|piece| Place {
                blob: piece.blob,
                bytes: piece.bytes,
            }),
            Kind::Sizes(before) => {
                let end = before.get(piece as usize + 1)?;
                Some(Place {
                    blob: 0,
                    bytes: end - before[piece as usize],
                })
            }
        }
    }
}

impl From<Arc<PieceLayout>> for PieceTable {
    fn from(layout: Arc<PieceLayout>) -> Self {
        Self(Kind::Native(layout))
    }
}

/// A piece in its table.
pub(crate) struct Place {
    pub(crate) blob: u32,
    pub(crate) bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_content::Hash;

    #[test]
    fn sizes_add_up() {
        let table = PieceTable::of_sizes([5, 5, 2]);
        assert_eq!((table.pieces(), table.total_bytes()), (3, 12));
        let bytes = |piece| table.get(piece).map(|place| place.bytes);
        assert_eq!([bytes(0), bytes(2), bytes(3)], [Some(5), Some(2), None]);
        assert_eq!([table.bytes_before(2), table.bytes_before(9)], [10, 12]);
        let mut set = PieceSet::new(3);
        set.insert(0);
        set.insert(2);
        assert_eq!(table.bytes_of(&set), 7);
        let none = PieceTable::of_sizes([]);
        assert_eq!((none.pieces(), none.total_bytes()), (0, 0));
    }

    #[test]
    fn a_layout_is_seen_as_it_is() {
        let layout = Arc::new(PieceLayout::for_blob(Hash::of(b""), 1_000_000));
        let table = PieceTable::from(Arc::clone(&layout));
        assert_eq!(table.pieces(), layout.pieces());
        assert_eq!(table.total_bytes(), 1_000_000);
        for piece in 0..layout.pieces() {
            assert_eq!(table.bytes_before(piece), layout.bytes_before(piece));
            let bytes = table.get(piece).map(|place| place.bytes);
            assert_eq!(bytes, Some(layout.piece(piece).bytes));
        }
    }
}

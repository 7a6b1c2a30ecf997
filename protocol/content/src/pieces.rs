//! Sets of pieces: what a node has, wants, or has asked for.

use std::ops::Range;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;

use crate::MAX_PIECES;

const WORD_BITS: u32 = u64::BITS;

/// A set of piece numbers below a fixed length.
///
/// Numbers at or past the length are never in the set: adding one does nothing. Sets of different
/// length can be combined; the set that changes keeps its length.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PieceSet {
    len: u32,
    count: u32,
    /// The bits at and past `len` are zero.
    words: Vec<u64>,
}

/// Why bytes are not a set of pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PieceSetError {
    /// The number of bytes is not that of the length.
    #[error("a set of {len} pieces has {expected} bytes, not {found}")]
    Length {
        /// Number of pieces.
        len: u32,
        /// Bytes that they take.
        expected: usize,
        /// Bytes that were found.
        found: usize,
    },
    /// A bit past the length is set.
    #[error("a piece past the end of a set of {len} is marked")]
    StrayBits {
        /// Number of pieces.
        len: u32,
    },
    /// More pieces than any layout has.
    #[error("a set of {len} pieces is larger than the limit of {MAX_PIECES}")]
    TooLong {
        /// Number of pieces.
        len: u32,
    },
}

impl PieceSet {
    /// The empty set of numbers below `len`.
    #[must_use]
    pub fn new(len: u32) -> Self {
        let words = vec![0; word_index(len.div_ceil(WORD_BITS))];
        Self {
            len,
            count: 0,
            words,
        }
    }

    /// The set of all numbers below `len`.
    #[must_use]
    pub fn full(len: u32) -> Self {
        let mut set = Self::new(len);
        set.insert_range(0..len);
        set
    }

    /// The length: every number in the set is below it.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many numbers are in the set.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether every number below the length is in the set.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count == self.len
    }

    /// Whether `piece` is in the set.
    #[must_use]
    pub fn contains(&self, piece: u32) -> bool {
        let word = self.words.get(word_index(piece / WORD_BITS));
        word.is_some_and(|word| word & bit(piece) != 0)
    }

    /// Adds `piece`; true when that changed the set.
    pub fn insert(&mut self, piece: u32) -> bool {
        if piece >= self.len || self.contains(piece) {
            return false;
        }
        self.words[word_index(piece / WORD_BITS)] |= bit(piece);
        self.count += 1;
        true
    }

    /// Takes `piece` out; true when that changed the set.
    pub fn remove(&mut self, piece: u32) -> bool {
        if !self.contains(piece) {
            return false;
        }
        self.words[word_index(piece / WORD_BITS)] &= !bit(piece);
        self.count -= 1;
        true
    }

    /// Adds all pieces of a range.
    pub fn insert_range(&mut self, range: Range<u32>) {
        self.change_range(range, |word, mask| word | mask);
    }

    /// Takes all pieces of a range out.
    pub fn remove_range(&mut self, range: Range<u32>) {
        self.change_range(range, |word, mask| word & !mask);
    }

    /// Whether all pieces of a range are in the set. True for an empty range.
    #[must_use]
    pub fn contains_range(&self, range: Range<u32>) -> bool {
        range.is_empty()
            || self
                .first_missing(range.start)
                .is_none_or(|p| p >= range.end)
                && range.end <= self.len
    }

    fn change_range(&mut self, range: Range<u32>, change: impl Fn(u64, u64) -> u64) {
        let end = range.end.min(self.len);
        let mut start = range.start;
        while start < end {
            let word_end = (start / WORD_BITS + 1).saturating_mul(WORD_BITS).min(end);
            let mask = mask(start % WORD_BITS, word_end - start);
            let word = &mut self.words[word_index(start / WORD_BITS)];
            let changed = change(*word, mask);
            self.count = self.count + changed.count_ones() - word.count_ones();
            *word = changed;
            start = word_end;
        }
    }

    /// Adds all pieces of `other`.
    pub fn union_with(&mut self, other: &Self) {
        self.combine(other, |mine, theirs| mine | theirs);
    }

    /// Keeps only the pieces that are in `other` too.
    pub fn intersect_with(&mut self, other: &Self) {
        self.combine(other, |mine, theirs| mine & theirs);
    }

    /// Takes all pieces of `other` out.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, |mine, theirs| mine & !theirs);
    }

    fn combine(&mut self, other: &Self, with: impl Fn(u64, u64) -> u64) {
        let theirs = other.words.iter().copied().chain(std::iter::repeat(0));
        for (word, theirs) in self.words.iter_mut().zip(theirs) {
            *word = with(*word, theirs);
        }
        self.clear_tail();
        self.count = self.words.iter().map(|word| word.count_ones()).sum();
    }

    fn clear_tail(&mut self) {
        let used = self.len % WORD_BITS;
        if let (1.., Some(last)) = (used, self.words.last_mut()) {
            *last &= mask(0, used);
        }
    }

    /// The pieces in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut set = self.clone();
        set.union_with(other);
        set
    }

    /// The pieces in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut set = self.clone();
        set.intersect_with(other);
        set
    }

    /// The pieces of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut set = self.clone();
        set.subtract(other);
        set
    }

    /// How many pieces are in both sets.
    #[must_use]
    pub fn intersection_count(&self, other: &Self) -> u32 {
        let pairs = self.words.iter().zip(&other.words);
        pairs
            .map(|(mine, theirs)| (mine & theirs).count_ones())
            .sum()
    }

    /// Whether every piece of this set is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.intersection_count(other) == self.count
    }

    /// The first piece in the set at or after `from`.
    #[must_use]
    pub fn first_present(&self, from: u32) -> Option<u32> {
        self.find(from, |word| word)
    }

    /// The first piece below the length and not in the set, at or after `from`.
    #[must_use]
    pub fn first_missing(&self, from: u32) -> Option<u32> {
        self.find(from, |word| !word)
    }

    fn find(&self, from: u32, view: impl Fn(u64) -> u64) -> Option<u32> {
        let mut start = from;
        while start < self.len {
            let word = view(self.words[word_index(start / WORD_BITS)]) >> (start % WORD_BITS);
            if word != 0 {
                let found = start + word.trailing_zeros();
                return (found < self.len).then_some(found);
            }
            start = (start / WORD_BITS + 1).saturating_mul(WORD_BITS);
        }
        None
    }

    /// The pieces in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let words = (0..).step_by(WORD_BITS as usize).zip(&self.words);
        words.flat_map(|(first, word)| Ones(*word).map(move |at| first + at))
    }

    /// The pieces in the set as the fewest ranges, in order.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let start = self.first_present(from)?;
            let end = self.first_missing(start).unwrap_or(self.len);
            from = end;
            Some(start..end)
        })
    }

    /// Bytes that a set of `len` pieces has in [`Self::to_bytes`].
    #[must_use]
    pub const fn byte_len(len: u32) -> usize {
        len.div_ceil(8) as usize
    }

    /// The set as bits: piece `i` is bit `i % 8`, counted from the lowest, of byte `i / 8`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = self.words.iter().flat_map(|word| word.to_le_bytes());
        bytes.take(Self::byte_len(self.len)).collect()
    }

    /// Reads what [`Self::to_bytes`] wrote: exactly as many bytes as needed, no bit past the end.
    pub fn from_bytes(len: u32, bytes: &[u8]) -> Result<Self, PieceSetError> {
        if len > MAX_PIECES {
            return Err(PieceSetError::TooLong { len });
        }
        let (expected, found) = (Self::byte_len(len), bytes.len());
        if expected != found {
            return Err(PieceSetError::Length {
                len,
                expected,
                found,
            });
        }
        let mut set = Self::new(len);
        for (word, bytes) in set.words.iter_mut().zip(bytes.chunks(8)) {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_le_bytes(padded);
        }
        let count = |set: &Self| set.words.iter().map(|word| word.count_ones()).sum();
        let marked: u32 = count(&set);
        set.clear_tail();
        set.count = count(&set);
        if set.count == marked {
            Ok(set)
        } else {
            Err(PieceSetError::StrayBits { len })
        }
    }
}

impl std::fmt::Debug for PieceSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PieceSet({} of {}: ", self.count, self.len)?;
        f.debug_list().entries(self.ranges()).finish()?;
        f.write_str(")")
    }
}

impl Serialize for PieceSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.len, ByteBuf::from(self.to_bytes())).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PieceSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (len, bytes) = <(u32, ByteBuf)>::deserialize(deserializer)?;
        Self::from_bytes(len, &bytes).map_err(D::Error::custom)
    }
}

/// The positions of the ones of a word, lowest first.
struct Ones(u64);

impl Iterator for Ones {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        let at = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some(at)
    }
}

const fn word_index(index: u32) -> usize {
    index as usize
}

const fn bit(piece: u32) -> u64 {
    1 << (piece % WORD_BITS)
}

/// `count` ones (1 to 64) from bit `start` on.
const fn mask(start: u32, count: u32) -> u64 {
    (u64::MAX >> (WORD_BITS - count)) << start
}

#[cfg(test)]
mod tests;

//! A bitmap with a summary: one bit for each word that isn't zero.
//!
//! Rarity levels are sparse, and a source may hold little of what is missing. With the summary, the first common bit of
//! two sets among 65,536 is found by looking at 16 summary words and the few words that they name.

const WORD: u32 = u64::BITS;

/// A set of piece numbers below a length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    len: u32,
    count: u32,
    words: Vec<u64>,
    summary: Vec<u64>,
}

/// Word index and mask of a bit.
fn place(bit: u32) -> (usize, u64) {
    ((bit / WORD) as usize, 1 << (bit % WORD))
}

impl Bits {
    pub(super) fn new(len: u32) -> Self {
        let words = len.div_ceil(WORD) as usize;
        Self {
            len,
            count: 0,
            words: vec![0; words],
            summary: vec![0; words.div_ceil(64)],
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn contains(&self, bit: u32) -> bool {
        let (word, mask) = place(bit);
        self.words.get(word).is_some_and(|w| w & mask != 0)
    }

    /// Adds a bit; says whether it is new. Bits out of range are refused.
    pub(super) fn insert(&mut self, bit: u32) -> bool {
        let (word, mask) = place(bit);
        if bit >= self.len || self.words[word] & mask != 0 {
            return false;
        }
        self.words[word] |= mask;
        self.summary[word / 64] |= 1 << (word % 64);
        self.count += 1;
        true
    }

    /// Removes a bit; says whether it was there.
    pub(super) fn remove(&mut self, bit: u32) -> bool {
        let (word, mask) = place(bit);
        if !self.contains(bit) {
            return false;
        }
        self.words[word] &= !mask;
        if self.words[word] == 0 {
            self.summary[word / 64] &= !(1 << (word % 64));
        }
        self.count -= 1;
        true
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let bit = self.first_from(None, from)?;
            from = bit + 1;
            Some(bit)
        })
    }

    /// First bit at or after `from` that is in this set and, when given, in the other.
    pub(super) fn first_from(&self, other: Option<&Self>, from: u32) -> Option<u32> {
        if self.count == 0 || from >= self.len {
            return None;
        }
        let (word, _) = place(from);
        let rest = self.common(other, word) & (u64::MAX << (from % WORD));
        if rest != 0 {
            return Some(bit_of(word, rest));
        }
        self.first_in_later_word(other, word + 1)
    }

    fn first_in_later_word(&self, other: Option<&Self>, start: usize) -> Option<u32> {
        let mut block = start / 64;
        let mut mask = u64::MAX << (start % 64);
        while block < self.summary.len() {
            let mut words = self.summary[block] & mask;
            if let Some(other) = other {
                words &= other.summary.get(block).copied().unwrap_or(0);
            }
            while words != 0 {
                let word = block * 64 + words.trailing_zeros() as usize;
                let bits = self.common(other, word);
                if bits != 0 {
                    return Some(bit_of(word, bits));
                }
                words &= words - 1;
            }
            block += 1;
            mask = u64::MAX;
        }
        None
    }

    fn common(&self, other: Option<&Self>, word: usize) -> u64 {
        let own = self.words[word];
        match other {
            Some(other) => own & other.words.get(word).copied().unwrap_or(0),
            None => own,
        }
    }
}

fn bit_of(word: usize, bits: u64) -> u32 {
    u32::try_from(word).unwrap_or(u32::MAX).saturating_mul(WORD) + bits.trailing_zeros()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_sorted_set(
            len in 1_u32..20_000,
            ops in proptest::collection::vec((any::<u32>(), any::<bool>()), 0..300),
            other in proptest::collection::vec(any::<u32>(), 0..300),
            from in any::<u32>(),
        ) {
            let mut bits = Bits::new(len);
            let mut model = BTreeSet::new();
            for (bit, add) in ops {
                let bit = bit % len;
                if add {
                    prop_assert_eq!(bits.insert(bit), model.insert(bit));
                } else {
                    prop_assert_eq!(bits.remove(bit), model.remove(&bit));
                }
            }
            prop_assert_eq!(bits.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(bits.count() as usize, model.len());
            let mut second = Bits::new(len);
            let second_model: BTreeSet<u32> = other.iter().map(|bit| bit % len).collect();
            second_model.iter().for_each(|bit| { second.insert(*bit); });
            let from = from % len;
            prop_assert_eq!(
                bits.first_from(Some(&second), from),
                model.intersection(&second_model).copied().find(|bit| *bit >= from)
            );
            prop_assert!(!bits.insert(len));
        }
    }
}

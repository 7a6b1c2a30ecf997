//! Which piece next: rarest first over rarity levels.
//!
//! Pieces that may be asked for (*open* ones: wanted, missing, claimed by nobody) sit in one bitmap for each rarity level. A
//! change of one piece moves one bit; a pick intersects a level with what the source has, from the rarest level on.
//! Sources that have everything count alike for all pieces and are left out, so that a seed joins in constant time.
//!
//! Pieces that a silent source was asked for come last: it may only have many to serve, and asking others while they have
//! something else to give would undo its line for nothing.

use std::ops::Range;

use super::bits::Bits;
use super::share::{Share, TRIES};
use super::tie_break::TieBreak;

/// Levels 0 to 15 are exact counts; beyond that rarity hardly matters and each level spans a doubling.
const EXACT_LEVELS: u16 = 16;
const LEVELS: usize = 30;
/// Pieces that a silent source was asked for, whatever their rarity.
const WEAK: usize = LEVELS - 1;

/// Whether a piece may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Openness {
    /// Not wanted, there, or claimed.
    Closed,
    /// Asked of silent sources only.
    Weak,
    /// Asked of nobody.
    Open,
}

fn level_of(holders: u16) -> usize {
    if holders < EXACT_LEVELS {
        usize::from(holders)
    } else {
        usize::from(EXACT_LEVELS) + (holders / EXACT_LEVELS).ilog2() as usize
    }
}

#[derive(Debug)]
pub(super) struct Picker {
    holders: Vec<u16>,
    open: Bits,
    levels: Vec<Bits>,
    full_sources: u32,
}

impl Picker {
    pub(super) fn new(pieces: u32) -> Self {
        Self {
            holders: vec![0; pieces as usize],
            open: Bits::new(pieces),
            levels: vec![Bits::new(pieces); LEVELS],
            full_sources: 0,
        }
    }

    pub(super) fn full_source_joined(&mut self) {
        self.full_sources += 1;
    }

    pub(super) fn full_source_left(&mut self) {
        self.full_sources = self.full_sources.saturating_sub(1);
    }

    pub(super) fn holder_added(&mut self, piece: u32) {
        self.change_holders(piece, |count| count.saturating_add(1));
    }

    pub(super) fn holder_removed(&mut self, piece: u32) {
        self.change_holders(piece, |count| count.saturating_sub(1));
    }

    fn change_holders(&mut self, piece: u32, change: impl Fn(u16) -> u16) {
        let Some(count) = self.holders.get_mut(piece as usize) else {
            return;
        };
        let before = level_of(*count);
        *count = change(*count);
        let after = level_of(*count);
        if before != after && self.levels[before].remove(piece) {
            self.levels[after].insert(piece);
        }
    }

    /// The level in which an open piece stands.
    fn level(&self, piece: u32) -> Option<usize> {
        let count = self.holders.get(piece as usize)?;
        let weak = self.levels[WEAK].contains(piece);
        Some(if weak { WEAK } else { level_of(*count) })
    }

    /// Puts a piece where it belongs; says whether it opened or closed by that.
    pub(super) fn set(&mut self, piece: u32, openness: Openness) -> bool {
        let (Some(level), Some(count)) = (self.level(piece), self.holders.get(piece as usize))
        else {
            return false;
        };
        let rarity = level_of(*count);
        match openness {
            Openness::Closed => {
                self.levels[level].remove(piece);
                self.open.remove(piece)
            }
            Openness::Weak => {
                self.levels[rarity].remove(piece);
                self.levels[WEAK].insert(piece);
                self.open.insert(piece)
            }
            Openness::Open => {
                self.levels[WEAK].remove(piece);
                self.levels[rarity].insert(piece);
                self.open.insert(piece)
            }
        }
    }

    pub(super) fn is_open(&self, piece: u32) -> bool {
        self.open.contains(piece)
    }

    pub(super) fn open_count(&self) -> u32 {
        self.open.count()
    }

    /// Whether some source has some piece that nobody was asked for.
    pub(super) fn any_open_available(&self) -> bool {
        let unasked = self.open.count() - self.levels[WEAK].count();
        let reachable = if self.full_sources > 0 {
            unasked
        } else {
            unasked - self.levels[0].count()
        };
        reachable > 0
    }

    pub(super) fn holders(&self, piece: u32) -> u32 {
        self.full_sources
            + self
                .holders
                .get(piece as usize)
                .copied()
                .map_or(0, u32::from)
    }

    /// The open piece within `range` that comes first and that the source has (`None`: it has all).
    pub(super) fn first_in(&self, has: Option<&Bits>, range: Range<u32>) -> Option<u32> {
        self.open
            .first_from(has, range.start)
            .filter(|piece| *piece < range.end)
    }

    /// A rarest open piece that the source has: `cursor` when it is among the rarest, so that a source is read on from
    /// where it stands; else the first after a random place. Of what only seeds have, what belongs to this node's share
    /// comes first.
    pub(super) fn rarest(
        &self,
        has: Option<&Bits>,
        cursor: u32,
        share: &Share<'_>,
        rng: &mut TieBreak,
    ) -> Option<u32> {
        if self.open.is_empty() {
            return None;
        }
        let mut levels = self.levels.iter().enumerate();
        levels.find_map(|(rarity, level)| {
            if level.is_empty() {
                return None;
            }
            let at_cursor = level.contains(cursor) && has.is_none_or(|has| has.contains(cursor));
            let shared = rarity == 0 && !share.is_all();
            if at_cursor && (!shared || share.has(cursor)) {
                return Some(cursor);
            }
            if !shared {
                return self.anywhere(level, has, rng);
            }
            let first = self.anywhere(level, has, rng)?;
            let others = (1..TRIES).filter_map(|_| self.anywhere(level, has, rng));
            let ours = std::iter::once(first)
                .chain(others)
                .find(|piece| share.has(*piece));
            Some(ours.unwrap_or(first))
        })
    }

    /// The first piece of a level after a random place.
    fn anywhere(&self, level: &Bits, has: Option<&Bits>, rng: &mut TieBreak) -> Option<u32> {
        let pieces = u32::try_from(self.holders.len()).unwrap_or(u32::MAX);
        let start = rng.below(pieces);
        level
            .first_from(has, start)
            .or_else(|| level.first_from(has, 0))
    }

    /// Whether only seeds have a piece.
    pub(super) fn is_with_seeds_only(&self, piece: u32) -> bool {
        self.level(piece) == Some(0)
    }

    /// Whether two open pieces are equally rare.
    pub(super) fn same_level(&self, one: u32, other: u32) -> bool {
        self.level(one) == self.level(other)
    }

    pub(super) fn openness(&self, piece: u32) -> Openness {
        if !self.open.contains(piece) {
            Openness::Closed
        } else if self.levels[WEAK].contains(piece) {
            Openness::Weak
        } else {
            Openness::Open
        }
    }

    /// For checks: counts and levels agree with each other.
    pub(super) fn is_consistent(&self) -> bool {
        let in_levels: u32 = self.levels.iter().map(Bits::count).sum();
        let in_place = |piece| {
            self.level(piece)
                .is_some_and(|l| self.levels[l].contains(piece))
        };
        in_levels == self.open.count() && self.open.iter().all(in_place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Share<'static> = Share::new(0, &[], 1);

    #[derive(Clone, Debug)]
    enum Op {
        Add(u32),
        Remove(u32),
        Open(u32),
        Weaken(u32),
        Close(u32),
    }

    fn op(pieces: u32) -> impl Strategy<Value = Op> {
        (0..5_u8, 0..pieces).prop_map(|(kind, piece)| match kind {
            0 => Op::Add(piece),
            1 => Op::Remove(piece),
            2 => Op::Open(piece),
            3 => Op::Weaken(piece),
            _ => Op::Close(piece),
        })
    }

    proptest! {
        /// The reference: a plain table of counts, scanned as a whole.
        #[test]
        fn picks_what_a_full_scan_would(
            ops in proptest::collection::vec(op(300), 0..600),
            has in proptest::collection::vec(any::<bool>(), 300),
            seed in any::<u64>(),
        ) {
            let mut picker = Picker::new(300);
            let mut counts = vec![0_u16; 300];
            let mut open = vec![Openness::Closed; 300];
            for op in ops {
                match op {
                    Op::Add(p) => { picker.holder_added(p); counts[p as usize] += 1; }
                    Op::Remove(p) => {
                        picker.holder_removed(p);
                        counts[p as usize] = counts[p as usize].saturating_sub(1);
                    }
                    Op::Open(p) => { picker.set(p, Openness::Open); open[p as usize] = Openness::Open; }
                    Op::Weaken(p) => { picker.set(p, Openness::Weak); open[p as usize] = Openness::Weak; }
                    Op::Close(p) => { picker.set(p, Openness::Closed); open[p as usize] = Openness::Closed; }
                }
            }
            prop_assert!(picker.is_consistent());
            let mut set = Bits::new(300);
            (0..300).filter(|p| has[*p as usize]).for_each(|p| { set.insert(p); });
            let is_open = |p: u32| open[p as usize] != Openness::Closed;
            let rank = |p: u32| match open[p as usize] {
                Openness::Weak => WEAK,
                _ => level_of(counts[p as usize]),
            };
            let candidates: Vec<u32> =
                (0..300).filter(|p| is_open(*p) && has[*p as usize]).collect();
            let rarest = candidates.iter().map(|p| rank(*p)).min();
            let picked = picker.rarest(Some(&set), 0, &ALL, &mut TieBreak::new(seed));
            prop_assert_eq!(picked.is_some(), rarest.is_some());
            if let Some(picked) = picked {
                prop_assert!(candidates.contains(&picked));
                prop_assert_eq!(Some(rank(picked)), rarest);
            }
            prop_assert_eq!(picker.first_in(Some(&set), 0..300), candidates.first().copied());
            let reachable = (0..300).any(|p| open[p] == Openness::Open && counts[p] > 0);
            prop_assert_eq!(picker.any_open_available(), reachable);
        }
    }

    #[test]
    fn of_what_only_seeds_have_our_share_comes_first() {
        let mut picker = Picker::new(100);
        let fellows = [11, 12, 13];
        let share = Share::new(10, &fellows, 100);
        (0..100).for_each(|piece| {
            picker.set(piece, Openness::Open);
        });
        let mut rng = TieBreak::new(5);
        let ours = (0..100).filter(|piece| share.has(*piece)).count();
        for n in 0..100 {
            let piece = picker.rarest(None, 0, &share, &mut rng).unwrap();
            assert!(n >= ours - 3 || share.has(piece), "pick {n} of {ours}");
            picker.set(piece, Openness::Closed);
        }
        assert_eq!(picker.rarest(None, 0, &share, &mut rng), None);
    }

    #[test]
    fn the_cursor_is_kept_among_equals_only() {
        let mut picker = Picker::new(10);
        (0..10).for_each(|piece| {
            picker.set(piece, Openness::Open);
        });
        let mut rng = TieBreak::new(1);
        assert_eq!(picker.rarest(None, 4, &ALL, &mut rng), Some(4));
        (0..10)
            .filter(|piece| *piece != 7)
            .for_each(|piece| picker.holder_added(piece));
        assert_eq!(picker.rarest(None, 4, &ALL, &mut rng), Some(7));
    }

    #[test]
    fn ties_are_spread() {
        let mut picker = Picker::new(1000);
        (0..1000).for_each(|piece| {
            picker.set(piece, Openness::Open);
        });
        let picks: std::collections::BTreeSet<_> = (0..100)
            .map(|seed| picker.rarest(None, 1000, &ALL, &mut TieBreak::new(seed)))
            .collect();
        assert!(picks.len() > 80);
    }

    #[test]
    fn every_count_has_a_level() {
        assert!((0..=u16::MAX).all(|holders| level_of(holders) < LEVELS));
    }
}

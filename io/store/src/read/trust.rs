//! Which groups of an open file need not be hashed again when they are read for others, and when: see
//! `docs/adr/0008-serving-without-hashing-again.md`.

use std::fs::File;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use potluck_content::tree::Geometry;

use crate::records::Stamp;
use crate::sys::{self, Facts};

/// The shortest time after its last change in which a file is not trusted. A process that changes a
/// file through a shared mapping leaves its mark when a page becomes dirty, and can go on changing that
/// page without another mark until the system writes it back: 35 s by default on Linux.
const MIN_AGE: Duration = Duration::from_secs(60);
/// What is added to the time for which the system is set to hold back written pages.
const SLACK: Duration = Duration::from_secs(25);
/// Bits that are kept of one blob; of a blob with more groups, each stands for several. 256 KiB.
const MAX_BITS: u64 = 1 << 21;

/// What a file is told by from what it was before. Unlike the stamp in a record, it is only compared
/// within one process, so that the device counts as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) stamp: Stamp,
    device: u64,
}

impl Identity {
    pub(crate) fn of(facts: &Facts) -> Self {
        Self {
            stamp: facts.stamp,
            device: facts.device,
        }
    }

    /// Whether the last change was so long before `now` that another one must show.
    pub(crate) fn is_old(&self, now: SystemTime, min_age: Duration) -> bool {
        let stamp = &self.stamp;
        let last = (stamp.mtime, stamp.mtime_nanos).max((stamp.ctime, stamp.ctime_nanos));
        let Some((seconds, nanos)) = u64::try_from(last.0).ok().zip(u32::try_from(last.1).ok())
        else {
            // Before 1970, or no time at all.
            return false;
        };
        now.duration_since(UNIX_EPOCH)
            .is_ok_and(|now| now > Duration::new(seconds, nanos).saturating_add(min_age))
    }
}

/// The age from which on files are trusted: what was asked for, or what the system needs.
pub(crate) fn min_age(asked: Option<Duration>) -> Duration {
    asked.unwrap_or_else(|| {
        let held_back = sys::writes_are_held_back_for();
        held_back.map_or(MIN_AGE, |time| MIN_AGE.max(time.saturating_add(SLACK)))
    })
}

/// The groups of one open file that were found right while it looked as it does now.
#[derive(Debug)]
pub(super) struct Trust {
    groups: u64,
    /// Groups for which one bit stands.
    unit: u64,
    min_age: Duration,
    bits: Mutex<Bits>,
}

#[derive(Debug)]
enum Bits {
    /// Stamps of this file system don't tell of every change.
    Never,
    All,
    Some(Vec<u64>),
}

impl Trust {
    /// `all` when this process hashed the file just so.
    pub(super) fn new(file: &File, geometry: Geometry, min_age: Duration, all: bool) -> Self {
        let bits = if !sys::stamps_tell_of_changes(file) {
            Bits::Never
        } else if all {
            Bits::All
        } else {
            Bits::Some(Vec::new())
        };
        Self::with(geometry.groups(), min_age, bits)
    }

    fn with(groups: u64, min_age: Duration, bits: Bits) -> Self {
        Self {
            groups,
            unit: groups.div_ceil(MAX_BITS).next_power_of_two(),
            min_age,
            bits: Mutex::new(bits),
        }
    }

    /// Whether all groups of a span were found right.
    pub(super) fn covers(&self, span: &Range<u64>) -> bool {
        match &*self.bits.lock().unwrap_or_else(PoisonError::into_inner) {
            Bits::Never => false,
            Bits::All => true,
            Bits::Some(words) => {
                let units = span.start / self.unit..span.end.div_ceil(self.unit);
                words_of(units)
                    .all(|(index, mask)| words.get(index).is_some_and(|word| word & mask == mask))
            }
        }
    }

    /// Notes that a span was found right. The file looked so before and after it was read, and the
    /// reading began at `now`.
    pub(super) fn found_right(&self, span: &Range<u64>, identity: &Identity, now: SystemTime) {
        if !identity.is_old(now, self.min_age) {
            return;
        }
        let mut bits = self.bits.lock().unwrap_or_else(PoisonError::into_inner);
        let Bits::Some(words) = &mut *bits else {
            return;
        };
        let end = if span.end >= self.groups {
            self.groups.div_ceil(self.unit)
        } else {
            span.end / self.unit
        };
        let length = self.groups.div_ceil(self.unit).div_ceil(64);
        if words.is_empty() {
            words.resize(usize::try_from(length).unwrap_or(0), 0);
        }
        for (index, mask) in words_of(span.start.div_ceil(self.unit)..end) {
            if let Some(word) = words.get_mut(index) {
                *word |= mask;
            }
        }
    }
}

/// The words of a set that hold a range of bits, each with the bits of the range in it.
fn words_of(bits: Range<u64>) -> impl Iterator<Item = (usize, u64)> {
    let words = if bits.is_empty() {
        0..0
    } else {
        bits.start / 64..bits.end.div_ceil(64)
    };
    words.map(move |word| {
        let first = bits.start.saturating_sub(word * 64).min(63);
        let last = (bits.end - 1 - word * 64).min(63);
        let mask = (u64::MAX << first) & (u64::MAX >> (63 - last));
        (usize::try_from(word).unwrap_or(usize::MAX), mask)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn identity(mtime: i64, ctime: i64) -> Identity {
        let stamp = Stamp {
            mtime,
            ctime,
            ..Stamp::default()
        };
        Identity { stamp, device: 1 }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn age_counts_from_the_later_of_both_times() {
        for (mtime, ctime) in [(100, 40), (40, 100), (100, 100)] {
            let identity = identity(mtime, ctime);
            for (now, old) in [(90, false), (100, false), (160, false), (161, true)] {
                assert_eq!(identity.is_old(at(now), MIN_AGE), old);
            }
        }
        // A system without times, and times before the epoch, say nothing.
        assert!(!identity(-1, -1).is_old(at(1000), MIN_AGE));
        assert!(!identity(1, 1).is_old(at(1000), Duration::MAX));
    }

    #[test]
    fn what_was_racy_is_not_noted() {
        let trust = Trust::with(10, MIN_AGE, Bits::Some(Vec::new()));
        trust.found_right(&(0..10), &identity(100, 100), at(160));
        assert!(!trust.covers(&(0..1)));
        trust.found_right(&(0..10), &identity(100, 100), at(161));
        assert!(trust.covers(&(0..10)));
        let never = Trust::with(10, MIN_AGE, Bits::Never);
        never.found_right(&(0..10), &identity(100, 100), at(1000));
        assert!(!never.covers(&(0..1)));
    }

    #[test]
    fn a_bit_that_stands_for_many_needs_them_all() {
        let groups = MAX_BITS * 3 + 5;
        let trust = Trust::with(groups, Duration::ZERO, Bits::Some(Vec::new()));
        assert_eq!(trust.unit, 4);
        let note = |span: Range<u64>| trust.found_right(&span, &identity(1, 1), at(100));
        note(1..11);
        assert!(trust.covers(&(4..8)) && trust.covers(&(5..6)));
        assert!(!trust.covers(&(1..4)) && !trust.covers(&(7..9)));
        note(groups - 1..groups);
        assert!(trust.covers(&(groups - 1..groups)));
        let bits = trust.bits.lock().unwrap();
        assert!(matches!(&*bits, Bits::Some(words) if words.len() * 64 <= (1 << 21) + 64));
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_groups(
            groups in 1..400_u64,
            spans in prop::collection::vec((any::<prop::sample::Index>(), 1..200_u64), 0..12),
            asked in prop::collection::vec((any::<prop::sample::Index>(), 1..200_u64), 1..40),
        ) {
            let trust = Trust::with(groups, Duration::ZERO, Bits::Some(Vec::new()));
            let mut model = vec![false; usize::try_from(groups).unwrap()];
            let span = |(from, length): &(prop::sample::Index, u64)| {
                let from = from.index(model.len()) as u64;
                from..(from + length).min(groups)
            };
            let spans: Vec<_> = spans.iter().map(span).collect();
            let asked: Vec<_> = asked.iter().map(span).collect();
            for span in spans {
                trust.found_right(&span, &identity(1, 1), at(100));
                for group in span {
                    model[usize::try_from(group).unwrap()] = true;
                }
            }
            for span in asked {
                let expected = span.clone().all(|group| model[usize::try_from(group).unwrap()]);
                prop_assert_eq!(trust.covers(&span), expected);
            }
        }
    }
}

//! The rate at which something goes on, from the bytes of the last few seconds.

use std::time::Instant;

/// Seconds that are looked at, the running one included.
const SLOTS: usize = 5;

/// Bytes by second.
#[derive(Debug)]
pub(crate) struct Recent {
    since: Instant,
    /// The second that a slot stands for, counted from `since`, and its bytes.
    slots: [(u64, u64); SLOTS],
}

impl Recent {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            slots: [(0, 0); SLOTS],
        }
    }

    /// Counts bytes.
    pub(crate) fn add(&mut self, now: Instant, bytes: u64) {
        let second = now.duration_since(self.since).as_secs();
        let slot = usize::try_from(second).unwrap_or(0) % SLOTS;
        let slot = &mut self.slots[slot];
        if slot.0 != second {
            *slot = (second, 0);
        }
        slot.1 += bytes;
    }

    /// Bytes per second over the last few seconds; over less in the beginning, but not less than one.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // not negative, below 2^64
    pub(crate) fn rate(&self, now: Instant) -> u64 {
        let time = now.duration_since(self.since).as_secs_f64();
        let oldest = (time as u64 + 1).saturating_sub(SLOTS as u64);
        let recent = self.slots.iter().filter(|(second, _)| *second >= oldest);
        let bytes: u64 = recent.map(|(_, bytes)| bytes).sum();
        (bytes as f64 / (time - oldest as f64).max(1.0)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_steady_flow_is_seen_soon_and_its_end_too() {
        let start = Instant::now();
        let at = |tenths: u32| start + Duration::from_millis(100) * tenths;
        let mut recent = Recent::new(start);
        assert_eq!(recent.rate(start), 0);
        for tenths in 0..200 {
            recent.add(at(tenths), 1000);
            if tenths >= 20 {
                let rate = recent.rate(at(tenths));
                assert!((9_500..=10_600).contains(&rate), "{rate} at {tenths}");
            }
        }
        assert!(recent.rate(at(210)) < 9_000);
        assert_eq!(recent.rate(at(260)), 0);
        assert_eq!(recent.rate(at(100_000)), 0);
    }
}

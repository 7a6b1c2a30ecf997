//! How long a peer may take for what it is sent, given what the uplink can do.

use potluck_transfer::Timestamp;
use std::time::Duration;

/// As long as nothing is known of the uplink.
const UNKNOWN: Duration = Duration::from_millis(250);
const LEAST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);
/// How many times the time that it takes when all slots share the uplink.
const TIMES: u64 = 3;
/// The uplink's rate is taken over this time.
const WINDOW: Duration = Duration::from_millis(500);

/// What the uplink did at its best, lately.
pub(super) struct Pace {
    slots: u64,
    began: Timestamp,
    bytes: u64,
    /// Bytes per second; 0 while unknown.
    best: u64,
}

impl Pace {
    pub(super) fn new(slots: u64) -> Self {
        Self {
            slots,
            began: Timestamp::ZERO,
            bytes: 0,
            best: 0,
        }
    }

    /// So many bytes went out.
    pub(super) fn sent(&mut self, now: Timestamp, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        let time = now.since(self.began);
        if time < WINDOW {
            return;
        }
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let rate = u128::from(self.bytes) * 1_000_000 / u128::from(micros.max(1));
        // Fades over about ten seconds, as a limit or a network may have changed.
        let faded = self.best - self.best / 20;
        self.best = faded.max(u64::try_from(rate).unwrap_or(u64::MAX));
        (self.began, self.bytes) = (now, 0);
    }

    /// How long a peer may take for so many bytes before it counts as slow.
    pub(super) fn patience(&self, bytes: u64) -> Duration {
        if self.best == 0 {
            return UNKNOWN;
        }
        let fair = u128::from(bytes) * u128::from(TIMES * self.slots) * 1_000_000;
        let micros = u64::try_from(fair / u128::from(self.best)).unwrap_or(u64::MAX);
        Duration::from_micros(micros).clamp(LEAST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_the_time_that_the_uplink_needs() {
        let mut pace = Pace::new(4);
        let at = |millis| Timestamp::ZERO + Duration::from_millis(millis);
        assert_eq!(pace.patience(65_536), UNKNOWN);
        // 5 MB/s: a step takes 52 ms when four share it.
        pace.sent(at(1000), 5_000_000);
        assert_eq!(pace.patience(65_536).as_millis(), 157);
        assert_eq!(pace.patience(16), LEAST);
        // All of a sudden nobody takes anything: that is not the uplink.
        pace.sent(at(2000), 0);
        assert!(pace.patience(65_536) < Duration::from_millis(170));
        let mut slow = Pace::new(4);
        slow.sent(at(1000), 100_000);
        assert_eq!(slow.patience(65_536), LONGEST);
    }
}

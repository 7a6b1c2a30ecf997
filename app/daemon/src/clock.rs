//! The one place where the machines' time comes from.

use potluck_transfer::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time since the node started, in the machines' terms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// The tokio instant at which a machine wants to be called again.
    pub(crate) fn instant(&self, at: Timestamp) -> tokio::time::Instant {
        (self.origin + Duration::from_micros(at.as_micros())).into()
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// Seconds since 1970; 0 when the system clock stands before that.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

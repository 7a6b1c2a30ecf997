//! A byte rate that holds, shared by everyone who asks for a share of it.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::{InMemoryState, NotKeyed},
};
use tokio::sync::{Mutex, Notify};

/// How much of a second's allowance may be used at once. It lets late timers catch up, and bounds
/// what a fresh limit lets through at its start.
const BURST_MILLIS: u64 = 100;

/// The rate limiter counts in whole units and whole nanoseconds between them, so units are chosen
/// with no more than this many in a second: the rounding then stays below 0.05 %.
const MAX_UNITS_PER_SECOND: u64 = 500_000;

/// A byte-rate limit that can be changed while in use. Clones share the limit. Those who wait are
/// served in the order in which they asked.
#[derive(Clone, Default)]
pub struct Limiter {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    bucket: ArcSwapOption<Bucket>,
    /// Bytes that passed but were too few to make a unit: the next one in line pays for them.
    turn: Mutex<u64>,
    changed: Notify,
}

struct Bucket {
    bytes_per_second: u64,
    unit: u64,
    burst_units: NonZeroU32,
    limiter: RateLimiter<NotKeyed, InMemoryState, DefaultClock>,
    clock: DefaultClock,
}

impl Limiter {
    /// A limiter with this rate in bytes per second; `None` lets everything pass.
    #[must_use]
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        let limiter = Self::default();
        limiter.set(bytes_per_second);
        limiter
    }

    /// Changes the rate, also for those who wait. At a rate of 0 nothing passes.
    pub fn set(&self, bytes_per_second: Option<u64>) {
        let bucket = bytes_per_second.map(|rate| Arc::new(Bucket::new(rate)));
        self.shared.bucket.store(bucket);
        self.shared.changed.notify_waiters();
    }

    /// The rate in bytes per second.
    #[must_use]
    pub fn rate(&self) -> Option<u64> {
        self.shared
            .bucket
            .load()
            .as_ref()
            .map(|bucket| bucket.bytes_per_second)
    }

    /// Waits until `bytes` may pass. Dropping the future gives up the place in line; what was
    /// taken by then is not given back.
    pub async fn take(&self, bytes: usize) {
        if self.shared.bucket.load().is_none() {
            return;
        }
        let mut carried = self.shared.turn.lock().await;
        let mut left = carried.saturating_add(bytes as u64);
        loop {
            let changed = self.shared.changed.notified();
            let Some(bucket) = self.shared.bucket.load_full() else {
                *carried = 0;
                return;
            };
            if bucket.bytes_per_second == 0 {
                changed.await;
                continue;
            }
            let Some(units) = bucket.units(left) else {
                *carried = left;
                return;
            };
            match bucket.try_take(units) {
                Ok(()) => left -= u64::from(units.get()) * bucket.unit,
                Err(wait) => {
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = changed => {}
                    }
                }
            }
        }
    }
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter")
            .field("rate", &self.rate())
            .finish()
    }
}

impl Bucket {
    fn new(bytes_per_second: u64) -> Self {
        let unit = bytes_per_second.div_ceil(MAX_UNITS_PER_SECOND).max(1);
        let units_per_second = clamp_units(bytes_per_second / unit);
        let burst_units = clamp_units(u64::from(units_per_second.get()) * BURST_MILLIS / 1000);
        let quota = Quota::per_second(units_per_second).allow_burst(burst_units);
        let clock = DefaultClock::default();
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        Self {
            bytes_per_second,
            unit,
            burst_units,
            limiter,
            clock,
        }
    }

    /// How many units to take next for this many bytes; `None` when they are less than one.
    fn units(&self, bytes: u64) -> Option<NonZeroU32> {
        let units = u32::try_from(bytes / self.unit).unwrap_or(u32::MAX);
        NonZeroU32::new(units.min(self.burst_units.get()))
    }

    fn try_take(&self, units: NonZeroU32) -> Result<(), Duration> {
        match self.limiter.check_n(units) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
            // The bucket holds no more than a burst and never less is asked for than that.
            Err(_) => Ok(()),
        }
    }
}

fn clamp_units(units: u64) -> NonZeroU32 {
    u32::try_from(units)
        .ok()
        .and_then(NonZeroU32::new)
        .unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Takes chunks for a while and gives the bytes per second that passed.
    async fn measure(limiter: &Limiter, chunk: usize, length: Duration) -> f64 {
        let began = Instant::now();
        let mut bytes = 0;
        while began.elapsed() < length {
            limiter.take(chunk).await;
            bytes += chunk;
        }
        bytes as f64 / began.elapsed().as_secs_f64()
    }

    #[tokio::test]
    async fn rates_hold_from_slow_to_fast() {
        let cases = [
            (50_000, 4_096),
            (50_000, 65_536),
            (333_333, 1_000),
            (1_500_000, 262_144),
            (20_000_000, 262_144),
            (700_000_000, 262_144),
            (1_000_000_000, 16_384),
        ];
        for (rate, chunk) in cases {
            let limiter = Limiter::new(Some(rate));
            // The allowance for the start is spent, so that a short measure shows the steady rate.
            limiter.take((rate / 10) as usize).await;
            let length = Duration::from_millis(if rate < 100_000 { 1500 } else { 500 });
            let mut tries = Vec::new();
            // A busy machine may stop the test for longer than a burst lasts.
            while tries.len() < 3 && !tries.iter().any(|off: &f64| off.abs() < 0.05) {
                tries.push(measure(&limiter, chunk, length).await / rate as f64 - 1.0);
            }
            assert!(
                tries.iter().any(|off| off.abs() < 0.05),
                "{rate} by {chunk}: {tries:?}"
            );
            assert!(
                tries.iter().all(|off| *off < 0.25),
                "{rate} by {chunk}: {tries:?}"
            );
        }
    }

    #[tokio::test]
    async fn no_limit_never_waits() {
        let limiter = Limiter::new(None);
        assert_eq!(limiter.rate(), None);
        let began = Instant::now();
        for _ in 0..100_000 {
            limiter.take(262_144).await;
        }
        assert!(began.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_change_reaches_those_who_wait() {
        let limiter = Limiter::new(Some(1));
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.take(1_000_000).await }
        });
        tokio::task::yield_now().await;
        limiter.set(Some(100_000_000));
        assert_eq!(limiter.rate(), Some(100_000_000));
        tokio::time::timeout(Duration::from_secs(5), waiting)
            .await
            .unwrap()
            .unwrap();
        limiter.set(Some(0));
        assert_eq!(limiter.rate(), Some(0));
        let nothing = tokio::time::timeout(Duration::from_millis(1500), limiter.take(1));
        assert!(nothing.await.is_err(), "a byte passed");
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.take(1_000_000).await }
        });
        tokio::task::yield_now().await;
        limiter.set(None);
        tokio::time::timeout(Duration::from_secs(5), waiting)
            .await
            .unwrap()
            .unwrap();
    }

    #[tokio::test]
    async fn who_asks_first_is_served_first() {
        let limiter = Limiter::new(Some(1_000_000));
        let (done, mut order) = tokio::sync::mpsc::channel(8);
        let first_taken = limiter.shared.turn.lock().await;
        for number in 0..8 {
            let (limiter, done) = (limiter.clone(), done.clone());
            tokio::spawn(async move {
                limiter.take(20_000).await;
                done.send(number).await.unwrap();
            });
            tokio::task::yield_now().await;
        }
        drop((first_taken, done));
        let mut served = Vec::new();
        while let Some(number) = order.recv().await {
            served.push(number);
        }
        assert_eq!(served, (0..8).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn giving_up_leaves_no_debt_behind() {
        let limiter = Limiter::new(Some(100_000));
        let gave_up = tokio::time::timeout(Duration::from_millis(10), limiter.take(50_000_000));
        assert!(gave_up.await.is_err());
        tokio::time::timeout(Duration::from_secs(5), limiter.take(10_000))
            .await
            .unwrap();
    }
}

//! What is learnt of a source's speed: rate, round trip, gaps, and the pipeline that follows from them.

use std::time::Duration;

use super::api::PlannerConfig;
use crate::Timestamp;

/// Length of one sample.
const TICK_MICROS: u64 = 100_000;
/// New samples count one in this many: a time constant of about a second.
const SMOOTHING: u64 = 10;
/// After this many empty samples the rate is as good as zero.
const MAX_CATCH_UP: u64 = 200;

/// Bytes a second, smoothed over about a second of *busy* time.
///
/// Bytes are counted into fixed ticks and the ticks are averaged, so that a megabyte delivered in one batch after 400 ms
/// gives the same rate as the same bytes trickling in: what an average over single arrivals gets wrong. Time in which
/// nothing was asked doesn't count, nor does the wait for the very first byte.
#[derive(Clone, Debug)]
pub(super) struct RateMeter {
    rate: u64,
    samples: u64,
    tick_bytes: u64,
    tick_micros: u64,
    running_since: Option<Timestamp>,
}

impl RateMeter {
    pub(super) fn new() -> Self {
        Self {
            rate: 0,
            samples: 0,
            tick_bytes: 0,
            tick_micros: 0,
            running_since: None,
        }
    }

    /// Something was asked: the clock runs from now on, unless nothing was ever received.
    pub(super) fn resume(&mut self, now: Timestamp) {
        let fresh = self.samples == 0 && self.tick_bytes == 0;
        if self.running_since.is_none() && !fresh {
            self.running_since = Some(now);
        }
    }

    /// Nothing is asked any more: the clock stands still until resumed.
    pub(super) fn pause(&mut self, now: Timestamp) {
        self.advance(now);
        self.running_since = None;
    }

    pub(super) fn add(&mut self, now: Timestamp, bytes: u64) {
        self.advance(now);
        self.running_since = Some(now);
        self.tick_bytes = self.tick_bytes.saturating_add(bytes);
    }

    fn advance(&mut self, now: Timestamp) {
        let Some(since) = self.running_since else {
            return;
        };
        self.running_since = Some(now);
        self.tick_micros = self.tick_micros.saturating_add(now.micros_since(since));
        let ticks = self.tick_micros / TICK_MICROS;
        if ticks == 0 {
            return;
        }
        self.tick_micros %= TICK_MICROS;
        let bytes = std::mem::take(&mut self.tick_bytes);
        self.sample(bytes.saturating_mul(1_000_000 / TICK_MICROS));
        for _ in 1..ticks.min(MAX_CATCH_UP) {
            self.sample(0);
        }
        if ticks > MAX_CATCH_UP {
            self.rate = 0;
        }
    }

    /// The first samples count alike, so that a second is enough to know a rate; later ones fade exponentially.
    fn sample(&mut self, rate: u64) {
        self.samples += 1;
        let weight = self.samples.min(SMOOTHING);
        self.rate = if rate >= self.rate {
            self.rate + (rate - self.rate) / weight
        } else {
            self.rate - (self.rate - rate) / weight
        };
    }

    /// Bytes a second as of the last tick; `None` before the first.
    pub(super) fn rate(&self) -> Option<u64> {
        (self.samples > 0).then_some(self.rate)
    }

    /// Bytes a second with the silence up to `now` counted.
    pub(super) fn rate_at(&self, now: Timestamp) -> u64 {
        let mut meter = self.clone();
        meter.advance(now);
        meter.rate
    }
}

/// How much to keep in flight.
///
/// Starts like TCP's slow start (RFC 5681): the window doubles as long as a windowful arrives faster than the horizon
/// for which bytes are to be in flight. From then on it is the bandwidth-delay product with a margin of two, so that a
/// source that gets faster can show it.
#[derive(Clone, Debug)]
pub(super) struct Window {
    ramp: Option<Ramp>,
}

#[derive(Clone, Debug)]
struct Ramp {
    window: u64,
    received: u64,
    since: Option<Timestamp>,
}

impl Window {
    pub(super) fn new(config: &PlannerConfig) -> Self {
        Self {
            ramp: Some(Ramp {
                window: config.initial_window,
                received: 0,
                since: None,
            }),
        }
    }

    /// The round trip is known before the rate is. On a long way the first window is as deep as a good link asks for: a
    /// transport that runs dry while it still looks for its rate settles for less, and takes seconds to find the rest.
    pub(super) fn measured(&mut self, round_trip: Duration, config: &PlannerConfig) {
        if let Some(ramp) = &mut self.ramp {
            let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
            let deep = scale(config.first_rate, micros, 1_000_000).min(config.max_window);
            ramp.window = ramp.window.max(deep);
        }
    }

    /// A request was sent to a source that had none: a new windowful is measured from here.
    pub(super) fn started(&mut self, now: Timestamp) {
        if let Some(ramp) = &mut self.ramp {
            ramp.received = 0;
            ramp.since = Some(now);
        }
    }

    pub(super) fn received(
        &mut self,
        now: Timestamp,
        bytes: u64,
        round_trip: Duration,
        config: &PlannerConfig,
    ) {
        let Some(ramp) = &mut self.ramp else { return };
        let since = *ramp.since.get_or_insert(now);
        ramp.received = ramp.received.saturating_add(bytes);
        let elapsed = now.since(since);
        if ramp.received < ramp.window && elapsed < 2 * (round_trip + config.horizon) {
            return;
        }
        // Fewer bytes in the time for which a windowful should last means that the window is larger than needed.
        let needed = product(rate_over(ramp.received, elapsed), round_trip, config);
        if needed > ramp.window && ramp.window < config.max_window {
            ramp.window = needed.min(2 * ramp.window).min(config.max_window);
            ramp.received = 0;
            ramp.since = Some(now);
        } else {
            self.ramp = None;
        }
    }

    /// Something went wrong: growth is over.
    pub(super) fn collapse(&mut self) {
        self.ramp = None;
    }

    pub(super) fn bytes(
        &self,
        rate: Option<u64>,
        round_trip: Duration,
        config: &PlannerConfig,
    ) -> u64 {
        let steady = rate.map_or(0, |rate| product(rate, round_trip, config));
        let ramp = self.ramp.as_ref().map_or(0, |ramp| ramp.window);
        steady.max(ramp).clamp(config.min_window, config.max_window)
    }
}

fn rate_over(bytes: u64, time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    scale(bytes, 1_000_000, micros)
}

/// Twice the bytes of a round trip and the horizon at this rate.
fn product(rate: u64, round_trip: Duration, config: &PlannerConfig) -> u64 {
    let micros = u64::try_from((round_trip + config.horizon).as_micros()).unwrap_or(u64::MAX);
    scale(rate, micros.saturating_mul(2), 1_000_000)
}

/// `value × numerator / denominator` without overflow.
pub(super) fn scale(value: u64, numerator: u64, denominator: u64) -> u64 {
    let wide = u128::from(value) * u128::from(numerator) / u128::from(denominator.max(1));
    u64::try_from(wide).unwrap_or(u64::MAX)
}

/// Round trip and gaps between deliveries.
#[derive(Clone, Debug, Default)]
pub(super) struct Rhythm {
    round_trip: Option<Duration>,
    gap_micros: u64,
}

impl Rhythm {
    /// Time from a request on an empty pipeline to its first byte. The shortest seen counts: longer ones are queueing.
    pub(super) fn first_byte(&mut self, after: Duration) {
        self.round_trip = Some(self.round_trip.map_or(after, |known| known.min(after)));
    }

    /// Time between two deliveries of a busy source; gaps rise at once and fade slowly, as a peak detector.
    pub(super) fn gap(&mut self, gap: Duration) {
        let micros = u64::try_from(gap.as_micros()).unwrap_or(u64::MAX);
        self.gap_micros = if micros > self.gap_micros {
            self.gap_micros + (micros - self.gap_micros) / 2
        } else {
            self.gap_micros - (self.gap_micros - micros) / 16
        };
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Silence after which the source is stalled.
    pub(super) fn patience(&self, config: &PlannerConfig) -> Duration {
        let gaps = Duration::from_micros(self.gap_micros.saturating_mul(4));
        gaps.clamp(config.stall_after, config.stall_cap.max(config.stall_after))
    }
}

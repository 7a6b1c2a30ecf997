//! One source: what it has, what it was asked, how it is doing.

use std::collections::VecDeque;
use std::time::Duration;

use super::api::{PlannerConfig, RequestId, SourceTraits};
use super::bits::Bits;
use super::timing::{RateMeter, Rhythm, Window};
use crate::Timestamp;

/// What a source claims to have.
#[derive(Clone, Debug)]
pub(super) enum Holdings {
    All,
    Some(Bits),
}

impl Holdings {
    pub(super) fn contains(&self, piece: u32) -> bool {
        match self {
            Self::All => true,
            Self::Some(bits) => bits.contains(piece),
        }
    }

    /// For the picker: `None` stands for everything.
    pub(super) fn bits(&self) -> Option<&Bits> {
        match self {
            Self::All => None,
            Self::Some(bits) => Some(bits),
        }
    }
}

/// A pause after a failure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    pub(super) until: Timestamp,
    /// It was for silence: any byte ends it.
    pub(super) silent: bool,
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) traits: SourceTraits,
    pub(super) holdings: Holdings,
    /// In the order in which they were sent, which is the order of the answers.
    pub(super) requests: VecDeque<RequestId>,
    pub(super) in_flight: u64,
    pub(super) meter: RateMeter,
    pub(super) window: Window,
    pub(super) rhythm: Rhythm,
    /// Last byte, or last request on an empty pipeline.
    pub(super) last_progress: Timestamp,
    /// Last byte since the pipeline was last empty.
    last_byte: Option<Timestamp>,
    first_byte_of: Option<(RequestId, Timestamp)>,
    pub(super) stalled: bool,
    pub(super) pause: Option<Pause>,
    /// Failures in a row: the length of the next pause.
    failures: u32,
    /// Asked for little until it delivers again.
    pub(super) probation: bool,
    /// Requests at a time, learnt from being told that it is busy.
    pub(super) request_limit: usize,
    done_since_busy: u32,
    /// Where the last request ended: reading on there is cheapest for the source.
    pub(super) cursor: u32,
    /// It stands in the line of sources to look at.
    pub(super) queued: bool,
    pub(super) received: u64,
    pub(super) verified: u64,
    pub(super) wasted: u64,
}

impl Source {
    pub(super) fn new(
        traits: SourceTraits,
        now: Timestamp,
        pieces: u32,
        cursor: u32,
        config: &PlannerConfig,
    ) -> Self {
        Self {
            traits,
            holdings: Holdings::Some(Bits::new(pieces)),
            requests: VecDeque::new(),
            in_flight: 0,
            meter: RateMeter::new(),
            window: Window::new(config),
            rhythm: Rhythm::default(),
            last_progress: now,
            last_byte: None,
            first_byte_of: None,
            stalled: false,
            pause: None,
            failures: 0,
            probation: false,
            request_limit: config.max_requests,
            done_since_busy: 0,
            cursor,
            queued: false,
            received: 0,
            verified: 0,
            wasted: 0,
        }
    }

    /// It can be asked now, as far as its own state goes.
    pub(super) fn is_usable(&self) -> bool {
        !self.stalled && self.pause.is_none()
    }

    pub(super) fn round_trip(&self) -> Duration {
        self.rhythm
            .round_trip()
            .unwrap_or(Duration::from_millis(100))
    }

    pub(super) fn window_bytes(&self, config: &PlannerConfig) -> u64 {
        let bytes = self
            .window
            .bytes(self.meter.rate(), self.round_trip(), config);
        bytes.min(self.traits.max_pipeline_bytes)
    }

    pub(super) fn sent(&mut self, now: Timestamp, request: RequestId, bytes: u64) {
        if self.requests.is_empty() {
            self.last_progress = now;
            self.last_byte = None;
            self.first_byte_of = Some((request, now));
            self.window.started(now);
            self.meter.resume(now);
        }
        self.requests.push_back(request);
        self.in_flight += bytes;
    }

    /// Takes note of bytes.
    pub(super) fn received(
        &mut self,
        now: Timestamp,
        request: RequestId,
        bytes: u64,
        config: &PlannerConfig,
    ) {
        self.received = self.received.saturating_add(bytes);
        self.meter.add(now, bytes);
        if self.requests.is_empty() {
            self.meter.pause(now);
        }
        if let Some((first, sent)) = self.first_byte_of.take_if(|(first, _)| *first == request) {
            debug_assert_eq!(first, request);
            self.rhythm.first_byte(now.since(sent));
        }
        if let Some(last) = self.last_byte.replace(now) {
            self.rhythm.gap(now.since(last));
        }
        let round_trip = self.round_trip();
        self.window.received(now, bytes, round_trip, config);
        self.last_progress = now;
        self.probation = false;
        self.failures = 0;
        self.pause.take_if(|pause| pause.silent);
    }

    /// A request is over, in whatever way.
    pub(super) fn ended(&mut self, now: Timestamp, request: RequestId, remaining: u64) {
        self.requests.retain(|other| *other != request);
        self.in_flight = self.in_flight.saturating_sub(remaining);
        if self.requests.is_empty() {
            self.in_flight = 0;
            self.last_byte = None;
            self.first_byte_of = None;
            self.meter.pause(now);
        }
    }

    /// It answered a request to the end: it may be asked one more at a time now and then.
    pub(super) fn answered(&mut self, config: &PlannerConfig) {
        self.done_since_busy += 1;
        if self.done_since_busy >= 16 {
            self.done_since_busy = 0;
            self.request_limit = (self.request_limit + 1).min(config.max_requests);
        }
    }

    /// It said that it is busy: no more at a time than it has now.
    pub(super) fn busy(&mut self) {
        self.done_since_busy = 0;
        self.request_limit = self.requests.len().max(1);
    }

    /// Leaves it alone for a while, longer each time; `jitter` (0 to 255) spreads the retries of many peers.
    pub(super) fn back_off(
        &mut self,
        now: Timestamp,
        silent: bool,
        jitter: u32,
        config: &PlannerConfig,
    ) -> Timestamp {
        if let Some(running) = self
            .pause
            .filter(|pause| !pause.silent && pause.until > now)
        {
            // Several requests that fail together are one failure.
            return running.until;
        }
        let pause = config.back_off.start * (1 << self.failures.min(16));
        // Who only has many to serve may be free again at any time.
        let longest = if silent {
            config.silent_back_off
        } else {
            config.back_off.end
        };
        let pause = pause.min(longest) * (768 + jitter) / 1024;
        self.failures += 1;
        self.probation = true;
        self.window.collapse();
        let until = now + pause;
        self.pause = Some(Pause { until, silent });
        until
    }

    /// Time for `ahead` bytes that come before and `bytes` more, in microseconds.
    pub(super) fn micros_for(&self, now: Timestamp, ahead: u64, bytes: u64) -> u64 {
        const UNKNOWN_RATE: u64 = 1024 * 1024;
        let rate = match self.meter.rate() {
            Some(_) => self.meter.rate_at(now).max(1),
            None => UNKNOWN_RATE,
        };
        super::timing::scale(ahead.saturating_add(bytes), 1_000_000, rate)
    }
}

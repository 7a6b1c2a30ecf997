//! What people see: progress, sources, and why nothing moves.

use std::time::Duration;

use super::Planner;
use super::api::{Progress, SourceId, SourceReport, SourceState, Waiting};
use super::source::{Holdings, Source};
use crate::Timestamp;

impl Planner {
    /// How far the download is.
    #[must_use]
    pub fn progress(&self, now: Timestamp) -> Progress {
        let rate = if self.ledger.is_empty() {
            0
        } else {
            self.meter.rate_at(now)
        };
        let missing = self.wanted_bytes - self.have_bytes;
        let eta = (rate > 0 && missing > 0)
            .then(|| Duration::from_micros(super::timing::scale(missing, 1_000_000, rate)));
        Progress {
            wanted_pieces: self.wanted.count(),
            have_pieces: self.have_pieces,
            wanted_bytes: self.wanted_bytes,
            have_bytes: self.have_bytes,
            in_flight_bytes: self.sources.values().map(|source| source.in_flight).sum(),
            received_bytes: self.received,
            wasted_bytes: self.wasted,
            rate,
            eta,
        }
    }

    /// Every source, those banned last.
    #[must_use]
    pub fn sources(&self, now: Timestamp) -> Vec<SourceReport> {
        let known = self
            .sources
            .iter()
            .map(|(id, source)| self.report(now, *id, source));
        known.chain(self.banned.iter().cloned()).collect()
    }

    pub(super) fn source_report(&self, now: Timestamp, id: SourceId) -> Option<SourceReport> {
        self.sources
            .get(&id)
            .map(|source| self.report(now, id, source))
    }

    fn report(&self, now: Timestamp, id: SourceId, source: &Source) -> SourceReport {
        let state = match source.pause {
            _ if source.stalled => SourceState::Stalled {
                since: now.since(source.last_progress),
            },
            Some(pause) => SourceState::BackingOff {
                retry_in: pause.until.since(now),
            },
            None if source.requests.is_empty() => SourceState::Idle,
            None => SourceState::Active,
        };
        let idle = source.requests.is_empty() && now.since(source.last_progress).as_secs() >= 1;
        SourceReport {
            source: id,
            state,
            pieces: match &source.holdings {
                Holdings::All => self.layout.pieces(),
                Holdings::Some(bits) => bits.count(),
            },
            received_bytes: source.received,
            verified_bytes: source.verified,
            wasted_bytes: source.wasted,
            in_flight_bytes: source.in_flight,
            requests: u32::try_from(source.requests.len()).unwrap_or(u32::MAX),
            rate: if idle { 0 } else { source.meter.rate_at(now) },
            round_trip: source.rhythm.round_trip(),
        }
    }

    /// Why nothing is being received; `None` while something is, or when all is done.
    #[must_use]
    pub fn waiting(&self, now: Timestamp) -> Option<Waiting> {
        if self.is_complete() {
            return None;
        }
        if self.held {
            return Some(Waiting::Held);
        }
        if self.sources.is_empty() {
            return Some(Waiting::NoSources);
        }
        let asked = |source: &&Source| !source.requests.is_empty();
        if self
            .sources
            .values()
            .filter(asked)
            .any(|source| !source.stalled)
        {
            return None;
        }
        let silent = self.sources.values().filter(asked);
        let silences = silent.map(|source| now.since(source.last_progress));
        if let Some((sources, since)) = count_and_least(silences) {
            return Some(Waiting::Silent { sources, since });
        }
        let pauses = self.sources.values().filter_map(|source| source.pause);
        if let Some((sources, retry_in)) = count_and_least(pauses.map(|p| p.until.since(now))) {
            return Some(Waiting::BackingOff { sources, retry_in });
        }
        Some(Waiting::NobodyHas {
            pieces: self.picker.open_count(),
        })
    }
}

fn count_and_least(times: impl Iterator<Item = Duration>) -> Option<(u32, Duration)> {
    times.fold(None, |known, time| {
        let (count, least) = known.unwrap_or((0, time));
        Some((count + 1, least.min(time)))
    })
}

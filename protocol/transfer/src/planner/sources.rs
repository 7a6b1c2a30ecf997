//! Sources come, tell what they have, and go.

use std::ops::Range;
use std::time::Duration;

use potluck_content::PieceSet;

use super::Planner;
use super::api::{Availability, BanReason, Output, RequestId, SourceId, SourceTraits};
use super::bits::Bits;
use super::source::{Holdings, Source};
use crate::Timestamp;

/// Reports of banned sources that are kept for display.
const MAX_BANNED_REPORTS: usize = 256;

impl Planner {
    pub(super) fn source_joined(&mut self, now: Timestamp, id: SourceId, traits: SourceTraits) {
        if self.sources.contains_key(&id) || self.sources.len() >= self.config.max_sources {
            return;
        }
        let pieces = self.layout.pieces();
        let cursor = self.rng.below(pieces);
        let source = Source::new(traits, now, pieces, cursor, &self.config);
        self.sources.insert(id, source);
        self.meet_fellows();
    }

    /// Looks anew at who else fetches the content.
    fn meet_fellows(&mut self) {
        let fetching = self.sources.values().filter(|source| {
            source.traits.member != 0 && matches!(source.holdings, Holdings::Some(_))
        });
        self.fellows = fetching.map(|source| source.traits.member).collect();
    }

    pub(super) fn way_measured(&mut self, id: SourceId, round_trip: Duration) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.window.measured(round_trip, &self.config);
            self.hungry.remove(&id);
            self.stand_in_line(id);
        }
    }

    pub(super) fn source_left(&mut self, now: Timestamp, id: SourceId) {
        self.forget(now, id);
    }

    /// Drops a source with everything that was asked of it.
    fn forget(&mut self, now: Timestamp, id: SourceId) -> Option<Source> {
        let requests: Vec<RequestId> = self.sources.get(&id)?.requests.iter().copied().collect();
        for request in requests {
            self.drop_request(now, request);
        }
        self.hungry.remove(&id);
        let source = self.sources.remove(&id)?;
        match &source.holdings {
            Holdings::All => self.picker.full_source_left(),
            Holdings::Some(bits) => bits
                .iter()
                .for_each(|piece| self.picker.holder_removed(piece)),
        }
        self.meet_fellows();
        Some(source)
    }

    pub(super) fn ban(&mut self, now: Timestamp, id: SourceId, reason: BanReason) {
        let Some(mut report) = self.source_report(now, id) else {
            return;
        };
        report.state = super::SourceState::Banned { reason };
        report.in_flight_bytes = 0;
        report.requests = 0;
        report.rate = 0;
        if let Some(source) = self.forget(now, id) {
            report.wasted_bytes = source.wasted;
        }
        if self.banned.len() == MAX_BANNED_REPORTS {
            self.banned.pop_front();
        }
        self.banned.push_back(report);
        self.outputs.push_back(Output::Ban { source: id, reason });
    }

    pub(super) fn availability(&mut self, now: Timestamp, id: SourceId, change: Availability) {
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        // It speaks: what it was asked for waits in its line.
        source.pause.take_if(|pause| pause.silent);
        match change {
            Availability::All => self.has_all(id),
            Availability::Only(pieces) => self.has_only(now, id, &pieces),
            Availability::Add(ranges) => self.has_more(id, &ranges),
            Availability::Remove(ranges) => self.has_less(now, id, &ranges),
        }
        self.hungry.remove(&id);
        self.stand_in_line(id);
    }

    fn has_all(&mut self, id: SourceId) {
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        if let Holdings::Some(bits) = std::mem::replace(&mut source.holdings, Holdings::All) {
            bits.iter()
                .for_each(|piece| self.picker.holder_removed(piece));
            self.picker.full_source_joined();
            self.meet_fellows();
        }
    }

    fn has_only(&mut self, now: Timestamp, id: SourceId, pieces: &PieceSet) {
        let mut gone = PieceSet::full(self.layout.pieces());
        gone.subtract(pieces);
        let gone: Vec<Range<u32>> = gone.ranges().collect();
        let here: Vec<Range<u32>> = pieces.ranges().collect();
        self.has_less(now, id, &gone);
        self.has_more(id, &here);
    }

    fn has_more(&mut self, id: SourceId, ranges: &[Range<u32>]) {
        let pieces = self.layout.pieces();
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        let Holdings::Some(bits) = &mut source.holdings else {
            return;
        };
        for piece in ranges
            .iter()
            .flat_map(|range| range.start..range.end.min(pieces))
        {
            if bits.insert(piece) {
                self.picker.holder_added(piece);
            }
        }
    }

    fn has_less(&mut self, now: Timestamp, id: SourceId, ranges: &[Range<u32>]) {
        let pieces = self.layout.pieces();
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        if matches!(source.holdings, Holdings::All) {
            if ranges
                .iter()
                .all(|range| range.start >= range.end.min(pieces))
            {
                return;
            }
            let mut bits = Bits::new(pieces);
            for piece in 0..pieces {
                bits.insert(piece);
                self.picker.holder_added(piece);
            }
            self.picker.full_source_left();
            source.holdings = Holdings::Some(bits);
            self.meet_fellows();
        }
        let Some(Holdings::Some(bits)) =
            self.sources.get_mut(&id).map(|source| &mut source.holdings)
        else {
            return;
        };
        for piece in ranges
            .iter()
            .flat_map(|range| range.start..range.end.min(pieces))
        {
            if bits.remove(piece) {
                self.picker.holder_removed(piece);
            }
        }
        self.cancel_what_is_gone(now, id);
    }

    /// Requests for pieces that the source has no longer would only fail.
    fn cancel_what_is_gone(&mut self, now: Timestamp, id: SourceId) {
        let Some(source) = self.sources.get(&id) else {
            return;
        };
        let gone: Vec<RequestId> = source
            .requests
            .iter()
            .copied()
            .filter(|request| {
                self.ledger.get(*request).is_some_and(|request| {
                    request
                        .outstanding
                        .iter()
                        .any(|piece| !source.holdings.contains(*piece))
                })
            })
            .collect();
        for request in gone {
            self.cancel(now, request);
        }
    }
}

//! Idle sources take over work from slow ones.
//!
//! A source with room for which nothing is open looks at what others were asked for. Where it would be done clearly
//! earlier, it takes over: a request that hasn't begun is cancelled there and asked here, which costs nothing; of one that
//! has begun, the piece that would come last is asked for a second time (never a third) as long as the bytes that come
//! twice stay within a small share of the download. A source that is slower by far loses its request in any case, so
//! that no download waits for a trickle. BitTorrent's end-game (BEP 3) duplicates everything to everyone instead; with
//! estimates of who ends when, most of that waste is avoidable.

use super::Planner;
use super::api::{RequestId, SourceId};
use super::timing::scale;
use crate::Timestamp;

/// A taker must be done earlier by a third and this much.
const MARGIN_MICROS: u64 = 200_000;
/// A request at a source that is slower fourfold and this much is lost to a taker.
const HOPELESS_MICROS: u64 = 2_000_000;
/// Take-overs of one source in one go.
const MAX_AT_ONCE: usize = 4;

/// A request in flight and when it will be done.
#[derive(Clone, Copy)]
struct Prospect {
    request: RequestId,
    done_in: u64,
}

impl Planner {
    pub(super) fn take_over(&mut self, now: Timestamp) {
        if self.held || self.sources.len() < 2 || self.ledger.is_empty() {
            return;
        }
        // Who failed last time takes nothing from others: it may only have it in vain.
        let trusted = |id: &SourceId| self.sources.get(id).is_some_and(|known| !known.probation);
        let takers: Vec<SourceId> = self
            .hungry
            .iter()
            .copied()
            .filter(|id| trusted(id) && self.has_room(*id))
            .collect();
        if takers.is_empty() {
            return;
        }
        let mut prospects = self.prospects(now);
        for taker in takers {
            for _ in 0..MAX_AT_ONCE {
                if !self.has_room(taker) || !self.take_one(now, taker, &mut prospects) {
                    break;
                }
            }
        }
    }

    /// Requests of lively sources, those that are done last first.
    fn prospects(&self, now: Timestamp) -> Vec<Prospect> {
        let mut prospects = Vec::new();
        for source in self.sources.values().filter(|source| !source.stalled) {
            let mut ahead = 0_u64;
            for request in &source.requests {
                ahead += self.ledger.get(*request).map_or(0, |known| known.remaining);
                let done_in = source.micros_for(now, 0, ahead);
                prospects.push(Prospect {
                    request: *request,
                    done_in,
                });
            }
        }
        prospects.sort_by(|a, b| b.done_in.cmp(&a.done_in).then(a.request.cmp(&b.request)));
        prospects
    }

    fn take_one(&mut self, now: Timestamp, taker: SourceId, prospects: &mut Vec<Prospect>) -> bool {
        for index in 0..prospects.len() {
            let prospect = prospects[index];
            let Some(piece) = self.last_piece_for(taker, prospect.request) else {
                continue;
            };
            let own = self.done_in(now, taker, piece);
            if prospect.done_in < own + own / 2 + MARGIN_MICROS {
                // Nearly as early: so are all that follow, except for smaller pieces.
                return false;
            }
            let started = self
                .ledger
                .get(prospect.request)
                .is_some_and(|known| known.is_started());
            let hopeless = prospect.done_in > 4 * own + HOPELESS_MICROS;
            if started && self.may_duplicate(piece) {
                self.duplicate(now, taker, piece);
                return true;
            }
            if !started || hopeless {
                self.steal(now, taker, prospect.request);
                prospects.remove(index);
                return true;
            }
        }
        false
    }

    /// The piece of a request that comes last among those that the taker has and nobody else was asked for.
    fn last_piece_for(&self, taker: SourceId, request: RequestId) -> Option<u32> {
        let source = self.sources.get(&taker)?;
        let request = self
            .ledger
            .get(request)
            .filter(|known| known.source != taker)?;
        let alone = |piece: u32| {
            let holders = self.ledger.holders_of(piece);
            holders
                .iter()
                .filter(|id| self.ledger.is_strong(**id))
                .count()
                == 1
                && !holders.iter().any(|id| source.requests.contains(id))
        };
        request
            .outstanding
            .iter()
            .rev()
            .copied()
            .find(|piece| source.holdings.contains(*piece) && alone(*piece))
    }

    /// Microseconds until a source would have delivered one more piece.
    pub(super) fn done_in(&self, now: Timestamp, id: SourceId, piece: u32) -> u64 {
        self.done_in_after(now, id, piece, 0)
    }

    /// The same if so many bytes of what it was asked for made way.
    pub(super) fn done_in_after(&self, now: Timestamp, id: SourceId, piece: u32, less: u64) -> u64 {
        let Some(source) = self.sources.get(&id) else {
            return u64::MAX / 8;
        };
        let round_trip = u64::try_from(source.round_trip().as_micros()).unwrap_or(u64::MAX);
        let ahead = source.in_flight.saturating_sub(less);
        let transfer = source.micros_for(now, ahead, self.piece_bytes(piece));
        round_trip.saturating_add(transfer).min(u64::MAX / 8)
    }

    /// Whether a second copy of a piece may be asked for: only when no open piece can be had from anyone, and while what came
    /// twice and what may yet come twice stay small.
    fn may_duplicate(&self, piece: u32) -> bool {
        if self.picker.any_open_available() {
            return false;
        }
        let share = scale(self.wanted_bytes, self.config.duplicate_permille, 1000);
        let pending: u64 = self
            .ledger
            .pieces()
            .filter(|(_, holders)| holders.len() > 1)
            .map(|(piece, _)| self.piece_bytes(piece))
            .sum();
        let twice = self.came_twice.saturating_add(pending) + self.piece_bytes(piece);
        twice <= share.max(self.config.duplicate_floor)
    }

    fn duplicate(&mut self, now: Timestamp, taker: SourceId, piece: u32) {
        let bytes = self.piece_bytes(piece);
        let output = self.claim(now, taker, vec![piece], bytes);
        self.outputs.push_back(output);
    }

    /// Frees the pieces of a request and gives the taker first choice.
    fn steal(&mut self, now: Timestamp, taker: SourceId, request: RequestId) {
        self.cancel(now, request);
        if let Some(output) = self.assign(now, taker) {
            self.outputs.push_back(output);
        }
        self.opened = true;
    }
}

//! Deadline mode: pieces that readers wait for go before all others, each in time for its reader.
//!
//! A reader's position, rate and window give each piece of the window a deadline. A source with room is asked for the
//! first piece that it can deliver in time; a piece that would come late from it is left to a source that is faster, and
//! a slow source works further ahead. What turns out to come late nevertheless, because a source slowed down or fell
//! silent, is asked of another in time (*rescue*), within a budget of bytes that may come twice.

mod moves;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::Planner;
use super::api::{Output, ReaderId, Reading, RequestId, SourceId};
use crate::{PieceTable, Timestamp};

/// Readers that are heeded.
const MAX_READERS: usize = 16;
/// Open pieces that are looked at for one choice.
const LOOK_AT: usize = 64;
/// How often it is checked whether anything comes late.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// Pieces that are due later than this aren't rescued yet.
const LOOK_AHEAD_MICROS: u64 = 2_000_000;
/// Pieces rescued in one check.
const MAX_RESCUES: usize = 8;
/// A source is taken for dead, as far as rescue goes, after this silence.
const SILENCE_MICROS: u64 = 250_000;
/// A rescuer must be earlier by this at least.
const MARGIN_MICROS: u64 = 50_000;
/// Bytes that rescue may ask for twice: this, and one in twenty of what was received.
const SPARE_BYTES: u64 = 1024 * 1024;

/// A reader and what follows from its reading.
#[derive(Clone, Debug)]
struct Reader {
    reading: Reading,
    /// When it was where it is.
    since: Timestamp,
    /// The pieces of its window.
    pieces: Range<u32>,
}

impl Reader {
    fn new(now: Timestamp, reading: Reading, layout: &PieceTable) -> Self {
        let end = reading.end.min(layout.total_bytes());
        let stop = reading.position.saturating_add(reading.window.max(1));
        let last = stop.min(end);
        let pieces = if reading.position >= last {
            0..0
        } else {
            piece_at(layout, reading.position)..piece_at(layout, last - 1) + 1
        };
        Self {
            reading,
            since: now,
            pieces,
        }
    }

    /// When a piece has to be there.
    fn deadline(&self, layout: &PieceTable, piece: u32) -> Timestamp {
        let ahead = layout
            .bytes_before(piece)
            .saturating_sub(self.reading.position);
        if self.reading.rate == 0 {
            return self.since;
        }
        let micros = super::timing::scale(ahead, 1_000_000, self.reading.rate);
        self.since.plus_micros(micros)
    }
}

/// The piece that holds a byte of the layout.
fn piece_at(layout: &PieceTable, byte: u64) -> u32 {
    let (mut low, mut high) = (0, layout.pieces());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if layout.bytes_before(middle) <= byte {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Everyone who reads.
#[derive(Debug, Default)]
pub(super) struct Readers {
    readers: BTreeMap<ReaderId, Reader>,
    next_check: Timestamp,
    /// Bytes of pieces that were asked for a second time.
    rescued: u64,
}

impl Readers {
    pub(super) fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }

    /// When the first reader that waits for a piece needs it.
    fn due(&self, layout: &PieceTable, piece: u32) -> Option<Timestamp> {
        (self.readers.values())
            .filter(|reader| reader.pieces.contains(&piece))
            .map(|reader| reader.deadline(layout, piece))
            .min()
    }

    /// Whether a reader waits for a piece.
    pub(super) fn wait_for(&self, piece: u32) -> bool {
        self.readers
            .values()
            .any(|reader| reader.pieces.contains(&piece))
    }
}

impl Planner {
    /// The piece that readers need most from this source; `None` when they need nothing that it can help with.
    pub(super) fn urgent_for(&self, now: Timestamp, id: SourceId) -> Option<u32> {
        let source = self.sources.get(&id)?;
        let has = source.holdings.bits();
        let mut due: Vec<(Timestamp, u32)> = Vec::new();
        for reader in self.readers.readers.values() {
            let mut from = reader.pieces.start;
            for _ in 0..LOOK_AT {
                let Some(piece) = self.picker.first_in(has, from..reader.pieces.end) else {
                    break;
                };
                due.push((reader.deadline(&self.layout, piece), piece));
                from = piece + 1;
            }
        }
        due.sort_unstable();
        due.into_iter()
            .find(|(deadline, piece)| {
                let own = self.done_in(now, id, *piece);
                now.plus_micros(with_margin(own)) <= *deadline
                    || !self.somebody_is_faster(now, id, *piece, own)
            })
            .map(|(_, piece)| piece)
    }

    fn somebody_is_faster(&self, now: Timestamp, than: SourceId, piece: u32, own: u64) -> bool {
        self.sources.iter().any(|(id, source)| {
            *id != than
                && source.is_usable()
                && source.holdings.contains(piece)
                && self.done_in(now, *id, piece) < own - own / 4
        })
    }

    /// How much of an urgent request may be asked of one source at once: a tenth of a second, so that neighbours come
    /// from several sources at the same time.
    pub(super) fn urgent_bytes(&self, id: SourceId) -> u64 {
        let rate = self
            .sources
            .get(&id)
            .and_then(|source| source.meter.rate())
            .unwrap_or(0);
        (rate / 10).max(self.config.min_request)
    }

    pub(super) fn arm_rescue(&mut self, now: Timestamp) {
        if !self.readers.is_empty() && !self.ledger.is_empty() {
            let at = self.readers.next_check.max(now.plus_micros(1));
            self.arm(at);
        }
    }

    /// Looks whether what readers wait for comes in time.
    pub(super) fn check_readers(&mut self, now: Timestamp) {
        if self.readers.is_empty() || self.held {
            return;
        }
        if now >= self.readers.next_check {
            self.readers.next_check = now + CHECK_EVERY;
            let mut rescues = 0;
            for (deadline, piece) in self.due_soon(now) {
                if rescues < MAX_RESCUES && self.rescue(now, deadline, piece) {
                    rescues += 1;
                }
            }
        }
        self.arm_rescue(now);
    }

    /// Pieces that somebody was asked for and that are due soon, the first first.
    fn due_soon(&self, now: Timestamp) -> Vec<(Timestamp, u32)> {
        let horizon = now.plus_micros(LOOK_AHEAD_MICROS);
        let mut due = Vec::new();
        for reader in self.readers.readers.values() {
            let pieces = reader.pieces.clone().map(|piece| {
                let deadline = reader.deadline(&self.layout, piece);
                (deadline, piece)
            });
            due.extend(
                pieces
                    .take_while(|(deadline, _)| *deadline <= horizon)
                    .take(256)
                    .filter(|(_, piece)| !self.ledger.holders_of(*piece).is_empty()),
            );
        }
        due.sort_unstable();
        due
    }

    /// Asks another source for a piece if it comes late from where it was asked for.
    fn rescue(&mut self, now: Timestamp, deadline: Timestamp, piece: u32) -> bool {
        let holders = self.ledger.holders_of(piece).to_vec();
        if holders.len() > 1 || holders.iter().any(|held| self.is_rescue(now, *held)) {
            return false;
        }
        let expected = holders
            .iter()
            .map(|request| self.comes_in(now, *request))
            .min()
            .unwrap_or(0);
        if now.plus_micros(expected) <= deadline {
            return false;
        }
        let askable = |(id, source): (&SourceId, &super::source::Source)| {
            let asked = holders.iter().any(|held| source.requests.contains(held));
            // Who never delivered is no rescuer.
            let proven = source.meter.rate().is_some() && !source.probation;
            let fit = source.is_usable() && proven && !asked && !silent(now, source);
            (fit && source.holdings.contains(piece)).then(|| {
                let way: u64 = self
                    .may_make_way(*id, deadline)
                    .map(|(_, bytes)| bytes)
                    .sum();
                (self.done_in_after(now, *id, piece, way), *id)
            })
        };
        let Some((own, best)) = self.sources.iter().filter_map(askable).min() else {
            return false;
        };
        if own.saturating_add(own / 2) + MARGIN_MICROS > expected {
            return false;
        }
        let mute: Vec<SourceId> = holders
            .iter()
            .filter_map(|held| self.ledger.get(*held).map(|known| known.source))
            .filter(|id| (self.sources.get(id)).is_some_and(|source| silent(now, source)))
            .collect();
        let begun = |request: &RequestId| {
            self.ledger
                .get(*request)
                .is_some_and(super::ledger::Request::is_started)
        };
        if holders.iter().any(begun) {
            let bytes = self.piece_bytes(piece);
            if self.readers.rescued + bytes > SPARE_BYTES + self.received / 20 {
                return false;
            }
            self.readers.rescued += bytes;
        } else {
            holders.iter().for_each(|held| self.cancel(now, *held));
        }
        // With what it was asked for gone, its silence would be forgotten.
        for id in mute {
            self.leave_alone(now, id, true);
        }
        let way: Vec<RequestId> = self
            .may_make_way(best, deadline)
            .map(|(request, _)| request)
            .collect();
        for request in way {
            self.cancel(now, request);
        }
        let output = self.claim(now, best, vec![piece], self.piece_bytes(piece));
        if let Output::Request { request, .. } = &output
            && let Some(request) = self.ledger.get_mut(*request)
        {
            request.rescue = true;
        }
        self.outputs.push_back(output);
        true
    }

    /// What a source was asked for, hasn't begun with, and nobody needs by `deadline`, with its bytes.
    fn may_make_way(
        &self,
        id: SourceId,
        deadline: Timestamp,
    ) -> impl Iterator<Item = (RequestId, u64)> {
        let asked = self.sources.get(&id).map(|source| source.requests.iter());
        asked.into_iter().flatten().filter_map(move |request| {
            let known = self.ledger.get(*request)?;
            let can_wait = |piece: &u32| {
                let due = self.readers.due(&self.layout, *piece);
                due.is_none_or(|due| due > deadline)
            };
            (!known.is_started() && known.outstanding.iter().all(can_wait))
                .then_some((*request, known.remaining))
        })
    }

    /// A rescue under way isn't rescued again, or pieces would go to and fro.
    fn is_rescue(&self, now: Timestamp, request: RequestId) -> bool {
        self.ledger.get(request).is_some_and(|known| {
            let source = self.sources.get(&known.source);
            known.rescue && source.is_some_and(|source| !source.stalled && !silent(now, source))
        })
    }

    /// Microseconds until a request will be answered, as far as can be told.
    fn comes_in(&self, now: Timestamp, request: RequestId) -> u64 {
        const NEVER: u64 = u64::MAX / 8;
        let source = self
            .ledger
            .get(request)
            .and_then(|known| self.sources.get(&known.source));
        let Some(source) = source.filter(|source| !source.stalled && !silent(now, source)) else {
            return NEVER;
        };
        let mut ahead = 0_u64;
        for other in &source.requests {
            ahead += self.ledger.get(*other).map_or(0, |known| known.remaining);
            if *other == request {
                break;
            }
        }
        source.micros_for(now, 0, ahead).min(NEVER)
    }
}

/// An estimate with what it takes to rely on it.
fn with_margin(micros: u64) -> u64 {
    micros.saturating_add(micros / 3).saturating_add(100_000)
}

/// A source that was asked and says nothing.
fn silent(now: Timestamp, source: &super::source::Source) -> bool {
    let round_trip = u64::try_from(source.round_trip().as_micros()).unwrap_or(u64::MAX);
    !source.requests.is_empty()
        && now.micros_since(source.last_progress) > SILENCE_MICROS.saturating_add(round_trip)
}

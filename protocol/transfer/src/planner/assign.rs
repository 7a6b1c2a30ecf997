//! Gives a source with room its next request.

use super::Planner;
use super::api::{Order, Output, RequestId, SourceId};
use super::ledger::Request;
use super::picker::Openness;
use super::share::Share;
use super::source::Source;
use crate::Timestamp;

/// Runs of neighbouring pieces that are put together when each of them is small.
const MAX_RUNS: usize = 64;
/// So many bytes are worth a request.
const GATHER_BYTES: u64 = 256 * 1024;

/// A request in the making.
#[derive(Default)]
struct Draft {
    pieces: Vec<u32>,
    bytes: u64,
    items: usize,
    last_blob: Option<u32>,
}

/// What limits a draft.
#[derive(Clone, Copy)]
struct Limits {
    bytes: u64,
    items: usize,
    mixes_blobs: bool,
}

impl Planner {
    /// The next request for a source, if it has room and something is open for it.
    pub(super) fn assign(&mut self, now: Timestamp, id: SourceId) -> Option<Output> {
        let limits = self.room(id)?;
        let draft = self.draft(now, id, limits);
        if draft.pieces.is_empty() {
            self.hungry.insert(id);
            self.arm_takeover(now);
            return None;
        }
        Some(self.claim(now, id, draft.pieces, draft.bytes))
    }

    /// How large a request the source can take now; `None` when it can't take any.
    fn room(&self, id: SourceId) -> Option<Limits> {
        let source = self.sources.get(&id).filter(|source| source.is_usable())?;
        let limit = if source.probation {
            1
        } else {
            source.request_limit
        };
        if self.held || source.requests.len() >= limit {
            return None;
        }
        let window = source.window_bytes(&self.config);
        let bytes = self.request_bytes(source, window);
        let free = window.saturating_sub(source.in_flight);
        if !source.requests.is_empty() && free < bytes {
            return None;
        }
        let mixes_blobs = source.traits.mixes_blobs;
        Some(Limits {
            bytes,
            items: self.config.max_items,
            mixes_blobs,
        })
    }

    pub(super) fn has_room(&self, id: SourceId) -> bool {
        self.room(id).is_some()
    }

    /// A quarter of the pipeline, and towards the end no more than a share of what is left: guided self-scheduling
    /// (Polychronopoulos and Kuck, 1987), so that sources end together.
    fn request_bytes(&self, source: &Source, window: u64) -> u64 {
        let least = self.config.min_request;
        if source.probation {
            return least;
        }
        let sources = u64::try_from(self.sources.len()).unwrap_or(1).max(1);
        let share = self.open_bytes / (2 * sources);
        (window / 4)
            .min(share)
            .clamp(least, self.config.max_request.max(least))
    }

    /// Chooses pieces and takes them out of the picker.
    fn draft(&mut self, now: Timestamp, id: SourceId, limits: Limits) -> Draft {
        let mut draft = Draft::default();
        for _ in 0..MAX_RUNS {
            let Some(start) = self.choose(now, id) else {
                break;
            };
            let mut limits = limits;
            if self.readers.wait_for(start) {
                limits.bytes = limits.bytes.min(self.urgent_bytes(id));
            }
            if !self.add_run(id, start, limits, &mut draft) {
                break;
            }
            let enough = draft.bytes >= limits.bytes.min(GATHER_BYTES);
            if enough || !limits.mixes_blobs {
                break;
            }
        }
        draft
    }

    /// The piece that should come next from this source.
    fn choose(&mut self, now: Timestamp, id: SourceId) -> Option<u32> {
        if !self.readers.is_empty()
            && let Some(piece) = self.urgent_for(now, id)
        {
            return Some(piece);
        }
        let pieces = self.layout.pieces();
        let source = self.sources.get(&id)?;
        let has = source.holdings.bits();
        match self.order {
            Order::ReadersOnly => None,
            Order::Sequential => self.picker.first_in(has, 0..pieces),
            Order::RarestFirst => {
                let share = Share::new(self.config.member, &self.fellows, pieces);
                self.picker
                    .rarest(has, source.cursor, &share, &mut self.rng)
            }
        }
    }

    /// Adds a piece and its neighbours; says whether at least the piece found room.
    fn add_run(&mut self, id: SourceId, start: u32, limits: Limits, draft: &mut Draft) -> bool {
        let mut piece = start;
        while self.may_add(id, start, piece, limits, draft) {
            self.add(piece, draft);
            piece += 1;
        }
        if let Some(source) = self.sources.get_mut(&id) {
            source.cursor = piece;
        }
        piece > start
    }

    fn may_add(&self, id: SourceId, start: u32, piece: u32, limits: Limits, draft: &Draft) -> bool {
        let Some(source) = self.sources.get(&id) else {
            return false;
        };
        if !self.picker.is_open(piece) || !source.holdings.contains(piece) {
            return false;
        }
        let Some(place) = self.layout.get(piece) else {
            return false;
        };
        if draft.pieces.is_empty() {
            return true;
        }
        let follows = draft.last_blob == Some(place.blob) && piece > start;
        draft.bytes.saturating_add(place.bytes) <= limits.bytes
            && (follows || limits.mixes_blobs && draft.items < limits.items)
            && (piece == start || self.in_one_run(start, piece))
    }

    /// Whether neighbours should come in one request: the same urgency or rarity.
    fn in_one_run(&self, start: u32, piece: u32) -> bool {
        if self.readers.wait_for(start) != self.readers.wait_for(piece) {
            return false;
        }
        match self.order {
            Order::Sequential | Order::ReadersOnly => true,
            Order::RarestFirst => {
                self.readers.wait_for(start)
                    || self.picker.same_level(start, piece) && self.as_much_ours(start, piece)
            }
        }
    }

    /// Whether two pieces that only seeds have are both of this node's share, or both not.
    fn as_much_ours(&self, one: u32, other: u32) -> bool {
        let share = Share::new(self.config.member, &self.fellows, self.layout.pieces());
        share.is_all() || !self.picker.is_with_seeds_only(one) || share.has(one) == share.has(other)
    }

    fn add(&mut self, piece: u32, draft: &mut Draft) {
        let Some(place) = self.layout.get(piece) else {
            return;
        };
        let follows = draft.last_blob == Some(place.blob)
            && draft.pieces.last().is_some_and(|last| last + 1 == piece);
        if !follows {
            draft.items += 1;
        }
        draft.last_blob = Some(place.blob);
        draft.pieces.push(piece);
        draft.bytes += place.bytes;
        if self.picker.set(piece, Openness::Closed) {
            self.open_bytes -= place.bytes;
        }
    }

    /// Asks a source for pieces. Requests of silent sources that became needless by that are cancelled.
    pub(super) fn claim(
        &mut self,
        now: Timestamp,
        id: SourceId,
        pieces: Vec<u32>,
        bytes: u64,
    ) -> Output {
        let request = self.ledger.add(Request {
            source: id,
            outstanding: pieces.clone(),
            remaining: bytes,
            received: 0,
            verified: 0,
            rescue: false,
            weak: false,
        });
        if let Some(source) = self.sources.get_mut(&id) {
            source.sent(now, request, bytes);
            let due = now + source.rhythm.patience(&self.config);
            self.arm(due);
        }
        self.arm_rescue(now);
        for piece in &pieces {
            self.refresh(*piece);
            self.cancel_displaced(now, *piece);
        }
        Output::Request {
            source: id,
            request,
            pieces,
            bytes,
        }
    }

    fn cancel_displaced(&mut self, now: Timestamp, piece: u32) {
        let displaced: Vec<RequestId> = self
            .ledger
            .holders_of(piece)
            .iter()
            .copied()
            .filter(|id| {
                self.ledger.get(*id).is_some_and(|request| {
                    request.weak
                        && request
                            .outstanding
                            .iter()
                            .all(|p| self.ledger.is_claimed(*p))
                })
            })
            .collect();
        for request in displaced {
            self.cancel(now, request);
        }
    }
}

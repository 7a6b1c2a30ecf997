//! The download planner: which pieces to ask from which source.
//!
//! A pure state machine. One input at a time goes through [`Planner::handle`]; [`Planner::poll`] then gives outputs until
//! there is none; [`Planner::poll_timeout`] says when to come back with [`Input::Timeout`].
//!
//! Each missing piece is in exactly one of these states, and [`Planner::check_invariants`] verifies it:
//! - *open*: nobody is asked for it (or only sources that fell silent); it stands in the picker;
//! - *claimed*: at least one lively source is asked for it.
//!
//! A request of a source that fell silent is *weak*: its pieces are open again, so that another source can claim them at
//! once, but it is not given up before somebody else took all of them or the silence lasts.

mod api;
mod assign;
mod bits;
mod clock;
mod endgame;
mod invariants;
mod ledger;
mod picker;
mod readers;
mod replies;
mod report;
mod share;
mod source;
mod sources;
mod tie_break;
mod timing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use potluck_content::PieceSet;

pub use api::{
    Availability, BanReason, Failure, Input, Order, Output, PlannerConfig, Progress, ReaderId,
    Reading, RequestId, SourceId, SourceReport, SourceState, SourceTraits, Waiting, member_number,
};
pub use invariants::InvariantError;

use crate::{PieceTable, Timestamp};
use ledger::Ledger;
use picker::{Openness, Picker};
use readers::Readers;
use source::Source;
use tie_break::TieBreak;
use timing::RateMeter;

/// Plans one download. See the crate's documentation for how to drive it.
#[derive(Debug)]
pub struct Planner {
    config: PlannerConfig,
    layout: PieceTable,
    have: PieceSet,
    wanted: PieceSet,
    wanted_bytes: u64,
    have_pieces: u32,
    have_bytes: u64,
    order: Order,
    readers: Readers,
    held: bool,
    complete_told: bool,
    sources: BTreeMap<SourceId, Source>,
    /// The numbers of those sources that are downloaders too.
    fellows: Vec<u64>,
    banned: VecDeque<SourceReport>,
    picker: Picker,
    open_bytes: u64,
    ledger: Ledger,
    outputs: VecDeque<Output>,
    /// Sources that may have room for a request, in the order in which they are looked at.
    line: VecDeque<SourceId>,
    /// Sources with room for which nothing was open.
    hungry: BTreeSet<SourceId>,
    /// A piece became open: the hungry are looked at again.
    opened: bool,
    rng: TieBreak,
    meter: RateMeter,
    received: u64,
    wasted: u64,
    /// Bytes of pieces that came twice.
    came_twice: u64,
    last_takeover: Timestamp,
    /// No timer is due before this; it may be early, never late.
    timer: Option<Timestamp>,
}

impl Planner {
    /// A planner for the pieces of `layout` that are wanted and not there yet. Ties are broken by `seed`.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the sets become the planner's"
    )]
    pub fn new(
        config: PlannerConfig,
        layout: impl Into<PieceTable>,
        have: PieceSet,
        wanted: PieceSet,
        seed: u64,
    ) -> Self {
        let layout = layout.into();
        let pieces = layout.pieces();
        let mut planner = Self {
            config,
            have: fitted(&have, pieces),
            wanted: PieceSet::new(pieces),
            wanted_bytes: 0,
            have_pieces: 0,
            have_bytes: 0,
            order: Order::default(),
            readers: Readers::default(),
            held: false,
            complete_told: false,
            sources: BTreeMap::new(),
            fellows: Vec::new(),
            banned: VecDeque::new(),
            picker: Picker::new(pieces),
            open_bytes: 0,
            ledger: Ledger::default(),
            outputs: VecDeque::new(),
            line: VecDeque::new(),
            hungry: BTreeSet::new(),
            opened: false,
            rng: TieBreak::new(seed),
            meter: RateMeter::new(),
            received: 0,
            wasted: 0,
            came_twice: 0,
            last_takeover: Timestamp::ZERO,
            timer: None,
            layout,
        };
        planner.set_wanted(Timestamp::ZERO, &wanted);
        planner
    }

    /// Takes note of what happened. Inputs about unknown sources and requests are harmless.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        self.run_timers(now);
        match input {
            Input::SourceJoined { source, traits } => self.source_joined(now, source, traits),
            Input::RoundTrip { source, round_trip } => self.way_measured(source, round_trip),
            Input::SourceLeft { source } => self.source_left(now, source),
            Input::Availability { source, change } => self.availability(now, source, change),
            Input::Received {
                source,
                request,
                bytes,
            } => {
                self.bytes_received(now, source, request, bytes);
            }
            Input::PieceVerified {
                source,
                request,
                piece,
            } => {
                self.piece_verified(now, source, request, piece);
            }
            Input::RequestDone { source, request } => self.request_done(now, source, request),
            Input::RequestFailed {
                source,
                request,
                failure,
            } => {
                self.request_failed(now, source, request, failure);
            }
            Input::Wanted(wanted) => self.set_wanted(now, &wanted),
            Input::Order(order) => self.set_order(order),
            Input::PieceLost { piece } => self.piece_lost(piece),
            Input::Hold(held) => self.hold(now, held),
            Input::ReaderOpened { reader, reading } => self.reader_opened(now, reader, reading),
            Input::ReaderMoved { reader, position } => self.reader_moved(now, reader, position),
            Input::ReaderClosed { reader } => self.reader_closed(now, reader),
            Input::Timeout => {}
        }
    }

    /// The next thing to do. Call until it gives `None`.
    pub fn poll(&mut self, now: Timestamp) -> Option<Output> {
        self.run_timers(now);
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if self.is_complete() {
                if self.complete_told {
                    return None;
                }
                self.complete_told = true;
                return Some(Output::Complete);
            }
            if std::mem::take(&mut self.opened) {
                self.wake_hungry(now);
            }
            let source = self.line.pop_front()?;
            if let Some(known) = self.sources.get_mut(&source) {
                known.queued = false;
            }
            if let Some(output) = self.assign(now, source) {
                self.stand_in_line(source);
                // Behind the cancels that the claim caused.
                self.outputs.push_back(output);
            }
        }
    }

    /// When to come back with [`Input::Timeout`] if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timer
    }

    /// Whether every wanted piece is verified.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.have_pieces == self.wanted.count()
    }

    /// The pieces that are verified, wanted or not.
    #[must_use]
    pub fn have(&self) -> &PieceSet {
        &self.have
    }

    /// The pieces that are wanted.
    #[must_use]
    pub fn wanted(&self) -> &PieceSet {
        &self.wanted
    }

    fn set_wanted(&mut self, now: Timestamp, wanted: &PieceSet) {
        self.wanted = fitted(wanted, self.layout.pieces());
        self.wanted_bytes = self.layout.bytes_of(&self.wanted);
        let have = self.have.intersection(&self.wanted);
        self.have_pieces = have.count();
        self.have_bytes = self.layout.bytes_of(&have);
        for piece in 0..self.layout.pieces() {
            self.refresh(piece);
        }
        let useless: Vec<RequestId> = self
            .ledger
            .requests()
            .filter(|(_, request)| request.is_useless(|piece| self.wanted.contains(piece)))
            .map(|(id, _)| id)
            .collect();
        for request in useless {
            self.cancel(now, request);
        }
        self.complete_told = false;
        self.everyone_in_line();
    }

    fn set_order(&mut self, order: Order) {
        self.order = order;
        self.everyone_in_line();
    }

    fn piece_lost(&mut self, piece: u32) {
        if !self.have.remove(piece) {
            return;
        }
        if self.wanted.contains(piece) {
            self.have_pieces -= 1;
            self.have_bytes -= self.piece_bytes(piece);
            self.complete_told = false;
        }
        self.refresh(piece);
    }

    fn hold(&mut self, now: Timestamp, held: bool) {
        if self.held && !held {
            // While held nobody read what arrived: the silence wasn't theirs.
            for source in self.sources.values_mut() {
                source.last_progress = now;
            }
            self.everyone_in_line();
            self.arm(now + self.config.stall_after);
        }
        self.held = held;
    }

    fn stand_in_line(&mut self, source: SourceId) {
        if let Some(known) = self.sources.get_mut(&source)
            && !known.queued
        {
            known.queued = true;
            self.line.push_back(source);
        }
    }

    fn everyone_in_line(&mut self) {
        self.hungry.clear();
        let everyone: Vec<SourceId> = self.sources.keys().copied().collect();
        for source in everyone {
            self.stand_in_line(source);
        }
    }

    fn wake_hungry(&mut self, now: Timestamp) {
        let hungry = std::mem::take(&mut self.hungry);
        // What opened was mostly asked of somebody before, in vain. Who failed last time comes last, and who is slow
        // comes late: they would pass it to and fro.
        let mut order: Vec<(bool, u64, SourceId)> = hungry
            .into_iter()
            .filter_map(|id| {
                let source = self.sources.get(&id)?;
                let takes = source.micros_for(now, source.in_flight, self.config.min_request);
                Some((source.probation, takes, id))
            })
            .collect();
        order.sort_unstable();
        for (_, _, source) in order {
            self.stand_in_line(source);
        }
    }

    /// Puts a piece where it belongs now: in the picker or out of it.
    fn refresh(&mut self, piece: u32) {
        let openness = self.openness(piece);
        if !self.picker.set(piece, openness) {
            return;
        }
        if openness == Openness::Closed {
            self.open_bytes -= self.piece_bytes(piece);
        } else {
            self.open_bytes += self.piece_bytes(piece);
            self.opened = true;
        }
    }

    /// Where a piece belongs.
    fn openness(&self, piece: u32) -> Openness {
        let missing = self.wanted.contains(piece) && !self.have.contains(piece);
        if !missing || self.ledger.is_claimed(piece) {
            Openness::Closed
        } else if self.ledger.holders_of(piece).is_empty() {
            Openness::Open
        } else {
            Openness::Weak
        }
    }

    fn piece_bytes(&self, piece: u32) -> u64 {
        self.layout.get(piece).map_or(0, |piece| piece.bytes)
    }
}

/// A set brought to the layout's length.
fn fitted(set: &PieceSet, pieces: u32) -> PieceSet {
    let mut fitted = PieceSet::new(pieces);
    fitted.union_with(set);
    fitted
}

//! What became of requests.

use super::Planner;
use super::api::{Availability, BanReason, Failure, Output, RequestId, SourceId};
use crate::Timestamp;

impl Planner {
    pub(super) fn bytes_received(
        &mut self,
        now: Timestamp,
        id: SourceId,
        request: RequestId,
        bytes: u64,
    ) {
        self.received = self.received.saturating_add(bytes);
        self.meter.add(now, bytes);
        let Some(source) = self.sources.get_mut(&id) else {
            self.wasted = self.wasted.saturating_add(bytes);
            return;
        };
        source.received(now, request, bytes, &self.config);
        match self
            .ledger
            .get_mut(request)
            .filter(|known| known.source == id)
        {
            Some(known) => {
                let progress = bytes.min(known.remaining);
                known.remaining -= progress;
                known.received = known.received.saturating_add(bytes);
                source.in_flight = source.in_flight.saturating_sub(progress);
            }
            // Bytes of a request that was given up: in vain unless a piece comes of them.
            None => {
                source.wasted = source.wasted.saturating_add(bytes);
                self.wasted = self.wasted.saturating_add(bytes);
            }
        }
        if source.stalled {
            source.stalled = false;
            self.set_weak(id, false);
        }
        self.stand_in_line(id);
    }

    pub(super) fn piece_verified(
        &mut self,
        now: Timestamp,
        id: SourceId,
        request: RequestId,
        piece: u32,
    ) {
        let bytes = self.piece_bytes(piece);
        let news = self.have.insert(piece);
        if news {
            self.count_piece(piece, bytes);
        }
        let known = self
            .ledger
            .get_mut(request)
            .filter(|known| known.source == id);
        let on_time = known.is_some();
        if let Some(known) = known {
            known.verified = known.verified.saturating_add(bytes);
        }
        match (news, on_time) {
            // Counted as bytes in vain when they came; they weren't.
            (true, false) => self.unwaste(id, bytes),
            (false, true) => self.waste_on_copy(id, bytes),
            _ => {}
        }
        if let Some(source) = self.sources.get_mut(&id).filter(|_| news) {
            source.verified = source.verified.saturating_add(bytes);
        }
        for other in self.ledger.settle(piece) {
            let Some(known) = self.ledger.get(other).filter(|_| other != request) else {
                continue;
            };
            // What of it is under way will come in spite of a cancel.
            self.came_twice = self.came_twice.saturating_add(bytes);
            if known.outstanding.is_empty() {
                self.cancel(now, other);
            }
        }
        self.refresh(piece);
    }

    fn unwaste(&mut self, id: SourceId, bytes: u64) {
        self.wasted = self.wasted.saturating_sub(bytes);
        if let Some(source) = self.sources.get_mut(&id) {
            source.wasted = source.wasted.saturating_sub(bytes);
        }
    }

    fn waste_on_copy(&mut self, id: SourceId, bytes: u64) {
        self.wasted = self.wasted.saturating_add(bytes);
        if let Some(source) = self.sources.get_mut(&id) {
            source.wasted = source.wasted.saturating_add(bytes);
        }
    }

    fn count_piece(&mut self, piece: u32, bytes: u64) {
        if self.wanted.contains(piece) {
            self.have_pieces += 1;
            self.have_bytes += bytes;
        }
    }

    pub(super) fn request_done(&mut self, now: Timestamp, id: SourceId, request: RequestId) {
        if self
            .ledger
            .get(request)
            .is_none_or(|known| known.source != id)
        {
            return;
        }
        let missing = self
            .drop_request(now, request)
            .is_some_and(|dropped| !dropped.outstanding.is_empty());
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        source.answered(&self.config);
        if missing {
            // Answered to the end, and yet pieces are missing: don't ask in a tight circle.
            self.leave_alone(now, id, false);
        }
        self.stand_in_line(id);
    }

    pub(super) fn request_failed(
        &mut self,
        now: Timestamp,
        id: SourceId,
        request: RequestId,
        failure: Failure,
    ) {
        let Some(source) = self.sources.get(&id) else {
            return;
        };
        let claims = |piece: u32| source.holdings.contains(piece);
        let reason = match failure {
            Failure::BadProof { piece } => Some(BanReason::WrongProof { piece }),
            Failure::BadData { piece } => Some(BanReason::WrongBytes { piece }),
            Failure::Malformed(what) => Some(BanReason::BrokeProtocol(what)),
            Failure::Unavailable { piece } if claims(piece) => {
                Some(BanReason::ClaimedWithoutHaving { piece })
            }
            Failure::Unavailable { .. }
            | Failure::Changed { .. }
            | Failure::Busy
            | Failure::Cancelled
            | Failure::Disconnected => None,
        };
        if let Some(reason) = reason {
            self.ban(now, id, reason);
            return;
        }
        let ours = self
            .ledger
            .get(request)
            .is_some_and(|known| known.source == id);
        if ours {
            self.drop_request(now, request);
        }
        match failure {
            Failure::Changed { piece } => {
                let gone = std::iter::once(piece..piece.saturating_add(1)).collect();
                self.availability(now, id, Availability::Remove(gone));
            }
            Failure::Busy if ours => self.source_is_busy(now, id),
            Failure::Cancelled | Failure::Disconnected if ours => self.leave_alone(now, id, false),
            _ => {}
        }
        self.stand_in_line(id);
    }

    fn source_is_busy(&mut self, now: Timestamp, id: SourceId) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.busy();
        }
        self.leave_alone(now, id, false);
    }

    /// Asks nothing of a source for a while.
    pub(super) fn leave_alone(&mut self, now: Timestamp, id: SourceId, silent: bool) {
        let jitter = self.rng.below(256);
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        let until = source.back_off(now, silent, jitter, &self.config);
        self.hungry.remove(&id);
        self.arm(until);
    }

    /// Gives a request up and tells the source.
    pub(super) fn cancel(&mut self, now: Timestamp, request: RequestId) {
        if let Some(dropped) = self.drop_request(now, request) {
            self.outputs.push_back(Output::Cancel {
                source: dropped.source,
                request,
            });
            self.stand_in_line(dropped.source);
        }
    }

    /// Forgets a request; its outstanding pieces are open again unless others hold them.
    pub(super) fn drop_request(
        &mut self,
        now: Timestamp,
        id: RequestId,
    ) -> Option<super::ledger::Request> {
        let request = self.ledger.remove(id)?;
        let vain = request.in_vain();
        self.wasted = self.wasted.saturating_add(vain);
        let mut went_silent = false;
        if let Some(source) = self.sources.get_mut(&request.source) {
            source.wasted = source.wasted.saturating_add(vain);
            source.ended(now, id, request.remaining);
            went_silent = source.requests.is_empty() && std::mem::take(&mut source.stalled);
        }
        if went_silent {
            self.leave_alone(now, request.source, true);
        }
        for piece in &request.outstanding {
            self.refresh(*piece);
        }
        Some(request)
    }

    /// Marks what a source was asked for as weak (others may claim it) or strong again.
    pub(super) fn set_weak(&mut self, id: SourceId, weak: bool) {
        let Some(source) = self.sources.get(&id) else {
            return;
        };
        let mut touched = Vec::new();
        for request in &source.requests {
            if let Some(request) = self.ledger.get_mut(*request) {
                request.weak = weak;
                touched.extend_from_slice(&request.outstanding);
            }
        }
        for piece in touched {
            self.refresh(piece);
        }
    }
}

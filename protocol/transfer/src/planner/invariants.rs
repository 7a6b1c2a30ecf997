//! What must hold between any two calls, for tests and the simulator.

use super::Planner;
use super::api::{Order, RequestId, SourceId};
use super::picker::Openness;
use super::source::Source;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvariantError {
    /// The picker's levels and counts disagree.
    #[error("the picker's levels disagree with its counts")]
    Picker,
    /// A piece is lost from planning, or planned twice.
    #[error("piece {piece} should {} open", if *.should_be_open { "be" } else { "not be" })]
    Piece {
        /// Which one.
        piece: u32,
        /// Whether it should be in the picker.
        should_be_open: bool,
    },
    /// Sums that are kept along the way are off.
    #[error("the count of {0} is off")]
    Count(&'static str),
    /// A request and its source disagree.
    #[error("request {request:?} at {source_id}: {what}")]
    Request {
        /// Which one.
        request: RequestId,
        /// At whom.
        source_id: SourceId,
        /// How.
        what: &'static str,
    },
    /// A source could be asked for an open piece and isn't.
    #[error("{source_id} is idle although piece {piece} could be asked of it")]
    Idle {
        /// Whom.
        source_id: SourceId,
        /// Which piece.
        piece: u32,
    },
    /// Requests are in flight and no timer watches them.
    #[error("no timer watches the requests in flight")]
    Unwatched,
}

impl Planner {
    /// Checks that the planner's books agree. Linear in pieces and requests: for tests.
    pub fn check_invariants(&self) -> Result<(), InvariantError> {
        if !self.picker.is_consistent() {
            return Err(InvariantError::Picker);
        }
        self.check_pieces()?;
        self.check_counts()?;
        self.check_requests()?;
        let asked = self
            .sources
            .values()
            .any(|source| !source.requests.is_empty());
        if asked && !self.held && self.timer.is_none() {
            return Err(InvariantError::Unwatched);
        }
        Ok(())
    }

    /// Checks that no source is left idle. Only true when [`Planner::poll`] has given `None`.
    pub fn check_settled(&self) -> Result<(), InvariantError> {
        // What a reader waits for may be left to a source that is faster, but not by all of them.
        let readers_only = self.order == Order::ReadersOnly;
        let busy = |source: &Source| !source.requests.is_empty();
        if self.held || readers_only && self.sources.values().any(busy) {
            return Ok(());
        }
        for (id, source) in &self.sources {
            if !source.is_usable() || busy(source) {
                continue;
            }
            let has = source.holdings.bits();
            let open = if readers_only {
                (0..self.layout.pieces())
                    .filter(|piece| self.readers.wait_for(*piece))
                    .find(|piece| self.picker.first_in(has, *piece..*piece + 1).is_some())
            } else {
                self.picker.first_in(has, 0..u32::MAX)
            };
            if let Some(piece) = open {
                return Err(InvariantError::Idle {
                    source_id: *id,
                    piece,
                });
            }
        }
        Ok(())
    }

    fn check_pieces(&self) -> Result<(), InvariantError> {
        let mut open_bytes = 0;
        for piece in 0..self.layout.pieces() {
            let due = self.openness(piece);
            let should_be_open = due != Openness::Closed;
            if should_be_open {
                open_bytes += self.piece_bytes(piece);
            }
            if due != self.picker.openness(piece) {
                return Err(InvariantError::Piece {
                    piece,
                    should_be_open,
                });
            }
            let full = self
                .sources
                .values()
                .filter(|s| s.holdings.contains(piece))
                .count();
            if full != self.picker.holders(piece) as usize {
                return Err(InvariantError::Count("holders"));
            }
        }
        if open_bytes != self.open_bytes {
            return Err(InvariantError::Count("open bytes"));
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), InvariantError> {
        let have = self.have.intersection(&self.wanted);
        if have.count() != self.have_pieces || self.layout.bytes_of(&have) != self.have_bytes {
            return Err(InvariantError::Count("verified pieces"));
        }
        if self.layout.bytes_of(&self.wanted) != self.wanted_bytes {
            return Err(InvariantError::Count("wanted bytes"));
        }
        Ok(())
    }

    fn check_requests(&self) -> Result<(), InvariantError> {
        let mut listed = 0;
        for (id, source) in &self.sources {
            let mut in_flight = 0;
            for request in &source.requests {
                listed += 1;
                let broken = |what| InvariantError::Request {
                    request: *request,
                    source_id: *id,
                    what,
                };
                let known = self.ledger.get(*request).ok_or(broken("unknown"))?;
                if known.source != *id {
                    return Err(broken("of another source"));
                }
                if known.weak != source.stalled {
                    return Err(broken("strength differs from the source's state"));
                }
                if known
                    .outstanding
                    .iter()
                    .any(|piece| self.have.contains(*piece))
                {
                    return Err(broken("asks for a piece that is there"));
                }
                let held = |piece: &u32| {
                    self.ledger
                        .holders_of(*piece)
                        .iter()
                        .any(|id| id == request)
                };
                if !known.outstanding.iter().all(held) {
                    return Err(broken("its piece doesn't know it"));
                }
                in_flight += known.remaining;
            }
            if in_flight != source.in_flight {
                return Err(InvariantError::Count("bytes in flight"));
            }
        }
        if listed != self.ledger.requests().count() {
            return Err(InvariantError::Count("requests"));
        }
        for (piece, holders) in self.ledger.pieces() {
            let asks = |id: &RequestId| {
                self.ledger
                    .get(*id)
                    .is_some_and(|request| request.outstanding.contains(&piece))
            };
            if !holders.iter().all(asks) {
                return Err(InvariantError::Count("holders of a piece in flight"));
            }
        }
        Ok(())
    }
}

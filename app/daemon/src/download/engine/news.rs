//! What sources tell, passed on to the planner.

use super::{Engine, Work};
use crate::download::sources::{BEYOND_THE_END, fits};
use crate::source::{SourceEvent, SourceNews};
use potluck_identity::PeerId;
use potluck_transfer::{Availability, Failure, Input, RequestId, SourceId};
use std::time::{Duration, Instant};

impl Engine {
    pub(super) async fn source_news(&mut self, event: SourceEvent, work: Option<&mut Work>) {
        let SourceEvent { source: id, what } = event;
        let Some(peer) = self.sources.get(&id).map(|source| source.peer) else {
            return;
        };
        match what {
            SourceNews::Ready { head, have } => {
                self.last_life = Instant::now();
                if let Some(source) = self.sources.get_mut(&id) {
                    source.ready = Some((head, have));
                }
                if let Some(work) = work {
                    self.join(id, &peer, work);
                }
            }
            SourceNews::Have(ranges) => self.change(id, Availability::Add(ranges), work),
            SourceNews::RoundTrip(round_trip) => {
                if let Some(source) = self.sources.get_mut(&id) {
                    source.round_trip = Some(round_trip);
                }
                if let Some(work) = work {
                    self.far_as(id, round_trip, work);
                }
            }
            SourceNews::Retract(ranges) => {
                self.has_changed(peer);
                self.change(id, Availability::Remove(ranges), work);
            }
            SourceNews::Introduced(others) => {
                for (other, addresses) in others {
                    self.finder.introduce(other, addresses);
                }
            }
            SourceNews::Closed(reason) => self.closed(id, peer, reason, work).await,
            SourceNews::Received { request, bytes } => {
                self.last_life = Instant::now();
                self.received_bytes += bytes;
                self.readers.alive();
                self.plan(work, request, |request| Input::Received {
                    source: id,
                    request,
                    bytes,
                });
            }
            SourceNews::Piece { request, piece } => self.piece(id, peer, request, piece, work),
            SourceNews::Done { request } => {
                self.plan(work, request, |request| Input::RequestDone {
                    source: id,
                    request,
                });
            }
            SourceNews::Failed { request, failure } => {
                if matches!(failure, Failure::Changed { .. }) {
                    self.has_changed(peer);
                }
                self.plan(work, request, |request| Input::RequestFailed {
                    source: id,
                    request,
                    failure,
                });
            }
        }
    }

    /// Tells the planner how long the way to a source is.
    pub(super) fn far_as(&self, source: SourceId, round_trip: Duration, work: &mut Work) {
        let input = Input::RoundTrip { source, round_trip };
        work.planner.handle(self.ctx.clock.now(), input);
    }

    fn plan(
        &self,
        work: Option<&mut Work>,
        request: RequestId,
        input: impl FnOnce(RequestId) -> Input,
    ) {
        if let Some(work) = work
            && let Some(request) = work.planner_id(request)
        {
            work.planner.handle(self.ctx.clock.now(), input(request));
        }
    }

    /// A source has more, or less. The manifest's pieces are not what it speaks of.
    fn change(&mut self, id: SourceId, change: Availability, work: Option<&mut Work>) {
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        let Some(work) = work.filter(|work| !work.manifest) else {
            return source.changed(change);
        };
        let now = self.ctx.clock.now();
        if fits(&change, work.job.layout.pieces()) {
            work.planner
                .handle(now, Input::Availability { source: id, change });
        } else {
            let peer = source.peer;
            work.planner.handle(now, Input::SourceLeft { source: id });
            self.ban(peer, BEYOND_THE_END.to_owned());
        }
    }

    fn piece(
        &mut self,
        id: SourceId,
        peer: PeerId,
        request: RequestId,
        piece: u32,
        work: Option<&mut Work>,
    ) {
        let Some(work) = work else { return };
        let Some(request) = work.planner_id(request) else {
            return;
        };
        if work.have.insert(piece) {
            let bytes = work.job.layout.piece(piece).bytes;
            if !work.manifest {
                self.readers.arrived(piece);
                *self.delivered.entry(peer).or_default() += bytes;
                self.peers.delivered(&peer);
                if let Some(keeper) = &mut work.keeper {
                    keeper.kept(piece, bytes);
                }
            }
        }
        let now = self.ctx.clock.now();
        work.planner.handle(
            now,
            Input::PieceVerified {
                source: id,
                request,
                piece,
            },
        );
    }
}

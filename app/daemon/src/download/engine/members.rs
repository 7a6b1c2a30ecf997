//! Which peers are sources: who is taken in, who is gone, who is banned.

use super::{Engine, MAX_SOURCES, Work};
use crate::download::find::Candidate;
use crate::download::sources::{Source, Verdict, When};
use crate::native;
use crate::source::{CloseReason, Reporter};
use potluck_api::GetEvent;
use potluck_identity::PeerId;
use potluck_transfer::{Input, SourceId, SourceTraits, member_number};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

impl Engine {
    /// Starts a source for a peer that may have the content.
    pub(super) fn consider(&mut self, Candidate { peer, why }: Candidate) {
        let unwanted = peer == self.ctx.net.peer_id()
            || self.sources.len() >= MAX_SOURCES
            || self.sources.values().any(|source| source.peer == peer)
            || self.ctx.book.banned(&peer).is_some();
        if unwanted {
            return;
        }
        match self.peers.when(&peer, why, Instant::now()) {
            When::Now => {}
            When::After(pause) => return self.finder.introduce_later(peer, pause),
            When::Later => return,
        }
        let id = SourceId(self.next_source);
        self.next_source += 1;
        let (commands, received) = mpsc::channel(native::COMMAND_QUEUE);
        let reporter = Reporter {
            source: id,
            events: self.events.clone(),
        };
        let task = tokio::spawn(native::run(
            Arc::clone(&self.ctx),
            self.root,
            peer,
            self.serving,
            received,
            reporter,
        ));
        self.sources.insert(id, Source::new(peer, commands, task));
    }

    pub(super) fn joined(&self) -> Vec<(SourceId, PeerId)> {
        let ready = self
            .sources
            .iter()
            .filter(|(_, source)| source.ready.is_some());
        ready.map(|(id, source)| (*id, source.peer)).collect()
    }

    /// Tells the planner of a source that is ready, and what it has.
    pub(super) fn join(&mut self, id: SourceId, peer: &PeerId, work: &mut Work) {
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        let pieces = work.job.layout.pieces();
        let changes = match source.availability(pieces, work.manifest) {
            Ok(changes) => changes,
            Err(what) => return self.ban(*peer, what.to_owned()),
        };
        let now = self.ctx.clock.now();
        let traits = SourceTraits {
            member: member_number(peer),
            ..SourceTraits::default()
        };
        let round_trip = source.round_trip;
        work.planner
            .handle(now, Input::SourceJoined { source: id, traits });
        if let Some(round_trip) = round_trip {
            self.far_as(id, round_trip, work);
        }
        for change in changes {
            work.planner
                .handle(now, Input::Availability { source: id, change });
        }
        self.count_sources();
    }

    pub(super) async fn closed(
        &mut self,
        id: SourceId,
        peer: PeerId,
        reason: CloseReason,
        work: Option<&mut Work>,
    ) {
        tracing::debug!(%peer, ?reason, "a source is gone");
        if reason == CloseReason::Changed {
            self.has_changed(peer);
        }
        self.sources.remove(&id);
        self.count_sources();
        if let Some(work) = work {
            work.planner
                .handle(self.ctx.clock.now(), Input::SourceLeft { source: id });
        }
        match self.peers.closed(&peer, &reason, Instant::now()) {
            Verdict::Ban(what) => self.ban(peer, what),
            Verdict::RetryIn(pause) => self.finder.introduce_later(peer, pause),
            Verdict::Leave => {}
        }
    }

    pub(super) fn ban(&mut self, peer: PeerId, reason: String) {
        self.sources.retain(|_, source| source.peer != peer);
        self.tell(GetEvent::Banned {
            peer: peer.to_string(),
            reason: reason.clone(),
        });
        self.ctx.ban(peer, reason);
    }

    /// Remembers, and tells once, that a peer's files are not what they were.
    pub(super) fn has_changed(&mut self, peer: PeerId) {
        if self.changed.insert(peer) {
            self.tell(GetEvent::Notice {
                message: format!(
                    "{peer} no longer has all of this: a file there changed, or is not shared now"
                ),
            });
        }
    }
}

//! Which piece is asked of whom: the planner of downloads, with unchoked peers as its sources.

use super::super::PeerKey;
use super::super::fetching::Registered;
use super::super::news::Command;
use super::super::readers::{Ahead, Place};
use super::Swarm;
use super::lend::LoanOut;
use crate::clock::unix_now;
use crate::context::Context;
use potluck_content::PieceSet;
use potluck_store::{TorrentDownload, WriteError};
use potluck_transfer::{
    Availability, Failure, Input, Order, Output, PieceTable, Planner, PlannerConfig, ReaderId,
    Reading, RequestId, SourceId, SourceTraits, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A checkpoint is made when so much time has passed, or so many bytes came, since the last.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(2);
const CHECKPOINT_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that are fetched ahead of a reader.
const WINDOW: u64 = 8 * 1024 * 1024;

/// A download that runs.
pub(super) struct Plan {
    pub(super) planner: Planner,
    pub(super) wanted: PieceSet,
    pub(super) is_complete: bool,
    /// Pieces that come from this machine, and are asked of nobody else.
    pub(super) reserved: PieceSet,
    /// Others take bytes from here while it lives.
    _registered: Registered,
    download: Arc<TorrentDownload>,
    table: PieceTable,
    /// What the planner knows of those who read.
    readers: BTreeMap<ReaderId, Ahead>,
    sources: BTreeMap<SourceId, PeerKey>,
    next_source: u64,
    unsynced: u64,
    last_checkpoint: Instant,
    checkpoint: Option<JoinHandle<Result<(), WriteError>>>,
}

impl Plan {
    pub(super) fn new(
        ctx: &Context,
        download: Arc<TorrentDownload>,
        order: Order,
        registered: Registered,
    ) -> Self {
        let layout = download.layout();
        let pieces = download.metainfo().info().pieces();
        let sizes = (0..u64::from(pieces)).map(|piece| {
            let spans = layout.spans(piece);
            spans.map(|span| span.bytes).sum()
        });
        let wanted = download.wanted();
        let table = PieceTable::of_sizes(sizes);
        let mut planner = Planner::new(
            PlannerConfig::default(),
            table.clone(),
            download.have(),
            wanted.clone(),
            unix_now() ^ u64::from(std::process::id()),
        );
        planner.handle(ctx.clock.now(), Input::Order(order));
        Self {
            planner,
            wanted,
            is_complete: false,
            reserved: PieceSet::new(pieces),
            _registered: registered,
            download,
            table,
            readers: BTreeMap::new(),
            sources: BTreeMap::new(),
            next_source: 0,
            unsynced: 0,
            last_checkpoint: Instant::now(),
            checkpoint: None,
        }
    }

    pub(super) fn timeout(&self) -> Option<Timestamp> {
        self.planner.poll_timeout()
    }

    fn position(&self, (piece, begin): Place) -> u64 {
        self.table.bytes_before(piece).saturating_add(begin)
    }

    /// Tells the planner what changed among those who read.
    fn hear_readers(&mut self, now: Timestamp, readers: BTreeMap<ReaderId, Ahead>) {
        let told = std::mem::take(&mut self.readers);
        for reader in told.keys().filter(|reader| !readers.contains_key(reader)) {
            let reader = *reader;
            self.planner.handle(now, Input::ReaderClosed { reader });
        }
        for (&reader, &ahead) in &readers {
            let position = self.position(ahead.at);
            let input = match told.get(&reader) {
                Some(before) if *before == ahead => continue,
                Some(_) => Input::ReaderMoved { reader, position },
                None => Input::ReaderOpened {
                    reader,
                    reading: Reading {
                        position,
                        end: self.position(ahead.end),
                        rate: 0,
                        window: WINDOW,
                    },
                },
            };
            self.planner.handle(now, input);
        }
        self.readers = readers;
    }

    /// The pieces that are wanted and not here.
    pub(super) fn missing(&self) -> PieceSet {
        let mut missing = self.wanted.clone();
        missing.subtract(self.planner.have());
        missing
    }

    fn add_source(
        &mut self,
        now: Timestamp,
        peer: PeerKey,
        claims: &PieceSet,
        is_local: bool,
    ) -> SourceId {
        let source = SourceId(self.next_source);
        self.next_source += 1;
        self.sources.insert(source, peer);
        let traits = SourceTraits::default();
        self.planner
            .handle(now, Input::SourceJoined { source, traits });
        self.claims(now, source, claims, is_local);
        source
    }

    /// What a source has. What is reserved for this machine is asked of nobody else.
    pub(super) fn claims(
        &mut self,
        now: Timestamp,
        source: SourceId,
        claims: &PieceSet,
        is_local: bool,
    ) {
        let mut claims = claims.clone();
        if !is_local {
            claims.subtract(&self.reserved);
        }
        let change = if claims.is_full() {
            Availability::All
        } else {
            Availability::Only(claims)
        };
        let input = Input::Availability { source, change };
        self.planner.handle(now, input);
    }

    fn drop_source(&mut self, now: Timestamp, source: SourceId) {
        self.sources.remove(&source);
        self.planner.handle(now, Input::SourceLeft { source });
    }

    fn begin_checkpoint_if_due(&mut self) {
        let due =
            self.last_checkpoint.elapsed() >= CHECKPOINT_EVERY || self.unsynced >= CHECKPOINT_BYTES;
        if due && self.unsynced > 0 && self.checkpoint.is_none() {
            self.last_checkpoint = Instant::now();
            self.unsynced = 0;
            let download = Arc::clone(&self.download);
            self.checkpoint = Some(tokio::task::spawn_blocking(move || download.checkpoint()));
        }
    }

    /// Waits for a running checkpoint and makes a last one.
    pub(super) async fn close(mut self) {
        if let Some(running) = self.checkpoint.take() {
            let _ = running.await;
        }
        let download = Arc::clone(&self.download);
        let last = tokio::task::spawn_blocking(move || download.checkpoint());
        if let Ok(Err(error)) = last.await {
            tracing::warn!(%error, "no checkpoint of a stopped torrent");
        }
    }
}

impl Swarm {
    /// Makes an unchoked peer a source, or no longer one.
    pub(super) fn join_plan(&mut self, key: PeerKey) {
        let now = self.ctx.clock.now();
        let (Some(plan), Some(member)) = (&mut self.plan, self.members.get_mut(&key)) else {
            return;
        };
        let is_source = !member.chokes;
        match (is_source, member.source) {
            (true, None) => {
                let is_local = member.is_local();
                let source = plan.add_source(now, key, &member.claims, is_local);
                member.source = Some(source);
            }
            (false, Some(source)) => {
                plan.drop_source(now, source);
                member.source = None;
            }
            _ => {}
        }
    }

    /// A peer is gone.
    pub(super) fn leave_plan(&mut self, source: Option<SourceId>) {
        if let (Some(plan), Some(source)) = (&mut self.plan, source) {
            plan.drop_source(self.ctx.clock.now(), source);
        }
    }

    /// Tells the planner of something that a peer did with an order of its.
    pub(super) fn plan_input(
        &mut self,
        key: PeerKey,
        order: u32,
        input: impl FnOnce(SourceId, RequestId) -> Input,
    ) {
        let source = self.members.get(&key).and_then(|member| member.source);
        // Of one that is a source no longer the planner forgets the requests, not the pieces.
        let source = source.unwrap_or(SourceId(u64::MAX));
        if let Some(plan) = &mut self.plan {
            let input = input(source, RequestId(order));
            plan.planner.handle(self.ctx.clock.now(), input);
        }
    }

    /// A piece is here.
    pub(super) fn piece(&mut self, key: PeerKey, order: u32, piece: u32) {
        self.plan_input(key, order, |source, request| Input::PieceVerified {
            source,
            request,
            piece,
        });
        let bytes = self
            .content
            .as_ref()
            .map_or(0, |content| content.piece_bytes(piece));
        if let Some(plan) = &mut self.plan {
            plan.unsynced += bytes;
            plan.begin_checkpoint_if_due();
        }
        if let Some(member) = self.members.get_mut(&key) {
            member.delivered += bytes;
        }
        self.interest();
    }

    /// Asks, cancels, and ends as the planner says.
    pub(super) fn act_on_plan(&mut self) {
        let now = self.ctx.clock.now();
        let Some(plan) = &mut self.plan else { return };
        if let Some(content) = &self.content {
            plan.hear_readers(now, content.readers.list());
        }
        plan.planner.handle(now, Input::Timeout);
        let mut refused = Vec::new();
        while let Some(output) = plan.planner.poll(now) {
            let (source, command) = match output {
                Output::Request {
                    source,
                    request,
                    pieces,
                    ..
                } => (
                    source,
                    Command::Fetch {
                        order: request.0,
                        pieces,
                    },
                ),
                Output::Cancel { source, request } => {
                    (source, Command::Cancel { order: request.0 })
                }
                Output::Ban { source, reason } => {
                    refused.extend(
                        plan.sources
                            .get(&source)
                            .map(|key| (*key, reason.to_string())),
                    );
                    continue;
                }
                Output::Complete => {
                    plan.is_complete = true;
                    continue;
                }
            };
            let key = plan.sources.get(&source);
            if let Some(member) = key.and_then(|key| self.members.get_mut(key)) {
                member.asked |= matches!(command, Command::Fetch { .. });
                member.tell(command);
            }
        }
        for (key, reason) in refused {
            self.ban(key, &reason);
        }
        if self.plan.as_ref().is_some_and(|plan| plan.is_complete) {
            self.report();
        }
    }

    /// Makes checkpoints.
    pub(super) fn tick_plan(&mut self) {
        let Some(plan) = &mut self.plan else { return };
        if let Some(running) = plan.checkpoint.take_if(|running| running.is_finished()) {
            let failed = futures::FutureExt::now_or_never(running);
            if let Some(Ok(Err(error))) = failed {
                let no_space = matches!(error, WriteError::NoSpace { .. });
                self.failure.get_or_insert((error.to_string(), no_space));
            }
        }
        if let Some(plan) = &mut self.plan {
            plan.begin_checkpoint_if_due();
        }
    }

    /// Tells peers whether they have anything that is wanted.
    pub(super) fn interest(&mut self) {
        let missing = self.plan.as_ref().map(Plan::missing);
        for member in self.members.values_mut() {
            let wanted = missing
                .as_ref()
                .is_some_and(|missing| !missing.intersection(&member.claims).is_empty())
                || member.loans.iter().any(LoanOut::is_wanted);
            if member.we_want != wanted {
                member.we_want = wanted;
                member.tell(Command::Interested(wanted));
            }
        }
    }

    /// A peer refused what it was asked for, or sent a wrong piece.
    pub(super) fn failed(&mut self, key: PeerKey, order: u32, failure: Failure) {
        self.plan_input(key, order, |source, request| Input::RequestFailed {
            source,
            request,
            failure,
        });
        if let Some(member) = self.members.get_mut(&key) {
            member.tell(Command::Cancel { order });
        }
    }
}

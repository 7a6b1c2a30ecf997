//! Drives the planner: source events in, requests out. One engine for each download; it first
//! waits for a source that proves the root's size, then fetches the manifest (of a folder), then
//! the pieces.

use super::find::Finder;
use super::report;
use super::sources::{BEYOND_THE_END, Peers, Source, Verdict, fits};
use crate::context::Context;
use crate::errors;
use crate::native;
use crate::source::{
    CloseReason, FetchItem, Job, ProvenHead, Reporter, SourceCommand, SourceEvent, SourceNews,
    items_of,
};
use potluck_api::{ErrorBody, GetEvent};
use potluck_content::{Address, Link, PieceSet};
use potluck_identity::PeerId;
use potluck_transfer::{
    Availability, Failure, Input, Order, Output, Planner, PlannerConfig, RequestId, SourceId,
    SourceTraits,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Events that sources may have waiting before they are held back.
const EVENT_QUEUE: usize = 1024;
/// Sources used at once.
const MAX_SOURCES: usize = 64;
/// How often progress is told.
const TICK: Duration = Duration::from_millis(250);
/// The rate is taken over about this many ticks.
const RATE_TICKS: usize = 12;
/// Bytes of one item: a sender reads that much at once, and a cancel takes effect after it.
const MAX_ITEM_BYTES: u64 = 1024 * 1024;
/// Requests for the manifest carry this bit, so that a late answer is not taken for one of the
/// pieces' requests.
const MANIFEST_BIT: u32 = 1 << 31;

/// What is fetched now.
pub(super) struct Work {
    pub(super) planner: Planner,
    pub(super) job: Arc<Job>,
    pub(super) have: PieceSet,
    /// Called about every tick, for checkpoints.
    pub(super) keeper: Option<super::keep::Keeper>,
    manifest: bool,
    complete: bool,
}

impl Work {
    pub(super) fn new(
        job: Arc<Job>,
        have: PieceSet,
        wanted: PieceSet,
        manifest: bool,
        seed: u64,
    ) -> Self {
        let layout = Arc::clone(&job.layout);
        let planner = Planner::new(PlannerConfig::default(), layout, have.clone(), wanted, seed);
        Self {
            planner,
            job,
            have,
            keeper: None,
            manifest,
            complete: false,
        }
    }

    pub(super) fn is_manifest(&self) -> bool {
        self.manifest
    }

    fn wire_id(&self, request: RequestId) -> RequestId {
        if self.manifest {
            RequestId(request.0 | MANIFEST_BIT)
        } else {
            request
        }
    }

    /// The planner's id of a request, unless it belongs to another stage.
    fn planner_id(&self, request: RequestId) -> Option<RequestId> {
        let of_manifest = request.0 & MANIFEST_BIT != 0;
        (of_manifest == self.manifest).then_some(RequestId(request.0 & !MANIFEST_BIT))
    }
}

/// See the module.
pub(super) struct Engine {
    pub(super) ctx: Arc<Context>,
    pub(super) root: Address,
    pub(super) finder: Finder,
    pub(super) sources: BTreeMap<SourceId, Source>,
    /// Verified bytes by peer.
    pub(super) delivered: BTreeMap<PeerId, u64>,
    pub(super) received_bytes: u64,
    pub(super) wasted_bytes: u64,
    pub(super) started: Instant,
    /// Peers that had more of it before their files changed.
    pub(super) changed: BTreeSet<PeerId>,
    events: mpsc::Sender<SourceEvent>,
    incoming: mpsc::Receiver<SourceEvent>,
    peers: Peers,
    next_source: u64,
    user: mpsc::Sender<GetEvent>,
    stop: CancellationToken,
    serving: bool,
    patience: Option<Duration>,
    last_life: Instant,
    last_waiting: Option<Instant>,
    rates: VecDeque<(Instant, u64)>,
}

impl Engine {
    pub(super) fn new(
        ctx: &Arc<Context>,
        link: &Link,
        serving: bool,
        patience: Option<Duration>,
        user: mpsc::Sender<GetEvent>,
        stop: CancellationToken,
    ) -> Self {
        let (events, incoming) = mpsc::channel(EVENT_QUEUE);
        Self {
            ctx: Arc::clone(ctx),
            root: link.address,
            finder: Finder::start(ctx, link),
            sources: BTreeMap::new(),
            delivered: BTreeMap::new(),
            received_bytes: 0,
            wasted_bytes: 0,
            started: Instant::now(),
            changed: BTreeSet::new(),
            events,
            incoming,
            peers: Peers::default(),
            next_source: 0,
            user,
            stop,
            serving,
            patience,
            last_life: Instant::now(),
            last_waiting: None,
            rates: VecDeque::new(),
        }
    }

    /// Tells the user, who may miss it when slow: the next event says more.
    pub(super) fn tell(&self, event: GetEvent) {
        let _ = self.user.try_send(event);
    }

    /// Bytes per second over the last few ticks.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // not negative, below 2^64
    pub(super) fn rate(&mut self) -> u64 {
        let now = (Instant::now(), self.received_bytes);
        self.rates.push_back(now);
        if self.rates.len() > RATE_TICKS {
            self.rates.pop_front();
        }
        let Some((since, bytes)) = self.rates.front().copied() else {
            return 0;
        };
        let seconds = now.0.duration_since(since).as_secs_f64();
        if seconds < 0.2 {
            0
        } else {
            ((now.1 - bytes) as f64 / seconds) as u64
        }
    }

    /// Waits for a source that proves the size of the root blob; says who it was.
    pub(super) async fn head(&mut self) -> Result<(Arc<ProvenHead>, PeerId), ErrorBody> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let proven = self.sources.values().find_map(|source| {
                source
                    .ready
                    .as_ref()
                    .map(|(head, _)| (Arc::clone(head), source.peer))
            });
            if let Some(proven) = proven {
                return Ok(proven);
            }
            tokio::select! {
                () = self.stop.cancelled() => return Err(interrupted()),
                () = self.ctx.shutdown.cancelled() => return Err(errors::stopping()),
                Some(peer) = self.finder.candidates.recv() => self.consider(peer),
                Some(event) = self.incoming.recv() => self.source_news(event, None).await,
                _ = ticks.tick() => {
                    self.impatient(None)?;
                    let due = self.last_waiting.is_none_or(|last| last.elapsed().as_millis() >= 900);
                    if due {
                        self.last_waiting = Some(Instant::now());
                        report::waiting(self).await;
                    }
                }
            }
        }
    }

    /// Fetches until the planner has every wanted piece.
    pub(super) async fn fetch(&mut self, work: &mut Work) -> Result<(), ErrorBody> {
        for (source, joined) in self.joined() {
            self.join(source, &joined, work);
        }
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.obey(work).await;
            if work.complete {
                self.wasted_bytes += work.planner.progress(self.ctx.clock.now()).wasted_bytes;
                return Ok(());
            }
            if let Some(failure) = work.job.failure() {
                return Err(sink_error(failure));
            }
            let wake = work
                .planner
                .poll_timeout()
                .map(|at| self.ctx.clock.instant(at));
            tokio::select! {
                () = self.stop.cancelled() => return Err(interrupted()),
                () = self.ctx.shutdown.cancelled() => return Err(errors::stopping()),
                Some(event) = self.incoming.recv() => self.source_news(event, Some(work)).await,
                Some(peer) = self.finder.candidates.recv() => self.consider(peer),
                () = sleep_until(wake) => work.planner.handle(self.ctx.clock.now(), Input::Timeout),
                _ = ticks.tick() => {
                    if let Some(keeper) = &mut work.keeper {
                        keeper.tick().await.map_err(|error| errors::write(&error))?;
                    }
                    self.impatient(Some(work))?;
                    report::progress(self, work).await;
                }
            }
        }
    }

    /// Ends with "not found" once nothing has come for as long as the user wants to wait.
    fn impatient(&self, work: Option<&Work>) -> Result<(), ErrorBody> {
        let Some(patience) = self.patience else {
            return Ok(());
        };
        if self.last_life.elapsed() < patience {
            return Ok(());
        }
        let seconds = patience.as_secs_f64();
        let (mut message, mut hint) = match work {
            Some(work) => {
                let waiting = work.planner.waiting(self.ctx.clock.now());
                let why = waiting.map_or_else(String::new, |waiting| format!(": {waiting}"));
                (
                    format!("nothing came from any provider for {seconds} s{why}"),
                    "what is here is kept; run the same command again to go on",
                )
            }
            None => (
                format!("no provider of {} was found within {seconds} s", self.root),
                "is the sharer's node running and connected? a link with addresses, or 'potluck connect', helps to find it",
            ),
        };
        if let Some(changed) = report::changed(self) {
            message = format!("{message}; {changed}");
            hint = "ask for a new link: the content was edited, moved or deleted after this one was made";
        }
        Err(errors::not_found(message, hint))
    }

    /// Remembers, and tells once, that a peer's files are not what they were.
    fn has_changed(&mut self, peer: PeerId) {
        if self.changed.insert(peer) {
            self.tell(GetEvent::Notice {
                message: format!(
                    "{peer} no longer has all of this: a file there changed, or is not shared now"
                ),
            });
        }
    }

    /// Starts a source for a peer that may have the content.
    fn consider(&mut self, peer: PeerId) {
        let unwanted = peer == self.ctx.net.peer_id()
            || self.sources.len() >= MAX_SOURCES
            || self.sources.values().any(|source| source.peer == peer)
            || self.ctx.book.banned(&peer).is_some()
            || !self.peers.may_ask(&peer, Instant::now());
        if unwanted {
            return;
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

    fn joined(&self) -> Vec<(SourceId, PeerId)> {
        let ready = self
            .sources
            .iter()
            .filter(|(_, source)| source.ready.is_some());
        ready.map(|(id, source)| (*id, source.peer)).collect()
    }

    /// Tells the planner of a source that is ready, and what it has.
    fn join(&mut self, id: SourceId, peer: &PeerId, work: &mut Work) {
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        let pieces = work.job.layout.pieces();
        let changes = match source.availability(pieces, work.manifest) {
            Ok(changes) => changes,
            Err(what) => return self.ban(*peer, what.to_owned()),
        };
        let now = self.ctx.clock.now();
        let traits = SourceTraits::default();
        work.planner
            .handle(now, Input::SourceJoined { source: id, traits });
        for change in changes {
            work.planner
                .handle(now, Input::Availability { source: id, change });
        }
    }

    async fn source_news(&mut self, event: SourceEvent, work: Option<&mut Work>) {
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

    async fn closed(
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

    fn ban(&mut self, peer: PeerId, reason: String) {
        self.sources.retain(|_, source| source.peer != peer);
        self.tell(GetEvent::Banned {
            peer: peer.to_string(),
            reason: reason.clone(),
        });
        self.ctx.ban(peer, reason);
    }

    /// Does what the planner says.
    async fn obey(&mut self, work: &mut Work) {
        while let Some(output) = work.planner.poll(self.ctx.clock.now()) {
            match output {
                Output::Request {
                    source,
                    request,
                    pieces,
                    ..
                } => {
                    let items = items_of(&work.job.layout, &pieces, MAX_ITEM_BYTES);
                    let request = work.wire_id(request);
                    self.ask(source, Arc::clone(&work.job), request, items);
                }
                Output::Cancel { source, request } => {
                    let request = work.wire_id(request);
                    self.command(source, SourceCommand::Cancel { request });
                }
                Output::Ban { source, reason } => {
                    if let Some(peer) = self.sources.get(&source).map(|source| source.peer) {
                        self.ban(peer, reason.to_string());
                    }
                }
                Output::Complete => work.complete = true,
            }
        }
    }

    fn ask(&self, source: SourceId, job: Arc<Job>, request: RequestId, items: Vec<FetchItem>) {
        self.command(
            source,
            SourceCommand::Fetch {
                job,
                request,
                items,
            },
        );
    }

    /// Sources take commands as fast as they come; one that does not is stuck, and the planner
    /// notices its silence.
    fn command(&self, source: SourceId, command: SourceCommand) {
        if let Some(source) = self.sources.get(&source) {
            let _ = source.commands.try_send(command);
        }
    }
}

/// Sets the order in which pieces are fetched.
pub(super) fn order(work: &mut Work, ctx: &Context, order: Order) {
    work.planner.handle(ctx.clock.now(), Input::Order(order));
}

fn interrupted() -> ErrorBody {
    errors::interrupted("run the same command again to go on where it stopped")
}

fn sink_error(failure: crate::source::SinkError) -> ErrorBody {
    match failure {
        crate::source::SinkError::NoSpace { .. } => errors::no_space(failure.to_string()),
        crate::source::SinkError::Io(message) => {
            errors::failed(message, "check the disk, then run the same command again")
        }
    }
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

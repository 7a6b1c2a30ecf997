//! Drives the planner: source events in, requests out. One engine for each download; it first
//! waits for a source that proves the root's size, then fetches the manifest (of a folder), then
//! the pieces.

mod members;
mod news;
mod orders;
mod readers;
mod work;

pub(super) use work::{Work, order};

use super::find::Finder;
use super::report;
use super::sources::{Peers, Source};
use crate::context::Context;
use crate::errors;
use crate::reading::Live;
use crate::source::{ProvenHead, SinkError, SourceEvent};
use potluck_api::{ErrorBody, GetEvent};
use potluck_content::{Address, Link};
use potluck_identity::PeerId;
use potluck_transfer::{Input, SourceId};
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
    /// Who reads while it runs.
    readers: readers::Readers,
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
            readers: readers::Readers::default(),
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
                Some(candidate) = self.finder.candidates.recv() => self.consider(candidate),
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
        let live = self.readers.live(work);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.hear_readers(work);
            self.obey(work).await;
            if work.complete && !self.readers.keep_going() {
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
                Some(candidate) = self.finder.candidates.recv() => self.consider(candidate),
                () = asked(live.as_deref()) => {}
                () = sleep_until(wake) => work.planner.handle(self.ctx.clock.now(), Input::Timeout),
                _ = ticks.tick() => {
                    if self.ctx.down.rate() == Some(0) {
                        // Nothing is to come while the owner's schedule says so.
                        self.last_life = Instant::now();
                    }
                    if let Some(keeper) = &mut work.keeper {
                        keeper.tick().await.map_err(|error| errors::write(&error))?;
                    }
                    self.impatient(Some(work))?;
                    if self.readers.are_gone() {
                        return Ok(());
                    }
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
}

fn interrupted() -> ErrorBody {
    errors::interrupted("run the same command again to go on where it stopped")
}

fn sink_error(failure: SinkError) -> ErrorBody {
    match failure {
        SinkError::NoSpace { .. } => errors::no_space(failure.to_string()),
        SinkError::Io(message) => {
            errors::failed(message, "check the disk, then run the same command again")
        }
    }
}

async fn asked(live: Option<&Live>) {
    match live {
        Some(live) => live.asked().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

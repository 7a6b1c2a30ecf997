//! Finding peers: trackers, the DHT and the local network, each in a room of its own.

mod dht;
mod lsd;
mod trackers;

use super::super::addresses::From;
use super::Swarm;
use crate::context::Context;
use lsd::Neighbours;
use potluck_bittorrent::InfoHashes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use trackers::Trackers;
pub(in crate::bittorrent) use trackers::Trouble;

/// Answers that may wait for the swarm.
const FOUND: usize = 16;
/// With fewer peers than this, a download looks for more.
const ENOUGH: usize = 10;

/// See the module.
pub(super) struct Seeking {
    found: mpsc::Receiver<Found>,
    told: mpsc::Sender<Found>,
    facts: Arc<Facts>,
    trackers: Trackers,
    in_dht: Option<JoinHandle<()>>,
    neighbours: Option<Neighbours>,
    is_private: bool,
}

/// Where peers may be.
pub(super) struct Found {
    addresses: Vec<SocketAddr>,
    from: From,
}

/// How the torrent stands, for those that ask others about it.
#[derive(Default)]
struct Facts {
    sent: AtomicU64,
    received: AtomicU64,
    left: AtomicU64,
    wanting: AtomicBool,
}

impl Facts {
    fn is_wanting(&self) -> bool {
        self.wanting.load(Ordering::Relaxed)
    }
}

impl Seeking {
    pub(super) fn new(ctx: &Arc<Context>, hashes: &InfoHashes) -> Self {
        let (told, found) = mpsc::channel(FOUND);
        let facts = Arc::new(Facts::default());
        // Not known yet, and not nothing: trackers would take this node for a seed.
        facts.left.store(1, Ordering::Relaxed);
        let trackers = Trackers::start(ctx, hashes, Arc::clone(&facts), told.clone());
        Self {
            found,
            told,
            facts,
            trackers,
            in_dht: None,
            neighbours: None,
            is_private: false,
        }
    }

    /// Looks for peers where everybody may: in the DHT, and on the local network. Not for a torrent that
    /// is known to be private, whoever asks.
    pub(super) fn go_public(&mut self, ctx: &Arc<Context>, hashes: &InfoHashes) {
        if self.is_private {
            return;
        }
        if self.in_dht.is_none() {
            let facts = Arc::clone(&self.facts);
            let search = dht::search(Arc::clone(ctx), *hashes, self.told.clone(), facts);
            self.in_dht = Some(tokio::spawn(search));
        }
        if self.neighbours.is_none() {
            self.neighbours = Neighbours::of(ctx, hashes);
        }
    }

    /// Looks there no more: the torrent turned out to be private (BEP 27).
    pub(super) fn go_private(&mut self) {
        self.is_private = true;
        self.leave();
        self.trackers.go_private();
    }

    fn leave(&mut self) {
        if let Some(task) = self.in_dht.take() {
            task.abort();
        }
        self.neighbours = None;
    }

    pub(super) fn add_trackers(&mut self, tiers: Vec<Vec<String>>) {
        self.trackers.add(tiers);
    }

    /// All that is wanted is here now.
    pub(super) fn completed(&mut self) {
        self.trackers.completed();
    }

    pub(super) async fn found(&mut self) -> Option<Found> {
        match self.found.recv().await {
            Some(found) => Some(found),
            None => std::future::pending().await,
        }
    }

    /// What is wrong with the trackers.
    pub(super) fn troubles(&self) -> Arc<[Trouble]> {
        self.trackers.troubles()
    }

    /// Looks for nobody any more, and says farewell to the trackers.
    pub(super) async fn end(mut self) {
        self.leave();
        self.trackers.end().await;
    }
}

impl Swarm {
    pub(super) fn found(&mut self, found: Found) {
        self.found_at(found.addresses, found.from);
    }

    /// Tells those that look for peers how the torrent stands.
    pub(super) fn tick_seeking(&mut self) {
        let now = self.ctx.clock.now();
        let left = match (&self.plan, &self.content) {
            (Some(plan), _) => {
                let progress = plan.planner.progress(now);
                progress.wanted_bytes - progress.have_bytes
            }
            (None, Some(content)) if content.is_finished() => 0,
            (None, Some(content)) => content.layout.file_bytes(),
            (None, None) => 1,
        };
        let facts = &self.seeking.facts;
        facts
            .received
            .store(self.totals.received, Ordering::Relaxed);
        facts.sent.store(self.totals.sent, Ordering::Relaxed);
        facts.left.store(left, Ordering::Relaxed);
        let is_wanting = left > 0 && self.members.len() < ENOUGH;
        facts.wanting.store(is_wanting, Ordering::Relaxed);
    }
}

//! Finding providers: addresses in the link, connected peers, the DHT, and introductions by other
//! providers, all at the same time and for as long as the download runs.

use super::sources::Why;
use crate::context::Context;
use potluck_content::{Address, Link};
use potluck_identity::PeerId;
use potluck_net::{FindEvent, Multiaddr, NetEvent};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio::task::JoinSet;

/// Peers dialed at once.
const DIALS: usize = 8;
/// Peers dialed at once because another named them. Nothing in what a peer says is trusted: those
/// that it made up must not keep the others waiting.
const INTRODUCED_DIALS: usize = 4;
/// Named peers that may wait to be dialed; those beyond are passed over until named again.
const MAX_INTRODUCED: usize = 64;
/// Peers that the DHT named and that are remembered.
const MAX_NAMED: usize = 4096;
/// Peers that may wait to be looked at.
const QUEUE: usize = 64;
/// Pause before the DHT is asked again: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Peers that the link names are tried again this often: at first, because they may just be
/// starting, and later.
const HINT_PAUSES: (Duration, Duration) = (Duration::from_millis(1500), Duration::from_secs(15));
/// How long "at first" is.
const HINT_HASTE: Duration = Duration::from_secs(120);
/// How often a source that was lost is tried again; pauses double from the first on.
const LOST_TRIES: u32 = 10;
const LOST_PAUSE: Duration = Duration::from_millis(500);

/// Counts for the waiting message.
#[derive(Default)]
pub(crate) struct FindCounts {
    /// Peers of the DHT asked in all.
    pub(crate) asked: AtomicU32,
    /// Dials under way.
    pub(crate) dialing: AtomicU32,
}

/// A connected peer that may have the content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) peer: PeerId,
    pub(crate) why: Why,
}

/// A running search. Dropping it stops it.
pub(crate) struct Finder {
    pub(crate) candidates: mpsc::Receiver<Candidate>,
    pub(crate) counts: Arc<FindCounts>,
    introductions: mpsc::Sender<(PeerId, Vec<Multiaddr>)>,
    retries: mpsc::Sender<PeerId>,
    _tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Search {
    ctx: Arc<Context>,
    root: Address,
    found: mpsc::Sender<Candidate>,
    counts: Arc<FindCounts>,
    dials: Arc<Semaphore>,
}

impl Finder {
    /// Starts looking for providers of a link.
    pub(crate) fn start(ctx: &Arc<Context>, link: &Link) -> Self {
        let (found, candidates) = mpsc::channel(QUEUE);
        let (introductions, introduced) = mpsc::channel(QUEUE);
        let (retries, retried) = mpsc::channel(QUEUE);
        let counts = Arc::new(FindCounts::default());
        let search = Search {
            ctx: Arc::clone(ctx),
            root: link.address,
            found,
            counts: Arc::clone(&counts),
            dials: Arc::new(Semaphore::new(DIALS)),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(search.clone().hints(link.addrs.clone()));
        tasks.spawn(search.clone().connected());
        tasks.spawn(search.clone().members());
        tasks.spawn(search.clone().announced());
        tasks.spawn(search.clone().introduced(introduced));
        tasks.spawn(search.clone().retried(retried));
        tasks.spawn(search.dht());
        Self {
            candidates,
            counts,
            introductions,
            retries,
            _tasks: tasks,
        }
    }

    /// Looks at a peer again after a pause, dialing it anew if the connection is gone.
    pub(crate) fn introduce_later(&self, peer: PeerId, pause: Duration) {
        let retries = self.retries.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = retries.send(peer).await;
        });
    }

    /// A provider named another one.
    pub(crate) fn introduce(&self, peer: PeerId, addresses: Vec<Multiaddr>) {
        // A full queue means that there are plenty to look at.
        let _ = self.introductions.try_send((peer, addresses));
    }
}

impl Search {
    async fn offer(&self, peer: PeerId, why: Why) {
        let _ = self.found.send(Candidate { peer, why }).await;
    }

    async fn hints(self, addresses: Vec<Multiaddr>) {
        let mut by_peer: BTreeMap<PeerId, Vec<Multiaddr>> = BTreeMap::new();
        let mut dials = JoinSet::new();
        for address in addresses {
            match peer_in(&address) {
                Some(peer) => by_peer.entry(peer).or_default().push(address),
                None => {
                    let search = self.clone();
                    dials.spawn(async move { search.keep_dialing(address).await });
                }
            }
        }
        for (peer, addresses) in by_peer {
            let search = self.clone();
            dials.spawn(async move { search.keep_reaching(peer, addresses).await });
        }
        while dials.join_next().await.is_some() {}
    }

    /// Tries a peer that the link names for as long as the download runs: it may be started later,
    /// or come back.
    async fn keep_reaching(&self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let began = Instant::now();
        loop {
            self.reach(peer, addresses.clone(), Why::Known).await;
            tokio::time::sleep(hint_pause(began)).await;
        }
    }

    /// The same for an address that does not say whose it is, until somebody answers there.
    async fn keep_dialing(&self, address: Multiaddr) {
        let began = Instant::now();
        while !self.dial(address.clone()).await {
            tokio::time::sleep(hint_pause(began)).await;
        }
    }

    /// Tries a source that was lost until it is back or was tried often enough.
    async fn reach_again(&self, peer: PeerId) {
        let mut pause = LOST_PAUSE;
        for _ in 0..LOST_TRIES {
            if self.reach(peer, Vec::new(), Why::Known).await {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// `false` when nobody answered.
    async fn dial(&self, address: Multiaddr) -> bool {
        let Ok(_permit) = self.dials.acquire().await else {
            return true;
        };
        self.counts.dialing.fetch_add(1, Ordering::Relaxed);
        let dialed = self.ctx.net.dial(address.clone()).await;
        self.counts.dialing.fetch_sub(1, Ordering::Relaxed);
        match &dialed {
            Ok(peer) => self.offer(*peer, Why::Known).await,
            Err(error) => tracing::debug!(%address, %error, "a hint did not answer"),
        }
        dialed.is_ok()
    }

    /// Connects to a peer, unless it is connected, and offers it. `false` when it did not answer.
    async fn reach(&self, peer: PeerId, addresses: Vec<Multiaddr>, why: Why) -> bool {
        if peer == self.ctx.net.peer_id() || self.ctx.book.banned(&peer).is_some() {
            return true;
        }
        let Ok(_permit) = self.dials.acquire().await else {
            return true;
        };
        self.counts.dialing.fetch_add(1, Ordering::Relaxed);
        let reached = self.ctx.net.connect(peer, addresses).await;
        self.counts.dialing.fetch_sub(1, Ordering::Relaxed);
        match &reached {
            Ok(()) => self.offer(peer, why).await,
            Err(error) => tracing::debug!(%peer, %error, "a provider did not answer"),
        }
        reached.is_ok()
    }

    /// Everyone connected is asked, now and when they come.
    async fn connected(self) {
        let mut events = self.ctx.net_events.subscribe();
        for info in self.ctx.net.peers().await {
            self.offer(info.peer, Why::Known).await;
        }
        loop {
            match events.recv().await {
                Ok(NetEvent::Connected { peer, .. }) => self.offer(peer, Why::Known).await,
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    /// Peers that fetch the same root from this node, and provide what they have.
    async fn members(self) {
        let mut members = self.ctx.swarms.begin_download(self.root);
        while let Some(peer) = members.recv().await {
            self.offer(peer, Why::Itself).await;
        }
    }

    /// Peers that announce the root in the DHT, when it is this node that keeps the record.
    async fn announced(self) {
        let key = self.root.multihash_bytes();
        let mut peers = self.ctx.net.announcements(key).await;
        while let Some(peer) = peers.recv().await {
            self.offer(peer, Why::Itself).await;
        }
    }

    async fn introduced(mut self, mut introduced: mpsc::Receiver<(PeerId, Vec<Multiaddr>)>) {
        self.dials = Arc::new(Semaphore::new(INTRODUCED_DIALS));
        let mut dials = JoinSet::new();
        while let Some((peer, addresses)) = introduced.recv().await {
            while dials.try_join_next().is_some() {}
            if dials.len() < MAX_INTRODUCED {
                let search = self.clone();
                dials.spawn(async move { search.reach(peer, addresses, Why::Named).await });
            }
        }
    }

    /// Peers whose connection was lost, or that were busy.
    async fn retried(self, mut retried: mpsc::Receiver<PeerId>) {
        let mut dials = JoinSet::new();
        while let Some(peer) = retried.recv().await {
            while dials.try_join_next().is_some() {}
            let search = self.clone();
            dials.spawn(async move { search.reach_again(peer).await });
        }
    }

    async fn dht(self) {
        let mut pause = FIRST_PAUSE;
        let mut dials = JoinSet::new();
        let mut named = BTreeSet::new();
        loop {
            let mut asked_before = 0;
            let mut answers = self
                .ctx
                .net
                .find_providers(self.root.multihash_bytes())
                .await;
            while let Some(event) = answers.recv().await {
                match event {
                    FindEvent::Asked(count) => {
                        let more = count.saturating_sub(asked_before);
                        asked_before = count;
                        self.counts.asked.fetch_add(more, Ordering::Relaxed);
                    }
                    FindEvent::Provider { peer, addrs } => {
                        let search = self.clone();
                        // A record lasts for a day: only one that was not there before tells
                        // something about now.
                        let is_new = named.len() < MAX_NAMED && named.insert(peer);
                        let why = if is_new { Why::Named } else { Why::Known };
                        dials.spawn(async move { search.reach(peer, addrs, why).await });
                    }
                    FindEvent::Finished => break,
                }
            }
            self.wait(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            while dials.try_join_next().is_some() {}
            // Who did not have it before may have it now.
            for info in self.ctx.net.peers().await {
                self.offer(info.peer, Why::Known).await;
            }
        }
    }

    /// Waits, but not on when the first peer connects: an empty DHT has nobody to ask.
    async fn wait(&self, pause: Duration) {
        if !self.ctx.net.peers().await.is_empty() {
            tokio::time::sleep(pause).await;
            return;
        }
        let mut events = self.ctx.net_events.subscribe();
        let connected = async {
            loop {
                match events.recv().await {
                    Ok(NetEvent::Identified { .. }) => return,
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                    _ => {}
                }
            }
        };
        let _ = tokio::time::timeout(pause, connected).await;
    }
}

fn hint_pause(began: Instant) -> Duration {
    if began.elapsed() < HINT_HASTE {
        HINT_PAUSES.0
    } else {
        HINT_PAUSES.1
    }
}

/// The peer id at the end of an address. For a relayed one, that is the peer behind the relay.
fn peer_in(address: &Multiaddr) -> Option<PeerId> {
    let text = address.to_string();
    let (_, peer) = text.rsplit_once("/p2p/")?;
    peer.parse().ok()
}

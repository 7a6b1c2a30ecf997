//! Finding peers: trackers are asked in their time, by a task of their own.

use super::super::addresses::From;
use super::super::names;
use super::Swarm;
use crate::context::Context;
use potluck_bittorrent::InfoHashes;
use potluck_bittorrent::announce::{Announce, AnnounceEvent, Announced, Announcer, Due};
use potluck_bittorrent_net::trackers::{self, UdpTimes};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Answers that may wait for the swarm.
const FOUND: usize = 16;
/// Orders that may wait.
const ORDERS: usize = 64;
/// Trackers that are asked at a time.
const MAX_ASKED: usize = 8;
/// Peers that are asked for.
const WANT: u32 = 100;
/// Trackers have so long to take a farewell.
const FAREWELL: Duration = Duration::from_secs(3);
/// How often the DHT is searched: it forgets after half an hour (BEP 5).
const DHT_EVERY: Duration = Duration::from_secs(15 * 60);
/// And while peers are wanting.
const DHT_SOON: Duration = Duration::from_secs(20);
/// How often it is looked whether peers are wanting.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Seeking {
    told: mpsc::Sender<Found>,
    in_dht: Option<tokio::task::JoinHandle<()>>,
    orders: mpsc::Sender<Order>,
    found: mpsc::Receiver<Found>,
    shared: Arc<Shared>,
    ended: tokio::task::JoinHandle<()>,
}

/// Where peers may be.
pub(super) struct Found {
    addresses: Vec<SocketAddr>,
    from: From,
}

enum Order {
    Add(Vec<Vec<String>>),
    Completed,
    End,
}

/// What the task and the swarm both see.
#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    received: AtomicU64,
    left: AtomicU64,
    wanting: AtomicBool,
    trouble: Mutex<Option<String>>,
}

impl Seeking {
    pub(super) fn new(ctx: &Arc<Context>, hashes: &InfoHashes) -> Self {
        let (orders, received) = mpsc::channel(ORDERS);
        let (told, found) = mpsc::channel(FOUND);
        let shared = Arc::new(Shared::default());
        // Not known yet, and not nothing: trackers would take this node for a seed.
        shared.left.store(1, Ordering::Relaxed);
        let task = Task {
            ctx: Arc::clone(ctx),
            hashes: *hashes,
            shared: Arc::clone(&shared),
            announcer: Announcer::default(),
            key: rand::random(),
            started: Instant::now(),
            told: told.clone(),
            asking: JoinSet::new(),
        };
        Self {
            told,
            in_dht: None,
            orders,
            found,
            shared,
            ended: tokio::spawn(task.run(received)),
        }
    }

    /// Looks for peers in the DHT, and says there that this node is one.
    pub(super) fn use_dht(&mut self, ctx: &Arc<Context>, hashes: &InfoHashes) {
        if self.in_dht.is_some() {
            return;
        }
        let (ctx, hashes, told) = (Arc::clone(ctx), *hashes, self.told.clone());
        let shared = Arc::clone(&self.shared);
        self.in_dht = Some(tokio::spawn(search(ctx, hashes, told, shared)));
    }

    /// Looks there no more: the torrent turned out to be private (BEP 27).
    pub(super) fn leave_dht(&mut self) {
        if let Some(task) = self.in_dht.take() {
            task.abort();
        }
    }

    pub(super) fn add_trackers(&mut self, tiers: Vec<Vec<String>>) {
        let _ = self.orders.try_send(Order::Add(tiers));
    }

    pub(super) async fn found(&mut self) -> Option<Found> {
        match self.found.recv().await {
            Some(found) => Some(found),
            None => std::future::pending().await,
        }
    }

    /// Takes note of what trackers want to be told.
    pub(super) fn update(&self, received: u64, sent: u64, left: u64, wanting: bool) {
        self.shared.received.store(received, Ordering::Relaxed);
        self.shared.sent.store(sent, Ordering::Relaxed);
        self.shared.left.store(left, Ordering::Relaxed);
        self.shared.wanting.store(wanting, Ordering::Relaxed);
    }

    pub(super) fn completed(&mut self) {
        let _ = self.orders.try_send(Order::Completed);
    }

    /// Says farewell to the trackers.
    pub(super) async fn end(mut self) {
        self.leave_dht();
        let _ = self.orders.send(Order::End).await;
        let _ = timeout(FAREWELL, self.ended).await;
    }

    /// What a tracker complained of last.
    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.shared.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Swarm {
    pub(super) fn found(&mut self, found: Found) {
        self.found_at(found.addresses, found.from);
    }

    /// Tells the seeker how the torrent stands.
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
        let wanting = left > 0 && self.members.len() < 10;
        let totals = self.totals;
        self.seeking
            .update(totals.received, totals.sent, left, wanting);
    }
}

/// Searches the DHT again and again: soon while peers are wanting, else as often as it forgets.
async fn search(
    ctx: Arc<Context>,
    hashes: InfoHashes,
    told: mpsc::Sender<Found>,
    shared: Arc<Shared>,
) {
    let Some(dht) = ctx.torrents.dht(&ctx).await else {
        return;
    };
    loop {
        for name in names(&hashes) {
            let mut peers = dht.get_peers(name);
            while let Some(peers) = peers.recv().await {
                let found = Found {
                    addresses: peers.into_iter().map(SocketAddr::V4).collect(),
                    from: From::Dht,
                };
                if told.send(found).await.is_err() {
                    return;
                }
            }
            if let Err(error) = dht.announce(name, ctx.torrents.port()).await {
                tracing::debug!(%error, "not announced in the DHT");
            }
        }
        let begun = Instant::now();
        while begun.elapsed() < DHT_EVERY {
            tokio::time::sleep(DHT_SOON).await;
            if shared.wanting.load(Ordering::Relaxed) {
                break;
            }
        }
    }
}

/// Asks the trackers of one torrent.
struct Task {
    ctx: Arc<Context>,
    hashes: InfoHashes,
    shared: Arc<Shared>,
    announcer: Announcer,
    key: u32,
    started: Instant,
    told: mpsc::Sender<Found>,
    asking: JoinSet<(usize, Result<Announced, String>)>,
}

impl Task {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            self.ask();
            let wake = self.announcer.poll_timeout();
            let now = self.started.elapsed();
            let pause = wake.map_or(LOOK_EVERY, |at| at.saturating_sub(now));
            // One that is due waits for room, which is told otherwise.
            let pause = pause.clamp(Duration::from_millis(200), LOOK_EVERY);
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Add(tiers)) => {
                        let now = self.started.elapsed();
                        self.announcer.add(now, &tiers, rand::random());
                    }
                    Some(Order::Completed) => self.announcer.completed(),
                    None | Some(Order::End) => break,
                },
                Some(asked) = self.asking.join_next() => {
                    if let Ok((tracker, answer)) = asked {
                        self.answered(tracker, answer).await;
                    }
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.farewell().await;
    }

    fn ask(&mut self) {
        let wanting = self.shared.wanting.load(Ordering::Relaxed);
        self.announcer.set_wanting(wanting);
        while self.asking.len() < MAX_ASKED {
            let Some(due) = self.announcer.poll(self.started.elapsed()) else {
                return;
            };
            self.spawn(due);
        }
    }

    fn spawn(&mut self, due: Due) {
        let announces = self.announces(due.event);
        self.asking.spawn(async move {
            let mut all: Result<Announced, String> = Err("the torrent has no name".to_owned());
            // A hybrid has peers under both of its names.
            for announce in announces {
                let answer = trackers::announce(&due.url, &announce, &UdpTimes::default()).await;
                match (answer, &mut all) {
                    (Ok(answer), Ok(known)) => known.peers.extend(answer.peers),
                    (Ok(answer), Err(_)) => all = Ok(answer),
                    (Err(error), Err(known)) => *known = error.to_string(),
                    (Err(_), Ok(_)) => {}
                }
            }
            (due.tracker, all)
        });
    }

    fn announces(&self, event: AnnounceEvent) -> Vec<Announce> {
        let shared = &self.shared;
        let announce = |infohash| Announce {
            infohash,
            peer: self.ctx.torrents.id(),
            port: self.ctx.torrents.port().unwrap_or_default(),
            uploaded: shared.sent.load(Ordering::Relaxed),
            downloaded: shared.received.load(Ordering::Relaxed),
            left: shared.left.load(Ordering::Relaxed),
            event,
            key: self.key,
            want: if event == AnnounceEvent::Stopped {
                0
            } else {
                WANT
            },
        };
        names(&self.hashes).map(announce).collect()
    }

    async fn answered(&mut self, tracker: usize, answer: Result<Announced, String>) {
        let now = self.started.elapsed();
        let trouble = match &answer {
            Ok(answer) => {
                self.announcer.answered(now, tracker, answer);
                None
            }
            Err(reason) => {
                self.announcer.failed(now, tracker, reason.clone());
                let url = self.announcer.trackers().get(tracker);
                let url = url.map_or("", |tracker| tracker.url.as_str());
                let host = url.split('/').nth(2).unwrap_or(url);
                Some(format!("tracker {}: {reason}", crate::errors::clip(host)))
            }
        };
        *self
            .shared
            .trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = trouble;
        if let Ok(answer) = answer
            && !answer.peers.is_empty()
        {
            let found = Found {
                addresses: answer.peers,
                from: From::Tracker,
            };
            let _ = self.told.send(found).await;
        }
    }

    /// Trackers that know this node are told that it goes.
    async fn farewell(mut self) {
        self.asking.abort_all();
        for due in self.announcer.farewells().into_iter().take(MAX_ASKED) {
            self.spawn(due);
        }
        while self.asking.join_next().await.is_some() {}
    }
}

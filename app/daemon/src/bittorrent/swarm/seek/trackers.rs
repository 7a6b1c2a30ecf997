//! Trackers are asked in their time, by a task of their own.

mod trouble;

use super::super::super::addresses::From;
use super::{Facts, Found};
use crate::context::Context;
use potluck_bittorrent::InfoHashes;
use potluck_bittorrent::tracker::{
    AnnounceEvent, AnnounceReply, AnnounceRequest, Announcer, Ask, AskId,
};
use potluck_bittorrent_net::tracker::{TrackerClient, TrackerError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
pub(in crate::bittorrent) use trouble::Trouble;

/// Orders that may wait.
const ORDERS: usize = 64;
/// Trackers of one torrent that are asked at a time.
const MAX_ASKED: usize = 8;
/// Peers that are asked for.
const WANT: u32 = 100;
/// Trackers have so long to take a farewell.
const FAREWELL: Duration = Duration::from_secs(3);
/// How often it is looked whether peers are wanting.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// And the least pause between two looks, should something be due and not done.
const LEAST_PAUSE: Duration = Duration::from_millis(20);

enum Order {
    Add(Vec<Vec<String>>),
    Private,
    Completed,
    End,
}

/// See the module.
pub(super) struct Trackers {
    orders: mpsc::Sender<Order>,
    troubles: watch::Receiver<Arc<[Trouble]>>,
    task: JoinHandle<()>,
}

impl Trackers {
    /// Starts the task, which has nothing to do until trackers are added.
    pub(super) fn start(
        ctx: &Arc<Context>,
        hashes: &InfoHashes,
        facts: Arc<Facts>,
        told: mpsc::Sender<Found>,
    ) -> Self {
        let (orders, received) = mpsc::channel(ORDERS);
        let (troubles, watched) = watch::channel(Arc::from([]));
        let task = Task {
            ctx: Arc::clone(ctx),
            facts,
            announcer: Announcer::new(hashes),
            key: rand::random(),
            started: Instant::now(),
            told,
            asking: JoinSet::new(),
            asked: BTreeMap::new(),
            troubles,
        };
        Self {
            orders,
            troubles: watched,
            task: tokio::spawn(task.run(received)),
        }
    }

    pub(super) fn add(&self, tiers: Vec<Vec<String>>) {
        self.order(Order::Add(tiers));
    }

    /// One tracker is used at a time from now on (BEP 27).
    pub(super) fn go_private(&self) {
        self.order(Order::Private);
    }

    pub(super) fn completed(&self) {
        self.order(Order::Completed);
    }

    fn order(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            tracing::debug!("the trackers of a torrent take no more orders");
        }
    }

    pub(super) fn troubles(&self) -> Arc<[Trouble]> {
        Arc::clone(&self.troubles.borrow())
    }

    /// Tells the trackers that know this node that it goes.
    pub(super) async fn end(&mut self) {
        let _ = self.orders.send(Order::End).await;
        if timeout(FAREWELL, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

type Answer = Result<AnnounceReply, TrackerError>;
type Asked = Result<(tokio::task::Id, Answer), JoinError>;

/// Asks the trackers of one torrent.
struct Task {
    ctx: Arc<Context>,
    facts: Arc<Facts>,
    announcer: Announcer,
    key: u32,
    started: Instant,
    told: mpsc::Sender<Found>,
    asking: JoinSet<Answer>,
    /// What is being asked, by the tasks of it.
    asked: BTreeMap<tokio::task::Id, AskId>,
    troubles: watch::Sender<Arc<[Trouble]>>,
}

impl Task {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut port = self.ctx.torrents.announced_port();
        loop {
            let announced = self.ctx.torrents.announced_port();
            if std::mem::replace(&mut port, announced).is_some_and(|old| Some(old) != announced) {
                self.announcer.renew(self.started.elapsed());
            }
            self.announcer.set_wanting(self.facts.is_wanting());
            self.ask();
            self.tell_troubles();
            let pause = self.pause();
            tokio::select! {
                order = orders.recv() => match order {
                    None | Some(Order::End) => break,
                    Some(order) => self.take(order),
                },
                Some(asked) = self.asking.join_next_with_id() => self.answered(asked).await,
                () = sleep(pause) => {}
            }
        }
        self.farewell().await;
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Add(tiers) => {
                let now = self.started.elapsed();
                self.announcer.add_tiers(now, &tiers, rand::random());
            }
            Order::Private => self.announcer.set_private(),
            Order::Completed => self.announcer.completed(),
            Order::End => {}
        }
    }

    /// Until there may be something to do, but for what is heard meanwhile.
    fn pause(&self) -> Duration {
        if self.asking.len() >= MAX_ASKED {
            return LOOK_EVERY;
        }
        let due = self.announcer.poll_timeout();
        let pause = due.map(|at| at.saturating_sub(self.started.elapsed()));
        pause.unwrap_or(LOOK_EVERY).clamp(LEAST_PAUSE, LOOK_EVERY)
    }

    /// Asks whom it is time to ask.
    fn ask(&mut self) {
        while self.asking.len() < MAX_ASKED {
            let Some(ask) = self.announcer.poll(self.started.elapsed()) else {
                return;
            };
            let (id, request) = (ask.id, self.request(&ask));
            match self.ctx.torrents.tracker_client() {
                Ok(client) => {
                    let task = self.asking.spawn(announce(client, request, ask.url));
                    self.asked.insert(task.id(), id);
                }
                Err(error) => self.failed(id, &error),
            }
        }
    }

    fn request(&self, ask: &Ask) -> AnnounceRequest {
        let facts = &self.facts;
        let is_last = ask.event == AnnounceEvent::Stopped;
        AnnounceRequest {
            infohash: ask.infohash,
            peer_id: self.ctx.torrents.id(),
            port: self.ctx.torrents.announced_port().unwrap_or_default(),
            uploaded: facts.sent.load(Ordering::Relaxed),
            downloaded: facts.received.load(Ordering::Relaxed),
            left: facts.left.load(Ordering::Relaxed),
            event: ask.event,
            num_want: Some(if is_last { 0 } else { WANT }),
            key: self.key,
            tracker_id: ask.tracker_id.clone(),
            ip: None,
            ipv6: None,
        }
    }

    async fn answered(&mut self, asked: Asked) {
        let (task, answer) = match asked {
            Ok((task, answer)) => (task, Some(answer)),
            Err(error) => (error.id(), None),
        };
        let Some(id) = self.asked.remove(&task) else {
            return;
        };
        match answer {
            Some(Ok(reply)) => {
                let now = self.started.elapsed();
                self.announcer.handle_reply(now, id, &reply);
                if !reply.peers.is_empty() {
                    let found = Found {
                        addresses: reply.peers,
                        from: From::Tracker,
                    };
                    let _ = self.told.send(found).await;
                }
            }
            Some(Err(error)) => self.failed(id, &error),
            None => self.failed(id, &TrackerError::Silent),
        }
    }

    fn failed(&mut self, id: AskId, error: &TrackerError) {
        let now = self.started.elapsed();
        let reason = error.to_string();
        self.announcer
            .handle_failure(now, id, &reason, error.retry());
    }

    fn tell_troubles(&self) {
        let troubles = trouble::all(&self.announcer.status());
        self.troubles.send_if_modified(|told| {
            let is_news = **told != *troubles;
            if is_news {
                *told = troubles.into();
            }
            is_news
        });
    }

    /// Trackers that know this node are told that it goes. What they are asked now is given up.
    async fn farewell(mut self) {
        self.asking.abort_all();
        for id in std::mem::take(&mut self.asked).into_values() {
            self.failed(id, &TrackerError::Silent);
        }
        while self.asking.join_next().await.is_some() {}
        self.announcer.stop();
        loop {
            self.ask();
            match self.asking.join_next_with_id().await {
                Some(asked) => self.answered(asked).await,
                None => return,
            }
        }
    }
}

async fn announce(client: TrackerClient, request: AnnounceRequest, url: String) -> Answer {
    client.announce(&url, &request).await
}

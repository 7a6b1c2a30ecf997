//! One torrent: its peers, what is asked of whom, and who may ask us. One task owns all of it.

mod blocked;
mod dial;
mod guests;
mod learn;
mod lend;
mod members;
mod news;
mod phases;
mod plan;
mod punch;
mod report;
mod seek;
mod show;

use super::addresses::{Addresses, From};
use super::allowance::Allowances;
use super::content::Content;
use super::copies::Copies;
use super::fetching::{Borrower, Registered};
use super::hello::Hello;
use super::loan::Borrowed;
use super::news::PeerNews;
use super::users::Users;
use super::{Incoming, PeerKey};
use crate::context::Context;
use dial::Dialed;
use learn::Learning;
use members::Member;
use plan::Plan;
use potluck_bittorrent::choke::{Choker, SuperSeed};
use potluck_bittorrent::holepunch::Introductions;
use potluck_bittorrent::{InfoHashes, Metainfo};
use potluck_store::{TorrentDownload, TorrentReader};
use potluck_transfer::Order;
pub(super) use report::{Snapshot, TorrentPeer};
use seek::Seeking;
pub(super) use seek::Trouble;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// News of connections that may wait before those are held back.
const NEWS: usize = 1024;
/// Requests to a swarm that may wait.
pub(super) const REQUESTS: usize = 64;
/// How often it is told how things stand.
const TICK: Duration = Duration::from_millis(250);

/// What others ask of a swarm.
pub(super) enum Request {
    /// Somebody connected to this node for this torrent.
    Incoming(Box<Incoming>),
    /// Where peers may be.
    Addresses(Vec<SocketAddr>, From),
    /// Web servers that may have it.
    WebSeeds(Vec<String>),
    /// It may be asked for in the DHT and on the local network: it is not private.
    Public,
    /// Trackers that are to be asked too.
    Trackers(Vec<Vec<String>>),
    /// The torrent is known, without asking peers.
    Know(Arc<Metainfo>),
    /// Fetch it.
    Download(Box<NewDownload>),
    /// Ask a peer of another torrent, which has the same files.
    Borrow(Box<Borrowed>),
    /// Lend this torrent's peers to another one, which has the same files.
    Lend(Box<Borrower>),
    /// Serve what is here from now on.
    Serve(Arc<TorrentReader>),
    /// Fetch no more: it is done, or nobody waits for it.
    StopDownload,
}

/// A download that begins.
pub(super) struct NewDownload {
    pub(super) download: Arc<TorrentDownload>,
    pub(super) content: Arc<Content>,
    pub(super) order: Order,
    /// What is on this machine already.
    pub(super) copies: Copies,
    /// Torrents that fetch some of its files already.
    pub(super) borrowers: Vec<Borrower>,
    pub(super) registered: Registered,
}

/// How to reach a swarm.
#[derive(Clone)]
pub(super) struct SwarmHandle {
    pub(super) hashes: InfoHashes,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) status: watch::Receiver<Arc<Snapshot>>,
    pub(super) stop: CancellationToken,
    pub(super) users: Users,
    /// How fast its bytes may pass.
    pub(super) allowances: Allowances,
}

impl SwarmHandle {
    /// Asks something of the swarm; it may have ended.
    pub(super) async fn ask(&self, request: Request) {
        let _ = self.requests.send(request).await;
    }

    /// Ends the swarm, whoever needs it.
    pub(super) fn end(&self) {
        self.users.end();
        self.stop.cancel();
    }
}

/// See the module.
pub(super) struct Swarm {
    ctx: Arc<Context>,
    hashes: InfoHashes,
    content: Option<Arc<Content>>,
    members: BTreeMap<PeerKey, Member>,
    next_key: u64,
    addresses: Addresses,
    dialing: JoinSet<Dialed>,
    /// Who can bring this node together with whom.
    introductions: Introductions<PeerKey>,
    /// Where connections are being made with help.
    punching: BTreeSet<SocketAddr>,
    choker: Choker<PeerKey>,
    learning: Learning,
    plan: Option<Plan>,
    seeking: Seeking,
    /// What is shown to whom, while pieces are shown one by one.
    showing: Option<SuperSeed<PeerKey>>,
    web_seeds: Vec<String>,
    /// Torrents for which peers of this one are asked.
    borrowers: Vec<Borrower>,
    /// When peers were last offered to those.
    offered: Instant,
    allowances: Allowances,
    /// The blocklist that its peers were held against.
    blocklist_version: u64,
    news: mpsc::Sender<PeerNews>,
    status: watch::Sender<Arc<Snapshot>>,
    totals: Totals,
    /// Bytes of pieces by who made them whole.
    delivered: BTreeMap<String, u64>,
    failure: Option<(String, bool)>,
    /// Peers that are refused, and why; the last few.
    banned: Vec<(String, String)>,
    started: Instant,
}

/// Bytes since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) received: u64,
    pub(super) wasted: u64,
    pub(super) sent: u64,
}

/// Starts the task of a torrent.
pub(super) fn start(ctx: &Arc<Context>, hashes: InfoHashes) -> SwarmHandle {
    let (requests, received) = mpsc::channel(REQUESTS);
    let (news, incoming) = mpsc::channel(NEWS);
    let (status, watched) = watch::channel(Arc::new(Snapshot::default()));
    let stop = ctx.shutdown.child_token();
    let allowances = Allowances::new(ctx);
    let swarm = Swarm {
        ctx: Arc::clone(ctx),
        hashes,
        content: None,
        members: BTreeMap::new(),
        next_key: 0,
        addresses: Addresses::default(),
        dialing: JoinSet::new(),
        introductions: Introductions::default(),
        punching: BTreeSet::new(),
        choker: Choker::new(Duration::ZERO, allowances.choking()),
        learning: Learning::new(hashes),
        plan: None,
        seeking: Seeking::new(ctx, &hashes),
        showing: None,
        web_seeds: Vec::new(),
        borrowers: Vec::new(),
        offered: Instant::now(),
        allowances: allowances.clone(),
        blocklist_version: 0,
        news,
        status,
        totals: Totals::default(),
        delivered: BTreeMap::new(),
        failure: None,
        banned: Vec::new(),
        started: Instant::now(),
    };
    let ended = stop.clone();
    let registry = Arc::clone(ctx);
    let users = Users::default();
    let used = users.clone();
    ctx.torrents.tasks.spawn(async move {
        swarm.run(received, incoming, ended, used).await;
        registry.torrents.ended(&hashes);
    });
    SwarmHandle {
        hashes,
        requests,
        status: watched,
        stop,
        users,
        allowances,
    }
}

impl Swarm {
    /// Time as the machines count it.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut incoming: mpsc::Receiver<PeerNews>,
        stop: CancellationToken,
        users: Users,
    ) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.act();
            let wake = self.wake();
            let content = self.content.clone();
            tokio::select! {
                () = stop.cancelled() => break,
                request = requests.recv() => match request {
                    None => break,
                    Some(Request::StopDownload) => self.stop_download().await,
                    Some(request) => self.asked(request),
                },
                Some(news) = incoming.recv() => self.heard(news),
                Some(dialed) = self.dialing.join_next() => {
                    if let Ok(dialed) = dialed {
                        self.dialed(dialed);
                    }
                }
                Some(found) = self.seeking.found() => self.found(found),
                () = sleep_until(wake) => {}
                () = readers(content) => {}
                _ = ticks.tick() => {
                    let dead = self.dead();
                    // Why a connection ended was said before it did, and may wait here.
                    for _ in 0..incoming.len() {
                        let Ok(news) = incoming.try_recv() else { break };
                        self.heard(news);
                    }
                    self.tick(dead);
                }
            }
        }
        users.end();
        // What was sent at last counts too.
        while let Ok(news) = incoming.try_recv() {
            self.heard(news);
        }
        self.report();
        if let Some(plan) = self.plan.take() {
            self.members.clear();
            plan.close().await;
        }
        self.members.clear();
        // Whoever asks something now learns at once that nobody hears it.
        requests.close();
        drop(requests);
        self.seeking.end().await;
    }

    fn asked(&mut self, request: Request) {
        match request {
            Request::Incoming(incoming) => self.admit(*incoming),
            Request::Addresses(addresses, from) => self.found_at(addresses, from),
            Request::WebSeeds(urls) => self.web_seeds.extend(urls),
            Request::Public => self.seeking.go_public(&self.ctx, &self.hashes),
            Request::Trackers(tiers) => self.seeking.add_trackers(tiers),
            Request::Know(metainfo) => {
                if metainfo.info().is_private() {
                    self.seeking.go_private();
                }
                self.learning.know(metainfo, self.members.keys().copied());
                self.report();
            }
            Request::Download(new) => self.download(*new),
            Request::Borrow(borrowed) => self.borrow(*borrowed),
            Request::Lend(borrower) => self.lend_to(*borrower),
            Request::Serve(reader) => self.serve(&reader),
            Request::StopDownload => {}
        }
    }

    fn found_at(&mut self, addresses: Vec<SocketAddr>, from: From) {
        let now = Instant::now();
        for address in addresses {
            if self.ctx.torrents.blocked.ignores(address.ip()) {
                continue;
            }
            self.addresses.add(address, from, now);
        }
    }

    /// Does what the machines say.
    fn act(&mut self) {
        self.act_on_plan();
        self.act_on_learning();
        let now = self.now();
        if self.choker.poll_timeout().is_some_and(|due| due <= now) {
            self.choker.handle_timeout(now, rand::random());
        }
        while let Some(change) = self.choker.poll() {
            if let Some(member) = self.members.get_mut(&change.peer) {
                member.tell(super::news::Command::Choke(change.choke));
            }
        }
        self.show();
        self.dial();
    }

    /// When a machine wants to be called again.
    fn wake(&self) -> Option<tokio::time::Instant> {
        let plan = self.plan.as_ref().and_then(Plan::timeout);
        let plan = plan.map(|at| self.ctx.clock.instant(at));
        let others = [
            self.choker.poll_timeout(),
            self.learning.timeout(),
            self.showing.as_ref().and_then(SuperSeed::poll_timeout),
        ];
        let others = others.into_iter().flatten();
        let others = others.map(|at| tokio::time::Instant::from_std(self.started + at));
        others.chain(plan).min()
    }

    fn tick(&mut self, dead: Vec<PeerKey>) {
        self.tick_plan();
        self.tick_blocked();
        self.tick_members(dead);
        self.choker
            .set_config(self.now(), self.allowances.choking());
        self.tick_loans();
        self.tick_seeking();
        self.tick_showing();
        self.report();
    }
}

/// Waits until who reads changes.
async fn readers(content: Option<Arc<Content>>) {
    match content {
        Some(content) => content.readers.asked().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What a new connection brings.
struct Connected<S> {
    stream: S,
    hello: Hello,
    address: SocketAddr,
    is_outgoing: bool,
    was_punched: bool,
}

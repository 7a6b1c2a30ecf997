//! `BitTorrent`: torrents are fetched from its peers, and served to them.

mod addresses;
mod allowance;
mod assembly;
mod blocked;
mod check;
mod content;
mod copies;
mod copy_peer;
mod dht;
mod fetching;
mod get;
mod goals;
mod greeting;
mod hello;
mod ledger;
mod list;
mod listen;
mod loan;
mod lsd;
mod natives;
mod news;
mod owner;
mod peer;
mod port_mapping;
mod queue;
mod reach;
mod readers;
mod reading;
mod seed;
mod share;
mod source;
mod swarm;
mod users;
mod watch;
mod web_peer;

pub(crate) use blocked::keep_blocklist;
pub(crate) use get::get;
pub(crate) use ledger::{keep, open_all, settle};
pub(crate) use list::{address, list, remove, status, tracker_troubles, transfers};
pub(crate) use owner::limit;
pub(crate) use reading::{Torrent, find, read};
pub(crate) use seed::{resume, seed};
pub(crate) use share::share;
pub(crate) use source::{hashes_of, is_torrent};
pub(crate) use watch::watch;

use crate::config::{self, Config, SuperSeeding};
use crate::context::Context;
use crate::errors;
use blocked::Blocked;
use fetching::Fetching;
use hello::Hello;
use ledger::Ledger;
use potluck_api::ErrorBody;
use potluck_bittorrent::wire::PeerId;
use potluck_bittorrent::{InfoHashV1, InfoHashes};
use potluck_bittorrent_net::dht::DhtHandle;
use potluck_bittorrent_net::lsd::Lsd;
use potluck_bittorrent_net::port_mapping::PortMapper;
use potluck_bittorrent_net::stream::{Encryption, PeerStream};
use potluck_bittorrent_net::tracker::{TrackerClient, TrackerError, TrackerTimes};
use potluck_bittorrent_net::utp::UtpEndpoint;
use queue::Queue;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use swarm::SwarmHandle;
use tokio::sync::{Mutex as AsyncMutex, watch as latest};
use tokio_util::task::TaskTracker;
use users::Use;
use watch::Watched;

/// How long swarms may take to end.
const ENDING: Duration = Duration::from_secs(4);

/// How this machine is called among the sources of a torrent.
const HERE: &str = "this machine";

/// Names a connection within its torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PeerKey(pub(crate) u64);

/// Somebody who connected to this node.
pub(crate) struct Incoming {
    stream: PeerStream,
    hello: Hello,
    address: SocketAddr,
}

/// All torrents of a node.
pub(crate) struct Torrents {
    id: PeerId,
    config: Mutex<Settings>,
    swarms: Mutex<BTreeMap<InfoHashV1, SwarmHandle>>,
    /// The port where this node listens, once a torrent made it listen.
    listening: AsyncMutex<()>,
    port: Mutex<Option<u16>>,
    utp: Mutex<Option<Arc<UtpEndpoint>>>,
    /// Asks the router for the port.
    mapper: Mutex<Option<PortMapper>>,
    tasks: TaskTracker,
    dht: AsyncMutex<Option<DhtHandle>>,
    /// Those that are being fetched.
    fetching: Arc<Fetching>,
    lsd: Mutex<Option<Arc<Lsd>>>,
    trackers: OnceLock<TrackerClient>,
    checks: check::Checks,
    ledger: Ledger,
    blocked: Blocked,
    queue: Queue,
    watched: Watched,
    /// Told when the owner changes settings.
    rules: latest::Sender<()>,
}

/// What the owner allows.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) enabled: bool,
    pub(crate) port: u16,
    pub(crate) tcp: bool,
    pub(crate) utp: bool,
    pub(crate) encryption: Encryption,
    pub(crate) dht: bool,
    pub(crate) dht_nodes: Vec<String>,
    /// Peers on the local network are looked for, and told of this node's torrents.
    pub(crate) lsd: bool,
    /// The router is asked to have the port lead here.
    pub(crate) map_ports: bool,
    pub(crate) super_seeding: SuperSeeding,
    /// The node lives only as long as a command.
    pub(crate) in_command: bool,
}

impl Settings {
    /// Those of a config file. A node within a command takes any port that is free; one that is kept
    /// out of the local network looks for no peers there, and asks no router.
    pub(crate) fn of(config: &Config, in_command: bool, no_lan: bool) -> Self {
        let port = config.bittorrent.port;
        Self {
            enabled: config.bittorrent.enabled,
            port: if in_command { 0 } else { port },
            tcp: config.bittorrent.tcp,
            utp: config.bittorrent.utp,
            encryption: match config.bittorrent.encryption {
                config::Encryption::Prefer => Encryption::Prefer,
                config::Encryption::Require => Encryption::Require,
                config::Encryption::Off => Encryption::Off,
            },
            dht: config.bittorrent.dht,
            dht_nodes: config.bittorrent.dht_nodes.clone(),
            lsd: config.bittorrent.lsd && config.net.lan && !no_lan,
            map_ports: config.net.lan && !no_lan,
            super_seeding: config.bittorrent.super_seeding,
            in_command,
        }
    }
}

/// The answer when the owner wants no torrents.
fn switched_off() -> ErrorBody {
    errors::failed(
        "BitTorrent is switched off",
        "switch it on with 'potluck config set bittorrent.enabled true'",
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Torrents {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            id: new_id(),
            config: Mutex::new(settings),
            swarms: Mutex::default(),
            listening: AsyncMutex::default(),
            port: Mutex::default(),
            utp: Mutex::default(),
            mapper: Mutex::default(),
            tasks: TaskTracker::new(),
            dht: AsyncMutex::default(),
            fetching: Arc::default(),
            lsd: Mutex::default(),
            trackers: OnceLock::new(),
            checks: check::Checks::default(),
            ledger: Ledger::default(),
            blocked: Blocked::default(),
            queue: Queue::default(),
            watched: Watched::default(),
            rules: latest::Sender::default(),
        }
    }

    /// The owner has changed settings; those in force are in the context.
    pub(crate) fn follow_rules(&self) {
        self.rules.send_replace(());
    }

    /// How this node calls itself to peers.
    fn id(&self) -> PeerId {
        self.id
    }

    fn settings(&self) -> Settings {
        lock(&self.config).clone()
    }

    fn encryption(&self) -> Encryption {
        lock(&self.config).encryption
    }

    /// Where peers reach this node.
    fn port(&self) -> Option<u16> {
        *lock(&self.port)
    }

    /// Asks trackers, for all torrents: what one learns of a tracker serves the others.
    ///
    /// # Errors
    /// When TLS can't be set up.
    fn tracker_client(&self) -> Result<TrackerClient, TrackerError> {
        if let Some(client) = self.trackers.get() {
            return Ok(client.clone());
        }
        let made = TrackerClient::new(TrackerTimes::default())?;
        Ok(self.trackers.get_or_init(|| made).clone())
    }

    /// What makes connections over uTP, once this node listens.
    fn utp(&self) -> Option<Arc<UtpEndpoint>> {
        lock(&self.utp).clone()
    }

    /// The swarm of a torrent by one of its names.
    fn find(&self, name: &InfoHashV1) -> Option<SwarmHandle> {
        lock(&self.swarms).get(name).cloned()
    }

    /// Whether a torrent is served or fetched now.
    fn is_active(&self, hashes: &InfoHashes) -> bool {
        let is_open = |swarm: SwarmHandle| !swarm.users.has_ended();
        names(hashes).any(|name| self.find(&name).is_some_and(is_open))
    }

    /// The swarm of a torrent, which is started if there is none. It ends with its last user, unless it
    /// seeds.
    fn join(&self, ctx: &Arc<Context>, hashes: InfoHashes) -> Use {
        let mut swarms = lock(&self.swarms);
        let known = names(&hashes).find_map(|name| swarms.get(&name).cloned());
        if let Some(known) = known.and_then(Use::begin) {
            return known;
        }
        let handle = swarm::start(ctx, hashes);
        for name in names(&hashes) {
            swarms.insert(name, handle.clone());
        }
        Use::first(handle)
    }

    /// Waits until all swarms have ended, which they do when the node shuts down: downloads make a last
    /// checkpoint, trackers are told.
    pub(crate) async fn end(&self) {
        self.tasks.close();
        let ending = async {
            self.tasks.wait().await;
            self.end_lsd();
            lock(&self.utp).take();
            self.end_dht().await;
        };
        let _ = tokio::time::timeout(ENDING, ending).await;
        // Trackers are told farewell under the port that they know.
        self.end_mapping().await;
    }

    /// A swarm has ended.
    fn ended(&self, hashes: &InfoHashes) {
        let mut swarms = lock(&self.swarms);
        for name in names(hashes) {
            if swarms
                .get(&name)
                .is_some_and(|known| known.users.has_ended())
            {
                swarms.remove(&name);
            }
        }
    }
}

/// The names by which a torrent is asked for.
fn names(hashes: &InfoHashes) -> impl Iterator<Item = InfoHashV1> + use<> {
    let v2 = hashes.v2.map(|hash| hash.truncated());
    [hashes.v1, v2].into_iter().flatten()
}

/// The address of a source that has none: it can be neither dialed nor refused by it.
fn guest_address() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 0))
}

/// A name for this run of the node: who watches can't tell two runs to be of one node (BEP 20).
fn new_id() -> PeerId {
    let mut id = *b"-PL0010-000000000000";
    let random: [u8; 12] = rand::random();
    id[8..].copy_from_slice(&random);
    PeerId::from_bytes(id)
}

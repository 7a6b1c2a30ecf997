//! The cheap handle to the actor that owns the swarm.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use libp2p::{Multiaddr, PeerId};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    Channel, DialError, FindEvent, NetConfig, NetEvent, OpenError, PeerInfo, Pipe, ProvideError,
    Reachability, StartError, Traffic,
    actor::{self, Command},
    bulk::{self, Identity},
    counters::Counters,
    routes::RouteControl,
};

/// How long a dial may take in all.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(15);

/// How long opening a pipe on a live connection may take.
pub(crate) const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Steps of a search that may wait to be read.
pub(crate) const FIND_QUEUE: usize = 512;

/// Announcements of one key that may wait to be read.
const ANNOUNCED_QUEUE: usize = 16;

/// Starts a node. Returns once it listens; peers can connect from then on.
///
/// The first receiver gives events, the second the pipes that peers open. Pipes that nobody takes
/// in time are refused.
///
/// # Errors
/// When the node cannot listen on one of the configured addresses.
pub async fn start(
    config: NetConfig,
) -> Result<(NetHandle, mpsc::Receiver<NetEvent>, mpsc::Receiver<Pipe>), StartError> {
    actor::start(config).await
}

/// A running node. Clones are handles to the same node; it stops when the last one is dropped.
#[derive(Debug, Clone)]
pub struct NetHandle {
    commands: mpsc::Sender<Command>,
    routes: RouteControl,
    identity: Identity,
    shared: Arc<Shared>,
}

/// What can be read without asking the actor.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) peer: PeerId,
    pub(crate) addresses: ArcSwap<Vec<Multiaddr>>,
    pub(crate) total: Arc<Counters>,
    reachability: AtomicU8,
}

impl Shared {
    pub(crate) fn new(peer: PeerId) -> Self {
        Self {
            peer,
            addresses: ArcSwap::default(),
            total: Arc::default(),
            reachability: AtomicU8::new(0),
        }
    }

    pub(crate) fn reachability(&self) -> Reachability {
        match self.reachability.load(Ordering::Relaxed) {
            1 => Reachability::Public,
            2 => Reachability::Private,
            _ => Reachability::Unknown,
        }
    }

    pub(crate) fn set_reachability(&self, reachability: Reachability) {
        let code = match reachability {
            Reachability::Unknown => 0,
            Reachability::Public => 1,
            Reachability::Private => 2,
        };
        self.reachability.store(code, Ordering::Relaxed);
    }
}

impl NetHandle {
    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        routes: RouteControl,
        identity: Identity,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            commands,
            routes,
            identity,
            shared,
        }
    }

    /// Who this node is.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.shared.peer
    }

    /// Where this node can be reached, as far as it knows; each ends in `/p2p/<peer id>`. What
    /// reaches farthest comes first, ways through relays come last.
    #[must_use]
    pub fn listen_addresses(&self) -> Vec<Multiaddr> {
        self.shared.addresses.load().to_vec()
    }

    /// Whether peers on the internet can connect to this node.
    #[must_use]
    pub fn reachability(&self) -> Reachability {
        self.shared.reachability()
    }

    /// Bytes moved through all pipes since the start.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.shared.total.traffic()
    }

    /// Connects to an address and waits for it. When the address names a peer that is connected
    /// already, nothing is dialed.
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn dial(&self, address: Multiaddr) -> Result<PeerId, DialError> {
        self.dialing(|reply| Command::Dial { address, reply }).await
    }

    /// Connects to a peer by any of the addresses, or by others that the node knows, and waits
    /// for it. When the peer is connected already, nothing is dialed.
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn connect(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> Result<(), DialError> {
        self.dialing(|reply| Command::Connect {
            peer,
            addresses,
            reply,
        })
        .await
        .map(drop)
    }

    /// The connected peers.
    pub async fn peers(&self) -> Vec<PeerInfo> {
        self.ask(|reply| Command::Peers { reply })
            .await
            .unwrap_or_default()
    }

    /// Announces, now and again, that this node provides the key.
    ///
    /// # Errors
    /// See [`ProvideError`].
    pub async fn provide(&self, key: Vec<u8>) -> Result<(), ProvideError> {
        self.ask(|reply| Command::Provide { key, reply })
            .await
            .unwrap_or(Err(ProvideError::Closed))
    }

    /// Stops announcing the key. Others forget it when their record expires.
    pub async fn stop_providing(&self, key: Vec<u8>) {
        self.tell(Command::StopProviding { key }).await;
    }

    /// Looks for providers of the key in the distributed hash table. The search ends by itself,
    /// or when the receiver is dropped. Peers that are connected are not asked in another way.
    pub async fn find_providers(&self, key: Vec<u8>) -> mpsc::Receiver<FindEvent> {
        let (found, events) = mpsc::channel(FIND_QUEUE);
        self.tell(Command::Find { key, found }).await;
        events
    }

    /// Peers that announce the key to this node from now on, which happens to be one of those that
    /// keep the key's records; as the peers themselves say. Ends when the receiver is dropped, and
    /// at once when too many listen.
    pub async fn announcements(&self, key: Vec<u8>) -> mpsc::Receiver<PeerId> {
        let (announced, peers) = mpsc::channel(ANNOUNCED_QUEUE);
        self.tell(Command::Listen { key, announced }).await;
        peers
    }

    /// Opens a pipe on the best live connection with the peer. It never dials.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(&self, peer: PeerId, channel: Channel) -> Result<Pipe, OpenError> {
        if self.commands.is_closed() {
            return Err(OpenError::Closed);
        }
        let answer = self.routes.request(&peer, channel)?;
        match timeout(OPEN_TIMEOUT, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(OpenError::Io("the connection was closed".to_owned())),
            Err(_) => Err(OpenError::Timeout {
                after: OPEN_TIMEOUT,
            }),
        }
    }

    /// Opens a bulk lane to a connected peer: a TCP connection of its own, many times faster than a
    /// pipe on a connection. `None` when the peer cannot be reached that way; it is then not tried
    /// again for a while.
    pub async fn open_lane(&self, peer: PeerId) -> Option<Pipe> {
        bulk::dial(&self.identity, &self.routes, peer).await
    }

    /// Notes that a lane to the peer was of no use, so that none is opened again for a while.
    pub fn lane_failed(&self, peer: &PeerId) {
        self.routes.no_lane(peer);
    }

    /// Closes all connections with the peer and refuses new ones.
    pub async fn ban(&self, peer: PeerId) {
        self.ask(|reply| Command::Ban { peer, reply }).await;
    }

    /// Lets the peer connect again.
    pub async fn unban(&self, peer: PeerId) {
        self.ask(|reply| Command::Unban { peer, reply }).await;
    }

    /// Closes all connections with the peer.
    pub async fn disconnect(&self, peer: PeerId) {
        self.tell(Command::Disconnect { peer }).await;
    }

    /// Closes everything and waits until it is closed.
    pub async fn shutdown(&self) {
        self.tell(Command::Shutdown).await;
        self.commands.closed().await;
    }

    async fn dialing(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<PeerId, DialError>>) -> Command,
    ) -> Result<PeerId, DialError> {
        match timeout(DIAL_TIMEOUT, self.ask(command)).await {
            Ok(Some(result)) => result,
            Ok(None) => Err(DialError::Closed),
            Err(_) => Err(DialError::Timeout {
                after: DIAL_TIMEOUT,
            }),
        }
    }

    /// Sends a command and waits for the answer; `None` when the node is shutting down.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.tell(command(reply)).await;
        answer.await.ok()
    }

    async fn tell(&self, command: Command) {
        // A closed channel means that the node is shutting down: the answer never comes, and
        // who waits for it sees that.
        let _ = self.commands.send(command).await;
    }
}

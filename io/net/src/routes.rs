//! The behaviour that opens and accepts pipes.
//!
//! It differs from a generic stream behaviour in what matters here: a new pipe goes over the best
//! connection with the peer, opening never dials, openings do not wait for each other, and what
//! comes in is bounded.

mod bulk_routes;
mod handler;

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, multiaddr::Protocol, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
};

use self::{
    bulk_routes::{BulkRoutes, Remote},
    handler::RouteHandler,
};
use crate::{
    Channel, OpenError, Path, Pipe,
    bulk::Admitted,
    counters::{Counters, Meter},
};

/// Openings that may wait in a connection's queue.
const OPEN_QUEUE: usize = 32;

/// A pipe that someone wants on a connection.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    channel: Channel,
    reply: oneshot::Sender<Result<Pipe, OpenError>>,
}

/// Live connections, best first for each peer.
#[derive(Debug)]
struct Routes {
    peers: HashMap<PeerId, PeerRoutes>,
    total: Arc<Counters>,
    max_pipes_per_peer: u32,
}

#[derive(Debug, Default)]
struct PeerRoutes {
    counters: Arc<Counters>,
    connections: Vec<Connection>,
    bulk: BulkRoutes,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    rank: (Path, bool),
    sender: mpsc::Sender<OpenRequest>,
    remote: Remote,
}

/// Opens pipes on live connections, from any task.
#[derive(Debug, Clone)]
pub(crate) struct RouteControl {
    routes: Arc<Mutex<Routes>>,
}

impl RouteControl {
    /// Asks for a pipe on the best connection with the peer.
    pub(crate) fn request(
        &self,
        peer: &PeerId,
        channel: Channel,
    ) -> Result<oneshot::Receiver<Result<Pipe, OpenError>>, OpenError> {
        let sender = self.best(peer).ok_or(OpenError::NotConnected)?;
        let (reply, receiver) = oneshot::channel();
        sender
            .try_send(OpenRequest { channel, reply })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => OpenError::Busy,
                mpsc::error::TrySendError::Closed(_) => OpenError::NotConnected,
            })?;
        Ok(receiver)
    }

    /// The counters of a connected peer.
    pub(crate) fn counters(&self, peer: &PeerId) -> Option<Arc<Counters>> {
        lock(&self.routes)
            .peers
            .get(peer)
            .map(|routes| Arc::clone(&routes.counters))
    }

    /// Lanes that are open with a peer.
    pub(crate) fn open_lanes(&self, peer: &PeerId) -> u32 {
        let routes = lock(&self.routes);
        let open = routes.peers.get(peer).map_or(0, |entry| entry.bulk.count());
        u32::try_from(open).unwrap_or(u32::MAX)
    }

    /// Where a lane to the peer may be opened, the likeliest first; none soon after that failed.
    pub(crate) fn lane_addresses(&self, peer: &PeerId) -> Vec<SocketAddr> {
        let routes = lock(&self.routes);
        let Some(entry) = routes.peers.get(peer) else {
            return Vec::new();
        };
        let remotes: Vec<&Remote> = entry.connections.iter().map(|open| &open.remote).collect();
        entry.bulk.addresses(&remotes, Instant::now())
    }

    /// Notes that no lane to the peer can be opened, for now.
    pub(crate) fn no_lane(&self, peer: &PeerId) {
        if let Some(entry) = lock(&self.routes).peers.get_mut(peer) {
            entry.bulk.failed(Instant::now());
        }
    }

    /// Notes where a peer says that it listens.
    pub(crate) fn listens(&self, peer: &PeerId, addresses: &[Multiaddr]) {
        if let Some(entry) = lock(&self.routes).peers.get_mut(peer) {
            entry.bulk.listens(addresses);
        }
    }

    /// Lets a connected peer have a lane, if it does not have too many pipes.
    pub(crate) fn admit(&self, peer: &PeerId, socket: &Arc<TcpStream>) -> Option<Admitted> {
        let mut routes = lock(&self.routes);
        let (total, max) = (Arc::clone(&routes.total), routes.max_pipes_per_peer);
        let entry = routes.peers.get_mut(peer)?;
        let path = entry.connections.first()?.rank.0;
        if entry.counters.pipes() >= max || path == Path::Relayed {
            return None;
        }
        if !entry.bulk.opened(Arc::downgrade(socket)) {
            return None;
        }
        let meter = Meter::new(Arc::clone(&entry.counters), total);
        Some(Admitted { path, meter })
    }

    fn best(&self, peer: &PeerId) -> Option<mpsc::Sender<OpenRequest>> {
        let routes = lock(&self.routes);
        let connections = &routes.peers.get(peer)?.connections;
        connections
            .iter()
            .find(|connection| !connection.sender.is_closed())
            .map(|connection| connection.sender.clone())
    }
}

/// The swarm's side: gives each connection a handler and keeps the routes.
pub(crate) struct RouteBehaviour {
    routes: Arc<Mutex<Routes>>,
    incoming: mpsc::Sender<Pipe>,
}

impl RouteBehaviour {
    pub(crate) fn new(
        incoming: mpsc::Sender<Pipe>,
        total: Arc<Counters>,
        max_pipes_per_peer: u32,
    ) -> Self {
        let routes = Routes {
            peers: HashMap::new(),
            total,
            max_pipes_per_peer,
        };
        Self {
            routes: Arc::new(Mutex::new(routes)),
            incoming,
        }
    }

    pub(crate) fn control(&self) -> RouteControl {
        RouteControl {
            routes: Arc::clone(&self.routes),
        }
    }

    fn handler(
        &self,
        connection: ConnectionId,
        peer: PeerId,
        path: Path,
        remote: Remote,
    ) -> RouteHandler {
        let (sender, requests) = mpsc::channel(OPEN_QUEUE);
        let mut routes = lock(&self.routes);
        let (total, max_pipes) = (Arc::clone(&routes.total), routes.max_pipes_per_peer);
        let entry = routes.peers.entry(peer).or_default();
        entry.connections.push(Connection {
            id: connection,
            rank: (path, remote.udp),
            sender,
            remote,
        });
        // Stable, so that among equals the oldest connection stays first.
        entry.connections.sort_by_key(|connection| connection.rank);
        RouteHandler::new(handler::Settings {
            peer,
            path,
            requests,
            incoming: self.incoming.clone(),
            counters: Arc::clone(&entry.counters),
            total,
            max_pipes,
        })
    }

    /// Forgets connections whose handler is gone. A connection may be denied by another behaviour
    /// after the handler was made, in which case no closing event comes.
    fn forget(&self, peer: &PeerId, connection: Option<ConnectionId>) {
        let mut routes = lock(&self.routes);
        if let Some(entry) = routes.peers.get_mut(peer) {
            entry
                .connections
                .retain(|open| Some(open.id) != connection && !open.sender.is_closed());
            if entry.connections.is_empty() {
                entry.bulk.close();
                routes.peers.remove(peer);
            }
        }
    }
}

impl NetworkBehaviour for RouteBehaviour {
    type ConnectionHandler = RouteHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(
            connection,
            peer,
            Path::of_inbound(local, remote),
            Remote::new(remote, false),
        ))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(
            connection,
            peer,
            Path::of(address),
            Remote::new(address, true),
        ))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id,
                connection_id,
                ..
            }) => {
                self.forget(&peer_id, Some(connection_id));
            }
            FromSwarm::ListenFailure(failure) => {
                if let Some(peer) = failure.peer_id {
                    self.forget(&peer, Some(failure.connection_id));
                }
            }
            FromSwarm::DialFailure(failure) => {
                if let Some(peer) = failure.peer_id {
                    self.forget(&peer, Some(failure.connection_id));
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

fn lock(routes: &Mutex<Routes>) -> MutexGuard<'_, Routes> {
    // Each critical section leaves the routes whole, so a panic elsewhere does not spoil them.
    routes.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn is_udp(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Udp(_)))
}

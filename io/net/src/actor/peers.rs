//! Who is connected, and what they told about themselves.

use std::{collections::HashMap, time::Duration};

use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, multiaddr::Protocol},
    swarm::ConnectionId,
};
use tokio::time::Instant;

use super::scope::{self, Scope};
use crate::{
    Path, PeerInfo,
    routes::{RouteControl, is_udp},
};

/// Longest name of a program that is kept.
const MAX_AGENT_CHARS: usize = 64;

/// Pings in a row that may stay unanswered before a connection counts as dead.
const MAX_LOST_PINGS: u32 = 2;

/// The connected peers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    map: HashMap<PeerId, Peer>,
}

/// One connected peer.
#[derive(Debug)]
pub(super) struct Peer {
    since: Instant,
    /// Best first; never empty.
    connections: Vec<Connection>,
    agent: Option<String>,
    listen: Vec<Multiaddr>,
    /// Whether it answers for the distributed hash table.
    pub(super) dht: bool,
    /// Whether it relays for others.
    pub(super) relay: bool,
    /// When it last had a pipe open.
    pub(super) used: Instant,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    address: Multiaddr,
    path: Path,
    inbound: bool,
    rtt: Option<Duration>,
    lost_pings: u32,
}

impl Connection {
    fn new(id: ConnectionId, endpoint: &ConnectedPoint) -> Self {
        let (address, path) = match endpoint {
            ConnectedPoint::Dialer { address, .. } => (address.clone(), Path::of(address)),
            ConnectedPoint::Listener {
                local_addr,
                send_back_addr,
            } => {
                let path = Path::of_inbound(local_addr, send_back_addr);
                // What comes in over a circuit is only named by its peer id: the way to it
                // leads through the relay.
                let address = match path {
                    Path::Relayed => local_addr.iter().chain(send_back_addr.iter()).collect(),
                    Path::Lan | Path::Direct => send_back_addr.clone(),
                };
                (address, path)
            }
        };
        let inbound = endpoint.is_listener();
        Self {
            id,
            address,
            path,
            inbound,
            rtt: None,
            lost_pings: 0,
        }
    }

    fn rank(&self) -> (Path, bool) {
        (self.path, is_udp(&self.address))
    }

    fn scope(&self) -> Scope {
        match self.path {
            // Where the other side of a relay is, is not known.
            Path::Relayed => Scope::Local,
            Path::Lan | Path::Direct => Scope::of(&self.address),
        }
    }
}

impl Peers {
    pub(super) fn get(&self, peer: &PeerId) -> Option<&Peer> {
        self.map.get(peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&PeerId, &Peer)> {
        self.map.iter()
    }

    pub(super) fn connections(&self) -> usize {
        self.map.values().map(|peer| peer.connections.len()).sum()
    }

    /// The way to the peer and its address there.
    pub(super) fn best(&self, peer: &PeerId) -> Option<(Path, &Multiaddr)> {
        let best = self.map.get(peer)?.connections.first()?;
        Some((best.path, &best.address))
    }

    /// Whether the peer can be reached as well without one of its connections.
    pub(super) fn can_spare(&self, peer: &PeerId, id: ConnectionId) -> bool {
        let best = self.map.get(peer).and_then(|peer| peer.connections.first());
        best.is_some_and(|best| best.id != id)
    }

    /// Notes a connection; returns true when it is the first with the peer, or goes a better way
    /// than those before.
    pub(super) fn connected(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        endpoint: &ConnectedPoint,
        now: Instant,
    ) -> bool {
        let before = self.best(&peer).map(|(path, _)| path);
        let connection = Connection::new(id, endpoint);
        let path = connection.path;
        let entry = self.map.entry(peer).or_insert_with(|| Peer::new(now));
        entry.connections.push(connection);
        entry.connections.sort_by_key(Connection::rank);
        before.is_none_or(|before| path < before)
    }

    /// Forgets a connection; returns true when it was the last with the peer.
    pub(super) fn disconnected(&mut self, peer: &PeerId, id: ConnectionId) -> bool {
        let Some(entry) = self.map.get_mut(peer) else {
            return false;
        };
        entry.connections.retain(|connection| connection.id != id);
        entry.connections.is_empty() && self.map.remove(peer).is_some()
    }

    /// Notes an answered ping.
    pub(super) fn answered(&mut self, peer: &PeerId, id: ConnectionId, rtt: Duration) {
        if let Some(connection) = self.connection(peer, id) {
            connection.rtt = Some(rtt);
            connection.lost_pings = 0;
        }
    }

    /// Notes a lost ping; returns true when the connection counts as dead.
    pub(super) fn lost_ping(&mut self, peer: &PeerId, id: ConnectionId) -> bool {
        self.connection(peer, id).is_some_and(|connection| {
            connection.lost_pings += 1;
            connection.lost_pings >= MAX_LOST_PINGS
        })
    }

    /// Notes what a peer says about itself, and returns the addresses that make sense.
    pub(super) fn identified(
        &mut self,
        peer: &PeerId,
        told: Identity,
    ) -> Option<(Vec<Multiaddr>, String)> {
        let entry = self.map.get_mut(peer)?;
        let scope = entry.connections.iter().map(Connection::scope).min()?;
        entry.listen = scope::useful(told.addresses, scope, peer);
        entry.dht = told.dht;
        entry.relay = told.relay;
        let agent: String = told
            .agent
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_AGENT_CHARS)
            .collect();
        entry.agent = Some(agent.clone());
        Some((entry.listen.clone(), agent))
    }

    /// Notes which peers have pipes open now.
    pub(super) fn mark_used(&mut self, routes: &RouteControl, now: Instant) {
        for (peer, entry) in &mut self.map {
            if routes
                .counters(peer)
                .is_some_and(|counters| counters.pipes() > 0)
            {
                entry.used = now;
            }
        }
    }

    pub(super) fn report(&self, routes: &RouteControl) -> Vec<PeerInfo> {
        let report = |(peer, entry): (&PeerId, &Peer)| entry.report(*peer, routes);
        let mut peers: Vec<_> = self.map.iter().filter_map(report).collect();
        peers.sort_by_key(|info| info.peer);
        peers
    }

    fn connection(&mut self, peer: &PeerId, id: ConnectionId) -> Option<&mut Connection> {
        let connections = &mut self.map.get_mut(peer)?.connections;
        connections
            .iter_mut()
            .find(|connection| connection.id == id)
    }
}

impl Peer {
    fn new(now: Instant) -> Self {
        Self {
            since: now,
            connections: Vec::new(),
            agent: None,
            listen: Vec::new(),
            dht: false,
            relay: false,
            used: now,
        }
    }

    /// Whether it told about itself.
    pub(super) fn is_introduced(&self) -> bool {
        self.agent.is_some()
    }

    /// Whether it made all of its connections itself.
    pub(super) fn is_inbound(&self) -> bool {
        self.connections.iter().all(|connection| connection.inbound)
    }

    /// Its connections.
    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        self.connections.iter().map(|c| c.id).collect()
    }

    /// The addresses it says it can be reached at.
    pub(super) fn listen(&self) -> &[Multiaddr] {
        &self.listen
    }

    /// Its address on the best connection that goes through nobody else.
    pub(super) fn dialed_directly(&self) -> Option<&Multiaddr> {
        let direct = |c: &&Connection| c.path != Path::Relayed && !c.inbound;
        self.connections
            .iter()
            .find(direct)
            .map(|connection| &connection.address)
    }

    fn report(&self, peer: PeerId, routes: &RouteControl) -> Option<PeerInfo> {
        let best = self.connections.first()?;
        let counters = routes.counters(&peer);
        Some(PeerInfo {
            peer,
            addresses: self.connections.iter().map(|c| c.address.clone()).collect(),
            listen_addresses: self.listen.clone(),
            path: best.path,
            agent: self.agent.clone(),
            rtt: best
                .rtt
                .or_else(|| self.connections.iter().find_map(|c| c.rtt)),
            connected_for: self.since.elapsed(),
            inbound: best.inbound,
            traffic: counters
                .as_ref()
                .map(|counters| counters.traffic())
                .unwrap_or_default(),
            pipes: counters.as_ref().map_or(0, |counters| counters.pipes()),
            lanes: routes.open_lanes(&peer),
        })
    }
}

/// What a peer says about itself.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) addresses: Vec<Multiaddr>,
    pub(super) agent: String,
    pub(super) dht: bool,
    pub(super) relay: bool,
}

/// The peer that an address ends in.
pub(super) fn last_peer(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

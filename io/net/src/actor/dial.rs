//! Connecting to peers, and telling why it did not work.

use std::{collections::HashMap, io};

use libp2p::{
    Multiaddr, PeerId, TransportError, allow_block_list as block_list, connection_limits,
    kad::QueryId,
    memory_connection_limits as memory_limits,
    swarm::{
        self, ConnectionDenied, ConnectionId,
        dial_opts::{DialOpts, PeerCondition},
    },
};

use tokio::time::Instant;

use super::{Actor, commands::DialReply, peers::last_peer};
use crate::{
    DialError, Path,
    behaviour::NoPlace,
    transport::{self, HandshakeFailed},
};

/// Dials whose result somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Dials {
    running: HashMap<ConnectionId, Running>,
    /// Those who wait for a dial that was already under way when they asked.
    waiting: HashMap<PeerId, Vec<Waiter>>,
    /// Peers whose addresses are being looked up.
    resolving: HashMap<QueryId, (PeerId, DialReply)>,
}

#[derive(Debug)]
struct Running {
    expected: Option<PeerId>,
    reply: DialReply,
}

#[derive(Debug)]
struct Waiter {
    addresses: Vec<Multiaddr>,
    reply: DialReply,
}

impl Dials {
    /// Drops what nobody waits for any more.
    pub(super) fn sweep(&mut self) {
        self.running.retain(|_, running| !running.reply.is_closed());
        self.resolving.retain(|_, (_, reply)| !reply.is_closed());
        self.waiting.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.reply.is_closed());
            !waiters.is_empty()
        });
    }
}

impl Actor {
    pub(super) fn dial(&mut self, address: Multiaddr, reply: DialReply) {
        let expected = last_peer(&address);
        if let Some(outcome) = self.settled(expected, Path::of(&address)) {
            let _ = reply.send(outcome);
            return;
        }
        if self.is_own(&address) {
            let _ = reply.send(Err(DialError::OwnAddress));
            return;
        }
        let options = match expected {
            Some(peer) => DialOpts::peer_id(peer)
                .condition(PeerCondition::Always)
                .addresses(vec![address])
                .build(),
            None => DialOpts::unknown_peer_id().address(address).build(),
        };
        self.dial_with(options, expected, reply);
    }

    pub(super) fn connect(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, reply: DialReply) {
        if let Some(outcome) = self.settled(Some(peer), Path::Relayed) {
            let _ = reply.send(outcome);
            return;
        }
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses.clone())
            .extend_addresses_through_behaviour()
            .build();
        let id = options.connection_id();
        match self.dial_own(options) {
            Ok(()) => {
                self.dials.running.insert(
                    id,
                    Running {
                        expected: Some(peer),
                        reply,
                    },
                );
            }
            Err(swarm::DialError::DialPeerConditionFalse(_)) => {
                let waiter = Waiter { addresses, reply };
                self.dials.waiting.entry(peer).or_default().push(waiter);
            }
            Err(swarm::DialError::NoAddresses) => {
                let query = self.swarm.behaviour_mut().kad.get_closest_peers(peer);
                self.dials.resolving.insert(query, (peer, reply));
            }
            Err(error) => {
                let _ = reply.send(Err(dial_error(error, Some(peer))));
            }
        }
    }

    /// The outcome that needs no dial.
    fn settled(&self, peer: Option<PeerId>, wanted: Path) -> Option<Result<PeerId, DialError>> {
        let peer = peer?;
        if peer == self.shared.peer {
            return Some(Err(DialError::OwnAddress));
        }
        if self.is_banned(&peer) {
            return Some(Err(DialError::Banned));
        }
        let (path, _) = self.peers.best(&peer)?;
        // Somebody who has a direct address of a peer behind a relay wants the direct way.
        (path != Path::Relayed || wanted == Path::Relayed).then_some(Ok(peer))
    }

    fn is_own(&self, address: &Multiaddr) -> bool {
        last_peer(address).is_none() && self.swarm.listeners().any(|own| own == address)
    }

    /// Begins a connection that somebody asked for, and makes room for it when there is none.
    fn dial_own(&mut self, options: DialOpts) -> Result<(), swarm::DialError> {
        self.make_room(Instant::now());
        let places = &mut self.swarm.behaviour_mut().places;
        places.announce_own(options.connection_id());
        self.swarm.dial(options)
    }

    fn dial_with(&mut self, options: DialOpts, expected: Option<PeerId>, reply: DialReply) {
        let id = options.connection_id();
        match self.dial_own(options) {
            Ok(()) => {
                self.dials.running.insert(id, Running { expected, reply });
            }
            Err(error) => {
                let _ = reply.send(Err(dial_error(error, expected)));
            }
        }
    }

    pub(super) fn dial_succeeded(&mut self, id: ConnectionId, peer: PeerId) {
        if let Some(running) = self.dials.running.remove(&id) {
            let _ = running.reply.send(Ok(peer));
        }
        for waiter in self.dials.waiting.remove(&peer).unwrap_or_default() {
            let _ = waiter.reply.send(Ok(peer));
        }
    }

    pub(super) fn dial_failed(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        error: swarm::DialError,
    ) {
        tracing::debug!(?peer, %error, "dial failed");
        if let Some(running) = self.dials.running.remove(&id) {
            let _ = running.reply.send(Err(dial_error(error, running.expected)));
        }
        let waiters = peer.and_then(|peer| self.dials.waiting.remove_entry(&peer));
        let Some((peer, waiters)) = waiters else {
            return;
        };
        // The dial that they waited for did not know the addresses that they brought.
        for waiter in waiters {
            let options = DialOpts::peer_id(peer)
                .condition(PeerCondition::Always)
                .addresses(waiter.addresses)
                .extend_addresses_through_behaviour()
                .build();
            self.dial_with(options, Some(peer), waiter.reply);
        }
    }

    /// The distributed hash table was asked for a peer's addresses.
    pub(super) fn resolved(&mut self, query: QueryId, found: Vec<libp2p::kad::PeerInfo>) {
        let Some((peer, reply)) = self.dials.resolving.remove(&query) else {
            return;
        };
        // The search may have connected to the peer itself.
        if let Some(outcome) = self.settled(Some(peer), Path::Relayed) {
            let _ = reply.send(outcome);
            return;
        }
        let addresses = found.into_iter().find(|info| info.peer_id == peer);
        let addresses = addresses.map(|info| info.addrs).unwrap_or_default();
        if addresses.is_empty() {
            let _ = reply.send(Err(DialError::NoAddress));
            return;
        }
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .addresses(addresses)
            .build();
        self.dial_with(options, Some(peer), reply);
    }
}

fn dial_error(error: swarm::DialError, expected: Option<PeerId>) -> DialError {
    match error {
        swarm::DialError::LocalPeerId { .. } => DialError::OwnAddress,
        swarm::DialError::NoAddresses => DialError::NoAddress,
        swarm::DialError::WrongPeerId { obtained, .. } => match expected {
            Some(expected) => DialError::WrongPeer { expected, obtained },
            None => DialError::Unreachable(format!("unexpected peer {obtained}")),
        },
        swarm::DialError::Denied { cause } => denied(&cause),
        swarm::DialError::Transport(errors) => most_telling(errors),
        error @ (swarm::DialError::DialPeerConditionFalse(_) | swarm::DialError::Aborted) => {
            DialError::Unreachable(error.to_string())
        }
    }
}

fn denied(cause: &ConnectionDenied) -> DialError {
    if cause.downcast_ref::<block_list::Blocked>().is_some() {
        return DialError::Banned;
    }
    if let Some(none) = cause.downcast_ref::<NoPlace>() {
        return DialError::Limit(none.to_string());
    }
    if let Some(exceeded) = cause.downcast_ref::<connection_limits::Exceeded>() {
        return DialError::Limit(exceeded.to_string());
    }
    if let Some(exceeded) = cause.downcast_ref::<memory_limits::MemoryUsageLimitExceeded>() {
        return DialError::Limit(exceeded.to_string());
    }
    DialError::Unreachable(cause.to_string())
}

/// Of what happened at several addresses, the error that says most: who answered and then failed
/// before who refused, and that before who stayed silent.
fn most_telling(errors: Vec<(Multiaddr, TransportError<io::Error>)>) -> DialError {
    let rank = |error: &DialError| match error {
        DialError::Handshake(_) => 0,
        DialError::Refused => 1,
        DialError::Unreachable(_) => 2,
        DialError::Timeout { .. } => 3,
        _ => 4,
    };
    let errors = errors
        .into_iter()
        .map(|(address, error)| transport_error(address, error));
    errors.min_by_key(rank).unwrap_or(DialError::NoAddress)
}

fn transport_error(address: Multiaddr, error: TransportError<io::Error>) -> DialError {
    let TransportError::Other(error) = error else {
        return DialError::UnsupportedAddress(address);
    };
    let error = transport::innermost(&error);
    if let Some(failed) = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<HandshakeFailed>())
    {
        return DialError::Handshake(failed.to_string());
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => DialError::Refused,
        io::ErrorKind::Unsupported => DialError::UnsupportedAddress(address),
        io::ErrorKind::TimedOut => DialError::Timeout {
            after: transport::ATTEMPT_TIMEOUT,
        },
        _ => DialError::Unreachable(error.to_string()),
    }
}

//! What the swarm tells the actor.

use libp2p::{
    PeerId, TransportError, autonat,
    core::ConnectedPoint,
    identify, kad, ping,
    swarm::{ConnectionId, ListenError, SwarmEvent},
};
use tokio::time::Instant;

use super::{Actor, peers::Identity};
use crate::{
    NetEvent,
    behaviour::{BehaviourEvent, DialBackEvent, KAD_PROTOCOL},
    bulk, transport,
};

/// The protocol of peers that relay for others.
const RELAY_PROTOCOL: &str = "/libp2p/circuit/relay/0.2.0/hop";

/// Addresses of a peer that go into the routing table.
const MAX_ROUTING_ADDRESSES: usize = 8;

impl Actor {
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                self.on_connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                ..
            } => {
                self.on_disconnected(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                peer_id,
                error,
            } => {
                self.dial_failed(connection_id, peer_id, error);
            }
            SwarmEvent::IncomingConnectionError {
                send_back_addr,
                error,
                ..
            } if !is_lane(&error) => {
                tracing::debug!(from = %send_back_addr, %error, "incoming connection failed");
            }
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => {
                tracing::debug!(%address, "listening");
                self.listeners.opened(listener_id);
                self.own_address_found(address);
            }
            SwarmEvent::ListenerClosed {
                listener_id,
                reason,
                ..
            } => {
                if let Err(error) = reason {
                    tracing::warn!(%error, "a listener was closed");
                    self.listeners.failed(listener_id, &error);
                }
                self.circuit_closed(listener_id);
                self.addresses_changed();
            }
            SwarmEvent::ListenerError { listener_id, error } => {
                tracing::debug!(%error, "a listener has a problem");
                self.listeners.failed(listener_id, &error);
            }
            SwarmEvent::ExpiredListenAddr { .. }
            | SwarmEvent::ExternalAddrConfirmed { .. }
            | SwarmEvent::ExternalAddrExpired { .. } => self.addresses_changed(),
            _ => {}
        }
    }

    fn on_connected(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        if self.peers.connected(peer, id, endpoint, Instant::now())
            && let Some((path, addr)) = self.peers.best(&peer)
        {
            self.emit(NetEvent::Connected {
                peer,
                addr: addr.clone(),
                path,
            });
        }
        self.dial_succeeded(id, peer);
    }

    fn on_disconnected(&mut self, peer: PeerId, id: ConnectionId) {
        if self.peers.disconnected(&peer, id) {
            self.records.disconnected(&peer);
            self.emit(NetEvent::Disconnected { peer });
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_identified(peer_id, info);
            }
            BehaviourEvent::Ping(event) => self.on_ping(&event),
            BehaviourEvent::Kad(event) => self.on_kad(event),
            BehaviourEvent::Mdns(event) => self.on_mdns(event),
            BehaviourEvent::AutonatClient(autonat::v2::client::Event {
                tested_addr,
                server,
                result,
                ..
            }) => self.on_probed(&tested_addr, server, result.is_ok()),
            BehaviourEvent::DialBacks(DialBackEvent::Over { peer, connection })
                if self.peers.can_spare(&peer, connection) =>
            {
                // It has served its purpose, and the peer is still connected without it.
                self.swarm.close_connection(connection);
            }
            BehaviourEvent::Upnp(event) => tracing::debug!(?event, "UPnP"),
            BehaviourEvent::Dcutr(event) => tracing::debug!(?event, "hole punching"),
            BehaviourEvent::RelayClient(event) => tracing::debug!(?event, "relay"),
            _ => {}
        }
    }

    fn on_identified(&mut self, peer: PeerId, info: identify::Info) {
        let identity = Identity {
            addresses: info.listen_addrs,
            agent: info.agent_version,
            dht: info.protocols.contains(&KAD_PROTOCOL),
            relay: info
                .protocols
                .iter()
                .any(|protocol| *protocol == RELAY_PROTOCOL),
        };
        let (dht, relay) = (identity.dht, identity.relay);
        let was_dht = self.peers.get(&peer).is_some_and(|peer| peer.dht);
        let Some((addrs, agent)) = self.peers.identified(&peer, identity) else {
            return;
        };
        let kad = &mut self.swarm.behaviour_mut().kad;
        if dht {
            for address in addrs.iter().take(MAX_ROUTING_ADDRESSES) {
                kad.add_address(&peer, address.clone());
            }
        }
        self.records.learnt(&peer, &addrs, kad);
        self.routes.listens(&peer, &addrs);
        if dht && !was_dht {
            self.dht_peer_joined();
        }
        if relay {
            self.reserve_circuits();
        }
        self.emit(NetEvent::Identified { peer, addrs, agent });
    }

    /// Somebody who answers for the distributed hash table was connected, or is new.
    fn dht_peer_joined(&mut self) {
        let now = Instant::now();
        let known = self.known_dht_peers();
        self.announcer.peer_joined(known, now);
        self.resume_finds(now);
    }

    fn on_ping(&mut self, event: &ping::Event) {
        match &event.result {
            Ok(rtt) => self.peers.answered(&event.peer, event.connection, *rtt),
            Err(ping::Failure::Timeout) => {
                if self.peers.lost_ping(&event.peer, event.connection) {
                    tracing::debug!(peer = %event.peer, "no answer to pings, closed");
                    self.swarm.close_connection(event.connection);
                }
            }
            Err(_) => {}
        }
    }

    fn on_kad(&mut self, event: kad::Event) {
        match event {
            kad::Event::OutboundQueryProgressed {
                id,
                result,
                stats,
                step,
            } => match result {
                kad::QueryResult::GetProviders(result) => {
                    self.on_found(id, result, stats.num_requests(), step.last);
                }
                kad::QueryResult::StartProviding(_) => self.announced(id),
                kad::QueryResult::GetClosestPeers(result) => {
                    let peers = match result {
                        Ok(found) => found.peers,
                        Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
                    };
                    if step.last {
                        self.resolved(id, peers);
                    }
                }
                _ => {}
            },
            kad::Event::InboundRequest {
                request:
                    kad::InboundRequest::AddProvider {
                        record: Some(record),
                    },
            } => self.on_record(record),
            kad::Event::RoutingUpdated {
                is_new_peer: true, ..
            } => self.dht_peer_joined(),
            _ => {}
        }
    }

    pub(super) fn known_dht_peers(&mut self) -> usize {
        self.swarm
            .behaviour_mut()
            .kad
            .kbuckets()
            .map(|bucket| bucket.num_entries())
            .sum()
    }
}

/// A connection that left the swarm because it is a bulk lane.
fn is_lane(error: &ListenError) -> bool {
    match error {
        ListenError::Transport(TransportError::Other(error)) => {
            bulk::is_taken(transport::innermost(error))
        }
        _ => false,
    }
}

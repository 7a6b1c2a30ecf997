//! Whether others can reach this node, where, and what follows from it.

use std::collections::{HashMap, HashSet};

use libp2p::{
    Multiaddr, PeerId,
    core::{multiaddr::Protocol, transport::ListenerId},
    kad,
};

use super::{
    Actor,
    peers::last_peer,
    scope::{Scope, is_circuit},
};
use crate::{DhtMode, NetEvent, Reachability};

/// So many different peers have to fail before this node believes that it cannot be reached.
const MIN_FAILURES: usize = 2;

/// Relays on which a node that cannot be reached keeps a place.
const MAX_RELAYS: usize = 2;

/// What is known about being reached.
#[derive(Debug)]
pub(super) struct Reach {
    dht: DhtMode,
    is_relay: bool,
    /// Peers that tried to connect and could not, since somebody last could.
    failed: HashSet<PeerId>,
    /// Relays that keep a place for this node.
    circuits: HashMap<ListenerId, PeerId>,
}

impl Reach {
    pub(super) fn new(dht: DhtMode, is_relay: bool) -> Self {
        Self {
            dht,
            is_relay,
            failed: HashSet::new(),
            circuits: HashMap::new(),
        }
    }
}

impl Actor {
    /// The node listens at a new address.
    pub(super) fn own_address_found(&mut self, address: Multiaddr) {
        // A relay tells those that it keeps a place for where they can be reached, and only
        // knows what counts as external.
        if self.reach.is_relay && !is_circuit(&address) {
            self.swarm.add_external_address(address);
        }
        self.addresses_changed();
    }

    /// Tells the handles where this node is, when that changed.
    pub(super) fn addresses_changed(&mut self) {
        let own = self.shared.peer;
        let mut addresses: Vec<Multiaddr> = Vec::new();
        for address in self
            .swarm
            .external_addresses()
            .chain(self.swarm.listeners())
        {
            let mut address = address.clone();
            if last_peer(&address) != Some(own) {
                address.push(Protocol::P2p(own));
            }
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        // Both sources have no order of their own.
        addresses.sort_by_key(|address| {
            (
                is_circuit(address),
                std::cmp::Reverse(Scope::of(address)),
                address.to_vec(),
            )
        });
        let known = self.shared.addresses.load();
        if **known != addresses {
            self.shared.addresses.store(addresses.into());
            self.emit(NetEvent::AddressesChanged);
        }
        if self.swarm.external_addresses().any(is_public) {
            self.reach.failed.clear();
            self.set_reachability(Reachability::Public);
        } else if self.shared.reachability() == Reachability::Public {
            self.set_reachability(Reachability::Unknown);
        }
    }

    /// A peer tried to connect to an address that may be this node's.
    pub(super) fn on_probed(&mut self, address: &Multiaddr, server: PeerId, reached: bool) {
        tracing::debug!(%address, %server, reached, "reachability was tested");
        if reached || !is_public(address) || self.shared.reachability() == Reachability::Public {
            return;
        }
        self.reach.failed.insert(server);
        if self.reach.failed.len() >= MIN_FAILURES {
            self.reach.failed.clear();
            self.set_reachability(Reachability::Private);
            self.reserve_circuits();
        }
    }

    fn set_reachability(&mut self, reachability: Reachability) {
        if self.shared.reachability() == reachability {
            return;
        }
        self.shared.set_reachability(reachability);
        self.emit(NetEvent::Reachability(reachability));
        if self.reach.dht == DhtMode::Auto {
            let mode = match reachability {
                Reachability::Private => kad::Mode::Client,
                Reachability::Unknown | Reachability::Public => kad::Mode::Server,
            };
            self.swarm.behaviour_mut().kad.set_mode(Some(mode));
        }
    }

    /// Gets places on relays for a node that cannot be reached.
    pub(super) fn reserve_circuits(&mut self) {
        if self.shared.reachability() != Reachability::Private {
            return;
        }
        let used: HashSet<PeerId> = self.reach.circuits.values().copied().collect();
        let candidates: Vec<(PeerId, Multiaddr)> = self
            .peers
            .iter()
            .filter(|(peer, entry)| entry.relay && !used.contains(peer))
            .filter_map(|(peer, entry)| Some((*peer, entry.dialed_directly()?.clone())))
            .take(MAX_RELAYS.saturating_sub(used.len()))
            .collect();
        for (peer, mut address) in candidates {
            if last_peer(&address) != Some(peer) {
                address.push(Protocol::P2p(peer));
            }
            address.push(Protocol::P2pCircuit);
            match self.swarm.listen_on(address) {
                Ok(id) => {
                    self.reach.circuits.insert(id, peer);
                }
                Err(error) => tracing::debug!(%peer, %error, "no place on a relay"),
            }
        }
    }

    pub(super) fn circuit_closed(&mut self, listener: ListenerId) {
        self.reach.circuits.remove(&listener);
    }
}

fn is_public(address: &Multiaddr) -> bool {
    !is_circuit(address) && Scope::of(address) == Scope::Global
}

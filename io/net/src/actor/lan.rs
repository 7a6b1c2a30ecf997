//! Peers on the local network.

use std::{collections::BTreeMap, time::Duration};

use libp2p::{
    Multiaddr, PeerId, mdns,
    swarm::dial_opts::{DialOpts, PeerCondition},
};
use tokio::time::Instant;

use super::{Actor, scope::MAX_ADDRESSES};
use crate::NetEvent;

/// Peers of the local network that are remembered.
const MAX_PEERS: usize = 256;

/// Both sides see each other at the same moment. One dials, the other only when that has not
/// worked after this time.
const COURTESY: Duration = Duration::from_secs(2);

/// The first and the longest time between two tries.
const FIRST_RETRY: Duration = Duration::from_secs(30);
const LAST_RETRY: Duration = Duration::from_secs(3600);

/// The peers that were seen.
#[derive(Debug, Default)]
pub(super) struct Lan {
    seen: BTreeMap<PeerId, Seen>,
}

#[derive(Debug)]
struct Seen {
    addresses: Vec<Multiaddr>,
    next: Instant,
    pause: Duration,
}

impl Actor {
    pub(super) fn on_mdns(&mut self, event: mdns::Event) {
        let now = Instant::now();
        match event {
            mdns::Event::Discovered(found) => {
                for (peer, addr) in found {
                    self.seen_on_lan(peer, addr, now);
                }
                self.dial_lan(now);
            }
            mdns::Event::Expired(gone) => {
                for (peer, address) in gone {
                    if let Some(seen) = self.lan.seen.get_mut(&peer) {
                        seen.addresses.retain(|known| *known != address);
                    }
                }
                self.lan.seen.retain(|_, seen| !seen.addresses.is_empty());
            }
        }
    }

    fn seen_on_lan(&mut self, peer: PeerId, addr: Multiaddr, now: Instant) {
        if peer == self.shared.peer || self.is_banned(&peer) {
            return;
        }
        if self.lan.seen.len() >= MAX_PEERS && !self.lan.seen.contains_key(&peer) {
            return;
        }
        let next = if self.shared.peer < peer {
            now
        } else {
            now + COURTESY
        };
        let seen = self.lan.seen.entry(peer).or_insert_with(|| Seen {
            addresses: Vec::new(),
            next,
            pause: FIRST_RETRY,
        });
        if !seen.addresses.contains(&addr) && seen.addresses.len() < MAX_ADDRESSES {
            seen.addresses.push(addr.clone());
            // A peer that started anew has new addresses, and is not to wait for old failures.
            seen.next = seen.next.min(next);
            seen.pause = FIRST_RETRY;
            self.emit(NetEvent::LanPeer { peer, addr });
        }
    }

    /// Dials those whose time has come, as long as plenty of connections are free.
    pub(super) fn dial_lan(&mut self, now: Instant) {
        let free = self.peers.connections() < self.limits.max_connections as usize / 2;
        let mut due = Vec::new();
        for (peer, seen) in &mut self.lan.seen {
            if seen.next > now {
                continue;
            }
            seen.next = now + seen.pause;
            if self.peers.get(peer).is_some() {
                seen.pause = FIRST_RETRY;
            } else if free {
                seen.pause = (seen.pause * 2).min(LAST_RETRY);
                due.push((*peer, seen.addresses.clone()));
            }
        }
        for (peer, addresses) in due {
            let options = DialOpts::peer_id(peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(addresses)
                .build();
            if let Err(error) = self.swarm.dial(options) {
                tracing::debug!(%peer, %error, "a peer on the local network is not dialed");
            }
        }
    }
}

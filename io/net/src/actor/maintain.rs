//! Slow chores.

use std::time::Duration;

use libp2p::PeerId;
use tokio::time::Instant;

use super::{Actor, peers::Peer};

/// When this share of all connections is used, those that nobody needs are closed.
const HIGH_WATER_PERCENT: usize = 85;

/// Down to this share.
const LOW_WATER_PERCENT: usize = 70;

/// Peers that have not used a pipe for so long may be let go.
const GRACE: Duration = Duration::from_secs(30);

/// How often expired records are looked for, in ticks.
const SWEEP_TICKS: u64 = 600;

impl Actor {
    pub(super) fn on_tick(&mut self, now: Instant) {
        self.ticks += 1;
        self.dials.sweep();
        self.sweep_finds(now);
        self.dial_lan(now);
        self.swarm.behaviour_mut().dial_backs.sweep(now);
        self.let_go(now);
        if self.ticks.is_multiple_of(10) {
            self.reserve_circuits();
        }
        if self.ticks.is_multiple_of(SWEEP_TICKS) {
            self.records.sweep(&mut self.swarm.behaviour_mut().kad, now);
        }
    }

    /// Makes room for peers that want something, before the limit keeps them out.
    fn let_go(&mut self, now: Instant) {
        self.peers.mark_used(&self.routes, now);
        let max = self.limits.max_connections as usize;
        let open = self.peers.connections();
        if open * 100 < max * HIGH_WATER_PERCENT {
            return;
        }
        let mut idle: Vec<(Instant, PeerId)> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.used + GRACE <= now)
            .map(|(id, peer)| (peer.used, *id))
            .collect();
        idle.sort();
        let surplus = open - max * LOW_WATER_PERCENT / 100;
        // Those idle for the shortest time go first: who has been around for long is more likely
        // to stay, and the distributed hash table lives on that.
        for (_, peer) in idle.into_iter().rev().take(surplus) {
            tracing::debug!(%peer, "idle connection closed to make room");
            // Fails only when the peer has just gone by itself.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    /// When all connections are in use, closes the one that can best be spared, so that the owner's
    /// work gets its place.
    pub(super) fn make_room(&mut self, now: Instant) {
        if !self.swarm.behaviour().places.is_full() {
            return;
        }
        self.peers.mark_used(&self.routes, now);
        // Those that others made go before the node's own, which may just have been made for
        // something that is about to begin. Of equals, those idle for the shortest time go first,
        // as above.
        let spared = |(_, peer): &(&PeerId, &Peer)| {
            peer.used < now && (peer.is_inbound() || peer.used + GRACE <= now)
        };
        let spare = self.peers.iter().filter(spared);
        let spare = spare.max_by_key(|(_, peer)| (peer.is_inbound(), peer.used));
        let Some((peer, connections)) = spare.map(|(id, peer)| (*id, peer.connections())) else {
            return;
        };
        tracing::debug!(%peer, "closed to make room for a connection of the node's own");
        for id in connections {
            self.swarm.behaviour_mut().places.give_up(id);
        }
        // Fails only when the peer has just gone by itself.
        let _ = self.swarm.disconnect_peer_id(peer);
    }
}

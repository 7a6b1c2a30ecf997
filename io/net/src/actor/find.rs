//! Looking for providers.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    core::Endpoint,
    kad::{self, QueryId, RecordKey, store::RecordStore as _},
    swarm::{ConnectionId, NetworkBehaviour as _},
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    Actor,
    scope::{MAX_ADDRESSES, without_peer},
};
use crate::{FindEvent, handle::FIND_QUEUE};

/// Searches at once, waiting ones included.
const MAX_FINDS: usize = 128;

/// Providers reported by one search.
const MAX_PROVIDERS: usize = 256;

/// How long a search waits for somebody to ask, when nobody is known.
const WAIT_FOR_PEERS: Duration = Duration::from_secs(10);

/// The searches under way.
#[derive(Debug, Default)]
pub(super) struct Finds {
    running: HashMap<QueryId, Find>,
    /// Searches that had nobody to ask.
    waiting: Vec<Find>,
    /// Who wants to hear of peers that announce a key to this node.
    listening: Vec<(Vec<u8>, mpsc::Sender<PeerId>)>,
}

impl Finds {
    pub(super) fn listen(&mut self, key: Vec<u8>, announced: mpsc::Sender<PeerId>) {
        self.listening
            .retain(|(_, announced)| !announced.is_closed());
        if self.listening.len() < MAX_FINDS {
            self.listening.push((key, announced));
        }
    }

    /// A peer announced a key.
    pub(super) fn announced(&self, key: &RecordKey, peer: PeerId) {
        let wanted = self.listening.iter();
        for (_, announced) in wanted.filter(|(wanted, _)| wanted == key.as_ref()) {
            // A full queue means that there are plenty to look at.
            let _ = announced.try_send(peer);
        }
    }
}

#[derive(Debug)]
struct Find {
    key: Vec<u8>,
    found: mpsc::Sender<FindEvent>,
    seen: HashSet<PeerId>,
    asked: u32,
    deadline: Instant,
}

impl Find {
    /// Progress may be dropped; providers and the end always find room, because there are fewer
    /// of them than the queue holds.
    fn asked(&mut self, peers: u32) {
        let room = self.found.capacity() > FIND_QUEUE / 2 + 1;
        if peers > self.asked && room {
            self.asked = peers;
            self.send(FindEvent::Asked(peers));
        }
    }

    fn send(&self, event: FindEvent) {
        // Fails when nobody listens any more; the search is then dropped at its next step.
        let _ = self.found.try_send(event);
    }
}

impl Actor {
    pub(super) fn find(&mut self, key: Vec<u8>, found: mpsc::Sender<FindEvent>, now: Instant) {
        let deadline = now + WAIT_FOR_PEERS;
        let find = Find {
            key,
            found,
            seen: HashSet::new(),
            asked: 0,
            deadline,
        };
        if self.finds.running.len() + self.finds.waiting.len() >= MAX_FINDS {
            find.send(FindEvent::Finished);
            return;
        }
        self.begin_find(find);
    }

    fn begin_find(&mut self, find: Find) {
        let key = RecordKey::new(&find.key);
        let query = self.swarm.behaviour_mut().kad.get_providers(key);
        self.finds.running.insert(query, find);
    }

    /// There is somebody to ask now.
    pub(super) fn resume_finds(&mut self, now: Instant) {
        for find in std::mem::take(&mut self.finds.waiting) {
            if find.deadline > now && !find.found.is_closed() {
                self.begin_find(find);
            } else {
                find.send(FindEvent::Finished);
            }
        }
    }

    /// Ends searches that waited long enough, and those that nobody listens to.
    pub(super) fn sweep_finds(&mut self, now: Instant) {
        let waiting = std::mem::take(&mut self.finds.waiting);
        let (ended, waiting): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|find| find.deadline <= now || find.found.is_closed());
        self.finds.waiting = waiting;
        for find in ended {
            find.send(FindEvent::Finished);
        }
        let kad = &mut self.swarm.behaviour_mut().kad;
        self.finds.running.retain(|query, find| {
            let keep = !find.found.is_closed();
            if !keep && let Some(mut query) = kad.query_mut(query) {
                query.finish();
            }
            keep
        });
    }

    pub(super) fn on_found(
        &mut self,
        query: QueryId,
        result: Result<kad::GetProvidersOk, kad::GetProvidersError>,
        asked: u32,
        last: bool,
    ) {
        let Some(mut find) = self.finds.running.remove(&query) else {
            return;
        };
        find.asked(asked);
        if let Ok(kad::GetProvidersOk::FoundProviders { providers, .. }) = result {
            for peer in providers {
                self.report_provider(&mut find, peer);
            }
        }
        if !last {
            self.finds.running.insert(query, find);
        } else if asked == 0 && find.seen.is_empty() && find.deadline > Instant::now() {
            self.finds.waiting.push(find);
        } else {
            find.send(FindEvent::Finished);
        }
    }

    fn report_provider(&mut self, find: &mut Find, peer: PeerId) {
        let known = peer == self.shared.peer || self.is_banned(&peer) || find.seen.contains(&peer);
        if known || find.seen.len() >= MAX_PROVIDERS {
            return;
        }
        find.seen.insert(peer);
        let addrs = self.addresses_of(&peer, &find.key);
        find.send(FindEvent::Provider { peer, addrs });
    }

    /// The addresses that are known of a provider: those that came with the answer, which the
    /// running query keeps for its own dials, those in the routing table, in a record stored
    /// here, and those that the peer told when it introduced itself.
    fn addresses_of(&mut self, peer: &PeerId, key: &[u8]) -> Vec<Multiaddr> {
        let introduced = self.peers.get(peer).map(|peer| peer.listen().to_vec());
        let kad = &mut self.swarm.behaviour_mut().kad;
        let no_connection = ConnectionId::new_unchecked(0);
        let routed = kad
            .handle_pending_outbound_connection(no_connection, Some(*peer), &[], Endpoint::Dialer)
            .unwrap_or_default();
        let stored = kad.store_mut().providers(&RecordKey::new(&key));
        let stored = stored.into_iter().filter(|record| record.provider == *peer);
        let mut addresses: Vec<Multiaddr> = Vec::new();
        let all = routed
            .into_iter()
            .chain(stored.flat_map(|record| record.addresses));
        for address in all.chain(introduced.into_iter().flatten()) {
            let address = without_peer(address, peer);
            if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
                addresses.push(address);
            }
        }
        addresses
    }
}

//! What this node keeps for others: who has what, as they say it themselves.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use sha1::{Digest as _, Sha1};

use super::NodeId;

/// Torrents, and peers of each, at most.
const MAX_TORRENTS: usize = 1000;
const MAX_PEERS: usize = 100;
/// Peers that are told in one answer: it fits a datagram.
const MAX_TOLD: usize = 30;
/// Torrents of one network, at most.
const MAX_OF_NETWORK: usize = 50;
/// Who says nothing more is forgotten.
const LIFE: Duration = Duration::from_secs(30 * 60);
/// A token is good for this time, and as long again.
const TOKEN_LIFE: Duration = Duration::from_secs(5 * 60);
/// Bytes of a token.
const TOKEN: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Store {
    torrents: BTreeMap<NodeId, BTreeMap<SocketAddrV6, Duration>>,
    secrets: [[u8; 16]; 2],
    since: Duration,
}

impl Store {
    pub(super) fn new(secret: [u8; 16]) -> Self {
        Self {
            torrents: BTreeMap::new(),
            secrets: [secret; 2],
            since: Duration::ZERO,
        }
    }

    /// Forgets what is old; `random` is the next secret.
    pub(super) fn tick(&mut self, now: Duration, random: [u8; 16]) {
        if now.saturating_sub(self.since) >= TOKEN_LIFE {
            self.secrets = [random, self.secrets[0]];
            self.since = now;
        }
        self.torrents.retain(|_, peers| {
            peers.retain(|_, since| now.saturating_sub(*since) < LIFE);
            !peers.is_empty()
        });
    }

    /// What an address has to bring to announce something: only who gets answers there has it.
    pub(super) fn token(&self, ip: &Ipv6Addr) -> Vec<u8> {
        Self::made(&self.secrets[0], ip)
    }

    fn made(secret: &[u8; 16], ip: &Ipv6Addr) -> Vec<u8> {
        let hash = Sha1::new().chain_update(secret).chain_update(ip.octets());
        hash.finalize()[..TOKEN].to_vec()
    }

    pub(super) fn is_good(&self, token: &[u8], ip: &Ipv6Addr) -> bool {
        let mut made = self.secrets.iter().map(|secret| Self::made(secret, ip));
        made.any(|made| made == token)
    }

    /// Keeps a peer, if there is room.
    pub(super) fn keep(&mut self, now: Duration, target: NodeId, peer: SocketAddrV6) {
        if !self.torrents.contains_key(&target) {
            let network = |peer: &SocketAddrV6| {
                let [a, b, c, ..] = peer.ip().segments();
                [a, b, c]
            };
            let of_network = self.torrents.values();
            let of_network = of_network
                .filter(|peers| peers.keys().any(|known| network(known) == network(&peer)));
            let is_local = peer.ip().is_loopback();
            let is_full = self.torrents.len() >= MAX_TORRENTS;
            if is_full || !is_local && of_network.count() >= MAX_OF_NETWORK {
                return;
            }
        }
        let peers = self.torrents.entry(target).or_default();
        // One place a host, that of its last word.
        if !peer.ip().is_loopback() {
            peers.retain(|known, _| known.ip() != peer.ip());
        }
        if peers.len() < MAX_PEERS || peers.contains_key(&peer) {
            peers.insert(peer, now);
        }
    }

    /// Peers of a torrent, from a place in the list that `random` chooses.
    pub(super) fn peers(&self, target: &NodeId, random: u64) -> Vec<SocketAddrV6> {
        let Some(peers) = self.torrents.get(target) else {
            return Vec::new();
        };
        let start = usize::try_from(random % peers.len().max(1) as u64).unwrap_or(0);
        let all = peers.keys().cycle().skip(start);
        all.take(peers.len().min(MAX_TOLD)).copied().collect()
    }
}

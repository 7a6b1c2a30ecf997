//! Announcing what this node provides.
//!
//! Every key is announced when it is added, again at an interval, and again soon after peers join
//! that may now be the ones to ask: the first peer after none, any peer while few are known, many
//! peers later on. Announcing takes no more than a small part of the time.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use libp2p::kad::{QueryId, RecordKey};
use tokio::time::Instant;

use super::Actor;
use crate::ProvideError;

/// Keys that one node announces.
const MAX_KEYS: usize = 16_384;

/// Longest key.
const MAX_KEY_BYTES: usize = 64;

/// Announcements under way at once.
const MAX_RUNNING: usize = 8;

/// As many peers as a key is announced to: below that each new peer is one of them.
const FEW_PEERS: usize = 20;

/// New peers often come in groups.
const SETTLE: Duration = Duration::from_millis(100);

/// Shortest time between two rounds that new peers cause.
const MIN_GAP: Duration = Duration::from_secs(2);

/// A round is followed by at least so many times its own length without one.
const REST: u32 = 10;

/// The keys and the state of their announcing.
#[derive(Debug)]
pub(super) struct Announcer {
    keys: BTreeSet<Vec<u8>>,
    queue: VecDeque<Vec<u8>>,
    running: HashMap<QueryId, Vec<u8>>,
    republish: Duration,
    /// When the running round began.
    round: Option<Instant>,
    /// Peers known when the last round began.
    known: usize,
    /// Peers that joined since.
    joined: usize,
    /// No round because of new peers before this.
    earliest: Option<Instant>,
    /// The next round because of new peers.
    due: Option<Instant>,
    /// The next round because of time.
    periodic: Option<Instant>,
}

impl Announcer {
    pub(super) fn new(republish: Duration) -> Self {
        Self {
            keys: BTreeSet::new(),
            queue: VecDeque::new(),
            running: HashMap::new(),
            republish: republish.max(MIN_GAP),
            round: None,
            known: 0,
            joined: 0,
            earliest: None,
            due: None,
            periodic: None,
        }
    }

    /// When [`Actor::announce`] is to be called next.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        if self.keys.is_empty() {
            return None;
        }
        [self.due, self.periodic].into_iter().flatten().min()
    }

    /// Notes that a peer joined; `known` are in the routing table now.
    pub(super) fn peer_joined(&mut self, known: usize, now: Instant) {
        self.joined += 1;
        let matters = known <= FEW_PEERS || self.joined >= self.known / 2;
        if matters && self.due.is_none() {
            let settled = now + SETTLE;
            self.due = Some(
                self.earliest
                    .map_or(settled, |earliest| earliest.max(settled)),
            );
        }
    }

    fn begin_round(&mut self, known: usize, now: Instant) {
        self.due = None;
        self.periodic = Some(now + self.republish);
        self.known = known;
        self.joined = 0;
        self.round.get_or_insert(now);
        self.queue = self.keys.iter().cloned().collect();
    }

    fn end_round(&mut self, now: Instant) {
        if let Some(began) = self.round.take() {
            let rest = (now - began).saturating_mul(REST).max(MIN_GAP);
            self.earliest = Some(now + rest);
        }
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.running.len() >= MAX_RUNNING {
            return None;
        }
        loop {
            let key = self.queue.pop_front()?;
            // It may have been taken back while it waited.
            if self.keys.contains(&key) {
                return Some(key);
            }
        }
    }
}

impl Actor {
    pub(super) fn provide(&mut self, key: Vec<u8>) -> Result<(), ProvideError> {
        if key.len() > MAX_KEY_BYTES {
            return Err(ProvideError::KeyTooLong {
                limit: MAX_KEY_BYTES,
            });
        }
        if self.announcer.keys.len() >= MAX_KEYS && !self.announcer.keys.contains(&key) {
            return Err(ProvideError::TooMany { limit: MAX_KEYS });
        }
        let periodic = Instant::now() + self.announcer.republish;
        self.announcer.periodic.get_or_insert(periodic);
        if self.announcer.keys.insert(key.clone()) {
            self.announcer.queue.push_back(key);
            self.announce_queued();
        }
        Ok(())
    }

    pub(super) fn stop_providing(&mut self, key: &[u8]) {
        if self.announcer.keys.remove(key) {
            self.swarm
                .behaviour_mut()
                .kad
                .stop_providing(&RecordKey::new(&key));
        }
    }

    /// Begins the round that is due.
    pub(super) fn announce(&mut self, now: Instant) {
        let is_due = self.announcer.wake_at().is_some_and(|due| due <= now);
        if is_due {
            let known = self.known_dht_peers();
            self.announcer.begin_round(known, now);
            self.announce_queued();
        }
    }

    /// An announcement ended, well or not.
    pub(super) fn announced(&mut self, query: QueryId) {
        if self.announcer.running.remove(&query).is_some() {
            self.announce_queued();
            if self.announcer.running.is_empty() {
                self.announcer.end_round(Instant::now());
            }
        }
    }

    fn announce_queued(&mut self) {
        while let Some(key) = self.announcer.next() {
            match self
                .swarm
                .behaviour_mut()
                .kad
                .start_providing(RecordKey::new(&key))
            {
                Ok(query) => {
                    self.announcer.running.insert(query, key);
                }
                Err(error) => tracing::warn!(%error, "a key is not announced"),
            }
        }
    }
}

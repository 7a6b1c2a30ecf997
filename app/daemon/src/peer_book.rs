//! Who is banned and why, and which peers to try again after a restart.

use crate::clock::unix_now;
use potluck_identity::PeerId;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a peer stays banned.
const BAN_TIME: Duration = Duration::from_secs(24 * 3600);
/// Bans remembered at once; the oldest goes first.
const MAX_BANS: usize = 4096;
/// Peers that have a note at once.
const MAX_NOTES: usize = 1024;
/// Peers remembered for the next start.
const MAX_KNOWN: usize = 256;

/// A peer that is refused.
#[derive(Debug, Clone)]
pub(crate) struct Ban {
    pub(crate) reason: String,
    since: Instant,
}

/// A peer worth dialing again.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) addresses: Vec<String>,
    pub(crate) last_seen: u64,
}

#[derive(Default)]
struct Inner {
    bans: BTreeMap<PeerId, Ban>,
    notes: BTreeMap<PeerId, String>,
    known: BTreeMap<PeerId, Known>,
}

/// The book; one for each node.
#[derive(Default)]
pub(crate) struct PeerBook {
    inner: Mutex<Inner>,
}

impl PeerBook {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses a peer from now on. The first reason stands.
    pub(crate) fn ban(&self, peer: PeerId, reason: String) {
        let mut inner = self.lock();
        if inner.bans.len() >= MAX_BANS {
            let oldest = inner
                .bans
                .iter()
                .min_by_key(|(_, ban)| ban.since)
                .map(|(peer, _)| *peer);
            if let Some(oldest) = oldest {
                inner.bans.remove(&oldest);
            }
        }
        inner.bans.entry(peer).or_insert_with(|| Ban {
            reason,
            since: Instant::now(),
        });
    }

    /// Remembers what is odd about a peer that is not refused for it.
    pub(crate) fn note(&self, peer: PeerId, what: String) {
        let mut inner = self.lock();
        if inner.notes.len() >= MAX_NOTES {
            inner.notes.pop_first();
        }
        inner.notes.insert(peer, what);
    }

    /// What is odd about a peer is over.
    pub(crate) fn clear_note(&self, peer: &PeerId) {
        self.lock().notes.remove(peer);
    }

    /// All notes, for `status`.
    pub(crate) fn notes(&self) -> BTreeMap<PeerId, String> {
        self.lock().notes.clone()
    }

    /// Why a peer is refused, if it is.
    pub(crate) fn banned(&self, peer: &PeerId) -> Option<String> {
        self.lock().bans.get(peer).map(|ban| ban.reason.clone())
    }

    /// All peers that are refused.
    pub(crate) fn bans(&self) -> Vec<(PeerId, String)> {
        self.lock()
            .bans
            .iter()
            .map(|(peer, ban)| (*peer, ban.reason.clone()))
            .collect()
    }

    /// Ends bans that have lasted long enough; returns whose.
    pub(crate) fn lift_expired(&self) -> Vec<PeerId> {
        let mut inner = self.lock();
        let expired: Vec<PeerId> = inner
            .bans
            .iter()
            .filter(|(_, ban)| ban.since.elapsed() >= BAN_TIME)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in &expired {
            inner.bans.remove(peer);
        }
        expired
    }

    /// Remembers where a peer was reached.
    pub(crate) fn saw(&self, peer: PeerId, addresses: Vec<String>) {
        if addresses.is_empty() {
            return;
        }
        let mut inner = self.lock();
        inner.known.insert(
            peer,
            Known {
                addresses,
                last_seen: unix_now(),
            },
        );
        if inner.known.len() > MAX_KNOWN {
            let oldest = inner.known.iter().min_by_key(|(_, known)| known.last_seen);
            if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                inner.known.remove(&oldest);
            }
        }
    }

    /// The peers to remember.
    pub(crate) fn known(&self) -> Vec<(PeerId, Known)> {
        self.lock()
            .known
            .iter()
            .map(|(peer, known)| (*peer, known.clone()))
            .collect()
    }
}

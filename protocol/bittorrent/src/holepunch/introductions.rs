//! Who told of whom, and whom to ask for help.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::extended::{Pex, PexFlags};

/// Addresses that are remembered, at most.
const MAX_KNOWN: usize = 500;
/// Peers that may introduce one address, at most.
const MAX_BY: usize = 8;
/// For one address somebody is asked no sooner again.
const AGAIN: Duration = Duration::from_secs(60);
/// So many are asked within that time, for all addresses.
const MAX_ASKED: usize = 20;

/// Peers that others are connected to, by where they listen.
#[derive(Debug)]
pub struct Introductions<K> {
    known: BTreeMap<SocketAddr, Known<K>>,
    /// When somebody was asked.
    asked: Vec<Duration>,
}

#[derive(Debug)]
struct Known<K> {
    flags: PexFlags,
    /// Who is connected to it.
    by: BTreeSet<K>,
    /// Who was asked already.
    tried: BTreeSet<K>,
    asked: Option<Duration>,
}

impl<K> Default for Introductions<K> {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            asked: Vec::new(),
        }
    }
}

impl<K: Copy + Ord> Introductions<K> {
    /// A peer that takes holepunch messages tells whom it is connected to, and no longer.
    pub fn told(&mut self, by: K, pex: &Pex) {
        for addr in &pex.dropped {
            self.end(by, addr);
        }
        for peer in &pex.added {
            if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&peer.addr) {
                continue;
            }
            let known = self.known.entry(peer.addr).or_insert_with(|| Known {
                flags: PexFlags::default(),
                by: BTreeSet::new(),
                tried: BTreeSet::new(),
                asked: None,
            });
            known.flags = peer.flags;
            if known.by.len() < MAX_BY {
                known.by.insert(by);
            }
        }
    }

    fn end(&mut self, by: K, addr: &SocketAddr) {
        if let Some(known) = self.known.get_mut(addr) {
            known.by.remove(&by);
            known.tried.remove(&by);
            if known.by.is_empty() {
                self.known.remove(addr);
            }
        }
    }

    /// A peer is gone, and introduces nobody any more.
    pub fn gone(&mut self, by: K) {
        self.known.retain(|_, known| {
            known.by.remove(&by);
            known.tried.remove(&by);
            !known.by.is_empty()
        });
    }

    /// Whether nobody is to be expected to answer at an address without help.
    #[must_use]
    pub fn needs_help(&self, addr: &SocketAddr) -> bool {
        let flags = self.known.get(addr).map(|known| known.flags);
        flags.is_some_and(|flags| flags.holepunch && !flags.reachable)
    }

    /// Whom to ask to be brought together with a peer that did not answer, or won't. None when nobody
    /// knows it, or somebody was asked just before.
    pub fn ask(&mut self, now: Duration, addr: &SocketAddr) -> Option<K> {
        self.asked.retain(|at| now.saturating_sub(*at) < AGAIN);
        if self.asked.len() >= MAX_ASKED {
            return None;
        }
        let known = self.known.get_mut(addr)?;
        if known.asked.is_some_and(|at| now.saturating_sub(at) < AGAIN) {
            return None;
        }
        // Each in turn: the one that was asked first may be of no help.
        if known.by.iter().all(|by| known.tried.contains(by)) {
            known.tried.clear();
        }
        let by = *known.by.iter().find(|by| !known.tried.contains(by))?;
        known.tried.insert(by);
        known.asked = Some(now);
        self.asked.push(now);
        Some(by)
    }
}

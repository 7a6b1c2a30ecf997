//! How often peers tell each other of peers (BEP 11): once a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::{MAX_PEX_PEERS, Pex, PexFlags, PexPeer};

/// Seconds between two messages to one peer.
pub const PEX_SECONDS: u64 = 60;

/// Seconds that a message may be early, from clocks and networks that are not exact.
const SLACK_SECONDS: u64 = 10;
/// Early messages, more than those in time, after which a peer is not worth having.
const MAX_EARLY: u32 = 5;

/// Holds a peer to the pace. Times are counted from any fixed moment.
#[derive(Clone, Debug, Default)]
pub struct PexGate {
    last: Option<Duration>,
    early: u32,
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PexVerdict {
    /// It came in time.
    Take,
    /// It came too early.
    Ignore,
    /// It came too early once too often: the peer may be dropped.
    Abuse,
}

/// Whom a peer was told of, so that only changes are sent to it.
#[derive(Clone, Debug, Default)]
pub struct PexSender {
    told: BTreeSet<SocketAddr>,
    next: Duration,
}

impl PexGate {
    /// Judges a message that comes now, before it is read.
    pub fn admit(&mut self, now: Duration) -> PexVerdict {
        let least = Duration::from_secs(PEX_SECONDS - SLACK_SECONDS);
        let in_time = self
            .last
            .is_none_or(|last| now.saturating_sub(last) >= least);
        if in_time {
            self.last = Some(now);
            self.early = self.early.saturating_sub(1);
            return PexVerdict::Take;
        }
        self.early = self.early.saturating_add(1);
        if self.early > MAX_EARLY {
            PexVerdict::Abuse
        } else {
            PexVerdict::Ignore
        }
    }
}

impl PexSender {
    /// When there may be a message again, if anything changed.
    #[must_use]
    pub fn poll_timeout(&self) -> Duration {
        self.next
    }

    /// What to tell the peer now, from all whom we are connected to, by where they listen and without
    /// the peer itself. What is too much for one message comes with the next.
    pub fn poll(
        &mut self,
        now: Duration,
        connected: &BTreeMap<SocketAddr, PexFlags>,
    ) -> Option<Pex> {
        if now < self.next {
            return None;
        }
        let added = connected.iter();
        let added = added.filter(|(addr, _)| !self.told.contains(addr));
        let added = added.map(|(&addr, &flags)| PexPeer { addr, flags });
        let dropped = self.told.iter().copied();
        let dropped = dropped.filter(|addr| !connected.contains_key(addr));
        let pex = Pex {
            added: added.take(MAX_PEX_PEERS).collect(),
            dropped: dropped.take(MAX_PEX_PEERS).collect(),
        };
        if pex == Pex::default() {
            return None;
        }
        for addr in &pex.dropped {
            self.told.remove(addr);
        }
        self.told.extend(pex.added.iter().map(|peer| peer.addr));
        self.next = now.saturating_add(Duration::from_secs(PEX_SECONDS));
        Some(pex)
    }
}

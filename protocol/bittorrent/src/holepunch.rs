//! Who brings whom together (BEP 55), in the three roles that there are: the peer that knows both, the one
//! that asks it, and the one that is asked for. Messages are in [`crate::wire::extended`].
//!
//! Pure rules. Times are counted from any fixed moment.

mod introductions;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::wire::extended::{Holepunch, HolepunchFailure, HolepunchKind};

pub use introductions::Introductions;

/// Messages that one peer may send in a row.
const BURST: u32 = 8;
/// After this time it may send one more.
const REFILL: Duration = Duration::from_secs(6);

/// Holds a peer to a pace: what it sends makes this node, or others, send something to strangers.
#[derive(Clone, Copy, Debug, Default)]
pub struct PunchGate {
    /// Messages that count now, and since when.
    counted: u32,
    since: Duration,
}

impl PunchGate {
    /// Whether a message that comes now is heeded.
    pub fn admit(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.since).as_secs() / REFILL.as_secs().max(1);
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        if self.counted == 0 || passed >= self.counted {
            self.counted = 0;
            self.since = now;
        } else {
            self.counted -= passed;
            self.since = self.since.saturating_add(REFILL * passed);
        }
        if self.counted >= BURST {
            return false;
        }
        self.counted += 1;
        true
    }
}

/// A peer as the one that knows it sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// Where its connection comes from, or goes to.
    pub address: SocketAddr,
    /// Whether that is over uTP: then others reach it there, if at all.
    pub is_utp: bool,
    /// Where it says it listens.
    pub listens: Option<SocketAddr>,
    /// It takes messages of the extension.
    pub takes: bool,
}

impl Party {
    /// Whether it is meant by an address that others know.
    fn is_at(&self, address: SocketAddr) -> bool {
        self.listens == Some(address) || self.address == address
    }

    /// Where others reach it over uTP.
    fn reached_at(&self) -> Option<SocketAddr> {
        if self.is_utp {
            Some(self.address)
        } else {
            self.listens
        }
    }
}

/// Two peers are told of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meeting<K> {
    /// The one that was asked for.
    pub other: K,
    /// What it is told.
    pub to_other: Holepunch,
    /// What the one that asked is told.
    pub to_asker: Holepunch,
}

/// What the one between does when `asker` asks for a peer at `wanted`: both are told, or the asker
/// why not. `own` is where this node itself is reached, as far as it knows.
///
/// # Errors
///
/// What the asker is to be told.
pub fn meet<K>(
    wanted: SocketAddr,
    asker: &Party,
    own: Option<SocketAddr>,
    mut parties: impl Iterator<Item = (K, Party)>,
) -> Result<Meeting<K>, Holepunch> {
    let failed = |failure| Holepunch {
        kind: HolepunchKind::Failed(failure),
        addr: wanted,
    };
    if own == Some(wanted) {
        return Err(failed(HolepunchFailure::NoSelf));
    }
    if !can_be_reached(wanted) || asker.is_at(wanted) {
        return Err(failed(HolepunchFailure::NoSuchPeer));
    }
    let other = parties.find(|(_, party)| party.is_at(wanted));
    let (other, party) = other.ok_or(failed(HolepunchFailure::NotConnected))?;
    if !party.takes {
        return Err(failed(HolepunchFailure::NoSupport));
    }
    let places = party.reached_at().zip(asker.reached_at());
    let (there, here) = places.ok_or(failed(HolepunchFailure::NoSuchPeer))?;
    // An address of one family says nothing to who has the other.
    if there.is_ipv4() != here.is_ipv4() {
        return Err(failed(HolepunchFailure::NoSuchPeer));
    }
    let connect = |addr| Holepunch {
        kind: HolepunchKind::Connect,
        addr,
    };
    Ok(Meeting {
        other,
        to_other: connect(here),
        to_asker: connect(there),
    })
}

fn can_be_reached(address: SocketAddr) -> bool {
    crate::wire::compact::can_be_peer(&address)
}

/// Whether this node goes where a peer, whose own address is `by`, tells it to connect to: to the internet, and
/// to a network of its own only if the peer is there too. Nobody sends it to well-known services.
#[must_use]
pub fn is_worth_trying(address: SocketAddr, by: IpAddr) -> bool {
    let scope = Scope::of(address.ip());
    can_be_reached(address)
        && address.port() >= 1024
        && (scope == Scope::Internet || scope == Scope::of(by))
}

/// Where an address is one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Machine,
    Network,
    Internet,
}

impl Scope {
    fn of(ip: IpAddr) -> Self {
        let (is_machine, is_network) = match ip.to_canonical() {
            IpAddr::V4(ip) => (ip.is_loopback(), ip.is_private() || ip.is_link_local()),
            IpAddr::V6(ip) => (
                ip.is_loopback(),
                ip.is_unique_local() || ip.is_unicast_link_local(),
            ),
        };
        match (is_machine, is_network) {
            (true, _) => Self::Machine,
            (_, true) => Self::Network,
            _ => Self::Internet,
        }
    }
}

#[cfg(test)]
mod tests;

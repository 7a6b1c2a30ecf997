//! How far addresses reach, and which of those that a peer tells make sense here.

use std::net::IpAddr;

use libp2p::{Multiaddr, PeerId, core::multiaddr::Protocol};

use super::peers::last_peer;

/// Addresses that are kept of one peer.
pub(super) const MAX_ADDRESSES: usize = 16;

/// Longest address that is kept, in bytes.
const MAX_ADDRESS_BYTES: usize = 256;

/// From where an address can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// The same machine.
    Loopback,
    /// The same local network.
    Local,
    /// Everywhere.
    Global,
}

impl Scope {
    pub(super) fn of(address: &Multiaddr) -> Self {
        let ip = address.iter().find_map(|part| match part {
            Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
            Protocol::Ip6(ip) => Some(IpAddr::V6(ip).to_canonical()),
            _ => None,
        });
        match ip {
            Some(ip) if ip.is_loopback() => Self::Loopback,
            Some(IpAddr::V4(ip)) if ip.is_private() || ip.is_link_local() => Self::Local,
            Some(IpAddr::V6(ip)) if ip.is_unique_local() || ip.is_unicast_link_local() => {
                Self::Local
            }
            _ => Self::Global,
        }
    }
}

/// Those of a peer's addresses that may work for someone who is connected to it by an address of
/// this scope: what reaches less far than the connection itself is of no use. Nearest last, so
/// that global addresses survive a cut.
pub(super) fn useful(told: Vec<Multiaddr>, connection: Scope, peer: &PeerId) -> Vec<Multiaddr> {
    let mut kept: Vec<Multiaddr> = Vec::new();
    for address in told {
        let address = without_peer(address, peer);
        if is_dialable(&address) && Scope::of(&address) >= connection && !kept.contains(&address) {
            kept.push(address);
        }
        if kept.len() >= 4 * MAX_ADDRESSES {
            break;
        }
    }
    kept.sort_by_key(|address| std::cmp::Reverse(Scope::of(address)));
    kept.truncate(MAX_ADDRESSES);
    kept
}

/// The address without the peer at its end.
pub(super) fn without_peer(mut address: Multiaddr, peer: &PeerId) -> Multiaddr {
    if last_peer(&address) == Some(*peer) && !is_circuit(&address) {
        address.pop();
    }
    address
}

/// Whether an address leads through a relay.
pub(super) fn is_circuit(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

fn is_dialable(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    let host = match parts.next() {
        Some(Protocol::Ip4(ip)) => !ip.is_unspecified() && !ip.is_multicast(),
        Some(Protocol::Ip6(ip)) => !ip.is_unspecified() && !ip.is_multicast(),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => true,
        _ => false,
    };
    let port = match parts.next() {
        Some(Protocol::Tcp(port) | Protocol::Udp(port)) => port != 0,
        _ => false,
    };
    host && port && address.len() <= MAX_ADDRESS_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_addresses_that_reach_as_far_as_the_connection_are_kept() {
        let peer = PeerId::random();
        let told = [
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/192.168.0.2/tcp/1",
            "/ip4/203.0.113.5/tcp/1",
            "/ip4/0.0.0.0/tcp/1",
            "/ip4/203.0.113.5/tcp/0",
            "/ip4/203.0.113.5/tcp/1",
        ];
        let kept = |scope| useful(addresses(&told), scope, &peer);
        assert_eq!(kept(Scope::Global), addresses(&["/ip4/203.0.113.5/tcp/1"]));
        let local = ["/ip4/203.0.113.5/tcp/1", "/ip4/192.168.0.2/tcp/1"];
        assert_eq!(kept(Scope::Local), addresses(&local));
        assert_eq!(kept(Scope::Loopback).len(), 3);
    }

    #[test]
    fn the_peer_at_the_end_is_cut_off_and_floods_are_cut() {
        let peer = PeerId::random();
        let told: Vec<Multiaddr> = (1..1000)
            .map(|port| {
                format!("/ip4/203.0.113.5/tcp/{port}/p2p/{peer}")
                    .parse()
                    .unwrap()
            })
            .collect();
        let kept = useful(told, Scope::Global, &peer);
        assert_eq!(kept.len(), MAX_ADDRESSES);
        assert_eq!(kept[0], "/ip4/203.0.113.5/tcp/1".parse().unwrap());
    }
}

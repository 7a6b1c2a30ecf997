//! By which way a peer is reached.

use std::net::{Ipv4Addr, Ipv6Addr};

use libp2p::{Multiaddr, multiaddr::Protocol};

/// The kind of way between this node and a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Path {
    /// The same local network.
    Lan,
    /// The internet, or the same machine.
    Direct,
    /// Through a third node.
    Relayed,
}

impl Path {
    /// The kind of way that an address of a remote peer stands for.
    #[must_use]
    pub fn of(address: &Multiaddr) -> Self {
        let mut lan = false;
        for part in address {
            match part {
                Protocol::P2pCircuit => return Self::Relayed,
                Protocol::Ip4(ip) => lan = is_local_v4(ip),
                Protocol::Ip6(ip) => lan = is_local_v6(ip),
                _ => {}
            }
        }
        if lan { Self::Lan } else { Self::Direct }
    }

    /// The kind of way of a connection that a peer made to this node. On a circuit only the local
    /// address names the relay.
    pub(crate) fn of_inbound(local: &Multiaddr, remote: &Multiaddr) -> Self {
        match Self::of(local) {
            Self::Relayed => Self::Relayed,
            Self::Lan | Self::Direct => Self::of(remote),
        }
    }

    /// The word that is shown to people and scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Direct => "direct",
            Self::Relayed => "relayed",
        }
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_local_v4(ip: Ipv4Addr) -> bool {
    ip.is_private() || ip.is_link_local()
}

fn is_local_v6(ip: Ipv6Addr) -> bool {
    match ip.to_ipv4_mapped() {
        Some(v4) => is_local_v4(v4),
        None => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_sorted_into_paths() {
        let cases = [
            ("/ip4/127.0.0.1/tcp/1", Path::Direct),
            ("/ip6/::1/udp/1/quic-v1", Path::Direct),
            ("/ip4/192.168.1.5/tcp/1", Path::Lan),
            ("/ip4/10.1.1.1/udp/1/quic-v1", Path::Lan),
            ("/ip4/172.16.3.4/tcp/1", Path::Lan),
            ("/ip4/169.254.3.4/tcp/1", Path::Lan),
            ("/ip6/fe80::1/tcp/1", Path::Lan),
            ("/ip6/fd00::1/tcp/1", Path::Lan),
            ("/ip6/::ffff:10.0.0.1/tcp/1", Path::Lan),
            ("/ip4/8.8.8.8/tcp/1", Path::Direct),
            ("/ip6/2001:db8::1/tcp/1", Path::Direct),
            ("/dns4/example.org/tcp/1", Path::Direct),
            (
                "/ip4/192.168.1.5/tcp/1/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X/p2p-circuit",
                Path::Relayed,
            ),
        ];
        for (text, path) in cases {
            let address: Multiaddr = text.parse().unwrap();
            assert_eq!(Path::of(&address), path, "{text}");
        }
    }
}

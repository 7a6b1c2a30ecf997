//! What the node tells the rest of the program.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};

use crate::{Path, Traffic};

/// Something changed. The channel is bounded and events are dropped when nobody reads them, so
/// they are a hint to look; [`NetHandle::peers`](crate::NetHandle::peers) tells the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEvent {
    /// The first connection with a peer, or a better one than before.
    Connected {
        /// The peer.
        peer: PeerId,
        /// The address of the peer on that connection.
        addr: Multiaddr,
        /// The kind of way.
        path: Path,
    },
    /// The last connection with a peer is gone.
    Disconnected {
        /// The peer.
        peer: PeerId,
    },
    /// [`NetHandle::listen_addresses`](crate::NetHandle::listen_addresses) gives other addresses
    /// than before.
    AddressesChanged,
    /// A peer told about itself.
    Identified {
        /// The peer.
        peer: PeerId,
        /// The addresses it can be reached at, as it says, without those that make no sense here.
        addrs: Vec<Multiaddr>,
        /// What its program calls itself.
        agent: String,
    },
    /// A peer was seen on the local network. The node connects to it by itself.
    LanPeer {
        /// The peer.
        peer: PeerId,
        /// Its address.
        addr: Multiaddr,
    },
    /// What is known about being reached from outside changed.
    Reachability(Reachability),
}

/// Whether peers on the internet can connect to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reachability {
    /// Nobody has tried yet.
    #[default]
    Unknown,
    /// Yes.
    Public,
    /// No: other nodes tried and failed.
    Private,
}

impl Reachability {
    /// The word that is shown to people and scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

/// One step of a search for providers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindEvent {
    /// So many peers were asked so far.
    Asked(u32),
    /// A peer says that it provides the key. Each peer is reported once.
    Provider {
        /// The peer.
        peer: PeerId,
        /// Addresses to try; may be empty when none are known.
        addrs: Vec<Multiaddr>,
    },
    /// Everybody worth asking was asked, or time is up. Nothing follows.
    Finished,
}

/// A connected peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// The peer.
    pub peer: PeerId,
    /// Its addresses on the live connections, the best connection first.
    pub addresses: Vec<Multiaddr>,
    /// The addresses it says it can be reached at.
    pub listen_addresses: Vec<Multiaddr>,
    /// The kind of way of the best connection.
    pub path: Path,
    /// What its program calls itself.
    pub agent: Option<String>,
    /// The last measured round trip.
    pub rtt: Option<Duration>,
    /// Since when it is connected.
    pub connected_for: Duration,
    /// Whether it made the best connection.
    pub inbound: bool,
    /// Bytes moved through pipes with it since it is connected.
    pub traffic: Traffic,
    /// How many pipes are open with it.
    pub pipes: u32,
    /// How many of them are lanes, with a TCP connection of their own.
    pub lanes: u32,
}

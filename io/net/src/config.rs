//! What a node is started with.

use std::time::Duration;

use libp2p::Multiaddr;
use potluck_identity::{NetworkKey, NodeKey};

/// Everything that [`start`](crate::start) needs to know.
#[derive(Debug)]
pub struct NetConfig {
    /// The identity of the node.
    pub key: NodeKey,
    /// Addresses to listen on. Port 0 lets the system choose.
    pub listen: Vec<Multiaddr>,
    /// Addresses that the owner knows to reach this node from outside.
    pub external: Vec<Multiaddr>,
    /// Find peers on the local network (mDNS) and ask the router for a port (UPnP).
    pub lan: bool,
    /// Key of a private network. Only nodes with the same key can connect, over TCP only.
    pub private: Option<NetworkKey>,
    /// What others may cost this node.
    pub limits: NetLimits,
    /// Offer to relay small amounts for nodes that cannot be reached.
    pub relay_server: bool,
    /// What this node calls itself, such as `potluck/0.1.0`.
    pub agent_version: String,
    /// Whether this node answers for the distributed hash table.
    pub dht_server: DhtMode,
    /// How often provider records are announced again, and for how long others keep them.
    pub records: RecordTimes,
}

impl NetConfig {
    /// Defaults for a node with this identity: listens on every interface, TCP and QUIC, a port
    /// chosen by the system.
    #[must_use]
    pub fn new(key: NodeKey) -> Self {
        let listen = ["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"];
        Self {
            key,
            listen: listen.iter().filter_map(|addr| addr.parse().ok()).collect(),
            external: Vec::new(),
            lan: true,
            private: None,
            limits: NetLimits::default(),
            relay_server: false,
            agent_version: concat!("potluck/", env!("CARGO_PKG_VERSION")).to_owned(),
            dht_server: DhtMode::Auto,
            records: RecordTimes::default(),
        }
    }
}

/// Bounds on connections and memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetLimits {
    /// Established connections, both directions together.
    pub max_connections: u32,
    /// Established connections with one peer.
    pub max_per_peer: u32,
    /// Connections being set up, for each direction.
    pub max_pending: u32,
    /// No connection is accepted or made while the process is larger than this.
    pub max_memory_bytes: Option<u64>,
}

impl Default for NetLimits {
    fn default() -> Self {
        Self {
            max_connections: 200,
            max_per_peer: 4,
            max_pending: 64,
            max_memory_bytes: None,
        }
    }
}

/// Whether a node answers for the distributed hash table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DhtMode {
    /// Serve, unless it turns out that nobody can reach this node.
    #[default]
    Auto,
    /// Always serve.
    Server,
    /// Never serve.
    Client,
}

/// Lifetimes of provider records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordTimes {
    /// How often this node announces what it provides again.
    pub republish: Duration,
    /// How long a record of another node is kept.
    pub ttl: Duration,
}

impl Default for RecordTimes {
    fn default() -> Self {
        Self {
            republish: Duration::from_secs(3600),
            ttl: Duration::from_secs(24 * 3600),
        }
    }
}

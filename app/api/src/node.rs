use crate::{Phase, Problem};
use serde::{Deserialize, Serialize};

/// First line that `potluck up --json` prints, once the node accepts peers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename = "ready")]
pub struct ReadyEvent {
    /// This node.
    pub peer_id: String,
    /// Addresses it listens on, each ending in `/p2p/<peer id>`.
    pub addresses: Vec<String>,
    /// Base URL of the local API.
    pub api: String,
    /// Program version.
    pub version: String,
    /// Data directory.
    pub data: String,
    /// Address of its pages for a browser; `potluck open` lets one in.
    #[serde(default)]
    pub page: String,
    /// The same for browsers elsewhere, of a node that listens beyond loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<String>,
}

/// What a running daemon leaves in its data directory (mode 0600) so that commands find it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiFile {
    /// Base URL, e.g. `http://127.0.0.1:4321`.
    pub url: String,
    /// Bearer token that every request must carry.
    pub token: String,
    /// Process id of the daemon.
    pub pid: u32,
}

/// By which path a peer is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathKind {
    /// Straight, over the internet or within this machine.
    Direct,
    /// Through another peer that relays.
    Relayed,
    /// Straight, within the local network.
    Lan,
}

impl std::fmt::Display for PathKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Relayed => "relayed",
            Self::Lan => "lan",
        })
    }
}

/// Bytes per second and in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Bytes per second received, over the last few seconds.
    pub down: u64,
    /// Bytes per second sent.
    pub up: u64,
    /// Bytes received since the node started.
    pub down_bytes: u64,
    /// Bytes sent since the node started.
    pub up_bytes: u64,
}

/// A peer that is connected, or banned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Peer id.
    pub id: String,
    /// The address it is connected by, or the last one.
    pub address: Option<String>,
    /// By which path, when connected.
    pub path: Option<PathKind>,
    /// Whether it is connected now.
    pub connected: bool,
    /// Bulk lanes that are open with it: TCP connections that carry content and nothing else. Without
    /// one, content moves on streams of the connection.
    #[serde(default)]
    pub lanes: u32,
    /// Content bytes to and from it.
    pub rates: Rates,
    /// Round-trip time in milliseconds.
    pub rtt_ms: Option<f64>,
    /// What program it says it is.
    pub agent: Option<String>,
    /// Whether this node refuses it.
    pub banned: bool,
    /// Why; or, of a peer that is not refused, what is odd about it.
    pub reason: Option<String>,
}

/// Limits that hold now; `None` is no limit, and a rate of 0 a pause.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes per second sent.
    pub up: Option<u64>,
    /// Bytes per second received.
    pub down: Option<u64>,
    /// Connections at once.
    pub max_connections: u32,
    /// Resident memory above which new connections are refused.
    pub max_memory_bytes: u64,
    /// Bytes that the node may own in its data directory.
    pub storage_bytes: Option<u64>,
    /// What `limits.schedule` comes to now; `None` when it is empty.
    #[serde(default)]
    pub schedule: Option<ScheduleStatus>,
}

/// What the rules of `limits.schedule` come to now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleStatus {
    /// Which of the rules hold and count for something, from 0.
    pub rules: Vec<u32>,
    /// When this changes next, in seconds since 1970; `None`: never.
    pub until: Option<u64>,
    /// The same by the clock of the node, such as `18:00`, or `Mon 08:00` on another day.
    pub until_clock: Option<String>,
    /// What that clock shows now, such as `Fri 17:04`.
    pub clock: String,
}

/// A transfer that is under way, or a download that waits to be resumed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TransferStatus {
    /// `down`, `up` or `partial`.
    pub direction: String,
    /// Address of the content.
    pub cid: String,
    /// Name.
    pub name: String,
    /// Bytes done (for `up`: sent since the peer came).
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
    /// Bytes per second.
    pub rate: u64,
    /// Peers involved.
    pub peers: Vec<String>,
    /// What a download is doing.
    pub phase: Option<Phase>,
    /// Where a download goes.
    pub path: Option<String>,
}

/// What is wrong with a tracker of a torrent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerTrouble {
    /// Address of the torrent.
    pub cid: String,
    /// Its name, once it is known.
    pub name: String,
    /// Host and port of the tracker.
    pub tracker: String,
    /// What is wrong, in words.
    pub what: String,
}

/// Answer of `GET /api/v1/status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// This node.
    pub peer_id: String,
    /// Addresses it listens on, each ending in `/p2p/<peer id>`.
    pub addresses: Vec<String>,
    /// Whether others can reach it: `public`, `private` or `unknown`.
    pub reachability: String,
    /// Who is connected, and who is banned.
    pub peers: Vec<PeerStatus>,
    /// What is moving.
    pub transfers: Vec<TransferStatus>,
    /// Trackers of torrents that something is wrong with.
    #[serde(default)]
    pub tracker_troubles: Vec<TrackerTrouble>,
    /// Limits in force.
    pub limits: Limits,
    /// Content bytes of all peers together.
    pub rates: Rates,
    /// Roots held.
    pub roots: u64,
    /// Bytes this node can provide.
    pub provided_bytes: u64,
    /// Bytes the node owns in its data directory.
    pub stored_bytes: u64,
    /// Seconds since the node started.
    pub uptime: f64,
    /// Resident memory.
    pub memory_bytes: u64,
    /// Data directory.
    pub data: String,
    /// Program version.
    pub version: String,
    /// Files that are not what they were when they were shared or fetched.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// Fingerprint of the private network's key, if the node is in one.
    pub private_network: Option<String>,
    /// What the owner's settings keep torrents from.
    #[serde(default)]
    pub torrents: crate::TorrentsStatus,
}

/// Answer of `GET /api/v1/id`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AddressList {
    /// This node.
    pub peer_id: String,
    /// Addresses it listens on, each ending in `/p2p/<peer id>`; empty when it is not running.
    pub addresses: Vec<String>,
    /// Program version.
    pub version: String,
}

/// Body of `POST /api/v1/connect`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectRequest {
    /// Where to dial; best ends in `/p2p/<peer id>`.
    pub address: String,
}

/// Answer of `POST /api/v1/connect`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectResponse {
    /// Who answered.
    pub peer: String,
    /// By which path.
    pub path: PathKind,
    /// Milliseconds it took.
    pub milliseconds: u64,
}

//! Settings: the file `config.toml` in the data directory.
//!
//! No file means defaults. The file is read strictly: a key or a value that is not understood is
//! an error that names the line and what was probably meant, because a limit that is silently
//! ignored is worse than a node that does not start.

mod edit;
mod gateway;
mod keys;
mod read;
mod rules;
mod value;

pub use crate::schedule::{Rule, RuleError};
pub use gateway::{Gateway, Outside};
pub use rules::Rules;
pub(crate) use value::{parse_ratio, parse_size, parse_time, show_ratio, show_time};

use potluck_api::{ConfigReport, ErrorBody, ExitCode, Rate};
use potluck_identity::PeerId;
use std::path::{Path, PathBuf};

/// Name of the file in the data directory.
pub const CONFIG_FILE: &str = "config.toml";

/// Addresses a node listens on unless it is told others.
pub const DEFAULT_LISTEN: [&str; 4] = [
    "/ip4/0.0.0.0/tcp/4771",
    "/ip4/0.0.0.0/udp/4771/quic-v1",
    "/ip6/::/tcp/4771",
    "/ip6/::/udp/4771/quic-v1",
];

/// Files larger than this are not a config file of ours.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// How the node meets others.
    pub net: Net,
    /// What it may cost.
    pub limits: Limits,
    /// How it shares.
    pub share: Share,
    /// Whether and how it speaks `BitTorrent`.
    pub bittorrent: Bittorrent,
    /// Pages, the local API and content over HTTP.
    pub gateway: Gateway,
}

/// How the node meets others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Net {
    /// Addresses to listen on; `None`: [`DEFAULT_LISTEN`], or another port when that is taken.
    pub listen: Option<Vec<String>>,
    /// Addresses by which others reach this node, when it cannot find out itself.
    pub external: Vec<String>,
    /// Peers to connect to at the start.
    pub peers: Vec<String>,
    /// Find peers on the local network, and ask the router for a port.
    pub lan: bool,
    /// Key file of a private network; a relative path is within the data directory.
    pub private_key_file: Option<PathBuf>,
    /// Relay for peers that cannot be reached otherwise.
    pub relay: bool,
    /// Part taken in the distributed hash table.
    pub dht: Dht,
}

impl Default for Net {
    fn default() -> Self {
        Self {
            listen: None,
            external: Vec::new(),
            peers: Vec::new(),
            lan: true,
            private_key_file: None,
            relay: false,
            dht: Dht::Auto,
        }
    }
}

impl Net {
    /// Addresses to listen on, and whether the owner chose them.
    #[must_use]
    pub fn listen_addresses(&self) -> (Vec<String>, bool) {
        match &self.listen {
            Some(chosen) => (chosen.clone(), true),
            None => (DEFAULT_LISTEN.map(str::to_owned).to_vec(), false),
        }
    }
}

/// Part taken in the distributed hash table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dht {
    /// Answer others unless nobody can reach this node.
    #[default]
    Auto,
    /// Always answer others.
    Server,
    /// Only ask.
    Client,
}

/// What the node may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Sending.
    pub up: Rate,
    /// Receiving.
    pub down: Rate,
    /// What holds instead at some times.
    pub schedule: Vec<Rule>,
    /// Connections at once.
    pub max_connections: u32,
    /// Resident memory above which new connections are refused.
    pub max_memory_bytes: u64,
    /// Bytes the node may own in its data directory; `None`: no limit.
    pub storage_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            up: Rate(None),
            down: Rate(None),
            schedule: Vec::new(),
            max_connections: 200,
            max_memory_bytes: 1024 * 1024 * 1024,
            storage_bytes: None,
        }
    }
}

/// How the node shares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Share {
    /// Threads that compute addresses; 0: one for each core.
    pub threads: u32,
    /// Peers whom the owner knows: they are served first.
    pub contacts: Vec<PeerId>,
}

/// Whether and how the node speaks `BitTorrent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bittorrent {
    /// Fetch and serve torrents at all.
    pub enabled: bool,
    /// The port where peers reach this node, from the first torrent on; another when it is taken.
    pub port: u16,
    /// Make and take connections over TCP.
    pub tcp: bool,
    /// Make and take connections over uTP, at the port of the same number.
    pub utp: bool,
    /// Hiding from who looks at the traffic what protocol it is.
    pub encryption: Encryption,
    /// Find peers in the `BitTorrent` DHT.
    pub dht: bool,
    /// Nodes of the DHT by which this node finds in, `HOST:PORT`; empty: those that everybody uses.
    pub dht_nodes: Vec<String>,
    /// Find peers on the local network, and tell them of this node's torrents.
    pub lsd: bool,
    /// Showing pieces one by one (BEP 16).
    pub super_seeding: SuperSeeding,
    /// What the owner wants of torrents.
    pub rules: Rules,
}

impl Default for Bittorrent {
    fn default() -> Self {
        Self {
            enabled: true,
            port: 4772,
            tcp: true,
            utp: true,
            encryption: Encryption::Prefer,
            dht: true,
            dht_nodes: Vec::new(),
            lsd: true,
            super_seeding: SuperSeeding::Auto,
            rules: Rules::default(),
        }
    }
}

/// When a seed of a torrent shows its pieces one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SuperSeeding {
    /// While it knows of no other seed.
    #[default]
    Auto,
    /// Until all pieces were spread.
    On,
    /// Never.
    Off,
}

/// When connections to `BitTorrent` peers are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encryption {
    /// Whenever the other side can.
    #[default]
    Prefer,
    /// Always; who can't is no peer.
    Require,
    /// Never.
    Off,
}

/// Where the file is.
#[must_use]
pub fn path(data: &Path) -> PathBuf {
    data.join(CONFIG_FILE)
}

/// Reads the settings of a data directory.
pub fn load(data: &Path) -> Result<Config, ErrorBody> {
    let path = path(data);
    read::config(&path, &read::text(&path)?)
}

/// All settings with their values, defaults and help.
pub fn report(data: &Path) -> Result<ConfigReport, ErrorBody> {
    Ok(describe(data, &load(data)?))
}

/// Describes settings that were loaded, and perhaps overridden, before.
#[must_use]
pub fn describe(data: &Path, config: &Config) -> ConfigReport {
    let path = path(data).display().to_string();
    ConfigReport {
        path,
        entries: keys::entries(config),
        restart_needed: false,
    }
}

/// Changes one setting in the file, or takes it out, and says how everything stands. Comments and
/// order in the file stay; nothing is written unless the result is valid.
pub fn set(data: &Path, key: &str, value: Option<&str>) -> Result<ConfigReport, ErrorBody> {
    edit::set(data, key, value)
}

/// The error for a key that there is not.
#[must_use]
pub fn unknown_key(key: &str) -> ErrorBody {
    usage(
        format!("unknown key {}", value::quoted(key)),
        read::unknown_hint(key),
    )
}

fn usage(message: impl Into<String>, hint: impl Into<String>) -> ErrorBody {
    ErrorBody::new(ExitCode::Usage, message, hint)
}

#[cfg(test)]
mod tests;

//! The table of settings: names, help, and how each is read and shown.

use super::value::{self, Wrong};
use super::{Config, Dht, Encryption, SuperSeeding, gateway, rules};
use potluck_api::{ConfigEntry, Rate};
use toml_edit::Value;

/// One setting.
pub(super) struct Key {
    /// Dotted name.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) help: &'static str,
    /// Whether a running node follows a change.
    pub(super) live: bool,
    /// Whether it is a list, which the command line writes with commas.
    pub(super) list: bool,
    /// Takes it over from the file.
    pub(super) read: fn(&mut Config, &Value) -> Result<(), Wrong>,
    /// Writes it as the command line would.
    pub(super) show: fn(&Config) -> String,
}

pub(super) const fn key(
    name: &'static str,
    help: &'static str,
    read: fn(&mut Config, &Value) -> Result<(), Wrong>,
    show: fn(&Config) -> String,
) -> Key {
    Key {
        name,
        help,
        live: false,
        list: false,
        read,
        show,
    }
}

impl Key {
    pub(super) const fn live(mut self) -> Self {
        self.live = true;
        self
    }

    const fn list(mut self) -> Self {
        self.list = true;
        self
    }
}

/// Settings in the order in which they are shown; [`rules::KEYS`] and [`gateway::KEYS`] follow.
pub(super) const KEYS: [Key; 24] = [
    key(
        "net.listen",
        "Addresses to listen on; without it port 4771, or a free one when that is taken",
        |config, value| {
            let chosen = value::addresses(value)?;
            if chosen.is_empty() {
                return Err(Wrong::new("is empty", "give an address, or 'unset' it"));
            }
            config.net.listen = Some(chosen);
            Ok(())
        },
        |config| config.net.listen_addresses().0.join(","),
    )
    .list(),
    key(
        "net.external",
        "Addresses by which others reach this node, when it cannot find out itself",
        |config, value| value::addresses(value).map(|found| config.net.external = found),
        |config| config.net.external.join(","),
    )
    .list(),
    key(
        "net.peers",
        "Peers to connect to at the start; addresses that end in /p2p/<peer id>",
        |config, value| value::peers(value).map(|found| config.net.peers = found),
        |config| config.net.peers.join(","),
    )
    .list(),
    key(
        "net.lan",
        "Find peers on the local network, and ask the router for ports, those of BitTorrent too",
        |config, value| value::boolean(value).map(|found| config.net.lan = found),
        |config| config.net.lan.to_string(),
    ),
    key(
        "net.private_key_file",
        "Key file of a private network: only nodes with the same key can connect",
        |config, value| {
            value::text(value).map(|found| {
                config.net.private_key_file = (!found.is_empty()).then(|| found.into());
            })
        },
        |config| {
            let file = config.net.private_key_file.as_ref();
            file.map(|path| path.display().to_string())
                .unwrap_or_default()
        },
    ),
    key(
        "net.relay",
        "Relay small amounts for peers that cannot be reached otherwise",
        |config, value| value::boolean(value).map(|found| config.net.relay = found),
        |config| config.net.relay.to_string(),
    ),
    key(
        "net.dht",
        "Part in the distributed hash table: auto, server (always answer) or client (only ask)",
        |config, value| {
            config.net.dht = value::choice(
                value,
                &[
                    ("auto", Dht::Auto),
                    ("server", Dht::Server),
                    ("client", Dht::Client),
                ],
            )?;
            Ok(())
        },
        |config| {
            let name = match config.net.dht {
                Dht::Auto => "auto",
                Dht::Server => "server",
                Dht::Client => "client",
            };
            name.to_owned()
        },
    ),
    key(
        "limits.up",
        "Bytes a second sent, such as 20MB/s; off for no limit",
        |config, value| value::rate(value).map(|found| config.limits.up = found),
        |config| show_rate(config.limits.up),
    )
    .live(),
    key(
        "limits.down",
        "Bytes a second received, such as 20MB/s; off for no limit",
        |config, value| value::rate(value).map(|found| config.limits.down = found),
        |config| show_rate(config.limits.down),
    )
    .live(),
    key(
        "limits.schedule",
        "Rates at some times, such as 'mon-fri 08:00-18:00 up 500kB/s down 2MB/s' or 'daily 23:00-07:00 pause'",
        |config, value| value::schedule(value).map(|found| config.limits.schedule = found),
        |config| {
            let rules = config.limits.schedule.iter().map(ToString::to_string);
            rules.collect::<Vec<_>>().join(", ")
        },
    )
    .live()
    .list(),
    key(
        "limits.max_connections",
        "Connections at once",
        |config, value| {
            config.limits.max_connections = value::count(value, 4, 100_000)?;
            Ok(())
        },
        |config| config.limits.max_connections.to_string(),
    ),
    key(
        "limits.max_memory",
        "Resident memory above which new connections are refused, such as 1GiB",
        |config, value| {
            let found = value::size(value)?.unwrap_or(u64::MAX);
            if found < 64 * 1024 * 1024 {
                return Err(Wrong::new(
                    "is too little to work with",
                    "64MiB is the least",
                ));
            }
            config.limits.max_memory_bytes = found;
            Ok(())
        },
        |config| value::show_size(Some(config.limits.max_memory_bytes)),
    ),
    key(
        "limits.storage",
        "Bytes the node may own in its data directory, such as 100GB; off for no limit",
        |config, value| value::size(value).map(|found| config.limits.storage_bytes = found),
        |config| value::show_size(config.limits.storage_bytes),
    )
    .live(),
    key(
        "share.threads",
        "Threads that compute addresses; 0 for one on each core",
        |config, value| value::count(value, 0, 256).map(|found| config.share.threads = found),
        |config| config.share.threads.to_string(),
    )
    .live(),
    key(
        "share.contacts",
        "Peer ids of people you know: they are served before all others",
        |config, value| value::peer_ids(value).map(|found| config.share.contacts = found),
        |config| {
            let ids = config.share.contacts.iter().map(ToString::to_string);
            ids.collect::<Vec<_>>().join(",")
        },
    )
    .live()
    .list(),
    key(
        "bittorrent.enabled",
        "Fetch and serve torrents",
        |config, value| value::boolean(value).map(|found| config.bittorrent.enabled = found),
        |config| config.bittorrent.enabled.to_string(),
    ),
    key(
        "bittorrent.port",
        "Port where BitTorrent peers reach this node, from its first torrent on; 0 for any",
        |config, value| {
            let found = value::count(value, 0, 65_535)?;
            config.bittorrent.port = u16::try_from(found).unwrap_or_default();
            Ok(())
        },
        |config| config.bittorrent.port.to_string(),
    ),
    key(
        "bittorrent.tcp",
        "Connections to BitTorrent peers over TCP",
        |config, value| value::boolean(value).map(|found| config.bittorrent.tcp = found),
        |config| config.bittorrent.tcp.to_string(),
    ),
    key(
        "bittorrent.utp",
        "Connections to BitTorrent peers over uTP (UDP), where TCP does not reach them",
        |config, value| value::boolean(value).map(|found| config.bittorrent.utp = found),
        |config| config.bittorrent.utp.to_string(),
    ),
    key(
        "bittorrent.encryption",
        "Encrypted connections to BitTorrent peers: prefer, require or off",
        |config, value| {
            config.bittorrent.encryption = value::choice(
                value,
                &[
                    ("prefer", Encryption::Prefer),
                    ("require", Encryption::Require),
                    ("off", Encryption::Off),
                ],
            )?;
            Ok(())
        },
        |config| {
            let name = match config.bittorrent.encryption {
                Encryption::Prefer => "prefer",
                Encryption::Require => "require",
                Encryption::Off => "off",
            };
            name.to_owned()
        },
    ),
    key(
        "bittorrent.dht",
        "Find BitTorrent peers in the DHT; everybody there can see what you look for",
        |config, value| value::boolean(value).map(|found| config.bittorrent.dht = found),
        |config| config.bittorrent.dht.to_string(),
    ),
    key(
        "bittorrent.dht_nodes",
        "Nodes by which this node finds into the DHT, HOST:PORT; empty for those that all use",
        |config, value| value::hosts(value).map(|found| config.bittorrent.dht_nodes = found),
        |config| config.bittorrent.dht_nodes.join(","),
    )
    .list(),
    key(
        "bittorrent.lsd",
        "Find BitTorrent peers on the local network; everybody there can see what you fetch and serve",
        |config, value| value::boolean(value).map(|found| config.bittorrent.lsd = found),
        |config| config.bittorrent.lsd.to_string(),
    ),
    key(
        "bittorrent.super_seeding",
        "Show pieces one by one, so that others spread them: auto (while no other seed is known), on or off",
        |config, value| {
            config.bittorrent.super_seeding = value::choice(
                value,
                &[
                    ("auto", SuperSeeding::Auto),
                    ("on", SuperSeeding::On),
                    ("off", SuperSeeding::Off),
                ],
            )?;
            Ok(())
        },
        |config| {
            let name = match config.bittorrent.super_seeding {
                SuperSeeding::Auto => "auto",
                SuperSeeding::On => "on",
                SuperSeeding::Off => "off",
            };
            name.to_owned()
        },
    ),
];

fn show_rate(rate: Rate) -> String {
    rate.to_string()
}

/// Every setting.
fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(&rules::KEYS).chain(&gateway::KEYS)
}

/// The setting of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// Every setting with its value and default.
pub(super) fn entries(config: &Config) -> Vec<ConfigEntry> {
    let default = Config::default();
    let entry = |key: &Key| ConfigEntry {
        key: key.name.to_owned(),
        value: (key.show)(config),
        default: (key.show)(&default),
        help: key.help.to_owned(),
        live: key.live,
    };
    all().map(entry).collect()
}

/// Whether some setting lies in the section of this name.
pub(super) fn is_section(name: &str) -> bool {
    all().any(|key| section(key.name) == name)
}

fn section(name: &str) -> &str {
    name.split_once('.').map_or(name, |(section, _)| section)
}

/// The setting whose name is most like this one, if it is like it at all.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let leaf = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    let score = |candidate: &str| {
        // A right name in the wrong section, or without one, is as near as a small slip.
        let whole = distance(name, candidate);
        let leaves = distance(&leaf(name), &leaf(candidate)) + 1;
        whole.min(leaves)
    };
    let best = all().map(|key| (score(key.name), key.name)).min()?;
    (best.0 <= 1 + name.chars().count() / 3).then_some(best.1)
}

/// Number of single-character edits between two names (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(128).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().take(128).enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = corner + usize::from(a != *b);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

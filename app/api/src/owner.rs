//! What the owner of a node controls about torrents.

use crate::Rate;
use serde::{Deserialize, Serialize};

/// Body of `POST /api/v1/torrents/limit`. What is `None` stays as it is; with nothing given, it only asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitRequest {
    /// Infohash, magnet link, or the unambiguous name of a torrent.
    pub target: String,
    /// Seed until this many times its size was given, such as `2.0`; `0`: no goal; `default`: as the
    /// node's settings say.
    #[serde(default)]
    pub ratio: Option<String>,
    /// Seed for this time, such as `24h`; `0`: no goal; `default`: as the node's settings say.
    #[serde(default)]
    pub time: Option<String>,
    /// Receive no faster.
    #[serde(default)]
    pub down: Option<Rate>,
    /// Send no faster.
    #[serde(default)]
    pub up: Option<Rate>,
}

/// Answer of `POST /api/v1/torrents/limit`: the goals and limits of a torrent, and how it stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TorrentLimits {
    /// Its address.
    pub cid: String,
    /// Its name.
    pub name: String,
    /// Bytes a second received at most, besides the node's limit; `None`: no limit of its own.
    pub down: Option<u64>,
    /// Bytes a second sent at most, besides the node's limit; `None`: no limit of its own.
    pub up: Option<u64>,
    /// Seeded until this many times its size was given; `None`: no such goal.
    pub ratio_goal: Option<f64>,
    /// That goal, or that there is none, is its own rather than the node's.
    pub ratio_goal_is_own: bool,
    /// Seeded for so many seconds; `None`: no such goal.
    pub time_goal_seconds: Option<u64>,
    /// That goal, or that there is none, is its own rather than the node's.
    pub time_goal_is_own: bool,
    /// How many times its size was given.
    pub ratio: f64,
    /// Bytes given.
    pub sent_bytes: u64,
    /// Seconds that it was seeded.
    pub seeded_seconds: u64,
    /// Which goal is reached, in words.
    pub reached: Option<String>,
}

/// What the owner's settings keep from moving, in [`crate::Status`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TorrentsStatus {
    /// Torrents that are not seeded any more; the first hundred.
    #[serde(default)]
    pub stopped: Vec<TorrentNote>,
    /// Torrents that wait until fewer others are fetched, in their order; the first hundred.
    #[serde(default)]
    pub waiting: Vec<TorrentNote>,
    /// The folder whose torrent files are fetched, if there is one.
    #[serde(default)]
    pub watch: Option<WatchStatus>,
    /// The list of addresses that are no peers, if there is one.
    #[serde(default)]
    pub blocklist: Option<BlocklistStatus>,
    /// What the router was asked for, if it was.
    #[serde(default)]
    pub port_mapping: Option<PortMappingStatus>,
}

/// Ports that the router was asked to have lead here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMappingStatus {
    /// Address of the router, if one answered.
    pub router: Option<String>,
    /// The address that it says it has outside.
    pub external_address: Option<String>,
    /// What leads here.
    #[serde(default)]
    pub ports: Vec<MappedPort>,
    /// Why not all is as it should be, in words.
    pub trouble: Option<String>,
}

/// A port of the router that leads here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedPort {
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// The number here.
    pub port: u16,
    /// The number outside.
    pub external_port: u16,
}

/// The list of addresses that are no peers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlocklistStatus {
    /// Its file.
    pub path: String,
    /// Ranges of addresses in force.
    pub ranges: u64,
    /// Lines that make no sense.
    pub bad_lines: u64,
    /// The first of them, counted from 1.
    pub first_bad_line: Option<u64>,
    /// Connections that were refused or not made, since the node started.
    pub refused_connections: u64,
    /// How often an address was left out that a tracker, a link, the DHT or a peer told of.
    pub ignored_addresses: u64,
    /// Why the file can't be used; an older state of it may be in force.
    pub trouble: Option<String>,
}

/// Why a torrent does not move.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TorrentNote {
    /// Its address.
    pub cid: String,
    /// Its name; empty while that is not known.
    pub name: String,
    /// Why, in words.
    pub reason: String,
}

/// The folder whose torrent files are fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchStatus {
    /// The folder.
    pub folder: String,
    /// Where what is fetched is put.
    pub dest: String,
    /// Files that could not be fetched, and the folder itself when it can't be read; the first hundred.
    #[serde(default)]
    pub troubles: Vec<WatchTrouble>,
}

/// What is wrong with a file of the watched folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchTrouble {
    /// The file.
    pub path: String,
    /// What is wrong, in words.
    pub what: String,
}

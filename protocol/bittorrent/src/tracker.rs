//! Trackers: what they are asked, what they answer, and which one is asked when.
//!
//! [`AnnounceRequest`] and [`AnnounceReply`] are the same for both kinds of trackers: [`http`] writes
//! and reads them for those on the web, [`udp`] as datagrams. Numbers about torrents come from a
//! *scrape* ([`ScrapeStats`]). [`Announcer`] is the state machine of the trackers of one torrent.
//!
//! Everything a tracker says is hostile: lists are bounded, times are kept within
//! [`MIN_INTERVAL`] and [`MAX_INTERVAL`], and texts are cut and freed of control characters.
//!
//! Sources: BEP 3 and 23 (HTTP), 7 (IPv6), 12 (tiers), 15 and 41 (UDP), 31 (when to retry), 48
//! (scrape), 52 (both names of a hybrid); where they are silent, what libtorrent 2 does.

mod announcer;
pub mod http;
mod lane;
mod status;
pub mod udp;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

pub use announcer::{Announcer, MAX_TRACKERS};
pub use lane::{Ask, AskId};
pub use status::TrackerStatus;

use crate::bencode::BencodeError;
use crate::wire::PeerId;
use crate::wire::compact::can_be_peer;
use crate::{InfoHashV1, MAX_URL_BYTES};

/// Most bytes of a reply. Two thousand peers take 36 kB, or 200 kB in the long form.
pub const MAX_REPLY_BYTES: usize = 1024 * 1024;
/// Most peers of a reply that are kept.
pub const MAX_REPLY_PEERS: usize = 2000;
/// Most torrents of one scrape: as many fit into a datagram (BEP 15).
pub const MAX_SCRAPE: usize = 74;
/// Most bytes of a tracker id that is kept and given back.
pub const MAX_TRACKER_ID_BYTES: usize = 256;
/// Most characters of a tracker's text that are kept.
pub const MAX_TEXT_CHARS: usize = 200;
/// No tracker is asked more often, whatever it says.
pub const MIN_INTERVAL: Duration = Duration::from_secs(60);
/// No tracker is asked less often, whatever it says.
pub const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// The time between announces when a tracker names none.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(30 * 60);
/// The least time between announces when a tracker names none; never more than the interval.
pub const DEFAULT_MIN_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// Why an announce is made (BEP 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AnnounceEvent {
    /// It is time.
    #[default]
    Regular,
    /// The first one to this tracker.
    Started,
    /// The download is complete now; not for those that were complete when they started.
    Completed,
    /// The last one.
    Stopped,
}

/// What a tracker is told and asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnounceRequest {
    /// The torrent: its infohash of version 1, or the first bytes of that of version 2
    /// ([`crate::InfoHashV2::truncated`]).
    pub infohash: InfoHashV1,
    /// Who asks.
    pub peer_id: PeerId,
    /// The port on which connections are taken.
    pub port: u16,
    /// Bytes sent to peers since the event `started`.
    pub uploaded: u64,
    /// Bytes received from peers since then.
    pub downloaded: u64,
    /// Bytes that are missing; 0 makes this node a seed.
    pub left: u64,
    /// Why it is made.
    pub event: AnnounceEvent,
    /// How many peers are wanted; none leaves it to the tracker.
    pub num_want: Option<u32>,
    /// A number that stays the same when this node's address changes, and that peers don't see.
    pub key: u32,
    /// What the tracker called itself before ([`AnnounceReply::tracker_id`]).
    pub tracker_id: Option<Vec<u8>>,
    /// This node's address, if it is not the one that the tracker sees (BEP 3). Over UDP only an
    /// IPv4 address can be said.
    pub ip: Option<IpAddr>,
    /// This node's address on IPv6, if the tracker can't see it (BEP 7). Not said over UDP.
    pub ipv6: Option<Ipv6Addr>,
}

/// What a tracker answers to an announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnounceReply {
    /// When to announce again.
    pub interval: Duration,
    /// When to announce again at the earliest; never after `interval`.
    pub min_interval: Duration,
    /// Peers: at most [`MAX_REPLY_PEERS`], none twice, none that can't be one. They may well be
    /// addresses that nobody should connect to.
    pub peers: Vec<SocketAddr>,
    /// How many peers have everything.
    pub seeds: Option<u32>,
    /// How many peers miss something.
    pub leeches: Option<u32>,
    /// A text for people: the announce worked all the same.
    pub warning: Option<String>,
    /// To be sent with the next announce; if none, the last one stays.
    pub tracker_id: Option<Vec<u8>>,
}

/// What a tracker knows of a torrent (BEP 48).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrapeStats {
    /// Peers that have everything.
    pub seeds: u32,
    /// Downloads that were completed, ever.
    pub downloads: u32,
    /// Peers that miss something.
    pub leeches: u32,
}

/// Why a reply is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The tracker says no, and why.
    #[error("the tracker refuses: {reason}")]
    Refused {
        /// In its words: at most [`MAX_TEXT_CHARS`], without control characters.
        reason: String,
        /// When it may be asked again, if it says so (BEP 31).
        retry: Option<Duration>,
    },
    /// Longer than any honest reply.
    #[error("the tracker's reply is longer than {MAX_REPLY_BYTES} bytes")]
    TooLong,
    /// Not bencode, or too much of it.
    #[error("the tracker's reply is broken: {0}")]
    Bencode(#[from] BencodeError),
    /// Something else than a reply to this.
    #[error("the tracker's reply makes no sense: {0}")]
    Senseless(&'static str),
    /// A datagram that answers another question, and is to be ignored.
    #[error("an answer to another question")]
    Stray,
}

/// The intervals of a reply, within bounds.
fn intervals(interval: Option<u64>, min: Option<u64>) -> (Duration, Duration) {
    let bounded = |seconds| Duration::from_secs(seconds).clamp(MIN_INTERVAL, MAX_INTERVAL);
    let min = min.map(bounded);
    let interval = interval.map_or(DEFAULT_INTERVAL, bounded);
    let interval = interval.max(min.unwrap_or(MIN_INTERVAL));
    let min = min.unwrap_or_else(|| DEFAULT_MIN_INTERVAL.min(interval));
    (interval, min)
}

/// The peers of a reply that are kept, in their order.
fn kept_peers(peers: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut known = std::collections::BTreeSet::new();
    let peers = peers.filter(can_be_peer).filter(|peer| known.insert(*peer));
    peers.take(MAX_REPLY_PEERS).collect()
}

/// A stranger's text, as people may be shown it.
fn shown(text: &[u8]) -> String {
    // A character has four bytes at most.
    let text = text.get(..4 * MAX_TEXT_CHARS).unwrap_or(text);
    clipped(&String::from_utf8_lossy(text))
}

fn clipped(text: &str) -> String {
    let plain = text.chars().filter(|letter| !letter.is_control());
    let clipped: String = plain.take(MAX_TEXT_CHARS).collect();
    clipped.trim().to_owned()
}

/// Whether an address of a tracker is one that is asked: `http`, `https` or `udp`.
#[must_use]
pub fn is_usable(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let known = ["http", "https", "udp"];
    let is_known = |scheme: &str| known.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    url.len() <= MAX_URL_BYTES && scheme.is_some_and(is_known)
}

#[cfg(test)]
mod tests;

//! What is said to trackers and what they answer (BEP 3, 7, 15, 23), and when to ask which
//! ([`Announcer`], BEP 12).
//!
//! Everything here is bytes in, bytes out; answers are hostile until read.

mod http;
mod schedule;
mod udp;

use std::net::SocketAddr;
use std::time::Duration;

use crate::InfoHashV1;
use crate::wire::PeerId;

pub use http::{announce_url, read_announce};
pub use schedule::{Announcer, Due, TrackerState};
pub use udp::{
    UDP_CONNECT_BYTES, UdpError, udp_announce, udp_connect, udp_read_announce, udp_read_connect,
};

/// Most peers of one answer that are kept.
pub const MAX_ANNOUNCED_PEERS: usize = 2000;
/// Most bytes of an answer that are read.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// Most characters of a tracker's complaint that are kept.
const MAX_TEXT_CHARS: usize = 200;
/// A tracker is never asked more often, nor less often.
const INTERVALS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));

/// What an announce is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnounceEvent {
    /// Nothing in particular.
    Regular,
    /// The first one.
    Started,
    /// All is here now.
    Completed,
    /// The last one.
    Stopped,
}

/// What this node tells a tracker.
#[derive(Clone, Copy, Debug)]
pub struct Announce {
    /// The torrent, by one of its names.
    pub infohash: InfoHashV1,
    /// How this node calls itself.
    pub peer: PeerId,
    /// Where it listens.
    pub port: u16,
    /// Bytes sent since the start.
    pub uploaded: u64,
    /// Bytes received since the start.
    pub downloaded: u64,
    /// Bytes that are still wanted.
    pub left: u64,
    /// What it is made for.
    pub event: AnnounceEvent,
    /// Tells the tracker that it is the same node when its address changes.
    pub key: u32,
    /// How many peers are asked for.
    pub want: u32,
}

/// What a tracker answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// When to ask again.
    pub interval: Duration,
    /// Where peers may be.
    pub peers: Vec<SocketAddr>,
    /// Something that its owner wants to be told.
    pub warning: Option<String>,
}

/// Why an answer of a tracker is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It says no.
    #[error("it refuses: {0}")]
    Refused(String),
    /// Not bencode, or not what an answer is made of.
    #[error("its answer makes no sense")]
    Broken,
}

/// An interval within sane bounds.
fn interval(seconds: Option<u64>) -> Duration {
    let asked = Duration::from_secs(seconds.unwrap_or(1800));
    asked.clamp(INTERVALS.0, INTERVALS.1)
}

/// A text of a stranger, as it may be shown.
fn shown(text: &[u8]) -> String {
    let text = text.get(..4 * MAX_TEXT_CHARS).unwrap_or(text);
    let text = String::from_utf8_lossy(text);
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(MAX_TEXT_CHARS).collect()
}

#[cfg(test)]
mod tests;

//! What an uploader is told, and what it says.

use potluck_identity::PeerId;

#[cfg(doc)]
use super::Uploader;

/// Bounds of an uploader.
#[derive(Clone, Debug)]
pub struct UploaderConfig {
    /// Requests that are served at the same time. Few let each piece leave sooner and so spread faster; too few leave the
    /// uplink idle behind slow receivers. See [`Uploader::set_slots`].
    pub slots: usize,
    /// Of one peer, while others wait.
    pub slots_per_peer: usize,
    /// Requests that one peer may have waiting.
    pub queue_per_peer: usize,
    /// Requests that all peers who aren't contacts may have waiting.
    pub queue_total: usize,
    /// Peers that are remembered.
    pub max_peers: usize,
    /// Parts that are remembered as sent.
    pub max_parts: usize,
    /// Parts that are remembered of one request.
    pub max_parts_per_request: usize,
}

impl Default for UploaderConfig {
    fn default() -> Self {
        Self {
            slots: 4,
            slots_per_peer: 2,
            queue_per_peer: 64,
            queue_total: 1024,
            max_peers: 4096,
            max_parts: 262_144,
            max_parts_per_request: 256,
        }
    }
}

/// What a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Stands for the whole that the parts belong to. How often parts of different wholes were sent says nothing about
    /// who should go first.
    pub whole: u64,
    /// Numbers that stand for parts, each for one part of one whole, in the order in which they are sent.
    pub parts: Vec<u64>,
}

/// How a peer stands with us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A peer that we owe nothing.
    Stranger,
    /// A peer that sent us a fair part of what we sent it lately.
    Contributor,
    /// A peer that the owner knows.
    Contact,
}

/// A request that is served now. Answer with [`Uploader::finished`] or [`Uploader::abandon`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The request's ticket.
    pub ticket: u64,
    /// Who asked.
    pub peer: PeerId,
}

/// A request can't be queued; the peer is told that we are busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueFull {
    /// The peer has as many waiting as one may have.
    #[error("the peer has {0} requests waiting, which is the limit")]
    Peer(usize),
    /// All peers together have as many waiting as there may be.
    #[error("{0} requests wait, which is the limit")]
    Total(usize),
    /// The ticket is in use.
    #[error("the ticket {0} is in use")]
    Ticket(u64),
    /// No more peers can be kept track of.
    #[error("{0} peers are served or wait, which is the limit")]
    Peers(usize),
}

/// A peer as `status` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploaderReport {
    /// Which one.
    pub peer: PeerId,
    /// How it stands with us.
    pub standing: Standing,
    /// Requests waiting.
    pub queued: usize,
    /// Requests being served.
    pub serving: usize,
    /// Bytes sent to it.
    pub sent_bytes: u64,
    /// Bytes received from it.
    pub received_bytes: u64,
}

//! Bounds, times, and kinds of sources.

use std::ops::Range;
use std::time::Duration;

use potluck_identity::PeerId;

/// Bounds and times of a planner.
#[derive(Clone, Debug)]
pub struct PlannerConfig {
    /// The number by which other downloaders of the content know this node: see [`SourceTraits::member`].
    pub member: u64,
    /// Sources beyond this many are not used.
    pub max_sources: usize,
    /// A source's pipeline never falls under this many bytes.
    pub min_window: u64,
    /// A source's pipeline before anything is known of its rate.
    pub initial_window: u64,
    /// Bytes a second that a source is given the benefit of the doubt for, once its round trip is known.
    pub first_rate: u64,
    /// A source's pipeline never exceeds this many bytes (nor the source's own limit).
    pub max_window: u64,
    /// Requests are not cut smaller than this, except where the content is.
    pub min_request: u64,
    /// Requests are not made larger than this, except for a single larger piece.
    pub max_request: u64,
    /// Spans in one request, at most.
    pub max_items: usize,
    /// Requests in flight to one source, at most.
    pub max_requests: usize,
    /// Bytes are kept in flight for this long beyond the round trip.
    pub horizon: Duration,
    /// A source with requests in flight that is silent this long is stalled (or four times its usual gap, if longer).
    pub stall_after: Duration,
    /// A silent source's pieces are free for others after this long, whatever its usual gap.
    pub stall_cap: Duration,
    /// After this silence the requests that others can serve are cancelled.
    pub cancel_after: Duration,
    /// After this silence every request is cancelled and asked anew.
    pub give_up_after: Duration,
    /// First and longest pause after a source failed or said it is busy.
    pub back_off: Range<Duration>,
    /// Longest pause after a source was silent.
    pub silent_back_off: Duration,
    /// Bytes that end-game may ask for twice, in thousandths of the wanted bytes.
    pub duplicate_permille: u64,
    /// Bytes that end-game may ask for twice in any case, so that small downloads can be rescued too.
    pub duplicate_floor: u64,
}

impl Default for PlannerConfig {
    fn default() -> Self {
        Self {
            member: 0,
            max_sources: 256,
            min_window: 160 * 1024,
            initial_window: 256 * 1024,
            first_rate: 16_000_000,
            max_window: 16 * 1024 * 1024,
            min_request: 64 * 1024,
            max_request: 4 * 1024 * 1024,
            max_items: 256,
            max_requests: 64,
            horizon: Duration::from_millis(250),
            stall_after: Duration::from_secs(1),
            stall_cap: Duration::from_millis(1500),
            cancel_after: Duration::from_millis(1800),
            give_up_after: Duration::from_secs(10),
            back_off: Duration::from_millis(250)..Duration::from_secs(4),
            silent_back_off: Duration::from_millis(500),
            duplicate_permille: 15,
            duplicate_floor: 512 * 1024,
        }
    }
}

/// The number of a peer among the downloaders of a content. Ids of peers end in bytes of a key or a hash, which are spread.
#[must_use]
pub fn member_number(peer: &PeerId) -> u64 {
    let id = peer.to_bytes();
    id.last_chunk().map_or(0, |last| u64::from_le_bytes(*last))
}

/// What kind of source this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceTraits {
    /// One request may hold spans of several blobs.
    pub mixes_blobs: bool,
    /// Never more than this many bytes in flight; `u64::MAX` when the source has no limit of its own.
    pub max_pipeline_bytes: u64,
    /// The number by which all downloaders of the content know this one, such as a hash of its id: they divide by it
    /// what only seeds have. 0 for who is no downloader with a number.
    pub member: u64,
}

impl Default for SourceTraits {
    fn default() -> Self {
        Self {
            mixes_blobs: true,
            max_pipeline_bytes: u64::MAX,
            member: 0,
        }
    }
}

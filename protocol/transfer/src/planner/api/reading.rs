//! Somebody who reads while the download runs.

/// Names a reader within one planner. The caller chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderId(pub u64);

/// Where somebody reads, and how fast.
///
/// Places are bytes over all blobs of the layout in their order: offset `n` of a blob is
/// `layout.bytes_before(layout.pieces_of_blob(blob).start) + n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The next byte that is needed.
    pub position: u64,
    /// Where the reading ends: the first byte that is not needed.
    pub end: u64,
    /// Bytes a second that are consumed; 0 when that is unknown, and then everything is due at once.
    pub rate: u64,
    /// Bytes from the position on that go before everything else.
    pub window: u64,
}

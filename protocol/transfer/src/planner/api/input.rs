//! What happened.

use std::ops::Range;
use std::time::Duration;

use potluck_content::PieceSet;

use super::{ReaderId, Reading, RequestId, SourceId, SourceTraits};

/// A change of what a source has. Pieces out of the layout are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Every piece.
    All,
    /// These pieces and no others.
    Only(PieceSet),
    /// These pieces too.
    Add(Vec<Range<u32>>),
    /// These pieces no longer.
    Remove(Vec<Range<u32>>),
}

/// Why a request ended without all of its pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The source says that it doesn't have this piece. A lie when it claims the piece.
    Unavailable {
        /// The piece asked for.
        piece: u32,
    },
    /// The source had the piece and its file changed since.
    Changed {
        /// The piece asked for.
        piece: u32,
    },
    /// The source has too much to do; ask again later.
    Busy,
    /// The source stopped at our wish, or gave up by itself.
    Cancelled,
    /// The path to the source broke. The source may still be reached by another lane.
    Disconnected,
    /// The proof doesn't lead to the address.
    BadProof {
        /// The piece it was to prove.
        piece: u32,
    },
    /// The bytes don't match the proof.
    BadData {
        /// The piece they were to be.
        piece: u32,
    },
    /// The source broke the protocol in another way.
    Malformed(&'static str),
}

/// Which pieces come first, after those that readers wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The pieces that the fewest sources have, ties broken at random (BEP 3; Legout et al., IMC 2006).
    #[default]
    RarestFirst,
    /// From the first piece on.
    Sequential,
    /// None: only what readers wait for is fetched, as they go on. A request that nobody waits for any more is cancelled
    /// when its reader is gone.
    ReadersOnly,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A source can be asked. It has nothing until an [`Input::Availability`] says so.
    SourceJoined {
        /// Its name from now on.
        source: SourceId,
        /// What kind of source it is.
        traits: SourceTraits,
    },
    /// The way to a source was measured, without what it has to do: its pipeline may begin as deep as that asks for.
    RoundTrip {
        /// Which one.
        source: SourceId,
        /// From a question to the answer of the other end's system.
        round_trip: Duration,
    },
    /// A source can't be asked any more; its requests are void.
    SourceLeft {
        /// Which one.
        source: SourceId,
    },
    /// A source told what it has.
    Availability {
        /// Which one.
        source: SourceId,
        /// What changed.
        change: Availability,
    },
    /// Bytes of a reply arrived, verified or not. Feeds the rate estimate and the stall detection.
    Received {
        /// From whom.
        source: SourceId,
        /// For which request.
        request: RequestId,
        /// How many since the last such input.
        bytes: u64,
    },
    /// A piece is whole, verified and on its way to the disk.
    PieceVerified {
        /// From whom.
        source: SourceId,
        /// For which request.
        request: RequestId,
        /// Which piece.
        piece: u32,
    },
    /// A request was answered to its end. Comes after its pieces' [`Input::PieceVerified`]: pieces that are still outstanding
    /// are asked for anew.
    RequestDone {
        /// By whom.
        source: SourceId,
        /// Which one.
        request: RequestId,
    },
    /// A request ended before its end.
    RequestFailed {
        /// At whom.
        source: SourceId,
        /// Which one.
        request: RequestId,
        /// Why.
        failure: Failure,
    },
    /// The pieces that the user wants, from now on.
    Wanted(PieceSet),
    /// The order in which pieces are asked for, from now on.
    Order(Order),
    /// A piece that was there is gone (it didn't verify on disk, or couldn't be written).
    PieceLost {
        /// Which one.
        piece: u32,
    },
    /// Ask nothing new (disk full, slow writer) until told otherwise.
    Hold(bool),
    /// Somebody reads while the download runs. Beyond a few readers at a time, further ones are not heeded.
    ReaderOpened {
        /// Its name from now on; the caller chooses it.
        reader: ReaderId,
        /// Where, how fast, and how far ahead.
        reading: Reading,
    },
    /// A reader went on, or jumped. To be told often: deadlines count from the last time.
    ReaderMoved {
        /// Which one.
        reader: ReaderId,
        /// The next byte that it needs, as in [`Reading::position`].
        position: u64,
    },
    /// A reader is gone.
    ReaderClosed {
        /// Which one.
        reader: ReaderId,
    },
    /// The moment named by [`Planner::poll_timeout`](crate::Planner::poll_timeout) has come.
    Timeout,
}

//! What goes into a [`super::Planner`] and what comes out of it.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use potluck_content::PieceSet;

/// Names a source within one planner. The caller chooses it; an id isn't used again after the source left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u64);

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source {}", self.0)
    }
}

/// Names a request within one planner. The planner chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

/// Bounds and times of a planner.
#[derive(Clone, Debug)]
pub struct PlannerConfig {
    /// Sources beyond this many are not used.
    pub max_sources: usize,
    /// A source's pipeline never falls under this many bytes.
    pub min_window: u64,
    /// A source's pipeline before anything is known of its rate.
    pub initial_window: u64,
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
    /// Bytes that end-game may ask for twice, in thousandths of the wanted bytes.
    pub duplicate_permille: u64,
    /// Bytes that end-game may ask for twice in any case, so that small downloads can be rescued too.
    pub duplicate_floor: u64,
}

impl Default for PlannerConfig {
    fn default() -> Self {
        Self {
            max_sources: 256,
            min_window: 512 * 1024,
            initial_window: 1024 * 1024,
            max_window: 16 * 1024 * 1024,
            min_request: 256 * 1024,
            max_request: 4 * 1024 * 1024,
            max_items: 256,
            max_requests: 64,
            horizon: Duration::from_millis(250),
            stall_after: Duration::from_secs(1),
            stall_cap: Duration::from_millis(1500),
            cancel_after: Duration::from_millis(1800),
            give_up_after: Duration::from_secs(10),
            back_off: Duration::from_millis(250)..Duration::from_secs(4),
            duplicate_permille: 15,
            duplicate_floor: 512 * 1024,
        }
    }
}

/// What kind of source this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceTraits {
    /// One request may hold spans of several blobs.
    pub mixes_blobs: bool,
    /// Never more than this many bytes in flight; `u64::MAX` when the source has no limit of its own.
    pub max_pipeline_bytes: u64,
}

impl Default for SourceTraits {
    fn default() -> Self {
        Self {
            mixes_blobs: true,
            max_pipeline_bytes: u64::MAX,
        }
    }
}

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

/// Which pieces come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The pieces that the fewest sources have, ties broken at random (BEP 3; Legout et al., IMC 2006).
    #[default]
    RarestFirst,
    /// From the first piece on.
    Sequential,
    /// The pieces of a reader's window in order, then the others, rarest first.
    Deadline {
        /// Where the reader is.
        first: u32,
        /// How many pieces from there on are urgent.
        pieces: u32,
    },
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
    /// The moment named by [`super::Planner::poll_timeout`] has come.
    Timeout,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask a source for pieces.
    Request {
        /// Whom.
        source: SourceId,
        /// Name of the request.
        request: RequestId,
        /// The pieces, in the order in which they should come. Neighbours of one blob make one span.
        pieces: Vec<u32>,
        /// Their size in all.
        bytes: u64,
    },
    /// A request isn't needed any more. The planner has already forgotten it: no answer is awaited, late pieces are welcome.
    Cancel {
        /// At whom.
        source: SourceId,
        /// Which one.
        request: RequestId,
    },
    /// Never use this source again. The planner has already forgotten it and its requests.
    Ban {
        /// Whom.
        source: SourceId,
        /// Why.
        reason: BanReason,
    },
    /// Every wanted piece is verified. Comes again when pieces were lost or more were wanted, and arrived.
    Complete,
}

/// Why a source is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BanReason {
    /// Bytes that don't match their proof.
    WrongBytes {
        /// In which piece.
        piece: u32,
    },
    /// A proof that doesn't lead to the address.
    WrongProof {
        /// Of which piece.
        piece: u32,
    },
    /// It claimed a piece and then said it doesn't have it.
    ClaimedWithoutHaving {
        /// Which piece.
        piece: u32,
    },
    /// It broke the protocol.
    BrokeProtocol(&'static str),
}

impl fmt::Display for BanReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongBytes { piece } => write!(f, "sent wrong bytes (piece {piece})"),
            Self::WrongProof { piece } => write!(f, "sent a wrong proof (piece {piece})"),
            Self::ClaimedWithoutHaving { piece } => {
                write!(f, "claimed to have piece {piece} and did not")
            }
            Self::BrokeProtocol(what) => write!(f, "broke the protocol: {what}"),
        }
    }
}

/// Why nothing is being received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The download is on hold (disk full, slow writer).
    Held,
    /// No source is known.
    NoSources,
    /// There are sources, and none has any of the missing pieces.
    NobodyHas {
        /// How many pieces are missing.
        pieces: u32,
    },
    /// Every source that could help is silent.
    Silent {
        /// How many sources.
        sources: u32,
        /// The shortest of their silences.
        since: Duration,
    },
    /// Every source that could help failed or said that it is busy, and will be asked again.
    BackingOff {
        /// How many sources.
        sources: u32,
        /// When the first of them is asked again.
        retry_in: Duration,
    },
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => write!(f, "on hold until written data is stored"),
            Self::NoSources => write!(f, "no source yet"),
            Self::NobodyHas { pieces } => write!(f, "no source has the {pieces} missing pieces"),
            Self::Silent { sources, since } => {
                write!(
                    f,
                    "{sources} sources silent for {:.1} s",
                    since.as_secs_f64()
                )
            }
            Self::BackingOff { sources, retry_in } => {
                write!(
                    f,
                    "{sources} sources busy, next try in {:.1} s",
                    retry_in.as_secs_f64()
                )
            }
        }
    }
}

/// How far a download is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Pieces wanted.
    pub wanted_pieces: u32,
    /// Wanted pieces that are verified.
    pub have_pieces: u32,
    /// Bytes wanted.
    pub wanted_bytes: u64,
    /// Wanted bytes that are verified.
    pub have_bytes: u64,
    /// Bytes asked for and not yet received.
    pub in_flight_bytes: u64,
    /// Bytes received from sources in all, proofs included.
    pub received_bytes: u64,
    /// Bytes received in vain: pieces that came twice, parts of requests that were given up.
    pub wasted_bytes: u64,
    /// Bytes a second now.
    pub rate: u64,
    /// Time to the end at this rate, when there is one.
    pub eta: Option<Duration>,
}

/// How a source is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// Nothing is asked of it.
    Idle,
    /// It is delivering, or was asked just now.
    Active,
    /// It was asked and is silent.
    Stalled {
        /// For how long.
        since: Duration,
    },
    /// It failed or said that it is busy, and will be asked again.
    BackingOff {
        /// When.
        retry_in: Duration,
    },
    /// It was caught and isn't used any more.
    Banned {
        /// Why.
        reason: BanReason,
    },
}

/// A source as `status` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReport {
    /// Which one.
    pub source: SourceId,
    /// How it is doing.
    pub state: SourceState,
    /// Pieces that it claims.
    pub pieces: u32,
    /// Bytes received from it, proofs included.
    pub received_bytes: u64,
    /// Bytes of pieces that it was the first to deliver.
    pub verified_bytes: u64,
    /// Bytes received from it in vain.
    pub wasted_bytes: u64,
    /// Bytes asked for and not yet received.
    pub in_flight_bytes: u64,
    /// Requests in flight.
    pub requests: u32,
    /// Bytes a second while it is asked; zero when it is idle.
    pub rate: u64,
    /// Shortest time seen from a request to its first byte.
    pub round_trip: Option<Duration>,
}

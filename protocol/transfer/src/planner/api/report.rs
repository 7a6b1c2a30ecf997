//! How things stand.

use std::fmt;
use std::time::Duration;

use super::{BanReason, SourceId};

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

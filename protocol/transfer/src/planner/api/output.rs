//! What to do.

use std::fmt;

use super::{RequestId, SourceId};

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

//! What a swarm and its connections say to each other.

use super::PeerKey;
use super::content::Content;
use super::loan::Loan;
use potluck_bittorrent::session::Claim;
use potluck_bittorrent::wire::HashRequest;
use potluck_bittorrent::wire::extended::{ExtendedHandshake, Holepunch, Pex};
use potluck_content::PieceSet;
use std::sync::Arc;

/// What a connection tells the swarm.
pub(super) struct PeerNews {
    pub(super) peer: PeerKey,
    pub(super) what: News,
}

/// See [`PeerNews`].
pub(super) enum News {
    /// It answers requests from now on, or no more.
    Choke(bool),
    /// Whether it wants anything of ours.
    Interested(bool),
    /// What it has changed.
    Claims(Claim),
    /// What it tells of itself.
    Handshake(Box<ExtendedHandshake>),
    /// Other peers.
    Pex(Pex),
    /// It wants to be brought together with a peer, or brings this node together with one.
    Holepunch(Holepunch),
    /// A part of the info dictionary, of so many bytes in all.
    Metadata {
        piece: u32,
        total_bytes: u32,
        data: Vec<u8>,
    },
    /// It won't give a part of the info dictionary.
    NoMetadata { piece: u32 },
    /// Hashes of version 2.
    Hashes {
        request: HashRequest,
        hashes: Vec<[u8; 32]>,
    },
    /// It won't give hashes.
    NoHashes { request: HashRequest },
    /// Pieces that will be had from it, and are asked of nobody else.
    Reserved(PieceSet),
    /// A file, by its position, is the same as one of a torrent that is being fetched.
    Proved { twin: Arc<Content>, file: usize },
    /// Bytes of blocks came on behalf of another torrent.
    Lent { bytes: u64 },
    /// Bytes of blocks came, for an order.
    Received { order: u32, bytes: u64 },
    /// Bytes of blocks came for nothing.
    Wasted { bytes: u64 },
    /// A piece is whole, right and written. These peers sent wrong blocks of it before.
    Piece {
        order: u32,
        piece: u32,
        liars: Vec<PeerKey>,
    },
    /// A piece was whole and wrong; the one who sent all of it.
    Wrong {
        order: u32,
        piece: u32,
        liar: Option<PeerKey>,
    },
    /// Nothing more comes for an order.
    Done { order: u32 },
    /// It refuses what it is asked for.
    Refused { order: u32 },
    /// Bytes of a block were sent to it.
    Sent { piece: u32, bytes: u64 },
    /// Bytes could not be kept: the download can't go on.
    Unwritable(String, bool),
    /// Bytes of ours could not be read: the piece is here no longer.
    Unreadable(u32),
    /// The connection is gone; the last news.
    Closed(Gone),
}

/// Why a connection is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// It could not be made, or broke.
    Lost(String),
    /// The peer did what no peer may do.
    Violation(String),
    /// This node ended it.
    Ended,
}

/// What the swarm tells a connection.
pub(super) enum Command {
    /// Ask for pieces.
    Fetch { order: u32, pieces: Vec<u32> },
    /// Ask no more for them.
    Cancel { order: u32 },
    /// Whether we want anything of the peer's.
    Interested(bool),
    /// Say that a piece is here that was not shown before.
    Show(u32),
    /// Say so of all that were not shown.
    ShowAll,
    /// A piece was checked for some connection, and is wrong.
    Wrong(u32),
    /// Whether the peer may ask.
    Choke(bool),
    /// The torrent is known now.
    Know(Arc<Content>),
    /// Tell of other peers.
    Pex(Pex),
    /// Ask to be brought together with a peer, or bring it together with one.
    Holepunch(Holepunch),
    /// Ask for a part of the info dictionary.
    AskMetadata(u32),
    /// Ask for hashes of version 2.
    AskHashes(HashRequest),
    /// Ask for pieces of another torrent that this one has too.
    Lend {
        loan: Arc<Loan>,
        order: u32,
        pieces: Vec<u32>,
    },
    /// Ask no more for them; for none of them without an order.
    EndLoan { loan: Arc<Loan>, order: Option<u32> },
}

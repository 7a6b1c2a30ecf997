//! Pieces that are full are hashed beside the connections, so that more comes meanwhile.
//!
//! At most as many are as there are processors, and none waits: when that many are, a connection
//! checks its piece itself and takes nothing more until then. What is being checked is on the disk, so
//! memory holds a part of each piece only (256 KiB).

use super::PeerKey;
use super::assembly::{Full, Verdict};
use super::content::Content;
use super::news::{News, PeerNews};
use std::sync::Arc;
use std::thread::available_parallelism;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{block_in_place, spawn_blocking};

/// Threads that hash pieces, at most.
const MAX_CHECKS: usize = 8;

/// How many pieces are checked beside connections; one for each node.
pub(super) struct Checks(Arc<Semaphore>);

impl Default for Checks {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(processors.min(MAX_CHECKS))))
    }
}

impl Checks {
    /// Takes a place, if one is free.
    pub(super) fn begin(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

/// A piece that is to be checked.
pub(super) struct Check {
    pub(super) content: Arc<Content>,
    pub(super) piece: u32,
    pub(super) full: Full,
    /// The peer that sent its last block, and the order that asked for that.
    pub(super) peer: PeerKey,
    pub(super) order: u32,
    /// How the connection calls that order.
    pub(super) told_as: u32,
}

impl Check {
    /// Checks it on this thread and tells the swarm; gives what that could not be told at once.
    pub(super) fn run_here(self, news: &mpsc::Sender<PeerNews>) -> Option<News> {
        let peer = self.peer;
        let what = block_in_place(|| self.run());
        // Not kept for later: the connection may be ended any time, and the swarm has to know.
        match news.try_send(PeerNews { peer, what }) {
            Ok(()) => None,
            Err(TrySendError::Full(unsent) | TrySendError::Closed(unsent)) => Some(unsent.what),
        }
    }

    /// Checks it. Does file work, and much of it.
    fn run(self) -> News {
        let Self { order, piece, .. } = self;
        match self.content.check(piece, &self.full) {
            Ok(Some(Verdict::Right { liars })) => News::Piece {
                order,
                piece,
                liars,
            },
            Ok(Some(Verdict::Wrong { liar })) => News::Wrong { order, piece, liar },
            Ok(None) => News::Wasted {
                bytes: self.content.piece_bytes(piece),
            },
            Err(error) => News::Unwritable(error.to_string(), error.is_no_space()),
        }
    }

    /// Checks it on a thread of its own and tells the swarm, even if the connection is gone by then;
    /// and then the connection, by the number of the order.
    pub(super) fn spawn(
        self,
        place: OwnedSemaphorePermit,
        news: mpsc::Sender<PeerNews>,
        told: mpsc::Sender<u32>,
    ) {
        spawn_blocking(move || {
            let (peer, told_as) = (self.peer, self.told_as);
            let what = self.run();
            drop(place);
            let _ = news.blocking_send(PeerNews { peer, what });
            let _ = told.blocking_send(told_as);
        });
    }
}

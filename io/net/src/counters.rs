//! Byte counters that pipes feed and reports read.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

/// Bytes moved through pipes, as seen by this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

/// Totals of one peer, or of the node.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    received: AtomicU64,
    sent: AtomicU64,
    pipes: AtomicU32,
}

impl Counters {
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            received: self.received.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
        }
    }

    /// How many pipes are open.
    pub(crate) fn pipes(&self) -> u32 {
        self.pipes.load(Ordering::Relaxed)
    }
}

/// Counts one pipe as open for as long as a half of it lives.
#[derive(Debug)]
pub(crate) struct Meter {
    peer: Arc<Counters>,
    total: Arc<Counters>,
}

impl Meter {
    pub(crate) fn new(peer: Arc<Counters>, total: Arc<Counters>) -> Self {
        peer.pipes.fetch_add(1, Ordering::Relaxed);
        total.pipes.fetch_add(1, Ordering::Relaxed);
        Self { peer, total }
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.peer
            .received
            .fetch_add(bytes as u64, Ordering::Relaxed);
        self.total
            .received
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.peer.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.total.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.peer.pipes.fetch_sub(1, Ordering::Relaxed);
        self.total.pipes.fetch_sub(1, Ordering::Relaxed);
    }
}

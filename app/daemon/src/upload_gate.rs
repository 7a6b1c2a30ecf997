//! Async face of the upload scheduler: a lane asks for its turn and waits for it.

use crate::clock::Clock;
use potluck_identity::PeerId;
use potluck_transfer::{Uploader, UploaderConfig};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Grants turns to upload; one for each node.
#[derive(Clone)]
pub(crate) struct UploadGate {
    inner: Arc<Mutex<Inner>>,
    clock: Clock,
}

struct Inner {
    uploader: Uploader,
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
    next_ticket: u64,
}

/// The peer has more requests waiting than one peer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueFull;

impl UploadGate {
    pub(crate) fn new(config: UploaderConfig, clock: Clock) -> Self {
        let inner = Inner {
            uploader: Uploader::new(config),
            waiting: BTreeMap::new(),
            next_ticket: 0,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            clock,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is this peer's turn to receive `bytes`.
    pub(crate) async fn turn(&self, peer: PeerId, bytes: u64) -> Result<Turn, QueueFull> {
        let (granted, ticket) = {
            let mut inner = self.lock();
            let ticket = inner.next_ticket;
            inner.next_ticket += 1;
            let now = self.clock.now();
            inner
                .uploader
                .enqueue(now, peer, ticket, bytes)
                .map_err(|_| QueueFull)?;
            let (tell, granted) = oneshot::channel();
            inner.waiting.insert(ticket, tell);
            (granted, ticket)
        };
        // Made before the wait, so that a lane that gives up also gives its place back.
        let turn = Turn {
            gate: self.clone(),
            ticket,
            sent: 0,
        };
        self.grant();
        let _ = granted.await;
        Ok(turn)
    }

    /// Tells the scheduler that a peer gave us bytes, which counts in its favour.
    pub(crate) fn received_from(&self, peer: PeerId, bytes: u64) {
        self.lock()
            .uploader
            .received_from(self.clock.now(), peer, bytes);
    }

    fn grant(&self) {
        let mut inner = self.lock();
        let now = self.clock.now();
        while let Some(grant) = inner.uploader.poll(now) {
            if let Some(tell) = inner.waiting.remove(&grant.ticket) {
                let _ = tell.send(());
            }
        }
    }
}

/// A turn to upload; dropping it passes the turn on.
pub(crate) struct Turn {
    gate: UploadGate,
    ticket: u64,
    sent: u64,
}

impl Turn {
    /// Counts bytes that were sent under this turn.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.sent += bytes;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        {
            let mut inner = self.gate.lock();
            let now = self.gate.clock.now();
            if inner.waiting.remove(&self.ticket).is_some() {
                inner.uploader.abandon(self.ticket);
            } else {
                inner.uploader.finished(now, self.ticket, self.sent);
            }
        }
        self.gate.grant();
    }
}

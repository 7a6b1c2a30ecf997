//! Async face of the upload scheduler: a lane asks for its turn and waits for it.

use crate::clock::Clock;
use potluck_identity::PeerId;
use potluck_transfer::{Uploader, UploaderConfig};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Bytes that may be held in memory for peers that are slow to take them. Beyond, the one that has
/// been slow for longest is given up.
const MAX_SLOW_BYTES: u64 = 32 * 1024 * 1024;

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
    /// In the order in which they became slow.
    slow: BTreeMap<u64, (u64, CancellationToken)>,
    slow_bytes: u64,
}

impl Inner {
    fn ticket(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        ticket
    }

    fn no_longer_slow(&mut self, id: u64) {
        if let Some((held, _)) = self.slow.remove(&id) {
            self.slow_bytes -= held;
        }
    }
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
            slow: BTreeMap::new(),
            slow_bytes: 0,
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
            let ticket = inner.ticket();
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
            peer,
            bytes,
            ticket: Some(ticket),
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
    peer: PeerId,
    bytes: u64,
    /// `None` while others go first.
    ticket: Option<u64>,
    sent: u64,
}

impl Turn {
    /// Counts bytes that were sent under this turn.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// Lets others go first, because the peer is slow to take what it asked for. `held` bytes stay
    /// in memory for it meanwhile.
    pub(crate) fn pass(&mut self, held: u64) -> Slow {
        self.end();
        let mut inner = self.gate.lock();
        let id = inner.ticket();
        let token = CancellationToken::new();
        inner.slow.insert(id, (held, token.clone()));
        inner.slow_bytes += held;
        while inner.slow_bytes > MAX_SLOW_BYTES
            && let Some((_, (held, longest))) = inner.slow.pop_first()
        {
            inner.slow_bytes -= held;
            longest.cancel();
        }
        drop(inner);
        Slow {
            gate: self.gate.clone(),
            id,
            token,
        }
    }

    /// Waits for a turn again after [`Turn::pass`]. When too many wait, it goes on without one:
    /// what was begun has to be ended.
    pub(crate) async fn resume(&mut self) {
        let left = self.bytes.saturating_sub(self.sent);
        if let Ok(turn) = self.gate.turn(self.peer, left).await {
            *self = turn;
        }
    }

    fn end(&mut self) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        {
            let mut inner = self.gate.lock();
            let now = self.gate.clock.now();
            if inner.waiting.remove(&ticket).is_some() {
                inner.uploader.abandon(ticket);
            } else {
                inner.uploader.finished(now, ticket, self.sent);
            }
        }
        self.gate.grant();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.end();
    }
}

/// A peer that is slow to take what it asked for.
pub(crate) struct Slow {
    gate: UploadGate,
    id: u64,
    token: CancellationToken,
}

impl Slow {
    /// Returns when this peer has to be given up, for the sake of others.
    pub(crate) async fn given_up(&self) {
        self.token.cancelled().await;
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.gate.lock().no_longer_slow(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_identity::NodeKey;

    fn gate() -> (UploadGate, PeerId) {
        let config = UploaderConfig {
            slots: 1,
            ..UploaderConfig::default()
        };
        let gate = UploadGate::new(config, Clock::start());
        (gate, NodeKey::from_seed([1; 32]).peer_id())
    }

    #[tokio::test]
    async fn who_is_slow_lets_others_go_first() {
        let (gate, peer) = gate();
        let mut slow = gate.turn(peer, 1000).await.unwrap();
        let other = tokio::spawn({
            let gate = gate.clone();
            async move { gate.turn(peer, 1000).await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert!(!other.is_finished());
        let passed = slow.pass(1000);
        assert!(other.await.unwrap());
        drop(passed);
        slow.resume().await;
        assert!(gate.lock().slow.is_empty() && gate.lock().slow_bytes == 0);
    }

    #[tokio::test]
    async fn who_was_slow_for_longest_is_given_up() {
        let (gate, peer) = gate();
        let mut slow = Vec::new();
        for _ in 0..5 {
            let mut turn = gate.turn(peer, 1000).await.unwrap();
            slow.push(turn.pass(MAX_SLOW_BYTES / 4));
        }
        let given_up: Vec<bool> = slow.iter().map(|slow| slow.token.is_cancelled()).collect();
        assert_eq!(given_up, [true, false, false, false, false]);
    }
}

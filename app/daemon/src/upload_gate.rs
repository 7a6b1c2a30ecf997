//! Async face of the upload scheduler: lanes put all their requests in line, so that it can choose among
//! them, and are told whose turn it is.

mod uplink;

use self::uplink::Uplink;
use crate::clock::Clock;
use potluck_identity::PeerId;
use potluck_transfer::{Content, Timestamp, Uploader, UploaderConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
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
    waiting: BTreeMap<u64, Waiting>,
    next_ticket: u64,
    /// In the order in which they became slow.
    slow: BTreeMap<u64, (u64, CancellationToken)>,
    slow_bytes: u64,
    contacts: BTreeSet<PeerId>,
    uplink: Uplink,
}

/// Who waits for a grant.
struct Waiting {
    tell: mpsc::Sender<Granted>,
}

/// The ticket of a request whose turn it is.
struct Granted(u64);

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

    /// Tells those whose turn it is.
    fn grant(&mut self, now: Timestamp) {
        while let Some(grant) = self.uploader.poll(now) {
            let ticket = grant.ticket;
            let Some(Waiting { tell }) = self.waiting.remove(&ticket) else {
                continue;
            };
            // A lane has one turn at a time, and room for it: only one that is gone isn't told.
            if tell.try_send(Granted(ticket)).is_err() {
                self.uploader.abandon(ticket);
            }
        }
    }
}

/// The peer has more requests waiting than one peer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueFull;

impl UploadGate {
    pub(crate) fn new(config: UploaderConfig, clock: Clock) -> Self {
        let slots = config.slots;
        let inner = Inner {
            uploader: Uploader::new(config),
            waiting: BTreeMap::new(),
            next_ticket: 0,
            slow: BTreeMap::new(),
            slow_bytes: 0,
            contacts: BTreeSet::new(),
            uplink: Uplink::new(slots),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            clock,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line for the requests that come on one lane of a peer.
    pub(crate) fn line(&self, peer: PeerId) -> (Asker, Turns) {
        let (tell, granted) = mpsc::channel(1);
        let lane = self.lock().ticket();
        let asker = Asker {
            gate: self.clone(),
            peer,
            lane,
            tell,
        };
        let turns = Turns {
            gate: self.clone(),
            lane,
            granted,
        };
        (asker, turns)
    }

    /// The peers whom the owner knows, from now on; they come first.
    pub(crate) fn set_contacts(&self, contacts: BTreeSet<PeerId>) {
        let mut inner = self.lock();
        let before = std::mem::replace(&mut inner.contacts, contacts);
        for gone in before.difference(&inner.contacts.clone()) {
            inner.uploader.set_contact(*gone, false);
        }
        for known in inner.contacts.clone() {
            inner.uploader.set_contact(known, true);
        }
    }

    /// Tells the scheduler that a peer gave us bytes, which counts in its favour.
    pub(crate) fn received_from(&self, peer: PeerId, bytes: u64) {
        self.lock()
            .uploader
            .received_from(self.clock.now(), peer, bytes);
    }
}

/// Puts requests in line; dropping it takes back those that still wait.
pub(crate) struct Asker {
    gate: UploadGate,
    peer: PeerId,
    lane: u64,
    tell: mpsc::Sender<Granted>,
}

impl Asker {
    /// Puts a request for `bytes` in line; gives its ticket.
    pub(crate) fn ask(&self, bytes: u64, content: Content) -> Result<u64, QueueFull> {
        let mut inner = self.gate.lock();
        let now = self.gate.clock.now();
        let ticket = inner.ticket();
        inner
            .uploader
            .enqueue_for(now, self.peer, ticket, bytes, content)
            .map_err(|_| QueueFull)?;
        inner.uploader.on_lane(ticket, self.lane);
        let tell = self.tell.clone();
        inner.waiting.insert(ticket, Waiting { tell });
        inner.grant(now);
        Ok(ticket)
    }

    /// Takes a request back; `false` when its turn has come already.
    pub(crate) fn take_back(&self, ticket: u64) -> bool {
        let mut inner = self.gate.lock();
        let waited = inner.waiting.remove(&ticket).is_some();
        if waited {
            inner.uploader.abandon(ticket);
        }
        waited
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        let mut inner = self.gate.lock();
        let own: Vec<u64> = (inner.waiting.iter())
            .filter(|(_, waiting)| waiting.tell.same_channel(&self.tell))
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in own {
            inner.waiting.remove(&ticket);
            inner.uploader.abandon(ticket);
        }
        // A turn may have come after the other end of the line was gone.
        inner.uploader.lane_free(self.lane);
    }
}

/// Gives the turns of a line.
pub(crate) struct Turns {
    gate: UploadGate,
    lane: u64,
    granted: mpsc::Receiver<Granted>,
}

impl Turns {
    /// The next turn; `None` when no more can come. Cancel safe. From now on the lane has turns, until it is given one.
    pub(crate) async fn next(&mut self) -> Option<Turn> {
        {
            let mut inner = self.gate.lock();
            // One that came before must be the only one.
            if self.granted.is_empty() {
                inner.uploader.lane_free(self.lane);
                let now = self.gate.clock.now();
                inner.grant(now);
            }
        }
        let granted = self.granted.recv().await?;
        Some(self.begin(&granted))
    }

    /// No turn comes from now on, as the lane does something else, unless one has come already: then it is given.
    pub(crate) fn pause(&mut self) -> Option<Turn> {
        let gate = self.gate.clone();
        let mut inner = gate.lock();
        let granted = self.granted.try_recv().ok();
        inner.uploader.lane_busy(self.lane);
        Some(self.begin(&granted?))
    }

    fn begin(&self, granted: &Granted) -> Turn {
        Turn {
            gate: self.gate.clone(),
            ticket: granted.0,
            sent: 0,
            aside: None,
        }
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        let mut untaken = Vec::new();
        {
            // Turns are told under this lock: none can be on its way.
            let _inner = self.gate.lock();
            self.granted.close();
            while let Ok(granted) = self.granted.try_recv() {
                untaken.push(granted);
            }
        }
        // A turn that nobody took goes to others.
        for granted in untaken {
            drop(self.begin(&granted));
        }
        self.gate.lock().uploader.lane_free(self.lane);
    }
}

/// A turn to upload; dropping it passes the turn on.
pub(crate) struct Turn {
    gate: UploadGate,
    ticket: u64,
    sent: u64,
    /// Set once others go first.
    aside: Option<Slow>,
}

impl Turn {
    /// The ticket of the request whose turn it is.
    pub(crate) fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Counts bytes that were sent under this turn.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// How long a peer may take for a step of so many bytes before others go first; `None` once they do.
    pub(crate) fn patience(&self, step: usize) -> Option<Duration> {
        let waits = self.aside.is_none();
        waits.then(|| self.gate.lock().uplink.patience(step as u64))
    }

    /// Lets others go first from now on, because the peer is slow to take what it asked for. `held` bytes stay in memory
    /// for it meanwhile.
    pub(crate) fn step_aside(&mut self, held: u64) {
        let mut inner = self.gate.lock();
        inner.uploader.step_aside(self.ticket);
        let now = self.gate.clock.now();
        inner.grant(now);
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
        self.aside = Some(Slow {
            gate: self.gate.clone(),
            id,
            token,
        });
    }

    /// Returns when this peer has to be given up, for the sake of others.
    pub(crate) async fn given_up(&self) {
        match &self.aside {
            Some(slow) => slow.token.cancelled().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut inner = self.gate.lock();
        let now = self.gate.clock.now();
        let full = inner.uploader.is_full();
        inner.uploader.finished(now, self.ticket, self.sent);
        if let Some(slots) = inner.uplink.turn(now, self.sent, full) {
            inner.uploader.set_slots(slots);
        }
        inner.grant(now);
    }
}

/// A peer that is slow to take what it asked for.
struct Slow {
    gate: UploadGate,
    id: u64,
    token: CancellationToken,
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.gate.lock().no_longer_slow(self.id);
    }
}

#[cfg(test)]
mod tests;

//! The upload scheduler: whose queued request is served next.
//!
//! Peers with queued requests share by bytes and by weight (see [`fair`]); nobody starves, and large requests gain
//! nothing over small ones.
//!
//! What was sent least often goes first (see [`Uploader::enqueue_for`]) among those of the standing whose turn it is,
//! and nobody's turn is passed over more than fifteen times in a row. A seed that sends each piece once before any piece
//! twice is what lets a swarm end near the fluid bound. BEP 16 gets there by hiding pieces from peers; choosing among the
//! requests that wait needs no hiding, and downloaders who ask for the rarest pieces first provide the choice. What went
//! to somebody who doesn't pass it on is asked for again, and goes once more before anything goes a third time.
//!
//! Weights follow from standing:
//! - *contacts* (people the owner knows) come first: together they get at least half of what is served while they ask;
//! - *contributors* (peers that sent us a fair part of what we sent them lately) get twenty times a stranger's share, and
//!   together at least half of what contacts leave: the tit-for-tat of BEP 3, graded in bytes rather than in slots;
//! - *strangers* share the rest equally. That is the optimistic share from which newcomers start (BEP 3's optimistic
//!   unchoke), and all there is among equals: a seed that gets nothing from anybody serves all alike.

mod account;
mod api;
mod fair;
mod novelty;

use std::collections::{BTreeMap, BTreeSet};

use potluck_identity::PeerId;

use crate::Timestamp;
use account::Account;
pub use api::{Content, Grant, QueueFull, Standing, UploaderConfig, UploaderReport};
use novelty::Novelty;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    /// It has a slot.
    Served,
    /// It is answered without a slot: see [`Uploader::step_aside`].
    Aside,
}

#[derive(Clone, Debug)]
struct Ticket {
    peer: PeerId,
    bytes: u64,
    stage: Stage,
    content: Content,
    /// The lane that its answer goes out on, if it has to be free for that.
    lane: Option<u64>,
    /// Virtual time that its grant took.
    charged: u64,
}

impl Ticket {
    /// What it asks for first stands for all of it.
    fn key(&self) -> Option<u64> {
        self.content.parts.first().copied()
    }

    /// What didn't go out when only so many bytes did.
    fn unsent(&self, sent: u64) -> &[u64] {
        let parts = &self.content.parts;
        let done = u128::from(sent) * parts.len() as u128 / u128::from(self.bytes.max(1));
        let done = usize::try_from(done).unwrap_or(usize::MAX);
        parts.get(done..).unwrap_or_default()
    }

    fn new(peer: PeerId, bytes: u64, content: Content) -> Self {
        Self {
            peer,
            bytes,
            stage: Stage::Waiting,
            content,
            lane: None,
            charged: 0,
        }
    }
}

/// Decides whose request is served next. One for each node.
#[derive(Debug)]
pub struct Uploader {
    config: UploaderConfig,
    accounts: BTreeMap<PeerId, Account>,
    tickets: BTreeMap<u64, Ticket>,
    /// Peers with waiting requests.
    waiting: BTreeSet<PeerId>,
    /// Virtual time: when the request that was granted last ends.
    clock: u64,
    serving: usize,
    aside: usize,
    waiting_outsiders: usize,
    novelty: Novelty,
    /// Lanes that answer something, or can't take more.
    busy_lanes: BTreeSet<u64>,
}

/// A grant costs at least this much, so that asking and cancelling over and over doesn't keep others waiting.
const LEAST_CHARGE: u64 = 64 * 1024;

impl Uploader {
    /// An uploader with nothing to do.
    #[must_use]
    pub fn new(config: UploaderConfig) -> Self {
        Self {
            config,
            accounts: BTreeMap::new(),
            tickets: BTreeMap::new(),
            waiting: BTreeSet::new(),
            clock: 0,
            serving: 0,
            aside: 0,
            waiting_outsiders: 0,
            novelty: Novelty::default(),
            busy_lanes: BTreeSet::new(),
        }
    }

    /// Queues a request of a peer. The ticket is the caller's name for it.
    pub fn enqueue(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        ticket: u64,
        bytes: u64,
    ) -> Result<(), QueueFull> {
        self.queue(now, ticket, Ticket::new(peer, bytes, Content::default()))
    }

    /// Queues a request of a peer and says what it asks for. Requests that begin with what was sent least often go first,
    /// among those for the same whole. No more than [`UploaderConfig::max_parts_per_request`] are remembered of one request.
    pub fn enqueue_for(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        ticket: u64,
        bytes: u64,
        mut content: Content,
    ) -> Result<(), QueueFull> {
        content.parts.truncate(self.config.max_parts_per_request);
        self.queue(now, ticket, Ticket::new(peer, bytes, content))
    }

    /// The answer to a waiting request goes out on this lane: its turn comes only while the lane is free. The lane is busy
    /// from then on until [`Uploader::lane_free`], however its requests end, so that a peer that takes nothing holds no
    /// more turns than it has lanes.
    pub fn on_lane(&mut self, ticket: u64, lane: u64) {
        if let Some(entry) = self.tickets.get_mut(&ticket) {
            entry.lane = Some(lane);
        }
    }

    /// A lane can't take more for now.
    pub fn lane_busy(&mut self, lane: u64) {
        self.busy_lanes.insert(lane);
    }

    /// A lane can take the next answer, or is gone.
    pub fn lane_free(&mut self, lane: u64) {
        self.busy_lanes.remove(&lane);
    }

    /// Whether a request could be answered now, as far as its lane goes.
    fn fits_lane(&self, ticket: u64) -> bool {
        let lane = self.tickets.get(&ticket).and_then(|entry| entry.lane);
        lane.is_none_or(|lane| !self.busy_lanes.contains(&lane))
    }

    fn queue(&mut self, now: Timestamp, ticket: u64, entry: Ticket) -> Result<(), QueueFull> {
        let peer = entry.peer;
        if self.tickets.contains_key(&ticket) {
            return Err(QueueFull::Ticket(ticket));
        }
        self.make_room(now, &peer)?;
        let total = self.config.queue_total;
        let account = self.accounts.entry(peer).or_default();
        if account.queue.len() >= self.config.queue_per_peer {
            return Err(QueueFull::Peer(self.config.queue_per_peer));
        }
        if !account.contact && self.waiting_outsiders >= total {
            return Err(QueueFull::Total(total));
        }
        if !account.contact {
            self.waiting_outsiders += 1;
        }
        account.queue.push_back(ticket);
        self.tickets.insert(ticket, entry);
        self.starts_waiting(peer);
        Ok(())
    }

    /// The next request to serve; call until it gives `None`.
    pub fn poll(&mut self, now: Timestamp) -> Option<Grant> {
        if self.serving >= self.config.slots || self.waiting.is_empty() {
            return None;
        }
        let patient = self.config.slots_per_peer;
        self.next(now, patient)
            .or_else(|| self.next(now, usize::MAX))
    }

    /// A granted request is over; `sent` bytes of it went out. Its slot is free.
    pub fn finished(&mut self, now: Timestamp, ticket: u64, sent: u64) {
        let Some(done) = self.remove(ticket) else {
            return;
        };
        if sent < done.bytes {
            self.novelty.not_sent(done.unsent(sent));
        }
        if let Some(account) = self.accounts.get_mut(&done.peer) {
            account.sent(now, sent);
            Self::give_back(account, done.charged, done.bytes, sent);
        }
    }

    /// Whoever gets this answer takes it slowly: its slot is for others from now on. What was begun goes on without one.
    pub fn step_aside(&mut self, ticket: u64) {
        let Some(entry) = self.tickets.get_mut(&ticket) else {
            return;
        };
        if entry.stage == Stage::Served
            && let Some(account) = self.accounts.get_mut(&entry.peer)
        {
            entry.stage = Stage::Aside;
            account.serving -= 1;
            account.aside += 1;
            self.serving -= 1;
            self.aside += 1;
        }
    }

    /// A request, waiting or granted, is void: cancelled, or its peer is gone.
    pub fn abandon(&mut self, ticket: u64) {
        let void = self.remove(ticket);
        if let Some(void) = void.filter(|entry| entry.stage != Stage::Waiting) {
            self.novelty.not_sent(&void.content.parts);
        }
    }

    /// A peer sent us useful bytes.
    pub fn received_from(&mut self, now: Timestamp, peer: PeerId, bytes: u64) {
        if self.make_room(now, &peer).is_ok() {
            self.accounts.entry(peer).or_default().received(now, bytes);
        }
    }

    /// Whether the owner knows a peer.
    pub fn set_contact(&mut self, peer: PeerId, contact: bool) {
        let account = self.accounts.entry(peer).or_default();
        if account.contact == contact {
            return;
        }
        account.contact = contact;
        let waiting = account.queue.len();
        if contact {
            self.waiting_outsiders -= waiting;
        } else {
            self.waiting_outsiders += waiting;
        }
    }

    /// Serves this many at the same time from now on: more when the uplink has room to spare although all slots are taken.
    pub fn set_slots(&mut self, slots: usize) {
        self.config.slots = slots;
    }

    /// Whether all slots are taken while others wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.serving >= self.config.slots && !self.waiting.is_empty()
    }

    /// Requests that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.tickets.len() - self.serving - self.aside
    }

    /// Requests that are being served.
    #[must_use]
    pub fn serving(&self) -> usize {
        self.serving
    }

    /// Everyone who is remembered.
    #[must_use]
    pub fn reports(&self, now: Timestamp) -> Vec<UploaderReport> {
        let report = |(peer, account): (&PeerId, &Account)| UploaderReport {
            peer: *peer,
            standing: account.judge(now),
            queued: account.queue.len(),
            serving: account.serving,
            sent_bytes: account.sent_total,
            received_bytes: account.received_total,
        };
        self.accounts.iter().map(report).collect()
    }

    fn remove(&mut self, ticket: u64) -> Option<Ticket> {
        let entry = self.tickets.remove(&ticket)?;
        let account = self.accounts.get_mut(&entry.peer)?;
        match entry.stage {
            Stage::Served => {
                account.serving -= 1;
                self.serving -= 1;
                return Some(entry);
            }
            Stage::Aside => {
                account.aside -= 1;
                self.aside -= 1;
                return Some(entry);
            }
            Stage::Waiting => {}
        }
        account.queue.retain(|other| *other != ticket);
        if !account.contact {
            self.waiting_outsiders -= 1;
        }
        if account.queue.is_empty() {
            self.waiting.remove(&entry.peer);
        }
        Some(entry)
    }

    /// Room for one more account: of those that are idle and no contacts, the one unheard of for longest goes.
    fn make_room(&mut self, now: Timestamp, peer: &PeerId) -> Result<(), QueueFull> {
        if self.accounts.len() < self.config.max_peers || self.accounts.contains_key(peer) {
            return Ok(());
        }
        let idle = self
            .accounts
            .iter()
            .filter(|(_, account)| account.is_idle());
        let oldest = idle
            .max_by_key(|(_, account)| account.age(now))
            .map(|(peer, _)| *peer);
        let oldest = oldest.ok_or(QueueFull::Peers(self.config.max_peers))?;
        self.accounts.remove(&oldest);
        Ok(())
    }
}

#[cfg(test)]
mod tests;

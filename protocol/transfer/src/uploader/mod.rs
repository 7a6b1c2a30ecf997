//! The upload scheduler: whose queued request is served next.
//!
//! Deficit round robin (Shreedhar and Varghese, SIGCOMM 1995): peers with queued requests stand in a ring; at its turn
//! each may be served a quantum of bytes times its weight. Nobody starves, since every weight is at least one, and what
//! is shared out is bytes, so that large requests gain nothing over small ones.
//!
//! What was never sent goes before what was sent already (see [`Uploader::enqueue_keyed`]), fifteen times out of sixteen
//! and as long as no contact waits: a seed that sends each piece once before any piece twice is what lets a swarm end
//! near the fluid bound. BEP 16 gets there by hiding pieces from peers; choosing among the requests that wait needs no
//! hiding, and downloaders who ask for the rarest pieces first provide the choice.
//!
//! Weights follow from standing:
//! - *contacts* (people the owner knows) come first: together they get at least half of what is served while they ask;
//! - *contributors* (peers that sent us a fair part of what we sent them lately) get twelve times a stranger's share, and
//!   together at least half of what contacts leave: the tit-for-tat of BEP 3, graded in bytes rather than in slots;
//! - *strangers* share the rest equally. That is the optimistic share from which newcomers start (BEP 3's optimistic
//!   unchoke), and all there is among equals: a seed that gets nothing from anybody serves all alike.

mod account;
mod api;
mod novelty;
mod ring;

use std::collections::{BTreeMap, VecDeque};

use potluck_identity::PeerId;

use crate::Timestamp;
use account::Account;
pub use api::{Grant, QueueFull, Standing, UploaderConfig, UploaderReport};
use novelty::Novelty;

#[derive(Clone, Copy, Debug)]
struct Ticket {
    peer: PeerId,
    bytes: u64,
    granted: bool,
    /// What it asks for.
    key: Option<u64>,
}

/// Who may be served in a round.
#[derive(Clone, Copy)]
struct Rule {
    /// Peers with fewer requests being served than this.
    limit: usize,
    /// Only with what was never sent.
    novel: bool,
}

/// Decides whose request is served next. One for each node.
#[derive(Debug)]
pub struct Uploader {
    config: UploaderConfig,
    accounts: BTreeMap<PeerId, Account>,
    tickets: BTreeMap<u64, Ticket>,
    /// Peers with waiting requests; the front one has its turn.
    ring: VecDeque<PeerId>,
    serving: usize,
    waiting_outsiders: usize,
    /// Peers in the ring, by standing.
    in_ring: [u64; 3],
    novelty: Novelty,
    /// Grants in a row for what was never sent.
    novel_in_a_row: u32,
}

/// A grant costs at least this much, so that asking and cancelling over and over doesn't keep others waiting.
const LEAST_CHARGE: u64 = 64 * 1024;
/// One grant in so many goes by turn alone, however much waits that was never sent.
const NOVEL_IN_A_ROW: u32 = 15;

impl Uploader {
    /// An uploader with nothing to do.
    #[must_use]
    pub fn new(config: UploaderConfig) -> Self {
        Self {
            config,
            accounts: BTreeMap::new(),
            tickets: BTreeMap::new(),
            ring: VecDeque::new(),
            serving: 0,
            waiting_outsiders: 0,
            in_ring: [0; 3],
            novelty: Novelty::default(),
            novel_in_a_row: 0,
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
        self.queue(
            now,
            ticket,
            Ticket {
                peer,
                bytes,
                granted: false,
                key: None,
            },
        )
    }

    /// Queues a request of a peer and says what it asks for: any number that stands for the content, such as a hash of root
    /// and first piece. Requests for what was never sent to anyone go first.
    pub fn enqueue_keyed(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        ticket: u64,
        bytes: u64,
        key: u64,
    ) -> Result<(), QueueFull> {
        self.queue(
            now,
            ticket,
            Ticket {
                peer,
                bytes,
                granted: false,
                key: Some(key),
            },
        )
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
        if let Some(key) = entry.key {
            self.novelty.waits(key);
        }
        self.tickets.insert(ticket, entry);
        if !account.in_ring {
            account.in_ring = true;
            account.standing = account.judge(now);
            self.in_ring[account.standing as usize] += 1;
            self.ring.push_back(peer);
        }
        Ok(())
    }

    /// The next request to serve; call until it gives `None`.
    pub fn poll(&mut self, now: Timestamp) -> Option<Grant> {
        if self.serving >= self.config.slots || self.ring.is_empty() {
            return None;
        }
        let patient = self.config.slots_per_peer;
        if self.prefers_novelty() {
            let grant = self.next(
                now,
                Rule {
                    limit: patient,
                    novel: true,
                },
            );
            if grant.is_some() {
                self.novel_in_a_row += 1;
                return grant;
            }
        }
        self.novel_in_a_row = 0;
        self.next(
            now,
            Rule {
                limit: patient,
                novel: false,
            },
        )
        .or_else(|| {
            self.next(
                now,
                Rule {
                    limit: usize::MAX,
                    novel: false,
                },
            )
        })
    }

    fn prefers_novelty(&self) -> bool {
        self.novelty.any_waits()
            && self.novel_in_a_row < NOVEL_IN_A_ROW
            && self.in_ring[Standing::Contact as usize] == 0
    }

    /// A granted request is over; `sent` bytes of it went out. Its slot is free.
    pub fn finished(&mut self, now: Timestamp, ticket: u64, sent: u64) {
        let Some(done) = self.remove(ticket) else {
            return;
        };
        if sent < done.bytes {
            self.novelty.not_sent(done.key);
        }
        if let Some(account) = self.accounts.get_mut(&done.peer) {
            account.sent(now, sent);
            if account.in_ring {
                account.deficit += done.bytes.saturating_sub(sent.max(LEAST_CHARGE));
            }
        }
    }

    /// A request, waiting or granted, is void: cancelled, or its peer is gone.
    pub fn abandon(&mut self, ticket: u64) {
        if let Some(void) = self.remove(ticket).filter(|entry| entry.granted) {
            self.novelty.not_sent(void.key);
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

    /// Requests that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.tickets.len() - self.serving
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

    fn leave_ring(&mut self, peer: &PeerId) {
        let Some(account) = self
            .accounts
            .get_mut(peer)
            .filter(|account| account.in_ring)
        else {
            return;
        };
        account.in_ring = false;
        account.has_turn = false;
        account.deficit = 0;
        self.in_ring[account.standing as usize] -= 1;
        if let Some(place) = self.ring.iter().position(|other| other == peer) {
            self.ring.remove(place);
        }
    }

    fn remove(&mut self, ticket: u64) -> Option<Ticket> {
        let entry = self.tickets.remove(&ticket)?;
        let account = self.accounts.get_mut(&entry.peer)?;
        if entry.granted {
            account.serving -= 1;
            self.serving -= 1;
            return Some(entry);
        }
        account.queue.retain(|other| *other != ticket);
        if let Some(key) = entry.key {
            self.novelty.waits_no_more(key);
        }
        if !account.contact {
            self.waiting_outsiders -= 1;
        }
        if account.queue.is_empty() {
            self.leave_ring(&entry.peer);
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

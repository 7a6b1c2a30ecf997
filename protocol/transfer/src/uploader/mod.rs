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
mod novelty;

use std::collections::{BTreeMap, VecDeque};

use potluck_identity::PeerId;

use crate::Timestamp;
use account::Account;
use novelty::Novelty;

/// Bounds of an uploader.
#[derive(Clone, Debug)]
pub struct UploaderConfig {
    /// Requests that are served at the same time.
    pub slots: usize,
    /// Of one peer, while others wait.
    pub slots_per_peer: usize,
    /// Requests that one peer may have waiting.
    pub queue_per_peer: usize,
    /// Requests that all peers who aren't contacts may have waiting.
    pub queue_total: usize,
    /// Bytes that a stranger is served in one round.
    pub quantum: u64,
    /// Peers that are remembered.
    pub max_peers: usize,
    /// Things that are remembered as sent.
    pub max_keys: usize,
}

impl Default for UploaderConfig {
    fn default() -> Self {
        Self {
            slots: 4,
            slots_per_peer: 2,
            queue_per_peer: 64,
            queue_total: 1024,
            quantum: 256 * 1024,
            max_peers: 4096,
            max_keys: 262_144,
        }
    }
}

/// How a peer stands with us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A peer that we owe nothing.
    Stranger,
    /// A peer that sent us a fair part of what we sent it lately.
    Contributor,
    /// A peer that the owner knows.
    Contact,
}

/// A request that is served now. Answer with [`Uploader::finished`] or [`Uploader::abandon`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The request's ticket.
    pub ticket: u64,
    /// Who asked.
    pub peer: PeerId,
}

/// A request can't be queued; the peer is told that we are busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueFull {
    /// The peer has as many waiting as one may have.
    #[error("the peer has {0} requests waiting, which is the limit")]
    Peer(usize),
    /// All peers together have as many waiting as there may be.
    #[error("{0} requests wait, which is the limit")]
    Total(usize),
    /// The ticket is in use.
    #[error("the ticket {0} is in use")]
    Ticket(u64),
    /// No more peers can be kept track of.
    #[error("{0} peers are served or wait, which is the limit")]
    Peers(usize),
}

/// A peer as `status` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploaderReport {
    /// Which one.
    pub peer: PeerId,
    /// How it stands with us.
    pub standing: Standing,
    /// Requests waiting.
    pub queued: usize,
    /// Requests being served.
    pub serving: usize,
    /// Bytes sent to it.
    pub sent_bytes: u64,
    /// Bytes received from it.
    pub received_bytes: u64,
}

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
const CONTRIBUTOR_WEIGHT: u64 = 12;
const CONTACT_WEIGHT: u64 = 16;

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

    /// One or two rounds of the ring over those who may be served.
    fn next(&mut self, now: Timestamp, rule: Rule) -> Option<Grant> {
        if let Some(grant) = self.round(now, rule) {
            return Some(grant);
        }
        self.skip_rounds(rule);
        self.round(now, rule)
    }

    fn round(&mut self, now: Timestamp, rule: Rule) -> Option<Grant> {
        for _ in 0..=self.ring.len() {
            let peer = *self.ring.front()?;
            if let Some(ticket) = self.candidate(&peer, rule) {
                self.open_turn(now, &peer);
                if self.serve(&peer, ticket) {
                    return Some(Grant { ticket, peer });
                }
            }
            self.close_turn(&peer);
        }
        None
    }

    /// The request of a peer that is next under a rule.
    fn candidate(&self, peer: &PeerId, rule: Rule) -> Option<u64> {
        let account = self
            .accounts
            .get(peer)
            .filter(|account| account.serving < rule.limit)?;
        let is_novel = |ticket: &&u64| {
            let key = self.tickets.get(ticket).and_then(|entry| entry.key);
            key.is_some_and(|key| self.novelty.is_novel(key))
        };
        let mut queue = account.queue.iter();
        if rule.novel {
            queue.find(is_novel).copied()
        } else {
            queue.next().copied()
        }
    }

    fn open_turn(&mut self, now: Timestamp, peer: &PeerId) {
        let Some(account) = self.accounts.get_mut(peer) else {
            return;
        };
        if account.has_turn {
            return;
        }
        account.has_turn = true;
        let standing = account.judge(now);
        self.in_ring[account.standing as usize] -= 1;
        self.in_ring[standing as usize] += 1;
        account.standing = standing;
        account.deficit += self.config.quantum * weight(standing, self.in_ring);
    }

    fn close_turn(&mut self, peer: &PeerId) {
        if let Some(account) = self.accounts.get_mut(peer) {
            account.has_turn = false;
        }
        self.ring.rotate_left(1);
    }

    /// Grants a request of the peer whose turn it is, if it can afford it.
    fn serve(&mut self, peer: &PeerId, ticket: u64) -> bool {
        let Some(account) = self.accounts.get_mut(peer) else {
            return false;
        };
        let Some(entry) = self.tickets.get_mut(&ticket) else {
            return false;
        };
        if entry.bytes > account.deficit {
            return false;
        }
        account.deficit -= entry.bytes;
        account.queue.retain(|other| *other != ticket);
        account.serving += 1;
        entry.granted = true;
        self.serving += 1;
        if let Some(key) = entry.key {
            self.novelty.waits_no_more(key);
            self.novelty.sent(key, self.config.max_keys);
        }
        if !account.contact {
            self.waiting_outsiders -= 1;
        }
        if account.queue.is_empty() {
            self.leave_ring(peer);
        }
        true
    }

    /// Nobody could afford its request in a whole round: as many rounds as the nearest one needs are credited at once.
    fn skip_rounds(&mut self, rule: Rule) {
        let quantum = self.config.quantum.max(1);
        let mut rounds = u64::MAX;
        let mut waiting = Vec::new();
        for peer in &self.ring {
            let Some(ticket) = self.candidate(peer, rule) else {
                continue;
            };
            let (Some(account), Some(entry)) = (self.accounts.get(peer), self.tickets.get(&ticket))
            else {
                continue;
            };
            let step = quantum * weight(account.standing, self.in_ring);
            rounds = rounds.min(entry.bytes.saturating_sub(account.deficit).div_ceil(step));
            waiting.push((*peer, step));
        }
        for (peer, step) in waiting {
            if let Some(account) = self.accounts.get_mut(&peer) {
                // The round that follows adds one more.
                account.deficit += step * rounds.saturating_sub(1);
            }
        }
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

/// How many quanta a peer of this standing gets in a round, given who is in the ring.
fn weight(standing: Standing, in_ring: [u64; 3]) -> u64 {
    let [strangers, contributors, contacts] = in_ring;
    let contributor = CONTRIBUTOR_WEIGHT.max(strangers.div_ceil(contributors.max(1)));
    match standing {
        Standing::Stranger => 1,
        Standing::Contributor => contributor,
        Standing::Contact => {
            let others = strangers + contributors * contributor;
            CONTACT_WEIGHT.max(others.div_ceil(contacts.max(1)))
        }
    }
}

#[cfg(test)]
mod tests;

//! Whose turn it is: self-clocked fair queueing (Golestani, INFOCOM 1994) over the peers that wait.
//!
//! Each peer carries a *tag*: the virtual time up to which it was served. A request costs its bytes divided by the weight
//! of its peer, and the request that would end first goes first. A peer that comes back within moments goes on from its
//! own tag, not from the end of a line, so that weights hold although most peers have one request waiting at a time: what
//! round robin gets wrong. Who was away starts from the present, and neither saves up nor owes.

use potluck_identity::PeerId;

use super::{Account, Grant, Stage, Standing, Uploader};
use crate::Timestamp;

/// How much more of what is served goes to a contributor than to a stranger.
const CONTRIBUTOR_WEIGHT: u64 = 20;
const CONTACT_WEIGHT: u64 = 24;
/// Turns in a row that a peer may lose to those who ask for what is newer.
const MAX_PASSED_OVER: u32 = 15;
/// Virtual time of one byte at weight one.
const SCALE: u64 = 1 << 12;

/// A request that may go next.
#[derive(Clone, Copy)]
struct Candidate {
    ticket: u64,
    peer: PeerId,
    /// How often it was sent, as far as that counts, and the virtual time at which it would end.
    rank: (u32, u64),
}

/// Virtual time that bytes take at a weight.
fn cost(bytes: u64, weight: u64) -> u64 {
    bytes.saturating_mul(SCALE) / weight.max(1)
}

impl Uploader {
    /// Grants the request that comes first among peers with fewer than `limit` being served. Whose turn it is follows from
    /// tags alone. Another of the same standing, who asks for what was sent less often, may go in its place and at its
    /// cost, so that shares between standings hold; but not for long, as it may know no other source.
    pub(super) fn next(&mut self, now: Timestamp, limit: usize) -> Option<Grant> {
        let weights = self.judge_all(now);
        let turn = self.first(weights, limit, None)?;
        let account = self.accounts.get(&turn.peer)?;
        let chosen = if account.passed_over < MAX_PASSED_OVER {
            let whole = self.whole(turn.ticket);
            self.first(weights, limit, Some((account.standing, whole)))?
        } else {
            turn
        };
        self.grant(turn, chosen);
        Some(Grant {
            ticket: chosen.ticket,
            peer: chosen.peer,
        })
    }

    fn whole(&self, ticket: u64) -> u64 {
        let entry = self.tickets.get(&ticket);
        entry.map_or(0, |entry| entry.content.whole)
    }

    /// The first candidate: by tags, or by novelty among requests of one standing for parts of one whole.
    fn first(
        &self,
        weights: [u64; 3],
        limit: usize,
        novelty: Option<(Standing, u64)>,
    ) -> Option<Candidate> {
        let of_peer = |peer: &PeerId| {
            let account = self.accounts.get(peer)?;
            let fits = novelty.is_none_or(|(standing, _)| account.standing == standing);
            if account.serving >= limit || !fits {
                return None;
            }
            let whole = novelty.map(|(_, whole)| whole);
            self.candidate(*peer, account, whole, weights)
        };
        self.waiting
            .iter()
            .filter_map(of_peer)
            .min_by_key(|candidate| candidate.rank)
    }

    /// Looks anew at how those who wait stand; gives the weights that follow.
    fn judge_all(&mut self, now: Timestamp) -> [u64; 3] {
        let mut counts = [0; 3];
        for peer in &self.waiting {
            if let Some(account) = self.accounts.get_mut(peer) {
                account.standing = account.judge(now);
                counts[account.standing as usize] += 1;
            }
        }
        [Standing::Stranger, Standing::Contributor, Standing::Contact]
            .map(|standing| weight(standing, counts))
    }

    /// The request of a peer that is next: of those for parts of `whole` what was sent least often, or what came first.
    fn candidate(
        &self,
        peer: PeerId,
        account: &Account,
        whole: Option<u64>,
        weights: [u64; 3],
    ) -> Option<Candidate> {
        let times = |ticket: &u64| {
            let key = self.tickets.get(ticket).and_then(super::Ticket::key);
            key.map_or(0, |key| self.novelty.times(key))
        };
        let mut fit = account
            .queue
            .iter()
            .filter(|ticket| self.fits_lane(**ticket));
        let (times, ticket) = if let Some(whole) = whole {
            // The first of those that were sent least often.
            let of_whole = fit.filter(|ticket| self.whole(**ticket) == whole);
            let ranked = of_whole.map(|ticket| (times(ticket), *ticket));
            ranked.min_by_key(|(times, _)| *times)?
        } else {
            (0, *fit.next()?)
        };
        let bytes = self.tickets.get(&ticket)?.bytes;
        let takes = cost(bytes, weights[account.standing as usize]);
        Some(Candidate {
            ticket,
            peer,
            rank: (times, account.tag.saturating_add(takes)),
        })
    }

    /// Serves the chosen request at the cost of the peer whose turn it is.
    fn grant(&mut self, turn: Candidate, chosen: Candidate) {
        let own = turn.peer == chosen.peer;
        let (_, ends) = if own { chosen.rank } else { turn.rank };
        self.clock = self.clock.max(ends);
        let mut charged = 0;
        if let Some(account) = self.accounts.get_mut(&turn.peer) {
            charged = if own { ends - account.tag } else { 0 };
            account.tag = ends;
            account.passed_over += 1;
        }
        let (Some(account), Some(entry)) = (
            self.accounts.get_mut(&chosen.peer),
            self.tickets.get_mut(&chosen.ticket),
        ) else {
            return;
        };
        entry.stage = Stage::Served;
        self.busy_lanes.extend(entry.lane);
        entry.charged = charged;
        account.queue.retain(|other| *other != chosen.ticket);
        account.serving += 1;
        account.passed_over = 0;
        self.serving += 1;
        for part in &entry.content.parts {
            self.novelty.sent(*part, self.config.max_parts);
        }
        if !account.contact {
            self.waiting_outsiders -= 1;
        }
        if account.queue.is_empty() {
            self.waiting.remove(&chosen.peer);
        }
    }

    /// A peer has something waiting: from now on, if it had nothing before.
    pub(super) fn starts_waiting(&mut self, peer: PeerId) {
        if self.waiting.insert(peer)
            && let Some(account) = self.accounts.get_mut(&peer)
        {
            account.tag = account.tag.max(self.clock);
        }
    }

    /// A request of which only a part went out costs no more than that part, but never nothing.
    pub(super) fn give_back(account: &mut Account, charged: u64, bytes: u64, sent: u64) {
        let used = sent.max(super::LEAST_CHARGE).min(bytes);
        let unused = u128::from(charged) * u128::from(bytes - used) / u128::from(bytes.max(1));
        let unused = u64::try_from(unused).unwrap_or(charged);
        account.tag = account.tag.saturating_sub(unused);
    }
}

/// A peer's weight by its standing, given who else waits.
fn weight(standing: Standing, waiting: [u64; 3]) -> u64 {
    let [strangers, contributors, contacts] = waiting;
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

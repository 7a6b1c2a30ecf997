//! Whose turn it is: self-clocked fair queueing (Golestani, INFOCOM 1994) over the peers that wait.
//!
//! Each peer carries a *tag*: the virtual time up to which it was served. A request costs its bytes divided by the weight
//! of its peer, and the request that would end first goes first. A peer that comes back within moments goes on from its
//! own tag, not from the end of a line, so that weights hold although most peers have one request waiting at a time: what
//! round robin gets wrong. Who was away starts from the present, and neither saves up nor owes.

use potluck_identity::PeerId;

use super::{Account, Grant, Rule, Standing, Uploader};
use crate::Timestamp;

/// How much more of what is served goes to a contributor than to a stranger.
const CONTRIBUTOR_WEIGHT: u64 = 20;
const CONTACT_WEIGHT: u64 = 24;
/// Virtual time of one byte at weight one.
const SCALE: u64 = 1 << 12;

/// A request that may go next.
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
    /// Grants the request that comes first among those that may be served.
    pub(super) fn next(&mut self, now: Timestamp, rule: Rule) -> Option<Grant> {
        let weights = self.judge_all(now);
        let best = if rule.by_novelty {
            self.best_standing()
        } else {
            None
        };
        let mut chosen: Option<Candidate> = None;
        for peer in &self.waiting {
            let Some(account) = self.accounts.get(peer).filter(|account| {
                account.serving < rule.limit && best.is_none_or(|best| account.standing >= best)
            }) else {
                continue;
            };
            let Some(candidate) = self.candidate(*peer, account, rule, weights) else {
                continue;
            };
            if chosen
                .as_ref()
                .is_none_or(|known| candidate.rank < known.rank)
            {
                chosen = Some(candidate);
            }
        }
        let chosen = chosen?;
        self.grant(&chosen);
        Some(Grant {
            ticket: chosen.ticket,
            peer: chosen.peer,
        })
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

    fn best_standing(&self) -> Option<Standing> {
        let standing = |peer| self.accounts.get(peer).map(|account| account.standing);
        self.waiting.iter().filter_map(standing).max()
    }

    /// The request of a peer that is next under a rule.
    fn candidate(
        &self,
        peer: PeerId,
        account: &Account,
        rule: Rule,
        weights: [u64; 3],
    ) -> Option<Candidate> {
        let times = |ticket: &u64| {
            let key = self.tickets.get(ticket).and_then(super::Ticket::key);
            key.map_or(0, |key| self.novelty.times(key))
        };
        let (times, ticket) = if rule.by_novelty {
            // The first of those that were sent least often.
            let ranked = account.queue.iter().map(|ticket| (times(ticket), *ticket));
            ranked.min_by_key(|(times, _)| *times)?
        } else {
            (0, *account.queue.front()?)
        };
        let bytes = self.tickets.get(&ticket)?.bytes;
        let takes = cost(bytes, weights[account.standing as usize]);
        Some(Candidate {
            ticket,
            peer,
            rank: (times, account.tag.saturating_add(takes)),
        })
    }

    fn grant(&mut self, chosen: &Candidate) {
        let (Some(account), Some(entry)) = (
            self.accounts.get_mut(&chosen.peer),
            self.tickets.get_mut(&chosen.ticket),
        ) else {
            return;
        };
        let (_, ends) = chosen.rank;
        self.clock = self.clock.max(ends);
        entry.granted = true;
        entry.charged = ends - account.tag;
        account.tag = ends;
        account.queue.retain(|other| *other != chosen.ticket);
        account.serving += 1;
        self.serving += 1;
        for key in entry.keys.clone() {
            self.novelty.sent(key, self.config.max_keys);
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

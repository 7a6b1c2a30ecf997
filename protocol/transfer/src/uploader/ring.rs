//! Deficit round robin over the peers that wait.

use potluck_identity::PeerId;

use super::{Grant, Rule, Standing, Uploader};
use crate::Timestamp;

const CONTRIBUTOR_WEIGHT: u64 = 12;
const CONTACT_WEIGHT: u64 = 16;

impl Uploader {
    /// One or two rounds of the ring over those who may be served.
    pub(super) fn next(&mut self, now: Timestamp, rule: Rule) -> Option<Grant> {
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

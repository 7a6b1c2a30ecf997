//! What is known of one peer.

use std::collections::VecDeque;

use super::Standing;
use crate::Timestamp;

/// Memory of bytes halves this often.
const HALF_LIFE_MICROS: u64 = 20_000_000;
/// Less than this from a peer is no contribution.
const LEAST_CONTRIBUTION: u64 = 64 * 1024;
/// A contributor sent at least one byte for this many of ours.
const FAIR_RATIO: u64 = 8;

/// A sum that forgets.
#[derive(Clone, Copy, Debug, Default)]
struct Fading {
    bytes: u64,
    epoch: u64,
}

impl Fading {
    fn add(&mut self, now: Timestamp, bytes: u64) {
        self.bytes = self.at(now).saturating_add(bytes);
        self.epoch = now.as_micros() / HALF_LIFE_MICROS;
    }

    fn at(&self, now: Timestamp) -> u64 {
        let age = (now.as_micros() / HALF_LIFE_MICROS).saturating_sub(self.epoch);
        self.bytes >> age.min(63)
    }
}

#[derive(Debug)]
pub(super) struct Account {
    pub(super) contact: bool,
    pub(super) queue: VecDeque<u64>,
    pub(super) serving: usize,
    /// Requests that are answered without a slot.
    pub(super) aside: usize,
    /// Virtual time up to which it was served.
    pub(super) tag: u64,
    /// Turns in a row that went to somebody who asked for what is newer.
    pub(super) passed_over: u32,
    /// As of the last grant.
    pub(super) standing: Standing,
    pub(super) sent_total: u64,
    pub(super) received_total: u64,
    sent: Fading,
    received: Fading,
    last_seen: Timestamp,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            contact: false,
            queue: VecDeque::new(),
            serving: 0,
            aside: 0,
            tag: 0,
            passed_over: 0,
            standing: Standing::Stranger,
            sent_total: 0,
            received_total: 0,
            sent: Fading::default(),
            received: Fading::default(),
            last_seen: Timestamp::ZERO,
        }
    }
}

impl Account {
    pub(super) fn judge(&self, now: Timestamp) -> Standing {
        let received = self.received.at(now);
        if self.contact {
            Standing::Contact
        } else if received >= LEAST_CONTRIBUTION
            && received.saturating_mul(FAIR_RATIO) >= self.sent.at(now)
        {
            Standing::Contributor
        } else {
            Standing::Stranger
        }
    }

    pub(super) fn sent(&mut self, now: Timestamp, bytes: u64) {
        self.sent.add(now, bytes);
        self.sent_total = self.sent_total.saturating_add(bytes);
        self.last_seen = now;
    }

    pub(super) fn received(&mut self, now: Timestamp, bytes: u64) {
        self.received.add(now, bytes);
        self.received_total = self.received_total.saturating_add(bytes);
        self.last_seen = now;
    }

    /// Nothing would be lost but a memory.
    pub(super) fn is_idle(&self) -> bool {
        !self.contact && self.serving + self.aside == 0 && self.queue.is_empty()
    }

    pub(super) fn age(&self, now: Timestamp) -> u64 {
        now.micros_since(self.last_seen)
    }
}

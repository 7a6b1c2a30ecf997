//! What is known of a peer that wants something.

use std::cmp::Reverse;
use std::time::Duration;

/// How long a peer may leave requests without a block before it counts as snubbing us.
pub const SNUB_TIME: Duration = Duration::from_secs(60);
/// Longest turn of a peer while others wait and nobody sends anything.
pub const TURN_TIME: Duration = Duration::from_secs(60);

/// How long a peer that takes nothing keeps its turn.
const IDLE_TURN_TIME: Duration = Duration::from_secs(20);

/// Why a peer is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// It is a contact of the owner.
    Contact,
    /// For what it sends, or because it is its turn.
    Regular,
    /// To find out what it sends.
    Optimistic,
}

/// The order in which peers are served, first to last.
pub(super) type Rank = (bool, Reverse<u64>, u8, Duration);

#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) is_contact: bool,
    pub(super) is_interested: bool,
    /// It wants nothing, whatever it says.
    pub(super) is_upload_only: bool,
    pub(super) slot: Option<Slot>,
    /// Whether the last that was said to it is that it is unchoked.
    pub(super) was_told: bool,
    /// Whether it ever had a slot.
    pub(super) was_served: bool,
    /// Since when we wait for blocks of it.
    pub(super) requests_since: Option<Duration>,
    last_block: Duration,
    received_in_round: u64,
    received_before: u64,
    sent_in_round: u64,
    sent_in_turn: u64,
    turn_since: Duration,
    waits_since: Duration,
}

impl Peer {
    pub(super) fn new(now: Duration, is_contact: bool) -> Self {
        Self {
            is_contact,
            is_interested: false,
            is_upload_only: false,
            slot: None,
            was_told: false,
            was_served: false,
            requests_since: None,
            last_block: now,
            received_in_round: 0,
            received_before: 0,
            sent_in_round: 0,
            sent_in_turn: 0,
            turn_since: now,
            waits_since: now,
        }
    }

    /// Whether a slot would be of use to it.
    pub(super) fn wants(&self) -> bool {
        self.is_interested && !self.is_upload_only
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.wants() && self.slot.is_none()
    }

    pub(super) fn waits_from(&mut self, now: Duration) {
        self.waits_since = now;
    }

    /// Gives it a slot. Its turn goes on if it has one.
    pub(super) fn serve(&mut self, now: Duration, slot: Slot) {
        if self.slot.is_none() {
            self.turn_since = now;
            self.sent_in_turn = 0;
            self.was_served = true;
        }
        self.slot = Some(slot);
    }

    /// Takes its slot.
    pub(super) fn choke(&mut self, now: Duration) {
        if self.slot.take().is_some() {
            self.waits_since = now;
        }
    }

    pub(super) fn received(&mut self, now: Duration, bytes: u64) {
        self.received_in_round = self.received_in_round.saturating_add(bytes);
        self.last_block = now;
    }

    pub(super) fn sent(&mut self, bytes: u64) {
        self.sent_in_round = self.sent_in_round.saturating_add(bytes);
        self.sent_in_turn = self.sent_in_turn.saturating_add(bytes);
    }

    pub(super) fn end_round(&mut self) {
        self.received_before = std::mem::take(&mut self.received_in_round);
        self.sent_in_round = 0;
    }

    pub(super) fn is_snubbing(&self, now: Duration) -> bool {
        let waits = |since: Duration| now.saturating_sub(since.max(self.last_block));
        self.requests_since
            .is_some_and(|since| waits(since) >= SNUB_TIME)
    }

    /// Whether it had its share. Whoever gets little has some time too, so that a slot doesn't change
    /// hands before it was of use.
    fn is_turn_over(&self, now: Duration, quota_bytes: u64) -> bool {
        let time = now.saturating_sub(self.turn_since);
        let is_idle = self.sent_in_round == 0 && time >= IDLE_TURN_TIME;
        self.sent_in_turn >= quota_bytes || time >= TURN_TIME || is_idle
    }

    /// Its place among others. What it sent counts first, over two rounds as BEP 3 advises; then
    /// turns, in which whoever waits longest is next: a crowd of newcomers can't pass those.
    pub(super) fn rank(&self, now: Duration, is_seeding: bool, quota_bytes: u64) -> Rank {
        let received = self.received_in_round.saturating_add(self.received_before);
        let (is_snubbing, received) = if is_seeding {
            (false, 0)
        } else {
            (self.is_snubbing(now), received)
        };
        let (order, time) = match self.slot {
            None => (1, self.waits_since),
            // The one that was served longest goes first.
            Some(_) if self.is_turn_over(now, quota_bytes) => {
                (2, Duration::MAX.saturating_sub(self.turn_since))
            }
            Some(_) => (0, self.turn_since),
        };
        (is_snubbing, Reverse(received), order, time)
    }
}

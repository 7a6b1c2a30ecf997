//! What the uplink can do: how many are served at a time, and how long a peer may take.
//!
//! Few at a time let each piece leave sooner. But when each of them has a line of its own that is
//! slower than this node's, few leave the uplink idle. Nobody tells which it is, so it is tried: now and
//! then a few more are served at the same time, which stays if more goes out by that.

use potluck_transfer::Timestamp;
use std::time::Duration;

/// How long a peer may take as long as nothing is known of the uplink.
const UNKNOWN: Duration = Duration::from_millis(250);
const LEAST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);
/// How many times the time that it takes when all slots share the uplink.
const TIMES: u64 = 3;

/// A rate is taken over at least this time and so many turns, so that it says something.
const WINDOW: Duration = Duration::from_millis(500);
const TURNS: u64 = 32;
/// After a window that lasted longer than this, nothing is compared with it.
const STALE: Duration = Duration::from_secs(10);
/// Slots, at most.
const MOST_SLOTS: usize = 64;
/// Windows that pass after more slots were no use.
const REST: u32 = 20;
/// More slots are worth it when so many percent more goes out.
const GAIN: u64 = 15;

/// What the uplink did, lately.
pub(super) struct Uplink {
    least_slots: usize,
    slots: usize,
    began: Timestamp,
    bytes: u64,
    turns: u64,
    /// Of these, turns at whose end all slots were in use and others waited.
    full: u64,
    /// The rate at its best, in bytes per second; 0 while unknown.
    best: u64,
    /// Slots and rate before more slots were tried.
    before: Option<(usize, u64)>,
    rest: u32,
}

impl Uplink {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            least_slots: slots,
            slots,
            began: Timestamp::ZERO,
            bytes: 0,
            turns: 0,
            full: 0,
            best: 0,
            before: None,
            rest: 0,
        }
    }

    /// A turn ended in which so many bytes went out; `full` when all slots were in use and others
    /// waited. Gives how many are to be served at a time from now on, when that changes.
    pub(super) fn turn(&mut self, now: Timestamp, bytes: u64, full: bool) -> Option<usize> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.turns += 1;
        self.full += u64::from(full);
        let time = now.since(self.began);
        if time < WINDOW || self.turns < TURNS && time < STALE {
            return None;
        }
        let rate = per_second(self.bytes, time);
        let is_full = self.full * 10 >= self.turns * 9 && self.turns >= TURNS;
        (self.began, self.bytes, self.turns, self.full) = (now, 0, 0, 0);
        // Fades over some ten seconds, as a limit or a network may have changed.
        self.best = (self.best - self.best / 20).max(rate);
        let slots = self.next_slots(rate, is_full);
        let changed = slots != self.slots;
        self.slots = slots;
        changed.then_some(slots)
    }

    fn next_slots(&mut self, rate: u64, is_full: bool) -> usize {
        self.rest = self.rest.saturating_sub(1);
        if !is_full {
            // Slots are not what keeps it back.
            self.before = None;
            return self.slots.div_ceil(2).max(self.least_slots);
        }
        if let Some((slots, before)) = self.before.take()
            && rate.saturating_mul(100) < before.saturating_mul(100 + GAIN)
        {
            self.rest = REST;
            return slots;
        }
        if self.rest > 0 || self.slots >= MOST_SLOTS {
            return self.slots;
        }
        self.before = Some((self.slots, rate));
        (self.slots + self.slots.div_ceil(2)).min(MOST_SLOTS)
    }

    /// How long a peer may take for so many bytes before it counts as slow.
    pub(super) fn patience(&self, bytes: u64) -> Duration {
        if self.best == 0 {
            return UNKNOWN;
        }
        let fair = u128::from(bytes) * u128::from(TIMES) * self.slots as u128 * 1_000_000;
        let micros = u64::try_from(fair / u128::from(self.best)).unwrap_or(u64::MAX);
        Duration::from_micros(micros).clamp(LEAST, LONGEST)
    }
}

fn per_second(bytes: u64, time: Duration) -> u64 {
    let rate = u128::from(bytes) * 1_000_000 / time.as_micros().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: u64 = 65_536;

    /// Serves full slots for some seconds; `rate` tells what goes out with so many slots. Gives the
    /// slots that were in use, for each turn.
    fn run(uplink: &mut Uplink, seconds: f64, rate: impl Fn(usize) -> f64) -> Vec<usize> {
        let (mut now, mut used) = (0.0, Vec::new());
        let start = uplink.began;
        while now < seconds {
            now += PIECE as f64 / rate(uplink.slots);
            let at = start + Duration::from_secs_f64(now);
            uplink.turn(at, PIECE, true);
            used.push(uplink.slots);
        }
        used
    }

    #[test]
    fn a_peer_has_the_time_that_the_uplink_needs() {
        let mut uplink = Uplink::new(4);
        assert_eq!(uplink.patience(PIECE), UNKNOWN);
        // 5 MB/s: a step takes 52 ms when four share it.
        run(&mut uplink, 1.0, |_| 5e6);
        uplink.slots = 4;
        let patience = uplink.patience(PIECE).as_millis();
        assert!((155..=160).contains(&patience), "{patience}");
        assert_eq!(uplink.patience(16), LEAST);
        // All of a sudden nobody takes anything: that is not the uplink.
        uplink.turn(uplink.began + STALE, 0, false);
        assert!(uplink.patience(PIECE) < Duration::from_millis(170));
        let mut slow = Uplink::new(4);
        run(&mut slow, 30.0, |_| 1e5);
        assert_eq!(slow.patience(PIECE), LONGEST);
    }

    #[test]
    fn an_uplink_that_is_full_serves_few_at_a_time() {
        let used = run(&mut Uplink::new(4), 60.0, |_| 5e6);
        let few = used.iter().filter(|slots| **slots == 4).count();
        assert!(few * 10 > used.len() * 9, "{few} of {} turns", used.len());
        assert!(used.iter().all(|slots| *slots <= 6));
    }

    #[test]
    fn peers_with_slow_lines_are_served_many_at_a_time() {
        let mut uplink = Uplink::new(4);
        // Each takes 1.25 MB/s, the uplink gives 50.
        let used = run(&mut uplink, 30.0, |slots| (slots as f64 * 1.25e6).min(50e6));
        assert!(*used.last().unwrap() >= 40, "{:?}", used.last());
        // When they are gone, it is few again.
        for second in 1..20_u64 {
            let at = uplink.began + Duration::from_secs(second);
            (0..40).for_each(|_| {
                uplink.turn(at, PIECE, false);
            });
        }
        assert_eq!(uplink.slots, 4);
    }
}

//! How many questions of others are answered: `mainline` itself answers all of them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mainline::{RequestFilter, RequestSpecific};

/// Questions that are answered in a second.
const MAX_QUESTIONS: u32 = 300;
/// Those of one address.
const MAX_OF_ONE: u32 = 20;

/// Counts questions.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Mutex<Second>>);

/// What came within a second. No more addresses are counted than questions are answered.
#[derive(Debug)]
struct Second {
    start: Instant,
    questions: u32,
    of_one: BTreeMap<Ipv4Addr, u32>,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        let second = Second {
            start: now,
            questions: 0,
            of_one: BTreeMap::new(),
        };
        Self(Arc::new(Mutex::new(second)))
    }

    fn allows(&self, from: Ipv4Addr, now: Instant) -> bool {
        let Ok(mut second) = self.0.lock() else {
            return false;
        };
        if now.saturating_duration_since(second.start) >= Duration::from_secs(1) {
            second.start = now;
            second.questions = 0;
            second.of_one.clear();
        }
        if second.questions >= MAX_QUESTIONS {
            return false;
        }
        let of_one = second.of_one.entry(from).or_default();
        // All that is on this machine is one address.
        if *of_one >= MAX_OF_ONE && !from.is_loopback() {
            return false;
        }
        *of_one += 1;
        second.questions += 1;
        true
    }
}

impl RequestFilter for Budget {
    fn allow_request(&self, _: &RequestSpecific, from: SocketAddrV4) -> bool {
        self.allows(*from.ip(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_second() {
        let start = Instant::now();
        let budget = Budget::new(start);
        let ip = |host| Ipv4Addr::new(10, 0, 0, host);
        let of_one = (0..40).filter(|_| budget.allows(ip(1), start)).count();
        assert_eq!(of_one, 20);
        let of_all = (2..=255).filter(|host| {
            let other = ip(*host);
            budget.allows(other, start) && budget.allows(other, start)
        });
        // Who asks too much leaves the others their share.
        assert_eq!(of_all.count(), 140);
        assert!(!budget.allows(Ipv4Addr::LOCALHOST, start));
        assert!(budget.allows(ip(1), start + Duration::from_secs(1)));
    }
}

//! How many questions of others are answered.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;

/// Questions that are answered in a second.
const MAX_QUESTIONS: u32 = 300;
/// Those of one network.
const MAX_OF_ONE: u32 = 20;

/// See the module. No more networks are counted than questions are answered.
#[derive(Debug, Default)]
pub(super) struct Budget {
    second: u64,
    questions: u32,
    of_one: BTreeMap<u64, u32>,
}

impl Budget {
    /// Whether a question that comes now is answered.
    pub(super) fn allows(&mut self, now: Duration, from: &Ipv6Addr) -> bool {
        if now.as_secs() != self.second {
            *self = Self {
                second: now.as_secs(),
                ..Self::default()
            };
        }
        if self.questions >= MAX_QUESTIONS {
            return false;
        }
        let network = u64::try_from(from.to_bits() >> 64).unwrap_or_default();
        let of_one = self.of_one.entry(network).or_default();
        // All that is on this machine is one address.
        if *of_one >= MAX_OF_ONE && !from.is_loopback() {
            return false;
        }
        *of_one += 1;
        self.questions += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_leaves_the_others_their_share() {
        let mut budget = Budget::default();
        let now = Duration::from_secs(5);
        let of = |network: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, 1);
        let loud = (0..5000).filter(|_| budget.allows(now, &of(1))).count();
        assert_eq!(loud, 20);
        let others = (2..100).filter(|network| budget.allows(now, &of(*network)));
        assert_eq!(others.count(), 98);
        let all = (100..1000).flat_map(|network| [network; 3]);
        let all = all.filter(|network| budget.allows(now, &of(*network)));
        assert_eq!(all.count(), 300 - 20 - 98);
        assert!(budget.allows(Duration::from_secs(6), &of(1)));
    }
}

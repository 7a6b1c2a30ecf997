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
        self.questions += 1;
        let network = u64::try_from(from.to_bits() >> 64).unwrap_or_default();
        let of_one = self.of_one.entry(network).or_default();
        *of_one += 1;
        // All that is on this machine is one address.
        *of_one <= MAX_OF_ONE || from.is_loopback()
    }
}

//! How often each thing was sent.

use std::collections::BTreeMap;

/// Counts what was sent, by key.
#[derive(Debug, Default)]
pub(super) struct Novelty {
    sent: BTreeMap<u64, u32>,
}

impl Novelty {
    /// How often a thing went out.
    pub(super) fn times(&self, key: u64) -> u32 {
        self.sent.get(&key).copied().unwrap_or(0)
    }

    /// Something goes out. When too much is remembered, all is forgotten: everything counts as new once more.
    pub(super) fn sent(&mut self, key: u64, max: usize) {
        if self.sent.len() >= max && !self.sent.contains_key(&key) {
            self.sent.clear();
        }
        let times = self.sent.entry(key).or_insert(0);
        *times = times.saturating_add(1);
    }

    /// These didn't go out after all, or not as a whole.
    pub(super) fn not_sent(&mut self, keys: &[u64]) {
        for key in keys {
            if let Some(times) = self.sent.get_mut(key) {
                *times -= 1;
                if *times == 0 {
                    self.sent.remove(key);
                }
            }
        }
    }
}

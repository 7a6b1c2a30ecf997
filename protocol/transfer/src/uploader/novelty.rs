//! What was sent to nobody yet.

use std::collections::{BTreeMap, BTreeSet};

/// Remembers what was sent, and what is asked for and was never sent.
#[derive(Debug, Default)]
pub(super) struct Novelty {
    sent: BTreeSet<u64>,
    /// Waiting requests for each key.
    waiting: BTreeMap<u64, usize>,
    /// Keys that wait and were never sent.
    novel: usize,
}

impl Novelty {
    pub(super) fn is_novel(&self, key: u64) -> bool {
        !self.sent.contains(&key)
    }

    pub(super) fn any_waits(&self) -> bool {
        self.novel > 0
    }

    pub(super) fn waits(&mut self, key: u64) {
        let count = self.waiting.entry(key).or_insert(0);
        *count += 1;
        if *count == 1 && !self.sent.contains(&key) {
            self.novel += 1;
        }
    }

    pub(super) fn waits_no_more(&mut self, key: u64) {
        let Some(count) = self.waiting.get_mut(&key) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.waiting.remove(&key);
            if !self.sent.contains(&key) {
                self.novel -= 1;
            }
        }
    }

    /// Something goes out. When too much is remembered, all is forgotten: everything counts as new once more.
    pub(super) fn sent(&mut self, key: u64, max: usize) {
        if self.sent.len() >= max {
            self.sent.clear();
            self.novel = self.waiting.len();
        }
        if self.sent.insert(key) && self.waiting.contains_key(&key) {
            self.novel -= 1;
        }
    }

    /// It didn't go out after all, or not as a whole.
    pub(super) fn not_sent(&mut self, key: Option<u64>) {
        let Some(key) = key else { return };
        if self.sent.remove(&key) && self.waiting.contains_key(&key) {
            self.novel += 1;
        }
    }
}

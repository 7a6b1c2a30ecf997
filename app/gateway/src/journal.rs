//! What happened lately, in words.

use potluck_api::Activity;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// Entries that are kept.
const KEPT: usize = 500;
/// Entries that may wait for a slow reader, who misses those before.
const QUEUE: usize = 64;

/// The last few hundred things that happened, and news of them for whoever listens.
pub struct Journal {
    entries: Mutex<VecDeque<Activity>>,
    news: broadcast::Sender<Activity>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
            news: broadcast::channel(QUEUE).0,
        }
    }
}

impl Journal {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Activity>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an entry.
    pub fn note(&self, entry: Activity) {
        let mut entries = self.lock();
        if entries.len() == KEPT {
            entries.pop_front();
        }
        entries.push_back(entry.clone());
        drop(entries);
        // Nobody listens while no page is open.
        let _ = self.news.send(entry);
    }

    /// All of it, newest last.
    pub fn entries(&self) -> Vec<Activity> {
        self.lock().iter().cloned().collect()
    }

    /// What is written from now on.
    pub fn listen(&self) -> broadcast::Receiver<Activity> {
        self.news.subscribe()
    }
}

//! What a member of a swarm has yet to be told. News of pieces are merged, so that a fast download
//! doesn't outrun those who hear of it.

use super::Update;
use potluck_identity::PeerId;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Ranges, and members, that may wait; a member that falls further behind is dropped and asks again.
const MAX_RANGES: usize = 1024;
const MAX_MEMBERS: usize = 256;

/// Everything that is new, pieces sorted and merged.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Pieces that can be had here now.
    pub(crate) have: Vec<Range<u32>>,
    /// Pieces that can no longer be had here.
    pub(crate) changed: Vec<Range<u32>>,
    /// Other members that provide.
    pub(crate) members: Vec<PeerId>,
    /// The root is no longer provided.
    pub(crate) removed: bool,
}

impl News {
    /// Adds to it; `false` when it is too much.
    fn add(&mut self, update: &Update) -> bool {
        match update {
            Update::Have(range) => push(&mut self.have, range),
            Update::Changed(range) => push(&mut self.changed, range),
            Update::Member(peer) => {
                let room = self.members.len() < MAX_MEMBERS;
                if room {
                    self.members.push(*peer);
                }
                room
            }
            Update::Removed => {
                self.removed = true;
                true
            }
        }
    }

    fn is_empty(&self) -> bool {
        let quiet = self.have.is_empty() && self.changed.is_empty();
        quiet && self.members.is_empty() && !self.removed
    }
}

fn push(ranges: &mut Vec<Range<u32>>, range: &Range<u32>) -> bool {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range.clone()),
    }
    if ranges.len() < 2 * MAX_RANGES {
        return true;
    }
    *ranges = merged(std::mem::take(ranges));
    ranges.len() <= MAX_RANGES
}

/// Sorted and merged, as the wire wants ranges to be.
fn merged(mut ranges: Vec<Range<u32>>) -> Vec<Range<u32>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u32>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[derive(Debug)]
struct Mailbox {
    /// `None` once the member is gone.
    news: Mutex<Option<News>>,
    came: Notify,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Option<News>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The swarm's end. Dropping it ends the member's session.
#[derive(Debug)]
pub(super) struct Sender(Arc<Mailbox>);

/// The end of who tells the member.
#[derive(Debug)]
pub(crate) struct Updates(Arc<Mailbox>);

/// A mailbox for a new member.
pub(super) fn mailbox() -> (Sender, Updates) {
    let mailbox = Arc::new(Mailbox {
        news: Mutex::new(Some(News::default())),
        came: Notify::new(),
    });
    (Sender(Arc::clone(&mailbox)), Updates(mailbox))
}

impl Sender {
    /// Puts an update in; `false` when too much is waiting.
    pub(super) fn put(&self, update: &Update) -> bool {
        let fits = self.0.lock().as_mut().is_some_and(|news| news.add(update));
        self.0.came.notify_one();
        fits
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        *self.0.lock() = None;
        self.0.came.notify_one();
    }
}

impl Updates {
    /// Waits until something is new, without taking it; `false` when nothing will be. Cancel safe.
    pub(crate) async fn wait(&self) -> bool {
        loop {
            let came = self.0.came.notified();
            match &*self.0.lock() {
                None => return false,
                Some(news) if !news.is_empty() => return true,
                Some(_) => {}
            }
            came.await;
        }
    }

    /// Takes all that is new; `None` once the member was dropped.
    pub(crate) fn take(&self) -> Option<News> {
        let mut news = std::mem::take(self.0.lock().as_mut()?);
        news.have = merged(news.have);
        news.changed = merged(news.changed);
        Some(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_sorted_and_merged() {
        assert_eq!(merged(vec![5..6, 0..2, 2..3, 4..5]), vec![0..3, 4..6]);
        assert_eq!(merged(Vec::new()), Vec::new());
    }
}

//! Whose turn it is to be fetched: a node that stays fetches a few torrents at a time, the others wait in
//! the order in which they came.

use super::get::Events;
use super::list::address;
use super::lock;
use crate::context::Context;
use crate::errors;
use potluck_api::{ErrorBody, TorrentNote};
use potluck_bittorrent::InfoHashes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often who waits is told so, and looks whether the owner changed the limit.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
    moved: Notify,
}

/// Who is fetched, and who waits, by number in the order in which they came.
#[derive(Default)]
struct Line {
    next: u64,
    active: BTreeSet<u64>,
    waiting: BTreeMap<u64, TorrentNote>,
}

impl Line {
    fn join(&mut self, who: TorrentNote) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, who);
        number
    }

    /// Lets the first of those who wait go, if there is room for it; else says why it waits.
    fn try_go(&mut self, number: u64, limit: u32) -> Result<(), String> {
        let is_first = self.waiting.keys().next() == Some(&number);
        let has_room = limit == 0 || self.active.len() < limit as usize;
        // Without a limit nobody needs to be the first.
        if has_room && (is_first || limit == 0) {
            self.waiting.remove(&number);
            self.active.insert(number);
            return Ok(());
        }
        let reason = match self.active.len() {
            1 => "waiting: 1 other is being fetched".to_owned(),
            others => format!("waiting: {others} others are being fetched"),
        };
        if let Some(note) = self.waiting.get_mut(&number) {
            note.reason.clone_from(&reason);
        }
        Err(reason)
    }

    fn leave(&mut self, number: u64) {
        self.active.remove(&number);
        self.waiting.remove(&number);
    }
}

/// A place among those who are fetched, or who wait. Dropping it makes room.
pub(super) struct Turn {
    ctx: Arc<Context>,
    number: u64,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let queue = &self.ctx.torrents.queue;
        lock(&queue.line).leave(self.number);
        queue.moved.notify_waiters();
    }
}

impl Queue {
    /// Those who wait, in their order.
    pub(super) fn waiting(&self, most: usize) -> Vec<TorrentNote> {
        let line = lock(&self.line);
        line.waiting.values().take(most).cloned().collect()
    }
}

/// Waits until a torrent may be fetched; the user is told why it waits.
pub(super) async fn turn(
    ctx: &Arc<Context>,
    (hashes, name): (&InfoHashes, Option<String>),
    events: &Events,
    stop: &CancellationToken,
) -> Result<Turn, ErrorBody> {
    let queue = &ctx.torrents.queue;
    let note = TorrentNote {
        cid: address(hashes),
        name: name.unwrap_or_default(),
        reason: String::new(),
    };
    let turn = Turn {
        ctx: Arc::clone(ctx),
        number: lock(&queue.line).join(note),
    };
    loop {
        // Asked for before looking, so that no move is missed.
        let moved = queue.moved.notified();
        let limit = ctx.config().bittorrent.rules.active_downloads;
        let gone = lock(&queue.line).try_go(turn.number, limit);
        match gone {
            Ok(()) => {
                // The next one may have room too.
                queue.moved.notify_waiters();
                return Ok(turn);
            }
            Err(reason) => events.queued(reason),
        }
        tokio::select! {
            () = stop.cancelled() => return Err(errors::interrupted("run the same command again to wait anew")),
            () = ctx.shutdown.cancelled() => return Err(errors::stopping()),
            () = moved => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_first_goes_first_and_only_so_many() {
        let mut line = Line::default();
        let all: Vec<u64> = (0..4).map(|_| line.join(TorrentNote::default())).collect();
        assert!(line.try_go(all[1], 2).is_err(), "it is not the first");
        assert_eq!(line.try_go(all[0], 2), Ok(()));
        assert_eq!(line.try_go(all[1], 2), Ok(()));
        let reason = line.try_go(all[2], 2).unwrap_err();
        assert_eq!(reason, "waiting: 2 others are being fetched");
        assert_eq!(line.waiting[&all[2]].reason, reason);
        line.leave(all[0]);
        assert!(line.try_go(all[3], 2).is_err(), "another came before");
        assert_eq!(line.try_go(all[2], 2), Ok(()));
        // Who gives up waiting holds nobody up.
        let last = line.join(TorrentNote::default());
        line.leave(all[3]);
        line.leave(all[1]);
        assert_eq!(line.try_go(last, 2), Ok(()));
    }

    #[test]
    fn a_limit_that_changes_holds_at_once() {
        let mut line = Line::default();
        let all: Vec<u64> = (0..3).map(|_| line.join(TorrentNote::default())).collect();
        assert_eq!(line.try_go(all[0], 1), Ok(()));
        let reason = line.try_go(all[1], 1).unwrap_err();
        assert_eq!(reason, "waiting: 1 other is being fetched");
        assert_eq!(line.try_go(all[2], 0), Ok(()), "no limit, no order");
        assert_eq!(line.try_go(all[1], 3), Ok(()));
    }
}

//! Who reads from a torrent while it comes: what is read is asked for before all else.

use super::lock;
use potluck_transfer::ReaderId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Readers of one torrent at once.
const MAX_READERS: usize = 64;

/// A place in the pieces: one of them, and bytes into it.
pub(super) type Place = (u32, u64);

/// What somebody reads: from its next byte to the one after its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ahead {
    pub(super) at: Place,
    pub(super) end: Place,
}

/// See the module.
#[derive(Default)]
pub(super) struct Readers {
    open: Mutex<Open>,
    asked: Notify,
}

#[derive(Default)]
struct Open {
    next: u64,
    readers: BTreeMap<ReaderId, Ahead>,
}

/// One that reads. Dropping it ends that.
pub(super) struct Reader {
    readers: Arc<Readers>,
    id: ReaderId,
}

impl Readers {
    /// Somebody begins to read; `None` when too many do.
    pub(super) fn begin(self: &Arc<Self>, ahead: Ahead) -> Option<Reader> {
        let mut open = lock(&self.open);
        if open.readers.len() >= MAX_READERS {
            return None;
        }
        let id = ReaderId(open.next);
        open.next += 1;
        open.readers.insert(id, ahead);
        drop(open);
        self.asked.notify_one();
        Some(Reader {
            readers: Arc::clone(self),
            id,
        })
    }

    /// All of them.
    pub(super) fn list(&self) -> BTreeMap<ReaderId, Ahead> {
        lock(&self.open).readers.clone()
    }

    /// Waits until readers came, went on or left.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }
}

impl Reader {
    /// Tells the next byte that is needed.
    pub(super) fn moved(&self, at: Place) {
        if let Some(ahead) = lock(&self.readers.open).readers.get_mut(&self.id) {
            ahead.at = at;
        }
        self.readers.asked.notify_one();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        lock(&self.readers.open).readers.remove(&self.id);
        self.readers.asked.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_come_go_on_and_leave() {
        let readers = Arc::new(Readers::default());
        let ahead = Ahead {
            at: (1, 5),
            end: (9, 0),
        };
        let one = readers.begin(ahead).unwrap();
        let other = readers.begin(ahead).unwrap();
        one.moved((2, 0));
        let listed: Vec<Ahead> = readers.list().into_values().collect();
        assert_eq!(
            listed,
            [
                Ahead {
                    at: (2, 0),
                    ..ahead
                },
                ahead
            ]
        );
        drop(one);
        assert_eq!(readers.list().len(), 1);
        drop(other);
        let many: Vec<_> = (0..100).filter_map(|_| readers.begin(ahead)).collect();
        assert_eq!(many.len(), MAX_READERS);
    }
}

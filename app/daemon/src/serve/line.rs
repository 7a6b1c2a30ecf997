//! What waits on one lane: requests stand in the upload scheduler's line from the moment they come.

use crate::context::Context;
use crate::upload_gate::{Asker, QueueFull, Turn, Turns};
use potluck_content::tree::Geometry;
use potluck_transfer::Content;
use potluck_transfer::wire::bulk::{Request, Status};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Requests that may wait on one lane, and their items; a peer that sends more is not read from
/// until one is done.
const MAX_WAITING: usize = 128;
const MAX_WAITING_ITEMS: usize = 4096;
/// Groups that one number of the scheduler stands for: those of the smallest piece.
const GROUPS_A_PART: u64 = 4;
/// Parts of one request that are told to the scheduler.
const MAX_PARTS: usize = 256;

/// What to do next on a lane.
pub(super) enum Next {
    /// It is this request's turn.
    Serve(Request, Turn),
    /// Say at once why a request is not answered.
    Refuse(u32, Status),
}

#[derive(Default)]
struct Waiting {
    /// By ticket.
    requests: BTreeMap<u64, Request>,
    refused: VecDeque<(u32, Status)>,
    items: usize,
    /// The request that is served, and whether it was cancelled since.
    served: Option<(u32, bool)>,
    closed: bool,
}

/// The requests of one lane.
pub(super) struct Queue {
    asker: Asker,
    waiting: Mutex<Waiting>,
    came: Notify,
    went: Notify,
}

impl Queue {
    pub(super) fn new(asker: Asker) -> Self {
        Self {
            asker,
            waiting: Mutex::default(),
            came: Notify::new(),
            went: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one more request can be taken.
    pub(super) async fn room(&self) {
        loop {
            let went = self.went.notified();
            {
                let waiting = self.lock();
                let count = waiting.requests.len() + waiting.refused.len();
                if count < MAX_WAITING && waiting.items < MAX_WAITING_ITEMS {
                    return;
                }
            }
            went.await;
        }
    }

    /// Puts a request in line, or notes that it is refused.
    pub(super) fn push(&self, ctx: &Context, request: Request) {
        let mut waiting = self.lock();
        let id = request.id;
        // "Not have" is what a liar says of what it claimed; who stopped sharing did have it.
        let refusal = if ctx.may_serve(&request.root) {
            match self.asker.ask(request.data_len(), content(&request)) {
                Ok(ticket) => {
                    waiting.items += request.items.len();
                    waiting.requests.insert(ticket, request);
                    None
                }
                Err(QueueFull) => Some(Status::Busy),
            }
        } else {
            Some(Status::Changed)
        };
        if let Some(status) = refusal {
            waiting.refused.push_back((id, status));
        }
        drop(waiting);
        self.came.notify_one();
    }

    /// Takes a request out of the line, or makes the answer to it stop.
    pub(super) fn cancel(&self, id: u32) {
        let mut waiting = self.lock();
        let ticket = (waiting.requests.iter())
            .find(|(_, request)| request.id == id)
            .map(|(ticket, _)| *ticket);
        if let Some(ticket) = ticket
            && self.asker.take_back(ticket)
            && let Some(request) = waiting.requests.remove(&ticket)
        {
            waiting.items -= request.items.len();
            waiting.refused.push_back((id, Status::Cancelled));
            drop(waiting);
            self.came.notify_one();
        } else if let Some((served, cancelled)) = &mut waiting.served {
            // What was answered already needs no cancelling.
            *cancelled |= *served == id;
        }
    }

    /// Whether the request that is served was cancelled since its turn came.
    pub(super) fn cancelled(&self) -> bool {
        self.lock().served.is_some_and(|(_, cancelled)| cancelled)
    }

    /// No more requests will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.came.notify_one();
    }

    /// The next thing to do; `None` when all is answered and nothing more will come. Cancel safe.
    pub(super) async fn next(&self, turns: &mut Turns) -> Option<Next> {
        loop {
            let came = self.came.notified();
            if let Some(next) = self.at_hand(turns) {
                return next;
            }
            let turn = tokio::select! {
                turn = turns.next() => turn?,
                () = came => continue,
            };
            if let Some(next) = self.take(turn) {
                return Some(next);
            }
        }
    }

    /// What can be done without waiting; the outer `None` says that there is nothing, the inner that all is done.
    fn at_hand(&self, turns: &mut Turns) -> Option<Option<Next>> {
        let (refused, done) = {
            let waiting = self.lock();
            let done = waiting.closed && waiting.requests.is_empty();
            (!waiting.refused.is_empty(), done)
        };
        if refused {
            // While a refusal is written, which a peer may not read, a turn would be wasted.
            if let Some(turn) = turns.pause()
                && let Some(next) = self.take(turn)
            {
                return Some(Some(next));
            }
            let (id, status) = self.lock().refused.pop_front()?;
            self.went.notify_one();
            return Some(Some(Next::Refuse(id, status)));
        }
        done.then_some(None)
    }

    /// The request whose turn it is, unless it is gone.
    fn take(&self, turn: Turn) -> Option<Next> {
        let mut waiting = self.lock();
        let request = waiting.requests.remove(&turn.ticket())?;
        waiting.served = Some((request.id, false));
        waiting.items -= request.items.len();
        self.went.notify_one();
        Some(Next::Serve(request, turn))
    }
}

/// What a request asks for, in the scheduler's numbers.
fn content(request: &Request) -> Content {
    let number = |hash: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        hash(&mut hasher);
        hasher.finish()
    };
    let mut parts = Vec::new();
    for item in &request.items {
        let end = item.first_group.saturating_add(item.groups);
        let end = end.min(Geometry::new(item.size).groups());
        // Room for the numbers of the largest blob.
        let base = number(&|hasher| item.hash.hash(hasher)) & !(u64::MAX >> 24);
        let first = item.first_group / GROUPS_A_PART;
        let last = end.div_ceil(GROUPS_A_PART).max(first + 1);
        let room = MAX_PARTS.saturating_sub(parts.len());
        parts.extend((first..last).map(|part| base.wrapping_add(part)).take(room));
    }
    Content {
        whole: number(&|hasher| request.root.hash.hash(hasher)),
        parts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_content::{Address, Hash, Kind};
    use potluck_transfer::wire::bulk::Item;

    fn request(name: &[u8], spans: &[(u64, u64)]) -> Request {
        let hash = Hash::of(name);
        let items = spans.iter().map(|(first_group, groups)| Item {
            hash,
            size: 1 << 40,
            first_group: *first_group,
            groups: *groups,
        });
        Request {
            id: 1,
            root: Address {
                kind: Kind::Blob,
                hash,
            },
            items: items.collect(),
        }
    }

    #[test]
    fn all_parts_of_a_request_have_numbers() {
        let of = |name: &[u8], spans: &[(u64, u64)]| content(&request(name, spans)).parts;
        let one = of(b"a", &[(0, 4)]);
        let [part] = one[..] else { panic!("{one:?}") };
        assert_eq!(
            of(b"a", &[(0, 4), (4, 8), (100, 4)]),
            [part, part + 1, part + 2, part + 25]
        );
        assert_eq!(of(b"a", &[(1, 1)]), one);
        assert_ne!(of(b"b", &[(0, 4)]), one);
        assert_eq!(of(b"a", &[(0, 1 << 20)]).len(), MAX_PARTS);
    }
}

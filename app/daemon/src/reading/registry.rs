//! The downloads that can be read from: at most one for each root, an ordinary one or one begun for
//! readers.

use super::buffers::Buffers;
use super::live::Live;
use crate::context::Context;
use crate::{download, errors};
use potluck_api::{ErrorBody, ExitCode};
use potluck_content::{Address, Link};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Downloads for readers at a time.
const MAX_VIEWINGS: usize = 32;
/// Pause before looking again at a root whose download just ended.
const AGAIN: Duration = Duration::from_millis(20);

/// How far a download is, for who wants to read.
#[derive(Clone)]
enum State {
    Starting,
    Live(Arc<Live>),
    Ended(Option<ErrorBody>),
}

struct Entry {
    id: u64,
    /// Ends it; only of one that was begun for readers.
    viewing: Option<CancellationToken>,
    state: watch::Receiver<State>,
}

#[derive(Default)]
struct Inner {
    entries: BTreeMap<Address, Entry>,
    next: u64,
}

/// All of them; one for each node.
#[derive(Default)]
pub(crate) struct Readings {
    inner: Mutex<Inner>,
    pub(super) buffers: Buffers,
}

impl Readings {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a download in the registry; it is free again once this is dropped.
pub(crate) struct Seat {
    ctx: Arc<Context>,
    root: Address,
    id: u64,
    state: watch::Sender<State>,
}

impl Seat {
    /// Takes a root's place for an ordinary download. One for readers gives way, and its readers go
    /// on with this one. `None` when an ordinary one runs.
    pub(crate) async fn claim(ctx: &Arc<Context>, root: Address) -> Option<Self> {
        let (seat, old) = {
            let mut inner = ctx.readings.lock();
            let ordinary = |entry: &Entry| entry.viewing.is_none();
            if inner.entries.get(&root).is_some_and(ordinary) {
                return None;
            }
            let old = inner.entries.remove(&root);
            (Self::insert(ctx, &mut inner, root, None), old)
        };
        if let Some(mut old) = old {
            if let Some(stop) = &old.viewing {
                stop.cancel();
            }
            let ended = |state: &State| matches!(state, State::Ended(_));
            let _ = old.state.wait_for(ended).await;
        }
        Some(seat)
    }

    fn insert(
        ctx: &Arc<Context>,
        inner: &mut Inner,
        root: Address,
        viewing: Option<CancellationToken>,
    ) -> Self {
        let (state, receiver) = watch::channel(State::Starting);
        let id = inner.next;
        inner.next += 1;
        let entry = Entry {
            id,
            viewing,
            state: receiver,
        };
        inner.entries.insert(root, entry);
        Self {
            ctx: Arc::clone(ctx),
            root,
            id,
            state,
        }
    }

    /// From here on it can be read from.
    pub(crate) fn begun(&self, live: &Arc<Live>) {
        self.state.send_replace(State::Live(Arc::clone(live)));
    }

    /// Tells readers how it ended: with an error, or so that they look again.
    pub(crate) fn end(&self, error: Option<ErrorBody>) {
        let before = self.state.borrow().clone();
        if matches!(before, State::Ended(_)) {
            return;
        }
        if let State::Live(live) = before {
            live.end(error.clone());
        }
        let mut inner = self.ctx.readings.lock();
        let ours = |entry: &Entry| entry.id == self.id;
        if inner.entries.get(&self.root).is_some_and(ours) {
            inner.entries.remove(&self.root);
        }
        drop(inner);
        self.state.send_replace(State::Ended(error));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.end(None);
    }
}

/// The running download of a root; one for readers is begun when there is none. Waits until it can
/// be read from.
pub(crate) async fn attach(
    ctx: &Arc<Context>,
    link: &Link,
    patience: Duration,
) -> Result<Arc<Live>, ErrorBody> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut state = running(ctx, link, left)?;
        let begun = |state: &State| !matches!(state, State::Starting);
        let found = match timeout(left, state.wait_for(begun)).await {
            Err(_) => return Err(nobody(link, patience)),
            Ok(Err(_)) => State::Ended(None),
            Ok(Ok(state)) => state.clone(),
        };
        match found {
            // Whatever ended one concerns those who read from it; another one is begun.
            State::Live(live) if live.ended().is_some() => {}
            State::Live(live) => return Ok(live),
            // Who began it may have had less patience.
            State::Ended(Some(error))
                if error.code != ExitCode::NotFound || Instant::now() + AGAIN >= deadline =>
            {
                return Err(error);
            }
            State::Ended(_) | State::Starting => {}
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn running(
    ctx: &Arc<Context>,
    link: &Link,
    patience: Duration,
) -> Result<watch::Receiver<State>, ErrorBody> {
    let mut inner = ctx.readings.lock();
    if let Some(entry) = inner.entries.get(&link.address) {
        return Ok(entry.state.clone());
    }
    let viewings = inner.entries.values().filter(|e| e.viewing.is_some());
    if viewings.count() >= MAX_VIEWINGS {
        return Err(errors::failed(
            format!("{MAX_VIEWINGS} contents are being read from other nodes already"),
            "close some of them, and try again half a minute later",
        ));
    }
    let stop = CancellationToken::new();
    let seat = Seat::insert(ctx, &mut inner, link.address, Some(stop.clone()));
    let state = seat.state.subscribe();
    drop(inner);
    let (ctx, link) = (Arc::clone(ctx), link.clone());
    tokio::spawn(async move {
        let viewed = download::view(&ctx, &link, &seat, patience, &stop).await;
        // Who took its place has the readers too.
        seat.end(viewed.err().filter(|_| !stop.is_cancelled()));
    });
    Ok(state)
}

pub(super) fn nobody(link: &Link, patience: Duration) -> ErrorBody {
    errors::not_found(
        format!(
            "no provider of {} was found within {} s",
            link.address,
            patience.as_secs_f64()
        ),
        "is the sharer's node running and connected? a link with addresses, or 'potluck connect', helps to find it",
    )
}

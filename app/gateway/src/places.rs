//! Places for connections: so many at once, and whoever says nothing makes room for who comes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// All places of a gateway.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    quiet: Mutex<Quiet>,
}

/// Connections for which nothing is being done. Lower numbers have waited longer.
#[derive(Default)]
struct Quiet {
    next: u64,
    /// Those that never sent a whole request: the first to go.
    strangers: BTreeMap<u64, CancellationToken>,
    /// Those between two requests.
    guests: BTreeMap<u64, CancellationToken>,
    /// Connections that wait for a place.
    wanting: usize,
}

impl Quiet {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn forget(&mut self, number: u64) {
        self.strangers.remove(&number);
        self.guests.remove(&number);
    }
}

/// What a connection is at.
#[derive(Clone, Copy)]
enum State {
    /// It never sent a whole request.
    Stranger(u64),
    Busy,
    /// Between two requests, since then.
    Guest(u64, Instant),
    /// As that, and asked to go when its last answer ended.
    Leaving(Instant),
}

/// A place that is taken until this is dropped.
pub(crate) struct Seat {
    places: Arc<Places>,
    state: Arc<Mutex<State>>,
    /// Cancelled when somebody else needs the place.
    pub(crate) asked_to_go: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// A request that is being answered, until this is dropped.
pub(crate) struct Busy {
    places: Arc<Places>,
    state: Arc<Mutex<State>>,
    asked_to_go: CancellationToken,
}

impl Places {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(most)),
            quiet: Mutex::default(),
        })
    }

    fn quiet(&self) -> MutexGuard<'_, Quiet> {
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place. When there is none, the one who has been quiet for longest is asked to go; when
    /// all are busy, waits for the first that no longer is.
    pub(crate) async fn take(self: &Arc<Self>) -> Option<Seat> {
        let permit = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _wanting = Wanting::new(self);
                Arc::clone(&self.free).acquire_owned().await.ok()?
            }
        };
        let asked_to_go = CancellationToken::new();
        let mut quiet = self.quiet();
        let number = quiet.number();
        quiet.strangers.insert(number, asked_to_go.clone());
        drop(quiet);
        Some(Seat {
            places: Arc::clone(self),
            state: Arc::new(Mutex::new(State::Stranger(number))),
            asked_to_go,
            _permit: permit,
        })
    }
}

/// One who waits for a place.
struct Wanting<'a>(&'a Places);

impl<'a> Wanting<'a> {
    fn new(places: &'a Places) -> Self {
        let mut quiet = places.quiet();
        quiet.wanting += 1;
        let longest = match quiet.strangers.pop_first() {
            None => quiet.guests.pop_first(),
            stranger => stranger,
        };
        drop(quiet);
        if let Some((_, asked_to_go)) = longest {
            asked_to_go.cancel();
        }
        Self(places)
    }
}

impl Drop for Wanting<'_> {
    fn drop(&mut self) {
        self.0.quiet().wanting -= 1;
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seat {
    /// A whole request head has come: whoever sits here stays until it is answered.
    pub(crate) fn busy(&self) -> Busy {
        self.enter(State::Busy);
        Busy {
            places: Arc::clone(&self.places),
            state: Arc::clone(&self.state),
            asked_to_go: self.asked_to_go.clone(),
        }
    }

    fn enter(&self, state: State) {
        let before = std::mem::replace(&mut *locked(&self.state), state);
        if let State::Stranger(number) | State::Guest(number, _) = before {
            self.places.quiet().forget(number);
        }
    }

    /// How long one that was asked to go may stay, when `most` is the time to send what is left of its
    /// last answer. `None`: until its request is answered.
    pub(crate) fn time_left(&self, most: Duration) -> Option<Duration> {
        match *locked(&self.state) {
            State::Stranger(_) => Some(Duration::ZERO),
            State::Busy => None,
            State::Guest(_, since) | State::Leaving(since) => {
                Some(most.saturating_sub(since.elapsed()))
            }
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut quiet = self.places.quiet();
        let state = if quiet.wanting > 0 {
            State::Leaving(now)
        } else {
            let number = quiet.number();
            quiet.guests.insert(number, self.asked_to_go.clone());
            State::Guest(number, now)
        };
        drop(quiet);
        *locked(&self.state) = state;
        if let State::Leaving(_) = state {
            self.asked_to_go.cancel();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.enter(State::Busy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polls once: who has to wait gives nothing.
    fn take(places: &Arc<Places>) -> Option<Seat> {
        use futures::FutureExt as _;
        places.take().now_or_never().flatten()
    }

    #[test]
    fn who_never_said_anything_goes_first_and_who_is_served_stays() {
        let places = Places::new(3);
        let served = take(&places).unwrap();
        let guest = take(&places).unwrap();
        let stranger = take(&places).unwrap();
        let answering = served.busy();
        drop(guest.busy());
        let asked = |seats: [&Seat; 3]| seats.map(|seat| seat.asked_to_go.is_cancelled());
        let all = [&served, &guest, &stranger];
        assert_eq!(asked(all), [false; 3]);
        assert!(take(&places).is_none());
        assert_eq!(asked(all), [false, false, true]);
        assert!(take(&places).is_none());
        assert_eq!(asked(all), [false, true, true]);
        // Nobody is left who could go: the one that is served goes when it has its answer.
        let waiting = Wanting::new(&places);
        assert_eq!(asked(all), [false, true, true]);
        let most = Duration::from_secs(9);
        assert_eq!(stranger.time_left(most), Some(Duration::ZERO));
        assert_eq!(served.time_left(most), None);
        drop(answering);
        assert_eq!(asked(all), [true; 3]);
        assert!(served.time_left(most).is_some_and(|left| left <= most));
        assert_eq!(guest.time_left(Duration::ZERO), Some(Duration::ZERO));
        drop(waiting);
        drop(stranger);
        assert!(take(&places).is_some());
    }

    #[test]
    fn the_longest_waiting_goes_first_and_nothing_is_left_behind() {
        let places = Places::new(2);
        let first = take(&places).unwrap();
        let second = take(&places).unwrap();
        assert!(take(&places).is_none());
        assert!(first.asked_to_go.is_cancelled() && !second.asked_to_go.is_cancelled());
        drop(first);
        let third = take(&places).unwrap();
        drop(third.busy());
        drop((second, third));
        let quiet = places.quiet();
        assert!(quiet.strangers.is_empty() && quiet.guests.is_empty());
        assert_eq!(quiet.wanting, 0);
        assert_eq!(places.free.available_permits(), 2);
    }
}

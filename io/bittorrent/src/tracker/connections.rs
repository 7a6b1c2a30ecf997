//! Connections that trackers over UDP gave, for as long as they may be used.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Connections that are kept; they are cheap to get again.
const MAX_CONNECTIONS: usize = 512;

#[derive(Debug)]
pub(super) struct Connections {
    lifetime: Duration,
    known: Mutex<BTreeMap<SocketAddr, (u64, Instant)>>,
}

impl Connections {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self {
            lifetime,
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, (u64, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to a tracker, unless it is too old.
    pub(super) fn get(&self, tracker: SocketAddr) -> Option<u64> {
        let (connection, since) = *self.known().get(&tracker)?;
        (since.elapsed() < self.lifetime).then_some(connection)
    }

    pub(super) fn insert(&self, tracker: SocketAddr, connection: u64) {
        let mut known = self.known();
        if known.len() >= MAX_CONNECTIONS {
            known.retain(|_, (_, since)| since.elapsed() < self.lifetime);
        }
        if known.len() >= MAX_CONNECTIONS {
            known.clear();
        }
        known.insert(tracker, (connection, Instant::now()));
    }

    /// Forgets a connection, unless there is a newer one already.
    pub(super) fn remove(&self, tracker: SocketAddr, connection: u64) {
        let mut known = self.known();
        if known
            .get(&tracker)
            .is_some_and(|(found, _)| *found == connection)
        {
            known.remove(&tracker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_few_and_not_old() {
        let connections = Connections::new(Duration::from_secs(3600));
        for port in 1..=2000 {
            connections.insert(([127, 0, 0, 1], port).into(), port.into());
            assert!(connections.known().len() <= MAX_CONNECTIONS);
        }
        let last = ([127, 0, 0, 1], 2000).into();
        assert_eq!(connections.get(last), Some(2000));
        connections.remove(last, 5);
        assert_eq!(connections.get(last), Some(2000), "another one");
        connections.remove(last, 2000);
        assert_eq!(connections.get(last), None);
        let connections = Connections::new(Duration::ZERO);
        connections.insert(last, 1);
        assert_eq!(connections.get(last), None, "too old at once");
    }
}

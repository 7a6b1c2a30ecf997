//! Rates from byte counters, sampled about once a second.

use potluck_api::Rates;
use potluck_identity::PeerId;
use potluck_net::Traffic;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Rates are taken over this long.
const WINDOW: Duration = Duration::from_secs(4);

type Sample = (Instant, Traffic);

#[derive(Default)]
struct Inner {
    total: VecDeque<Sample>,
    peers: BTreeMap<PeerId, VecDeque<Sample>>,
}

/// Samples of the last few seconds; one for each node.
#[derive(Default)]
pub(crate) struct RateBook {
    inner: Mutex<Inner>,
}

impl RateBook {
    /// Takes a sample of the node's and each connected peer's counters.
    pub(crate) fn sample(&self, total: Traffic, peers: impl Iterator<Item = (PeerId, Traffic)>) {
        let now = Instant::now();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        push(&mut inner.total, (now, total));
        let mut old = std::mem::take(&mut inner.peers);
        for (peer, traffic) in peers {
            let mut samples = old.remove(&peer).unwrap_or_default();
            push(&mut samples, (now, traffic));
            inner.peers.insert(peer, samples);
        }
    }

    pub(crate) fn total(&self, now: Traffic) -> Rates {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        rates(&inner.total, now)
    }

    pub(crate) fn peer(&self, peer: &PeerId, now: Traffic) -> Rates {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .peers
            .get(peer)
            .map(|samples| rates(samples, now))
            .unwrap_or_default()
    }
}

fn push(samples: &mut VecDeque<Sample>, sample: Sample) {
    while samples.len() > 1
        && samples
            .front()
            .is_some_and(|first| first.0.elapsed() > WINDOW)
    {
        samples.pop_front();
    }
    samples.push_back(sample);
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // not negative, below 2^64
fn rates(samples: &VecDeque<Sample>, now: Traffic) -> Rates {
    let mut rates = Rates {
        down: 0,
        up: 0,
        down_bytes: now.received,
        up_bytes: now.sent,
    };
    if let Some((since, then)) = samples.front() {
        let seconds = since.elapsed().as_secs_f64();
        if seconds > 0.1 {
            rates.down = (now.received.saturating_sub(then.received) as f64 / seconds) as u64;
            rates.up = (now.sent.saturating_sub(then.sent) as f64 / seconds) as u64;
        }
    }
    rates
}

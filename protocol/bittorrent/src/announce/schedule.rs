//! When to ask which tracker (BEP 12).

use std::time::Duration;

use super::{AnnounceEvent, Announced};

/// Trackers of a torrent, at most; further ones are left out.
const MAX_TRACKERS: usize = 64;
/// Pauses after failures: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(1800));
/// While peers are wanting, a tracker is asked again after this, whatever it said.
const WANTING: Duration = Duration::from_secs(90);

/// How a tracker is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerState {
    /// Its address.
    pub url: String,
    /// What went wrong the last time, in words.
    pub trouble: Option<String>,
    /// Peers of the last answer.
    pub peers: usize,
    failures: u32,
    /// Set once it was told that this node is there.
    is_started: bool,
    is_asked: bool,
    due: Duration,
    answered: Option<Duration>,
}

/// A tracker to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Names it to [`Announcer`].
    pub tracker: usize,
    /// Its address.
    pub url: String,
    /// What to ask it for.
    pub event: AnnounceEvent,
}

/// Asks the trackers of one torrent in their time: of each tier the first one that answers, and the
/// others of the tier only when it fails. A tracker that answers moves to the front of its tier.
///
/// Times are counted from any fixed moment.
#[derive(Clone, Debug, Default)]
pub struct Announcer {
    trackers: Vec<TrackerState>,
    /// Positions in `trackers`.
    tiers: Vec<Vec<usize>>,
    is_wanting: bool,
    is_complete: bool,
    /// Those that are still to be told that all is here.
    tell_complete: Vec<usize>,
}

impl Announcer {
    /// Adds tiers of trackers; those that are known are left out. `random` shuffles the new ones.
    pub fn add(&mut self, now: Duration, tiers: &[Vec<String>], random: u64) {
        let mut state = random;
        for urls in tiers {
            let mut tier = Vec::new();
            for url in urls {
                let is_known = self.trackers.iter().any(|known| known.url == *url);
                if is_known || self.trackers.len() >= MAX_TRACKERS || !is_usable(url) {
                    continue;
                }
                tier.push(self.trackers.len());
                self.trackers.push(TrackerState {
                    url: url.clone(),
                    trouble: None,
                    peers: 0,
                    failures: 0,
                    is_started: false,
                    is_asked: false,
                    due: now,
                    answered: None,
                });
            }
            for at in (1..tier.len()).rev() {
                // Knuth's generator: good enough to spread the load.
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let other = usize::try_from(state >> 33).unwrap_or_default() % (at + 1);
                tier.swap(at, other);
            }
            if !tier.is_empty() {
                self.tiers.push(tier);
            }
        }
    }

    /// Whether more peers would be of use.
    pub fn set_wanting(&mut self, is_wanting: bool) {
        self.is_wanting = is_wanting;
    }

    /// All is here now: the trackers that know this node are told.
    pub fn completed(&mut self) {
        if std::mem::replace(&mut self.is_complete, true) {
            return;
        }
        let started = self.trackers.iter().enumerate();
        let started = started.filter(|(_, tracker)| tracker.is_started);
        self.tell_complete = started.map(|(index, _)| index).collect();
    }

    fn due(&self, index: usize) -> Option<Duration> {
        let tracker = self
            .trackers
            .get(index)
            .filter(|tracker| !tracker.is_asked)?;
        let soon = tracker.answered.map(|answered| answered + WANTING);
        Some(match soon {
            Some(soon) if self.is_wanting => soon.min(tracker.due),
            _ => tracker.due,
        })
    }

    /// The tracker of a tier whose turn it is: the first that did not fail, or that may be tried again.
    fn turn(&self, tier: &[usize]) -> Option<usize> {
        let failed = |index: &&usize| {
            let tracker = self.trackers.get(**index);
            tracker.is_none_or(|tracker| tracker.failures > 0)
        };
        let healthy = tier.iter().find(|index| !failed(index));
        let sick = tier
            .iter()
            .min_by_key(|index| self.due(**index).unwrap_or(Duration::MAX));
        healthy.or(sick).copied()
    }

    /// Whom to ask now. None when nobody is due.
    pub fn poll(&mut self, now: Duration) -> Option<Due> {
        if let Some(index) = self.tell_complete.pop() {
            return self.ask(index, AnnounceEvent::Completed);
        }
        let turns = self.tiers.iter().filter_map(|tier| self.turn(tier));
        let due = turns.filter(|index| self.due(*index).is_some_and(|due| due <= now));
        let index = due.min()?;
        let is_started = self.trackers.get(index)?.is_started;
        let event = if is_started {
            AnnounceEvent::Regular
        } else {
            AnnounceEvent::Started
        };
        self.ask(index, event)
    }

    fn ask(&mut self, index: usize, event: AnnounceEvent) -> Option<Due> {
        let tracker = self.trackers.get_mut(index)?;
        tracker.is_asked = true;
        Some(Due {
            tracker: index,
            url: tracker.url.clone(),
            event,
        })
    }

    /// When to call [`Self::poll`] again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let turns = self.tiers.iter().filter_map(|tier| self.turn(tier));
        turns.filter_map(|index| self.due(index)).min()
    }

    /// A tracker answered.
    pub fn answered(&mut self, now: Duration, index: usize, answer: &Announced) {
        let Some(tracker) = self.trackers.get_mut(index) else {
            return;
        };
        tracker.is_asked = false;
        tracker.is_started = true;
        tracker.failures = 0;
        tracker.trouble.clone_from(&answer.warning);
        tracker.peers = answer.peers.len();
        tracker.answered = Some(now);
        tracker.due = now.saturating_add(answer.interval);
        for tier in &mut self.tiers {
            if let Some(at) = tier.iter().position(|known| *known == index) {
                let first = tier.remove(at);
                tier.insert(0, first);
            }
        }
    }

    /// A tracker could not be asked, or said no.
    pub fn failed(&mut self, now: Duration, index: usize, reason: String) {
        let Some(tracker) = self.trackers.get_mut(index) else {
            return;
        };
        tracker.is_asked = false;
        tracker.trouble = Some(reason);
        tracker.answered = None;
        let pause = PAUSES.0.saturating_mul(2u32.pow(tracker.failures.min(8)));
        tracker.failures = tracker.failures.saturating_add(1);
        tracker.due = now.saturating_add(pause.min(PAUSES.1));
    }

    /// Those to be told that this node goes.
    #[must_use]
    pub fn farewells(&self) -> Vec<Due> {
        let started = self.trackers.iter().enumerate();
        let started = started.filter(|(_, tracker)| tracker.is_started);
        let due = started.map(|(index, tracker)| Due {
            tracker: index,
            url: tracker.url.clone(),
            event: AnnounceEvent::Stopped,
        });
        due.collect()
    }

    /// How the trackers are doing.
    #[must_use]
    pub fn trackers(&self) -> &[TrackerState] {
        &self.trackers
    }
}

/// Whether an address is one that can be asked.
fn is_usable(url: &str) -> bool {
    ["http://", "https://", "udp://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
}

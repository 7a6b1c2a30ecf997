//! Which tracker is asked when (BEP 12).

use std::time::Duration;

use super::lane::{Ask, AskId, Lane, Mode};
use super::status::TrackerStatus;
use super::{AnnounceReply, is_usable};
use crate::{InfoHashV1, InfoHashes};

/// Most trackers of a torrent that are kept.
pub const MAX_TRACKERS: usize = 100;

/// The trackers of one torrent, which may have two names.
///
/// In each tier the trackers are tried in turn, and the next tier only after all of one have failed.
/// A tracker that answers moves to the front of its tier and is asked again after its interval, or
/// after its shorter one while more peers are wanted. One that fails is tried again after 15 s, and
/// then after twice as long each time, up to 1 h, also while others serve in its stead. One that
/// has not answered after 3 s lets those after it have their turn, unless the torrent is private:
/// such a one uses one tracker at a time (BEP 27). A hybrid is
/// announced under both of its names, as its peers may know either; each goes its own way.
///
/// Nothing is asked here: [`Self::poll`] says what is to be, and each [`Ask`] must be given an end
/// by [`Self::handle_reply`] or [`Self::handle_failure`]. Times are counted from any fixed moment.
#[derive(Clone, Debug)]
pub struct Announcer {
    trackers: Vec<Tracker>,
    /// One for each name.
    lanes: Vec<Lane>,
    is_wanting: bool,
    is_private: bool,
    is_complete: bool,
    is_stopped: bool,
}

#[derive(Clone, Debug)]
struct Tracker {
    url: String,
    tier: usize,
}

impl Announcer {
    /// A torrent without trackers.
    #[must_use]
    pub fn new(hashes: &InfoHashes) -> Self {
        let mut announcer = Self {
            trackers: Vec::new(),
            lanes: Vec::new(),
            is_wanting: false,
            is_private: false,
            is_complete: false,
            is_stopped: false,
        };
        announcer.add_names(Duration::ZERO, hashes);
        announcer
    }

    /// Adds the names that were not known yet, as those of a torrent whose magnet link had one.
    pub fn add_names(&mut self, now: Duration, hashes: &InfoHashes) {
        for name in names(hashes) {
            if self.lanes.iter().any(|lane| lane.infohash == name) {
                continue;
            }
            let mut lane = Lane::new(name);
            lane.is_private = self.is_private;
            for number in 0..self.tier_count() {
                let members = self.trackers.iter().enumerate();
                let members = members.filter(|(_, tracker)| tracker.tier == number);
                let tier: Vec<usize> = members.map(|(index, _)| index).collect();
                lane.add_tier(now, &tier);
            }
            self.lanes.push(lane);
        }
    }

    fn tier_count(&self) -> usize {
        self.trackers.last().map_or(0, |tracker| tracker.tier + 1)
    }

    /// Adds tiers after the ones that there are. Trackers that are known already, or can't be asked
    /// ([`is_usable`]), are left out, and so are those beyond [`MAX_TRACKERS`]. `random` shuffles each
    /// tier.
    pub fn add_tiers(&mut self, now: Duration, tiers: &[Vec<String>], random: u64) {
        let mut random = random;
        for urls in tiers {
            let number = self.tier_count();
            let mut fresh: Vec<&String> = Vec::new();
            for url in urls {
                let is_known = self.trackers.iter().any(|tracker| tracker.url == *url);
                let has_room = self.trackers.len() + fresh.len() < MAX_TRACKERS;
                if has_room && !is_known && !fresh.contains(&url) && is_usable(url) {
                    fresh.push(url);
                }
            }
            if fresh.is_empty() {
                continue;
            }
            shuffle(&mut fresh, &mut random);
            let first = self.trackers.len();
            self.trackers.extend(fresh.into_iter().map(|url| Tracker {
                url: url.clone(),
                tier: number,
            }));
            let tier: Vec<usize> = (first..self.trackers.len()).collect();
            for lane in &mut self.lanes {
                lane.add_tier(now, &tier);
            }
        }
    }

    /// Whether more peers would be of use: then trackers are asked as often as they allow.
    pub fn set_wanting(&mut self, is_wanting: bool) {
        self.is_wanting = is_wanting;
    }

    /// The torrent is private: from now on one tracker is used at a time (BEP 27).
    pub fn set_private(&mut self) {
        self.is_private = true;
        for lane in &mut self.lanes {
            lane.is_private = true;
        }
    }

    /// The download is complete, which the trackers that know of it are told once. Not to be called
    /// for a torrent that was complete when it was started (BEP 3).
    pub fn completed(&mut self) {
        if !self.is_complete && !self.is_stopped {
            self.lanes.iter_mut().for_each(Lane::completed);
        }
        self.is_complete = true;
    }

    /// From now on [`Self::poll`] only tells the trackers that know this node that it goes.
    pub fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// Whether it was stopped, and all that were to be told of it are.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_stopped && self.lanes.iter().all(Lane::is_over)
    }

    /// Starts again after a stop.
    pub fn restart(&mut self, now: Duration) {
        if std::mem::take(&mut self.is_stopped) {
            for lane in &mut self.lanes {
                lane.restart(now);
            }
        }
    }

    /// Where this node is reached changed: the trackers that know it are told now.
    pub fn renew(&mut self, now: Duration) {
        if !self.is_stopped {
            self.lanes.iter_mut().for_each(|lane| lane.renew(now));
        }
    }

    /// The next announce to make; to be called until there is none.
    pub fn poll(&mut self, now: Duration) -> Option<Ask> {
        let mode = self.mode();
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            let Some((index, event)) = lane.poll(now, mode) else {
                continue;
            };
            let tracker = self.trackers.get(index)?;
            let state = lane.states.get(index)?;
            return Some(Ask {
                id: AskId {
                    lane: number,
                    tracker: index,
                },
                url: tracker.url.clone(),
                infohash: lane.infohash,
                event,
                tracker_id: state.tracker_id.clone(),
            });
        }
        None
    }

    /// When to poll again, if nothing else happens; a time that has passed means now. None when
    /// there is nothing to wait for but what comes of the announces that are being made.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let mode = self.mode();
        self.lanes
            .iter()
            .filter_map(|lane| lane.timeout(mode))
            .min()
    }

    /// A tracker answered.
    pub fn handle_reply(&mut self, now: Duration, id: AskId, reply: &AnnounceReply) {
        if let Some(lane) = self.lanes.get_mut(id.lane) {
            lane.handle_reply(now, id.tracker, reply);
        }
    }

    /// A tracker could not be asked, or refuses. `reason` is for people; `retry` is when it said that
    /// it may be asked again (BEP 31), which can make the pause longer and never shorter.
    pub fn handle_failure(
        &mut self,
        now: Duration,
        id: AskId,
        reason: &str,
        retry: Option<Duration>,
    ) {
        if let Some(lane) = self.lanes.get_mut(id.lane) {
            lane.handle_failure(now, id.tracker, reason, retry);
        }
    }

    /// How the trackers are doing, tier by tier.
    #[must_use]
    pub fn status(&self) -> Vec<TrackerStatus> {
        let mode = self.mode();
        let all = self.trackers.iter().enumerate();
        let status = all.map(|(index, tracker)| {
            let url = tracker.url.clone();
            TrackerStatus::of(url, tracker.tier, index, &self.lanes, mode)
        });
        status.collect()
    }

    fn mode(&self) -> Mode {
        match (self.is_stopped, self.is_wanting) {
            (true, _) => Mode::Stopping,
            (false, true) => Mode::Wanting,
            (false, false) => Mode::Keeping,
        }
    }
}

/// What a torrent is announced as.
fn names(hashes: &InfoHashes) -> impl Iterator<Item = InfoHashV1> {
    let v2 = hashes.v2.map(|hash| hash.truncated());
    hashes.v1.into_iter().chain(v2)
}

fn shuffle(urls: &mut [&String], random: &mut u64) {
    for last in (1..urls.len()).rev() {
        *random = random.rotate_left(23).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // The high bits: the low ones of a product are the worst.
        let count = u64::try_from(last + 1).unwrap_or(u64::MAX);
        let other = usize::try_from((*random >> 16) % count).unwrap_or(0);
        urls.swap(last, other);
    }
}

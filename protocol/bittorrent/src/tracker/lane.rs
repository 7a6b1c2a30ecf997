//! The trackers of a torrent under one of its names.

use std::time::Duration;

use super::{AnnounceEvent, AnnounceReply, MAX_INTERVAL, clipped};
use crate::InfoHashV1;

/// After a failure a tracker is left alone for so long, and twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
/// It is never left alone for longer because of failures.
const MAX_PAUSE: Duration = Duration::from_secs(60 * 60);
/// Those after a tracker wait so long for its answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// A tracker that fails so many times in a row is told of no completion any more.
const MAX_COMPLETED_FAILURES: u32 = 3;

/// Names an [`Ask`] to the announcer that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId {
    pub(super) lane: usize,
    pub(super) tracker: usize,
}

/// An announce that is to be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// To be given back with what came of it.
    pub id: AskId,
    /// The address of the tracker.
    pub url: String,
    /// The name of the torrent.
    pub infohash: InfoHashV1,
    /// Why it is made.
    pub event: AnnounceEvent,
    /// What the tracker called itself before.
    pub tracker_id: Option<Vec<u8>>,
}

/// How a tracker stands to this name.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// What it is asked for right now.
    pub(super) asked: Option<AnnounceEvent>,
    /// Since when.
    asked_at: Duration,
    /// It takes this node for a peer.
    is_started: bool,
    /// It is still to be told of the completion.
    owes_completed: bool,
    /// It failed, or was slow, since a tracker before it, or itself, last answered: those after it have
    /// their turn.
    is_out: bool,
    /// In a row.
    pub(super) failures: u32,
    /// It is asked then at the latest.
    due: Duration,
    /// It may be asked from then on.
    earliest: Duration,
    pub(super) error: Option<String>,
    /// Its last answer.
    pub(super) reply: Option<Heard>,
    pub(super) tracker_id: Option<Vec<u8>>,
}

/// What is kept of an answer.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) peers: usize,
    pub(super) seeds: Option<u32>,
    pub(super) leeches: Option<u32>,
    pub(super) warning: Option<String>,
}

/// What there is to do.
enum Turn {
    /// Ask this one now.
    Ask(usize),
    /// Look again then; none while nothing will be due.
    Wait(Option<Duration>),
}

/// The trackers under one name. Each name has an order of its own, as a tracker may know a torrent by
/// one name and not by the other.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) infohash: InfoHashV1,
    /// Numbers of trackers: positions in `states`.
    tiers: Vec<Vec<usize>>,
    pub(super) states: Vec<State>,
    /// One tracker is used at a time (BEP 27).
    pub(super) is_private: bool,
}

impl Lane {
    pub(super) fn new(infohash: InfoHashV1) -> Self {
        Self {
            infohash,
            tiers: Vec::new(),
            states: Vec::new(),
            is_private: false,
        }
    }

    /// Adds trackers, which have the numbers that follow the ones there are.
    pub(super) fn add_tier(&mut self, now: Duration, tier: &[usize]) {
        for _ in tier {
            self.states.push(State {
                due: now,
                earliest: now,
                ..State::default()
            });
        }
        self.tiers.push(tier.to_vec());
    }

    /// Whom to ask now, and for what.
    pub(super) fn poll(&mut self, now: Duration, mode: Mode) -> Option<(usize, AnnounceEvent)> {
        if !self.is_private {
            for state in &mut self.states {
                state.is_out |= state.asked.is_some() && state.patience_ends() <= now;
            }
        }
        let Turn::Ask(tracker) = self.turn(now, mode) else {
            return None;
        };
        let state = self.states.get_mut(tracker)?;
        let event = match mode {
            Mode::Stopping => AnnounceEvent::Stopped,
            _ if !state.is_started => AnnounceEvent::Started,
            _ if state.owes_completed => AnnounceEvent::Completed,
            _ => AnnounceEvent::Regular,
        };
        state.asked = Some(event);
        state.asked_at = now;
        Some((tracker, event))
    }

    /// When to poll again; a time that has passed means now.
    pub(super) fn timeout(&self, mode: Mode) -> Option<Duration> {
        match self.turn(Duration::ZERO, mode) {
            Turn::Ask(_) => Some(Duration::ZERO),
            Turn::Wait(until) => until,
        }
    }

    fn turn(&self, now: Duration, mode: Mode) -> Turn {
        let mut next = Duration::MAX;
        for (tracker, state) in self.states.iter().enumerate() {
            let is_owed = match mode {
                Mode::Stopping => true,
                Mode::Keeping | Mode::Wanting => state.owes_completed,
            };
            if !is_owed || !state.is_started || state.asked.is_some() {
                continue;
            }
            // This has no time to be kept, but for those that do not answer.
            let is_waiting = mode != Mode::Stopping && state.failures > 0;
            if !is_waiting || state.due <= now {
                return Turn::Ask(tracker);
            }
            next = next.min(state.due);
        }
        if mode == Mode::Stopping {
            return Turn::Wait(None);
        }
        let mut trackers = self.tiers.iter().flatten().peekable();
        while let Some(tracker) = trackers.next() {
            let Some(state) = self.states.get(*tracker) else {
                continue;
            };
            if state.asked.is_some() {
                if state.is_out {
                    continue;
                }
                // What comes of it says whether those after it are needed.
                if !self.is_private && trackers.peek().is_some() {
                    next = next.min(state.patience_ends());
                }
                break;
            }
            let at = state.time(mode);
            if at <= now {
                return Turn::Ask(*tracker);
            }
            next = next.min(at);
            if state.failures == 0 {
                break;
            }
        }
        Turn::Wait((next < Duration::MAX).then_some(next))
    }

    pub(super) fn handle_reply(&mut self, now: Duration, tracker: usize, reply: &AnnounceReply) {
        let Some(state) = self.states.get_mut(tracker) else {
            return;
        };
        let Some(event) = state.asked.take() else {
            return;
        };
        state.failures = 0;
        state.error = None;
        if let Some(id) = &reply.tracker_id {
            state.tracker_id = Some(id.clone());
        }
        if event == AnnounceEvent::Stopped {
            state.leave(now);
            return;
        }
        state.is_started = true;
        if event == AnnounceEvent::Completed {
            state.owes_completed = false;
        }
        state.due = now.saturating_add(reply.interval);
        state.earliest = now.saturating_add(reply.min_interval.min(reply.interval));
        state.reply = Some(Heard {
            peers: reply.peers.len(),
            seeds: reply.seeds,
            leeches: reply.leeches,
            warning: reply.warning.clone(),
        });
        self.bring_to_front(tracker);
    }

    /// Within its tier. Those after it have another chance, should it fail later.
    fn bring_to_front(&mut self, tracker: usize) {
        let mut is_after = false;
        for tier in &mut self.tiers {
            if let Some(at) = tier.iter().position(|other| *other == tracker) {
                tier[..=at].rotate_right(1);
                is_after = true;
            }
            for other in tier.iter().filter(|_| is_after) {
                if let Some(state) = self.states.get_mut(*other) {
                    state.is_out = false;
                }
            }
        }
    }

    pub(super) fn handle_failure(
        &mut self,
        now: Duration,
        tracker: usize,
        reason: &str,
        retry: Option<Duration>,
    ) {
        let Some(state) = self.states.get_mut(tracker) else {
            return;
        };
        let Some(event) = state.asked.take() else {
            return;
        };
        state.error = Some(clipped(reason));
        if event == AnnounceEvent::Stopped {
            // It will forget this node by itself.
            state.leave(now);
            return;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << state.failures.min(10));
        let pause = pause.min(MAX_PAUSE).max(retry.unwrap_or_default());
        state.due = now.saturating_add(pause.min(MAX_INTERVAL));
        state.earliest = state.due;
        state.failures = state.failures.saturating_add(1);
        state.is_out = true;
        if event == AnnounceEvent::Started || state.failures >= MAX_COMPLETED_FAILURES {
            state.owes_completed = false;
        }
    }

    /// The trackers that know this node, or are being told of it, are owed the completion.
    pub(super) fn completed(&mut self) {
        for state in &mut self.states {
            state.owes_completed |= state.is_started || state.asked == Some(AnnounceEvent::Started);
        }
    }

    /// After a stop: all are asked anew, but those that failed not before their time.
    pub(super) fn restart(&mut self, now: Duration) {
        for state in &mut self.states {
            state.is_out = false;
            state.owes_completed = false;
            if state.failures == 0 {
                state.due = now;
                state.earliest = now;
            }
        }
    }

    /// Those that know this node are asked before their time, but none that failed.
    pub(super) fn renew(&mut self, now: Duration) {
        let known = |state: &&mut State| state.is_started && state.failures == 0;
        for state in self.states.iter_mut().filter(known) {
            state.due = now;
            state.earliest = now;
        }
    }

    /// Whether nothing is being asked, and nobody is left to be told of the end.
    pub(super) fn is_over(&self) -> bool {
        let is_over = |state: &State| state.asked.is_none() && !state.is_started;
        self.states.iter().all(is_over)
    }

    /// When a tracker will be asked, unless it is being asked or others before it serve.
    pub(super) fn next_of(&self, tracker: usize, mode: Mode) -> Option<Duration> {
        for other in self.tiers.iter().flatten() {
            let state = self.states.get(*other)?;
            if *other == tracker {
                return state.asked.is_none().then(|| state.time(mode));
            }
            let serves = if state.asked.is_some() {
                !state.is_out
            } else {
                state.failures == 0
            };
            if serves {
                return None;
            }
        }
        None
    }
}

/// What trackers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Nothing in particular.
    Keeping,
    /// More peers.
    Wanting,
    /// To forget this node.
    Stopping,
}

impl State {
    fn time(&self, mode: Mode) -> Duration {
        match mode {
            Mode::Wanting => self.earliest,
            Mode::Keeping | Mode::Stopping => self.due,
        }
    }

    /// When those after it need not wait for its answer any longer.
    fn patience_ends(&self) -> Duration {
        self.asked_at.saturating_add(PATIENCE)
    }

    /// It was told that this node is gone. Should it come back, that may be said at once.
    fn leave(&mut self, now: Duration) {
        self.is_started = false;
        self.owes_completed = false;
        self.due = now;
        self.earliest = now;
    }
}

//! What happens because time passed: silence, pauses, take-overs.

use std::time::Duration;

use super::Planner;
use super::api::{RequestId, SourceId};
use crate::Timestamp;

/// How often a silent source is looked at once others could serve its requests.
const SILENCE_CHECK: Duration = Duration::from_millis(500);
/// How often idle sources look for work to take over.
const TAKEOVER_INTERVAL: Duration = Duration::from_millis(200);

impl Planner {
    /// Makes sure that timers run at `at` or before.
    pub(super) fn arm(&mut self, at: Timestamp) {
        self.timer = Some(self.timer.map_or(at, |known| known.min(at)));
    }

    /// Idle sources will look for work to take over.
    pub(super) fn arm_takeover(&mut self, now: Timestamp) {
        if self.hungry.is_empty() || self.ledger.is_empty() || self.sources.len() < 2 {
            return;
        }
        let at = self.last_takeover + TAKEOVER_INTERVAL;
        self.arm(at.max(now.plus_micros(1)));
    }

    pub(super) fn run_timers(&mut self, now: Timestamp) {
        if self.timer.is_none_or(|due| now < due) {
            return;
        }
        self.timer = None;
        let everyone: Vec<SourceId> = self.sources.keys().copied().collect();
        for source in everyone {
            self.end_pause(now, source);
            self.watch(now, source);
        }
        if now >= self.last_takeover + TAKEOVER_INTERVAL {
            self.last_takeover = now;
            self.take_over(now);
        }
        self.arm_takeover(now);
        self.check_readers(now);
    }

    fn end_pause(&mut self, now: Timestamp, id: SourceId) {
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        match source.pause {
            Some(pause) if pause.until <= now => {
                source.pause = None;
                self.stand_in_line(id);
            }
            Some(pause) => self.arm(pause.until),
            None => {}
        }
    }

    /// Looks after a source that was asked for something.
    fn watch(&mut self, now: Timestamp, id: SourceId) {
        let held = self.held;
        let Some(source) = self
            .sources
            .get_mut(&id)
            .filter(|source| !source.requests.is_empty())
        else {
            return;
        };
        if held {
            return;
        }
        let silence = now.since(source.last_progress);
        let last = source.last_progress;
        let patience = source.rhythm.patience(&self.config);
        if silence < patience {
            self.arm(last + patience);
            return;
        }
        if !source.stalled {
            source.stalled = true;
            self.set_weak(id, true);
        }
        if silence >= self.config.give_up_after {
            self.cancel_where(now, id, |_, _| true);
        } else if silence >= self.config.cancel_after {
            self.cancel_where(now, id, Self::others_can_serve);
            self.arm((now + SILENCE_CHECK).min(last + self.config.give_up_after));
        } else {
            self.arm(last + self.config.cancel_after);
        }
    }

    fn cancel_where(
        &mut self,
        now: Timestamp,
        id: SourceId,
        test: impl Fn(&Self, RequestId) -> bool,
    ) {
        let Some(source) = self.sources.get(&id) else {
            return;
        };
        let chosen: Vec<RequestId> = source
            .requests
            .iter()
            .copied()
            .filter(|request| test(self, *request))
            .collect();
        for request in chosen {
            self.cancel(now, request);
        }
    }

    /// Whether each outstanding piece of a request can be had from a lively source. If not, the request waits on: a
    /// cancelled one would only lose its place in a busy source's line.
    fn others_can_serve(&self, request: RequestId) -> bool {
        let Some(request) = self.ledger.get(request) else {
            return false;
        };
        request.outstanding.iter().all(|piece| {
            self.sources.iter().any(|(id, source)| {
                *id != request.source && source.is_usable() && source.holdings.contains(*piece)
            })
        })
    }
}

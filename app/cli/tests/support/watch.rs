//! The progress of a download as its events tell it, with the times at which they came.

use super::Running;
use potluck_api::{GetEvent, Phase, SourceProgress, SourceState};
use serde_json::Value;
use std::time::{Duration, Instant};

/// One progress event.
pub struct Seen {
    /// When it came.
    pub at: Instant,
    /// Verified bytes.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
    /// What the download was doing.
    pub phase: Phase,
    /// Who delivered.
    pub sources: Vec<SourceProgress>,
}

impl Seen {
    /// What it says of a source; `None` when the source is not in use.
    pub fn source(&self, peer: &str) -> Option<&SourceProgress> {
        self.sources.iter().find(|source| source.peer == peer)
    }

    /// Whether the source is said to deliver.
    pub fn is_active(&self, peer: &str) -> bool {
        let source = self.source(peer);
        source.is_some_and(|source| source.state == SourceState::Active)
    }
}

/// A `get --json` that runs, and what was seen of it.
pub struct Watch {
    running: Running,
    /// Progress so far, oldest first.
    pub seen: Vec<Seen>,
    /// Bytes that were here when it began, once it told.
    pub had: Option<u64>,
    /// When the last event came, once it did.
    pub done_at: Option<Instant>,
}

impl Watch {
    /// Watches a `get` that was started with `--json`.
    pub fn new(running: Running) -> Self {
        Self {
            running,
            seen: Vec::new(),
            had: None,
            done_at: None,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Waits for the next progress; `false` at the end of the output.
    pub fn step(&mut self) -> bool {
        while let Some(line) = self.running.next_line() {
            let at = Instant::now();
            match serde_json::from_str(&line) {
                Ok(GetEvent::Found { have_bytes, .. }) => self.had = Some(have_bytes),
                Ok(GetEvent::Done { .. } | GetEvent::Error(_)) => self.done_at = Some(at),
                Ok(GetEvent::Progress {
                    phase,
                    done_bytes: done,
                    total_bytes: total,
                    sources,
                    ..
                }) if total > 0 => {
                    self.seen.push(Seen {
                        at,
                        done,
                        total,
                        phase,
                        sources,
                    });
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    /// Waits until progress is as wanted; fails the test when the download ends before.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Seen) -> bool) -> &Seen {
        loop {
            assert!(self.step(), "the download ended before {what}");
            if self.seen.last().is_some_and(&wanted) {
                break;
            }
        }
        self.seen.last().unwrap()
    }

    /// Waits until this part of the bytes is here.
    pub fn until_part(&mut self, part: f64) -> &Seen {
        self.until(&format!("{part} of it was here"), |seen| {
            seen.done as f64 >= part * seen.total as f64
        })
    }

    /// Waits for its good end.
    pub fn done(mut self) -> Ended {
        while self.step() {}
        let at = self.done_at.unwrap_or_else(Instant::now);
        let finished = self.running.finish();
        assert_eq!(finished.code, 0, "{finished}");
        Ended {
            seen: self.seen,
            at,
            done: finished.last("done"),
        }
    }
}

/// A download that was watched to its good end.
pub struct Ended {
    /// All progress.
    pub seen: Vec<Seen>,
    /// When it was done.
    pub at: Instant,
    /// The last event.
    pub done: Value,
}

/// Bytes per second between two moments of a download.
pub fn rate(from: &Seen, to: &Seen) -> f64 {
    (to.done - from.done) as f64 / to.at.duration_since(from.at).as_secs_f64()
}

/// The longest time in which no further byte was told of, beginning at `from`.
pub fn longest_pause(seen: &[Seen], from: Instant, end: Instant) -> Duration {
    let mut last = from;
    let mut done = 0;
    let mut longest = Duration::ZERO;
    for step in seen {
        if step.done > done {
            done = step.done;
            if step.at > from {
                longest = longest.max(step.at.duration_since(last));
                last = step.at;
            }
        }
    }
    longest.max(end.saturating_duration_since(last))
}

//! What `share` shows while it reads and hashes.

use super::live::{self, Live};
use super::units::{clip, count, duration, percent, rate, size};
use super::{Mode, Pace, Paint, bar};
use crate::output::Output;
use potluck_api::ShareEvent;

/// Follows the events of one share.
pub(crate) struct ShareView {
    output: Output,
    mode: Mode,
    paint: Paint,
    live: Option<Live>,
    pace: Pace,
    skipped: u64,
}

/// Things left out that are named one by one.
const NAMED_SKIPS: u64 = 20;

impl ShareView {
    pub(crate) fn new(output: &Output) -> Self {
        let mode = output.mode();
        Self {
            output: output.clone(),
            mode,
            paint: output.paint(),
            live: (mode == Mode::Live).then(Live::new),
            pace: Pace::default(),
            skipped: 0,
        }
    }

    /// Shows what the event says.
    pub(crate) fn event(&mut self, event: &ShareEvent) {
        match event {
            ShareEvent::Scanning { files, bytes } => {
                let text = format!("looking: {}, {}", count(*files, "file"), size(*bytes));
                self.show("scanning", &text, None);
            }
            ShareEvent::Hashing {
                done_bytes,
                total_bytes,
                done_files,
                total_files,
                rate,
            } => {
                let numbers = numbers(*done_bytes, *total_bytes, *rate);
                let text = format!("{numbers}  {done_files} / {}", count(*total_files, "file"));
                self.show("hashing", &text, Some((*done_bytes, *total_bytes)));
            }
            ShareEvent::Skipped { path, reason } => self.skip(path, reason),
            ShareEvent::Shared { .. } | ShareEvent::Error(_) => self.live = None,
        }
    }

    fn show(&mut self, topic: &str, text: &str, bar_of: Option<(u64, u64)>) {
        if let Some(live) = &mut self.live {
            let line = match bar_of {
                Some((done, total)) => {
                    let cells = live::width()
                        .saturating_sub(text.chars().count() + 3)
                        .clamp(8, 30);
                    format!("{} {text}", bar(self.paint, done, total, cells))
                }
                None => text.to_owned(),
            };
            live.show(vec![line]);
        } else if self.mode == Mode::Lines && self.pace.due(topic) {
            self.output.note(&format!("{topic} {text}"));
        }
    }

    fn skip(&mut self, path: &str, reason: &str) {
        self.skipped += 1;
        if self.mode != Mode::Silent && self.skipped <= NAMED_SKIPS {
            let text = format!("left out {}: {}", clip(path, 200), clip(reason, 200));
            self.output.note(&self.paint.warn(&text));
        }
    }

    /// Ends the progress; says how many more were left out than were named.
    pub(crate) fn finish(mut self) {
        self.live = None;
        let more = self.skipped.saturating_sub(NAMED_SKIPS);
        if self.mode != Mode::Silent && more > 0 {
            self.output
                .note(&self.paint.warn(&format!("and {more} more were left out")));
        }
    }
}

fn numbers(done: u64, total: u64, speed: u64) -> String {
    let mut text = format!("{}  {} / {}", percent(done, total), size(done), size(total));
    if speed > 0 {
        text.push_str(&format!("  {}", rate(speed)));
        if done < total {
            #[allow(clippy::cast_precision_loss)] // a rough guess anyway
            let left = (total - done) as f64 / speed as f64;
            text.push_str(&format!("  {} left", duration(left)));
        }
    }
    text
}

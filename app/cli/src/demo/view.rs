//! What the demo shows while it plays: events with their time, and a bar for each fetcher.

use super::progress::Fetcher;
use crate::output::Output;
use crate::ui::live::{self, Live};
use crate::ui::units::{clip, percent, rate, size};
use crate::ui::{Mode, Pace, Paint, bar};
use std::time::Instant;

/// The stage.
pub(super) struct View {
    output: Output,
    mode: Mode,
    paint: Paint,
    live: Option<Live>,
    pace: Pace,
    started: Instant,
    /// Peer ids by number of the node, from 1.
    ids: Vec<(String, usize)>,
}

impl View {
    pub(super) fn new(output: &Output) -> Self {
        let mode = output.mode();
        Self {
            output: output.clone(),
            mode,
            paint: output.paint(),
            live: (mode == Mode::Live).then(Live::new),
            pace: Pace::default(),
            started: Instant::now(),
            ids: Vec::new(),
        }
    }

    /// Seconds since the beginning.
    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Tells which peer id is which node.
    pub(super) fn introduce(&mut self, ids: Vec<(String, usize)>) {
        self.ids = ids;
    }

    /// Something happened.
    pub(super) fn say(&self, text: &str) {
        if self.mode != Mode::Silent {
            let at = self.paint.faint(&format!("[{:5.1} s]", self.seconds()));
            self.output.note(&format!("{at} {text}"));
        }
    }

    /// Something happened that should not be overlooked.
    pub(super) fn shout(&self, text: &str) {
        self.say(&self.paint.bad(text));
    }

    /// Shows how far the fetchers are.
    pub(super) fn show(&mut self, fetchers: &[Fetcher]) {
        let width = live::width();
        let Some(live) = &mut self.live else {
            return self.show_line(fetchers);
        };
        let started = fetchers.iter().filter(|fetcher| fetcher.started);
        let line = |fetcher: &Fetcher| {
            let text = describe(fetcher, &self.ids);
            let cells = width.saturating_sub(74).clamp(10, 30);
            let bar = bar(self.paint, fetcher.done, fetcher.total.max(1), cells);
            format!("  node {}  {bar} {text}", fetcher.number)
        };
        live.show(started.map(line).collect());
    }

    fn show_line(&mut self, fetchers: &[Fetcher]) {
        if self.mode != Mode::Lines || !self.pace.due("") {
            return;
        }
        let parts: Vec<String> = fetchers
            .iter()
            .filter(|fetcher| fetcher.started)
            .map(|fetcher| {
                let rate = rate(fetcher.rate);
                let percent = percent(fetcher.done, fetcher.total.max(1));
                format!("node {} {percent} at {rate}", fetcher.number)
            })
            .collect();
        if !parts.is_empty() {
            self.say(&parts.join(", "));
        }
    }

    /// Takes the bars off the screen.
    pub(super) fn close(&mut self) {
        self.live = None;
    }
}

fn describe(fetcher: &Fetcher, ids: &[(String, usize)]) -> String {
    let number = |id: &str| {
        let known = ids.iter().find(|(known, _)| known == id);
        known.map_or_else(|| "?".to_owned(), |(_, number)| number.to_string())
    };
    let from: u64 = fetcher.sources.iter().map(|(_, bytes)| bytes).sum();
    let mut sources: Vec<(String, String)> = fetcher
        .sources
        .iter()
        .filter(|(_, bytes)| *bytes > 0)
        .map(|(id, bytes)| (number(id), percent(*bytes, from.max(1))))
        .collect();
    sources.sort();
    let sources: Vec<String> = sources
        .into_iter()
        .map(|(node, share)| format!("{node}: {share}"))
        .collect();
    let state = match (&fetcher.fetched, &fetcher.waiting) {
        (Some(_), _) => "done".to_owned(),
        (None, Some(reason)) if fetcher.rate == 0 => clip(reason, 30),
        _ => rate(fetcher.rate),
    };
    let percent = percent(fetcher.done, fetcher.total.max(1));
    let mut text = format!("{percent:>5}  {:>9}  {state:>12}", size(fetcher.done));
    if !sources.is_empty() {
        text.push_str(&format!("  from {}", sources.join(", ")));
    }
    text
}

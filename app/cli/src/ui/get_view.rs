//! What `get` shows while it runs.

use super::live::{self, Live};
use super::units::{clip, count, duration, percent, rate, size};
use super::{Mode, Pace, Paint, bar, sources};
use crate::output::Output;
use potluck_api::{GetEvent, Phase, SourceProgress};

/// Follows the events of one download.
pub(crate) struct GetView {
    output: Output,
    mode: Mode,
    paint: Paint,
    live: Option<Live>,
    pace: Pace,
    state: State,
}

/// What is known so far.
#[derive(Debug, Default)]
struct State {
    name: String,
    phase: Option<Phase>,
    done: u64,
    total: u64,
    rate: u64,
    eta: Option<f64>,
    waiting: Option<String>,
    sources: Vec<SourceProgress>,
    source_count: u32,
}

impl GetView {
    pub(crate) fn new(output: &Output) -> Self {
        let mode = output.mode();
        Self {
            output: output.clone(),
            mode,
            paint: output.paint(),
            live: (mode == Mode::Live).then(Live::new),
            pace: Pace::default(),
            state: State::default(),
        }
    }

    /// Takes an event in and shows what it changes.
    pub(crate) fn event(&mut self, event: &GetEvent) {
        if self.mode == Mode::Silent {
            return;
        }
        if let Some(note) = self.state.take(event) {
            let note = clip(&note, 400);
            match event {
                GetEvent::Banned { .. } => self.output.note(&self.paint.warn(&note)),
                _ => self.output.note(&note),
            }
        }
        if let Some(live) = &mut self.live {
            live.show(self.state.block(self.paint, live::width()));
        } else if self.mode == Mode::Lines && self.pace.due(self.state.topic()) {
            let line = self.state.line();
            if !line.is_empty() {
                self.output.note(&line);
            }
        }
    }
}

impl State {
    /// Remembers what the event says; gives what should be said once.
    fn take(&mut self, event: &GetEvent) -> Option<String> {
        match event {
            GetEvent::Resolving { cid, name } => {
                self.name = clip(name.as_deref().unwrap_or(cid), 60);
                None
            }
            GetEvent::Waiting {
                phase,
                reason,
                asked,
                connected,
                seconds,
            } => {
                self.phase = Some(*phase);
                let mut text = clip(reason, 200);
                if *phase == Phase::Finding {
                    text = format!("{text} ({asked} asked, {connected} connected)");
                }
                if *seconds >= 1.0 {
                    text = format!("{text}, {}", duration(*seconds));
                }
                self.waiting = Some(text);
                self.rate = 0;
                None
            }
            GetEvent::Found {
                name,
                bytes,
                files,
                have_bytes,
                ..
            } => {
                self.name = clip(name, 60);
                (self.done, self.total) = (*have_bytes, *bytes);
                self.waiting = None;
                let here = match have_bytes {
                    0 => String::new(),
                    have => format!(", {} of it already here", size(*have)),
                };
                Some(format!(
                    "{}: {}, {}{here}",
                    self.name,
                    size(*bytes),
                    count(*files, "file")
                ))
            }
            GetEvent::Progress {
                phase,
                done_bytes,
                total_bytes,
                rate,
                eta,
                reason,
                sources,
                source_count,
            } => {
                self.phase = Some(*phase);
                (self.done, self.total) = (*done_bytes, *total_bytes);
                (self.rate, self.eta) = (*rate, *eta);
                self.waiting = reason.as_deref().map(|reason| clip(reason, 200));
                self.sources.clone_from(sources);
                self.source_count = *source_count;
                None
            }
            GetEvent::Banned { peer, reason } => Some(format!("banned {peer}: {reason}")),
            GetEvent::Notice { message } => Some(message.clone()),
            GetEvent::Done { .. } | GetEvent::Error(_) => None,
        }
    }

    fn doing(&self) -> &'static str {
        match self.phase {
            None => "starting",
            Some(Phase::Queued) => "waiting for its turn",
            Some(Phase::Finding) => "looking for providers",
            Some(Phase::Manifest) => "fetching the list of files",
            Some(Phase::Resuming) => "checking what is already here",
            Some(Phase::Copying) => "copying what this node already has",
            Some(Phase::Fetching) => "fetching",
            Some(Phase::Stalled) => "stalled",
            Some(Phase::Finishing) => "writing to disk",
        }
    }

    /// What has to change for a plain line to be due before its time.
    fn topic(&self) -> &'static str {
        self.doing()
    }

    fn numbers(&self) -> String {
        let mut text = format!("{} / {}", size(self.done), size(self.total));
        if self.phase == Some(Phase::Fetching) {
            text.push_str(&format!("  {}", rate(self.rate)));
            if let Some(eta) = self.eta.filter(|_| self.done < self.total) {
                text.push_str(&format!("  {} left", duration(eta)));
            }
        }
        text
    }

    /// The block on a terminal.
    fn block(&self, paint: Paint, width: usize) -> Vec<String> {
        let mut lines = Vec::new();
        if self.total > 0 {
            let text = format!(" {:>5}  {}", percent(self.done, self.total), self.numbers());
            let cells = width.saturating_sub(text.chars().count() + 2).clamp(8, 40);
            lines.push(format!(
                "{}{text}",
                bar(paint, self.done, self.total, cells)
            ));
        }
        match &self.waiting {
            Some(reason) => lines.push(paint.warn(&format!("{}: {reason}", self.doing()))),
            None if self.phase == Some(Phase::Fetching) => {}
            None => lines.push(self.doing().to_owned()),
        }
        lines.extend(sources::lines(paint, &self.sources, self.source_count));
        lines
    }

    /// The line on anything else.
    fn line(&self) -> String {
        let waiting = self
            .waiting
            .as_ref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        if self.total == 0 {
            return format!("{}{waiting}", self.doing());
        }
        let sources = match self.source_count {
            0 => String::new(),
            some => format!("  from {}", count(some.into(), "source")),
        };
        let percent = percent(self.done, self.total);
        format!(
            "{} {percent}  {}{sources}{waiting}",
            self.doing(),
            self.numbers()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_api::{PathKind, SourceState};

    fn progress(reason: Option<&str>) -> GetEvent {
        let source = |bytes, state| SourceProgress {
            peer: "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5".into(),
            kind: "native".into(),
            path: PathKind::Direct,
            rate: 10 << 20,
            bytes,
            state,
        };
        let mut sources = vec![source(150 << 20, SourceState::Active)];
        sources.extend((0..8).map(|_| source(1 << 20, SourceState::Stalled)));
        GetEvent::Progress {
            phase: Phase::Fetching,
            done_bytes: 160 << 20,
            total_bytes: 320 << 20,
            rate: 20 << 20,
            eta: Some(8.0),
            reason: reason.map(ToOwned::to_owned),
            sources,
            source_count: 40,
        }
    }

    #[test]
    fn a_block_has_a_bar_and_a_line_for_each_of_six_sources() {
        let mut state = State::default();
        state.take(&progress(None));
        let block = state.block(Paint::never(), 80);
        assert_eq!(block.len(), 1 + 6 + 1, "{block:#?}");
        assert!(
            block[0].contains(" 50 %  160 MiB / 320 MiB  20.0 MiB/s  8.0 s left"),
            "{block:#?}"
        );
        assert!(block[1].contains("12D3…MtimQ5 direct    10.0 MiB/s  ━━━━━━━━━━━─  94 %"));
        assert!(block[2].ends_with("stalled"));
        assert_eq!(block[7], "  and 34 more");
        assert!(
            block.iter().all(|line| line.chars().count() <= 80),
            "{block:#?}"
        );
    }

    #[test]
    fn the_reason_for_waiting_is_shown() {
        let mut state = State::default();
        state.take(&progress(Some("no source has\nmore")));
        assert!(state.block(Paint::never(), 80)[1].ends_with("fetching: no source has?more"));
        state.take(&GetEvent::Waiting {
            phase: Phase::Finding,
            reason: "asking the network".into(),
            asked: 12,
            connected: 3,
            seconds: 14.2,
        });
        let line = state.line();
        assert!(
            line.ends_with(": asking the network (12 asked, 3 connected), 14 s"),
            "{line}"
        );
    }

    #[test]
    fn names_from_others_cannot_drive_the_terminal() {
        let mut state = State::default();
        let note = state.take(&GetEvent::Found {
            name: "a\x1b]0;x\x07b".into(),
            bytes: 1,
            files: 1,
            have_bytes: 0,
            path: "/x".into(),
        });
        assert!(!note.unwrap().contains('\x1b'));
    }
}

//! What people see: progress while it runs, tables when it is done.

pub(crate) mod get_view;
pub(crate) mod live;
pub(crate) mod serve_view;
pub(crate) mod share_view;
pub(crate) mod sources;
pub(crate) mod table;
pub(crate) mod units;
pub(crate) mod verify_view;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Bars that are drawn over.
    Live,
    /// A line now and then.
    Lines,
    /// Nothing.
    Silent,
}

impl Mode {
    /// What stderr can show.
    pub(crate) fn of_stderr() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if std::io::stderr().is_terminal() && !dumb {
            Self::Live
        } else {
            Self::Lines
        }
    }
}

/// Colours, where they are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    /// Colours on a terminal, unless `NO_COLOR` or `TERM=dumb` forbid them.
    pub(crate) fn of(terminal: bool) -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self(terminal && !forbidden)
    }

    #[cfg(test)]
    pub(crate) fn never() -> Self {
        Self(false)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    pub(crate) fn warn(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(crate) fn accent(self, text: &str) -> String {
        self.wrap("36", text)
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }
}

/// A bar of `width` cells, `done` of `total` full.
pub(crate) fn bar(paint: Paint, done: u64, total: u64, width: usize) -> String {
    let cells = u128::from(done.min(total)) * width as u128;
    let full = if total == 0 {
        width
    } else {
        usize::try_from(cells / u128::from(total)).unwrap_or(0)
    };
    format!(
        "{}{}",
        paint.accent(&"━".repeat(full)),
        paint.faint(&"─".repeat(width - full))
    )
}

/// Lets a line through at most once a second, and at once when the topic changes.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
    topic: String,
}

impl Pace {
    /// Whether to write now.
    pub(crate) fn due(&mut self, topic: &str) -> bool {
        let now = Instant::now();
        let rested = self
            .last
            .is_none_or(|last| now - last >= Duration::from_secs(1));
        if !rested && self.topic == topic {
            return false;
        }
        self.last = Some(now);
        topic.clone_into(&mut self.topic);
        true
    }

    /// Whether the topic is another than at the last line.
    pub(crate) fn changed(&mut self, topic: &str) -> bool {
        let changed = self.last.is_none() || self.topic != topic;
        self.last = Some(Instant::now());
        topic.clone_into(&mut self.topic);
        changed
    }
}

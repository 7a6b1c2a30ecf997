//! Data goes to stdout, everything else to stderr.

use crate::args::Global;
use crate::failure::{Failure, Outcome, failed};
use crate::ui::{Mode, Paint, live};
use serde::Serialize;
use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};

/// Where a command puts what it has to say.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// JSON on stdout.
    pub(crate) json: bool,
    /// No progress and no notes.
    pub(crate) quiet: bool,
}

impl Output {
    /// As the flags say.
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
        }
    }

    /// A line of data.
    pub(crate) fn line(&self, text: impl Display) -> Outcome {
        let mut stdout = std::io::stdout().lock();
        let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Failure::Pipe,
            _ => failed(
                format!("cannot write the output: {error}"),
                "check where it goes",
            )
            .into(),
        })
    }

    /// A line of JSON.
    pub(crate) fn object(&self, value: &impl Serialize) -> Outcome {
        let text = serde_json::to_string(value)
            .map_err(|error| failed(format!("cannot write JSON: {error}"), ""))?;
        self.line(text)
    }

    /// Something worth knowing, unless `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.always(text);
        }
    }

    /// A line on stderr, whatever the flags say.
    pub(crate) fn always(&self, text: &str) {
        live::above(|| {
            // When stderr is gone there is no place left to say so.
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        });
    }

    /// How progress is shown.
    pub(crate) fn mode(&self) -> Mode {
        if self.json || self.quiet {
            Mode::Silent
        } else {
            Mode::of_stderr()
        }
    }

    /// Colours for stderr.
    pub(crate) fn paint(&self) -> Paint {
        Paint::of(std::io::stderr().is_terminal())
    }

    /// Colours for stdout.
    pub(crate) fn paint_data(&self) -> Paint {
        Paint::of(std::io::stdout().is_terminal())
    }
}

//! Lines at the bottom of the terminal that are drawn over, and the lines that scroll above them.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Mutex, PoisonError};

/// The block on screen, so that notes and logs can be written above it.
static SHOWN: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Redraws a second at most. Each line that changes is one; fewer would leave lines of different
/// moments beside one another.
const REDRAWS: u8 = 100;

/// A block of lines. Gone when dropped.
pub(crate) struct Live {
    multi: MultiProgress,
    lines: Vec<ProgressBar>,
}

impl Live {
    /// An empty block on stderr.
    pub(crate) fn new() -> Self {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(REDRAWS));
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(multi.clone());
        Self {
            multi,
            lines: Vec::new(),
        }
    }

    /// Shows these lines instead of the ones before; too long ones are cut at the terminal's edge.
    pub(crate) fn show(&mut self, lines: Vec<String>) {
        while self.lines.len() > lines.len() {
            if let Some(line) = self.lines.pop() {
                line.finish_and_clear();
                self.multi.remove(&line);
            }
        }
        while self.lines.len() < lines.len() {
            let style = ProgressStyle::with_template("{wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let line = ProgressBar::no_length().with_style(style);
            self.lines.push(self.multi.add(line));
        }
        for (shown, line) in self.lines.iter().zip(lines) {
            if shown.message() != line {
                shown.set_message(line);
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for line in self.lines.drain(..) {
            line.finish_and_clear();
        }
        let _ = self.multi.clear();
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Runs something that writes to stderr, with the block out of its way.
pub(crate) fn above<T>(write: impl FnOnce() -> T) -> T {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match shown {
        Some(multi) => multi.suspend(write),
        None => write(),
    }
}

/// Columns of the terminal that stderr goes to.
pub(crate) fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
    size.map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns >= 20)
        .unwrap_or(80)
}

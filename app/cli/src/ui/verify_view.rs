//! What `verify` shows while it reads.

use super::live::Live;
use super::units::{clip, percent, size};
use super::{Mode, Pace, Paint, bar};
use crate::output::Output;
use potluck_api::VerifyEvent;

/// Follows the events of one verification.
pub(crate) struct VerifyView {
    output: Output,
    mode: Mode,
    paint: Paint,
    live: Option<Live>,
    pace: Pace,
}

impl VerifyView {
    pub(crate) fn new(output: &Output) -> Self {
        let mode = output.mode();
        Self {
            output: output.clone(),
            mode,
            paint: output.paint(),
            live: (mode == Mode::Live).then(Live::new),
            pace: Pace::default(),
        }
    }

    /// Shows what the event says.
    pub(crate) fn event(&mut self, event: &VerifyEvent) {
        match event {
            VerifyEvent::Checking {
                cid,
                name,
                done_bytes,
                total_bytes,
            } => {
                let percent = percent(*done_bytes, *total_bytes);
                let text = format!("{percent}  {}  {}", size(*total_bytes), clip(name, 60));
                if let Some(live) = &mut self.live {
                    let bar = bar(self.paint, *done_bytes, *total_bytes, 24);
                    live.show(vec![format!("{bar} {text}")]);
                } else if self.mode == Mode::Lines && self.pace.due(cid) {
                    self.output.note(&format!("checking {text}"));
                }
            }
            VerifyEvent::Repairing { left_bytes, .. } => {
                let text = format!("repairing: {} to come", size(*left_bytes));
                if let Some(live) = &mut self.live {
                    live.show(vec![text]);
                } else if self.mode == Mode::Lines && self.pace.due("repairing") {
                    self.output.note(&text);
                }
            }
            VerifyEvent::Checked { .. }
            | VerifyEvent::Repaired { .. }
            | VerifyEvent::Verified { .. }
            | VerifyEvent::Error(_) => {}
        }
    }
}

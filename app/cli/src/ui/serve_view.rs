//! What `share` and `up` show while they serve.

use super::live::Live;
use super::units::{clip, count, peer, percent, rate, size};
use super::{Mode, Pace, Paint, bar};
use crate::output::Output;
use potluck_api::{Status, TransferStatus};

/// Transfers that get a line of their own.
const SHOWN: usize = 6;

/// Shows who fetches how fast.
pub(crate) struct ServeView {
    output: Output,
    mode: Mode,
    paint: Paint,
    live: Option<Live>,
    pace: Pace,
}

impl ServeView {
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

    /// Whether anybody looks.
    pub(crate) fn is_shown(&self) -> bool {
        self.mode != Mode::Silent
    }

    /// Shows the node's status.
    pub(crate) fn status(&mut self, status: &Status) {
        let ups: Vec<&TransferStatus> = status
            .transfers
            .iter()
            .filter(|transfer| transfer.direction == "up")
            .collect();
        if let Some(live) = &mut self.live {
            let mut lines = vec![summary(status, ups.len())];
            lines.extend(
                ups.iter()
                    .take(SHOWN)
                    .map(|transfer| upload(self.paint, transfer)),
            );
            if ups.len() > SHOWN {
                lines.push(
                    self.paint
                        .faint(&format!("  and {} more", ups.len() - SHOWN)),
                );
            }
            live.show(lines);
        } else if self.mode == Mode::Lines {
            // Without a terminal only changes are worth a line: who fetches, not how fast.
            let topic = format!("{}", ups.len());
            if self.pace.changed(&topic) {
                self.output.note(&summary(status, ups.len()));
            }
        }
    }
}

fn summary(status: &Status, uploads: usize) -> String {
    let fetching = match uploads {
        0 => "nobody is fetching now".to_owned(),
        some => format!("{} fetching", count(some as u64, "peer")),
    };
    let connected = status.peers.iter().filter(|peer| peer.connected).count();
    let mut text = format!(
        "serving: {fetching}, {connected} connected, up {}, {} sent",
        rate(status.rates.up),
        size(status.rates.up_bytes),
    );
    if status.rates.down > 0 {
        text.push_str(&format!(", down {}", rate(status.rates.down)));
    }
    text
}

fn upload(paint: Paint, transfer: &TransferStatus) -> String {
    let who = transfer
        .peers
        .first()
        .map_or_else(|| "?".to_owned(), |id| peer(id));
    let done = transfer.done_bytes.min(transfer.total_bytes);
    format!(
        "  {who:<11} {:>12}  {} {:>5}  {}",
        rate(transfer.rate),
        bar(paint, done, transfer.total_bytes, 12),
        percent(done, transfer.total_bytes),
        clip(&transfer.name, 40),
    )
}

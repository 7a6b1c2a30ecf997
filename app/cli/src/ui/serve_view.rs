//! What `share` and `up` show while they serve.

use super::live::Live;
use super::units::{clip, count, peer, percent, rate, size};
use super::{Mode, Pace, Paint, bar};
use crate::output::Output;
use potluck_api::{PeerStatus, Status, TransferStatus};

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
        let uploads = uploads(status);
        let fetching = fetching(&uploads);
        if let Some(live) = &mut self.live {
            let mut lines = vec![summary(status, fetching)];
            lines.extend(
                uploads
                    .iter()
                    .take(SHOWN)
                    .map(|upload| upload.line(self.paint)),
            );
            if uploads.len() > SHOWN {
                lines.push(
                    self.paint
                        .faint(&format!("  and {} more", uploads.len() - SHOWN)),
                );
            }
            live.show(lines);
        } else if self.mode == Mode::Lines && self.pace.changed(&fetching.to_string()) {
            // Without a terminal only changes are worth a line: who fetches, not how fast.
            self.output.note(&summary(status, fetching));
        }
    }
}

/// One peer that fetches one thing.
struct Upload<'a> {
    peer: &'a str,
    status: Option<&'a PeerStatus>,
    transfer: &'a TransferStatus,
}

fn uploads(status: &Status) -> Vec<Upload<'_>> {
    let ups = status
        .transfers
        .iter()
        .filter(|transfer| transfer.direction == "up");
    ups.flat_map(|transfer| {
        transfer.peers.iter().map(move |peer| Upload {
            peer,
            status: status.peers.iter().find(|known| known.id == *peer),
            transfer,
        })
    })
    .collect()
}

/// Peers that fetch; one that fetches several things counts once.
fn fetching(uploads: &[Upload<'_>]) -> usize {
    let mut peers: Vec<&str> = uploads.iter().map(|upload| upload.peer).collect();
    peers.sort_unstable();
    peers.dedup();
    peers.len()
}

fn summary(status: &Status, fetching: usize) -> String {
    let fetching = match fetching {
        0 => "nobody is fetching now".to_owned(),
        some => format!("{} fetching", count(some as u64, "peer")),
    };
    let connected = status.peers.iter().filter(|peer| peer.connected).count();
    let mut text = format!(
        "serving: {fetching}, {connected} connected, up {}, {} sent",
        rate(status.rates.up),
        size(status.rates.up_bytes),
    );
    if status
        .transfers
        .iter()
        .any(|transfer| transfer.direction == "down")
    {
        text.push_str(&format!(", down {}", rate(status.rates.down)));
    }
    text
}

impl Upload<'_> {
    fn line(&self, paint: Paint) -> String {
        let path = self
            .status
            .and_then(|peer| peer.path)
            .map(|path| path.to_string());
        let speed = self.status.map_or(0, |peer| peer.rates.up);
        let name = clip(&self.transfer.name, 40);
        // What was sent to several peers together says nothing of how far one of them is.
        let done = if self.transfer.peers.len() == 1 {
            let total = self.transfer.total_bytes;
            let done = self.transfer.done_bytes.min(total);
            format!(
                "{} {:>5}",
                bar(paint, done, total, 12),
                percent(done, total)
            )
        } else {
            String::new()
        };
        let path = path.unwrap_or_default();
        format!(
            "  {:<11} {path:<7} {:>12}  {done:<18}  {name}",
            peer(self.peer),
            rate(speed)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_peer_has_a_line_and_counts_once() {
        let peer = |id: &str| {
            json!({
                "id": id, "address": null, "path": "direct", "connected": true, "rtt_ms": null,
                "rates": { "down": 0, "up": 1_048_576, "down_bytes": 0, "up_bytes": 0 },
                "agent": null, "banned": false, "reason": null,
            })
        };
        let up = |peers: &[&str]| {
            json!({
                "direction": "up", "cid": "b", "name": "film", "done_bytes": 50, "rate": 0,
                "total_bytes": 100, "peers": peers, "phase": null, "path": null,
            })
        };
        let status: Status = serde_json::from_value(json!({
            "peer_id": "x", "addresses": [], "reachability": "unknown", "roots": 1,
            "peers": [peer("one"), peer("two")], "transfers": [up(&["one", "two"]), up(&["two"])],
            "limits": { "up": null, "down": null, "max_connections": 1, "max_memory_bytes": 1,
                        "storage_bytes": null },
            "rates": { "down": 0, "up": 1_048_576, "down_bytes": 0, "up_bytes": 5_242_880 },
            "provided_bytes": 0, "stored_bytes": 0, "uptime": 1.0, "memory_bytes": 0, "data": "/",
            "version": "0", "private_network": null,
        }))
        .unwrap();
        let uploads = uploads(&status);
        assert_eq!((uploads.len(), fetching(&uploads)), (3, 2));
        let line = uploads[2].line(Paint::never());
        assert!(
            line.contains("direct     1.0 MiB/s  ━━━━━━──────  50 %  film"),
            "{line}"
        );
        let said = summary(&status, 2);
        assert_eq!(
            said,
            "serving: 2 peers fetching, 2 connected, up 1.0 MiB/s, 5.0 MiB sent"
        );
    }
}

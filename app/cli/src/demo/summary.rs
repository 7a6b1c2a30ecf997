//! The closing table: who got what from whom.

use super::compare::Equal;
use super::progress::Fetched;
use crate::app::App;
use crate::failure::Outcome;
use crate::ui::table::{table, text};
use crate::ui::units::{average, count, duration, percent, rate, size};
use serde_json::{Value, json};

/// Everything worth telling.
pub(super) struct Summary {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    pub(super) killed: Option<Killed>,
    pub(super) results: Vec<Result>,
    /// Peer ids with the numbers of their nodes.
    pub(super) names: Vec<(String, usize)>,
}

/// The node that was killed.
pub(super) struct Killed {
    pub(super) number: usize,
    pub(super) pid: u32,
    pub(super) at_seconds: f64,
    /// Node, bytes it had, bytes in all.
    pub(super) progress: Vec<(usize, u64, u64)>,
}

/// One fetcher's result.
pub(super) struct Result {
    pub(super) number: usize,
    pub(super) fetched: Fetched,
    pub(super) equal: Equal,
}

impl Summary {
    /// Prints the table, or the JSON object.
    pub(super) fn print(&self, app: &App) -> Outcome {
        if app.output.json {
            return app.output.object(&self.json());
        }
        app.output.line("")?;
        app.output.line(self.matrix())?;
        app.output.line("")?;
        if let Some(killed) = &self.killed {
            app.output.line(self.kill_line(killed))?;
        }
        let verified: u64 = self.results.iter().map(|result| result.equal.bytes).sum();
        app.output.line(format!(
            "{} in {} compared with the original, byte for byte: all equal",
            size(verified),
            count(
                self.results.iter().map(|result| result.equal.files).sum(),
                "file"
            ),
        ))?;
        app.output.line(format!(
            "{}, {}, 5 nodes, {} in all",
            count(self.files, "file"),
            size(self.bytes),
            duration(self.seconds)
        ))
    }

    fn from(&self, result: &Result, number: usize) -> u64 {
        let id = self
            .names
            .iter()
            .find(|(_, known)| *known == number)
            .map(|(id, _)| id);
        let sources = result.fetched.sources.iter();
        sources
            .filter(|from| Some(&from.peer) == id)
            .map(|from| from.bytes)
            .sum()
    }

    fn matrix(&self) -> String {
        let killed = self.killed.as_ref().map(|killed| killed.number);
        let headings: Vec<String> = (1..=5)
            .map(|number| {
                format!(
                    ">{number}{}",
                    if Some(number) == killed { " †" } else { "" }
                )
            })
            .collect();
        let mut all = vec!["MiB from node"];
        all.extend(headings.iter().map(String::as_str));
        all.extend([">all", ">time", ">rate", ">compared"]);
        let mut rows = table(&all);
        for result in &self.results {
            let mut cells = vec![format!("node {}", result.number)];
            cells.extend((1..=5).map(|number| match self.from(result, number) {
                0 => "–".to_owned(),
                bytes => mebibytes(bytes),
            }));
            let fetched = &result.fetched;
            cells.extend([
                mebibytes(fetched.bytes),
                duration(fetched.seconds),
                rate(average(fetched.bytes, fetched.seconds)),
                "equal".to_owned(),
            ]);
            rows.add_row(cells);
        }
        text(&rows)
    }

    fn kill_line(&self, killed: &Killed) -> String {
        let progress: Vec<String> = killed
            .progress
            .iter()
            .map(|(number, done, total)| format!("node {number} had {}", percent(*done, *total)))
            .collect();
        format!(
            "† node {} (process {}) was killed after {}:\n  {}",
            killed.number,
            killed.pid,
            duration(killed.at_seconds),
            progress.join(", "),
        )
    }

    fn json(&self) -> Value {
        let results: Vec<Value> = self
            .results
            .iter()
            .map(|result| self.result_json(result))
            .collect();
        let killed = self.killed.as_ref().map(|killed| {
            let progress: Vec<Value> = killed
                .progress
                .iter()
                .map(|(node, done, total)| {
                    json!({ "node": node, "done_bytes": done, "total_bytes": total })
                })
                .collect();
            json!({
                "node": killed.number,
                "pid": killed.pid,
                "seconds": killed.at_seconds,
                "progress": progress,
            })
        });
        json!({
            "event": "demo",
            "files": self.files,
            "bytes": self.bytes,
            "seconds": self.seconds,
            "nodes": 5,
            "killed": killed,
            "fetchers": results,
        })
    }

    fn result_json(&self, result: &Result) -> Value {
        let sources: Vec<Value> = (1..=5)
            .map(|number| (number, self.from(result, number)))
            .filter(|(_, bytes)| *bytes > 0)
            .map(|(number, bytes)| json!({ "node": number, "bytes": bytes }))
            .collect();
        json!({
            "node": result.number,
            "bytes": result.fetched.bytes,
            "wasted_bytes": result.fetched.wasted_bytes,
            "seconds": result.fetched.seconds,
            "sources": sources,
            "compared_files": result.equal.files,
            "compared_bytes": result.equal.bytes,
            "equal": true,
        })
    }
}

/// With one digit behind the point, without the unit.
fn mebibytes(bytes: u64) -> String {
    let tenths = u128::from(bytes) * 10 / (1 << 20);
    format!("{}.{}", tenths / 10, tenths % 10)
}

//! The figures as a table for people and as JSON for programs.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::machine::Machine;

const PAGE: &str = "docs/benchmarks.md";
const RESULTS: &str = "bench/results/pair.json";
const BEGIN: &str = "<!-- pair: begin -->";
const END: &str = "<!-- pair: end -->";

/// One transfer.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Sample {
    pub(super) seconds: f64,
    pub(super) receiver_cpu: Option<f64>,
    pub(super) sender_cpu: Option<f64>,
}

/// One pair of programs.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) samples: Vec<Sample>,
    /// Why there are no figures, or fewer than asked for.
    pub(super) missing: Option<String>,
}

impl Row {
    pub(super) fn new(name: &str, version: String) -> Self {
        Self {
            name: name.to_owned(),
            version,
            samples: Vec::new(),
            missing: None,
        }
    }

    pub(super) fn missing(name: &str, why: String) -> Self {
        Self {
            missing: Some(why),
            ..Self::new(name, String::new())
        }
    }

    fn median(&self, of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.samples.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len().checked_sub(1)? / 2;
        // Of an even number of runs, the slower of the two in the middle.
        values.get(values.len() - 1 - middle).copied()
    }

    fn range(&self) -> Option<(f64, f64)> {
        let seconds = || self.samples.iter().map(|sample| sample.seconds);
        seconds().reduce(f64::min).zip(seconds().reduce(f64::max))
    }
}

/// All of one invocation.
#[derive(Serialize)]
pub(super) struct Report {
    machine: Machine,
    mib: u64,
    runs: u32,
    rows: Vec<Row>,
}

impl Report {
    pub(super) fn new(machine: Machine, mib: u64, runs: u32, rows: Vec<Row>) -> Self {
        Self {
            machine,
            mib,
            runs,
            rows,
        }
    }

    /// Whether every program gave its figures.
    pub(super) fn is_whole(&self) -> bool {
        self.rows.iter().all(|row| row.missing.is_none())
    }

    /// The table with what it was measured on.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!(
            "{} MiB, median of {} runs taken in turn, all on loopback of one machine: {}.\n\n\
             | programs | MB/s | seconds (fastest–slowest) | rate ÷ potluck's | CPU s receiver | CPU s sender | version |\n\
             |---|--:|--:|--:|--:|--:|---|\n",
            self.mib,
            self.runs,
            self.machine.describe()
        );
        let ours = self
            .rows
            .first()
            .and_then(|row| row.median(|sample| Some(sample.seconds)));
        for row in &self.rows {
            let line = self.line(row, ours);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        }
        text
    }

    fn line(&self, row: &Row, ours: Option<f64>) -> String {
        let Row {
            name,
            version,
            missing,
            ..
        } = row;
        let Some((seconds, range)) = row.median(|sample| Some(sample.seconds)).zip(row.range())
        else {
            let why = missing.as_deref().unwrap_or("no run");
            return format!(
                "| {name} | not measured: {} | | | | | {version} |",
                why.replace('|', "/")
            );
        };
        let rate = (self.mib << 20) as f64 / 1e6 / seconds;
        let ratio = ours.map_or_else(String::new, |ours| format!("{:.2}", ours / seconds));
        let cpu = |value: Option<f64>| {
            value.map_or_else(|| "—".to_owned(), |value| format!("{value:.2}"))
        };
        format!(
            "| {name} | {rate:.0} | {seconds:.2} ({:.2}–{:.2}) | {ratio} | {} | {} | {version} |",
            range.0,
            range.1,
            cpu(row.median(|sample| sample.receiver_cpu)),
            cpu(row.median(|sample| sample.sender_cpu)),
        )
    }

    /// Writes the JSON and this benchmark's section of the page.
    pub(super) fn write(&self, root: &Path) -> Result<()> {
        let results = root.join(RESULTS);
        let folder = results.parent().context("results without a folder")?;
        std::fs::create_dir_all(folder).context("cannot make bench/results")?;
        let json = serde_json::to_string_pretty(self).context("cannot write JSON")?;
        std::fs::write(&results, json + "\n").with_context(|| format!("cannot write {RESULTS}"))?;
        let page = root.join(PAGE);
        let text = std::fs::read_to_string(&page).with_context(|| format!("cannot read {PAGE}"))?;
        let text = replace_section(&text, &self.markdown())
            .with_context(|| format!("{PAGE} has no {BEGIN}"))?;
        std::fs::write(&page, text).with_context(|| format!("cannot write {PAGE}"))?;
        println!("written: {PAGE}, {RESULTS}");
        Ok(())
    }
}

/// Puts the table between the two marks of its section.
fn replace_section(page: &str, table: &str) -> Option<String> {
    let (head, rest) = page.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n\n{}\n\n{END}{tail}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, seconds: &[f64]) -> Row {
        let mut row = Row::new(name, "1.0".to_owned());
        row.samples = seconds
            .iter()
            .map(|seconds| Sample {
                seconds: *seconds,
                receiver_cpu: Some(1.5),
                sender_cpu: None,
            })
            .collect();
        row
    }

    fn report(rows: Vec<Row>) -> Report {
        let machine = Machine {
            cores: 2,
            cpu: "X".into(),
            memory_mib: 9,
            kernel: "Linux 6".into(),
        };
        Report::new(machine, 1_024, 3, rows)
    }

    #[test]
    fn medians() {
        let median = |seconds: &[f64]| row("x", seconds).median(|sample| Some(sample.seconds));
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[3.0, 1.0]), Some(3.0));
    }

    #[test]
    fn table_holds_ratios_and_what_is_missing() {
        let report = report(vec![
            row("potluck", &[2.0, 2.5, 1.5]),
            row("other", &[4.0]),
            Row::missing("absent", "no root | no nginx".to_owned()),
        ]);
        let text = report.markdown();
        assert!(
            text.contains("| potluck | 537 | 2.00 (1.50–2.50) | 1.00 | 1.50 | — | 1.0 |"),
            "{text}"
        );
        assert!(
            text.contains("| other | 268 | 4.00 (4.00–4.00) | 0.50 |"),
            "{text}"
        );
        assert!(
            text.contains("| absent | not measured: no root / no nginx |"),
            "{text}"
        );
        assert!(!report.is_whole());
    }

    #[test]
    fn only_its_own_section_changes() {
        let page = format!("# B\n{BEGIN}\nold\n{END}\nrest\n");
        let new = replace_section(&page, "| t |\n").unwrap();
        assert_eq!(new, format!("# B\n{BEGIN}\n\n| t |\n\n{END}\nrest\n"));
        assert_eq!(replace_section(&new, "| t |\n").unwrap(), new);
        assert_eq!(replace_section("# B\n", "x"), None);
    }
}

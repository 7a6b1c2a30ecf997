//! The figures as tables for people and as JSON for programs.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::compare::Row;
use super::machine::Machine;

const PAGE: &str = "docs/benchmarks.md";

/// A column of a table: its title, and what it says of a row, given the row of Potluck.
pub(super) struct Column<S> {
    pub(super) title: &'static str,
    pub(super) cell: fn(&Row<S>, &Row<S>) -> String,
}

/// One table: programs under one set of circumstances.
#[derive(Serialize)]
pub(super) struct Part<S> {
    /// The circumstances, as a sentence.
    pub(super) about: String,
    pub(super) rows: Vec<Row<S>>,
}

impl<S> Part<S> {
    fn markdown(&self, columns: &[Column<S>]) -> String {
        let mut text = format!("{}\n\n| |", self.about);
        // Writing to a string cannot fail.
        for column in columns {
            let _ = write!(text, " {} |", column.title);
        }
        text.push_str("\n|---|");
        text.push_str(&"--:|".repeat(columns.len()));
        text.push('\n');
        for row in &self.rows {
            let _ = writeln!(text, "{}", self.line(row, columns));
        }
        text
    }

    fn line(&self, row: &Row<S>, columns: &[Column<S>]) -> String {
        let mut line = format!("| {} |", row.name);
        let why = row.missing.as_deref().unwrap_or("no run");
        if row.samples.is_empty() {
            let _ = write!(line, " not measured: {} |", why.replace('|', "/"));
            line.push_str(&" |".repeat(columns.len().saturating_sub(1)));
            return line;
        }
        let ours = self.rows.first().unwrap_or(row);
        for column in columns {
            let _ = write!(line, " {} |", (column.cell)(row, ours));
        }
        line
    }
}

/// All of one invocation.
#[derive(Serialize)]
pub(super) struct Report<S> {
    /// The benchmark's name, which is that of its section and of its file.
    pub(super) name: &'static str,
    pub(super) machine: Machine,
    pub(super) runs: u32,
    pub(super) parts: Vec<Part<S>>,
}

impl<S: Serialize> Report<S> {
    /// Whether every program gave all of its figures.
    pub(super) fn is_whole(&self) -> bool {
        self.parts
            .iter()
            .flat_map(|part| &part.rows)
            .all(|row| row.missing.is_none())
    }

    /// The tables with what they were measured on.
    pub(super) fn markdown(&self, columns: &[Column<S>]) -> String {
        let runs = match self.runs {
            1 => "One run".to_owned(),
            runs => format!("Median of {runs} runs taken in turn"),
        };
        let mut text = format!("{runs}, on {}.\n", self.machine.describe());
        for part in &self.parts {
            let _ = write!(text, "\n{}", part.markdown(columns));
        }
        let mut programs: Vec<&str> = self
            .parts
            .iter()
            .flat_map(|part| &part.rows)
            .map(|row| row.version.as_str())
            .filter(|version| !version.is_empty())
            .collect();
        programs.sort_unstable();
        programs.dedup();
        let _ = write!(text, "\nPrograms: {}.\n", programs.join("; "));
        text
    }

    /// Shows the tables and, unless this is only a look, writes them to the page and as JSON.
    /// Gives whether every program gave its figures.
    pub(super) fn publish(&self, root: &Path, columns: &[Column<S>], dry: bool) -> Result<bool> {
        let markdown = self.markdown(columns);
        println!("\n{markdown}");
        if !dry {
            self.write(root, &markdown)?;
        }
        Ok(self.is_whole())
    }

    fn write(&self, root: &Path, markdown: &str) -> Result<()> {
        let folder = root.join("bench").join("results");
        std::fs::create_dir_all(&folder).context("cannot make bench/results")?;
        let results = folder.join(format!("{}.json", self.name));
        let json = serde_json::to_string_pretty(self).context("cannot write JSON")?;
        std::fs::write(&results, json + "\n")
            .with_context(|| format!("cannot write {}", results.display()))?;
        let page = root.join(PAGE);
        let text = std::fs::read_to_string(&page).with_context(|| format!("cannot read {PAGE}"))?;
        let text = replace_section(&text, self.name, markdown)
            .with_context(|| format!("{PAGE} has no section for {}", self.name))?;
        std::fs::write(&page, text).with_context(|| format!("cannot write {PAGE}"))?;
        println!("written: {PAGE}, {}", results.display());
        Ok(())
    }
}

/// Puts the tables between the two marks of their section.
fn replace_section(page: &str, name: &str, tables: &str) -> Option<String> {
    let begin = format!("<!-- {name}: begin -->");
    let end = format!("<!-- {name}: end -->");
    let (head, rest) = page.split_once(&begin)?;
    let (_, tail) = rest.split_once(&end)?;
    Some(format!("{head}{begin}\n\n{}\n\n{end}{tail}", tables.trim()))
}

/// A figure with this many digits after the point, or a dash.
pub(super) fn figure(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "—".to_owned(), |value| format!("{value:.digits$}"))
}

/// A median with the range that it comes from.
pub(super) fn spread<S>(
    row: &Row<S>,
    of: impl Fn(&S) -> Option<f64> + Copy,
    digits: usize,
) -> String {
    match (row.median(of), row.range(of)) {
        (Some(median), Some((least, most))) if row.samples.len() > 1 => {
            format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
        }
        (median, _) => figure(median, digits),
    }
}

/// How many times ours goes into theirs; above 1 where theirs is greater.
pub(super) fn ratio<S>(
    theirs: &Row<S>,
    ours: &Row<S>,
    of: impl Fn(&S) -> Option<f64> + Copy,
) -> String {
    let both = theirs.median(of).zip(ours.median(of));
    figure(
        both.filter(|(_, ours)| *ours > 0.0)
            .map(|(theirs, ours)| theirs / ours),
        2,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, seconds: &[f64]) -> Row<f64> {
        let mut row = Row::new(name, format!("{name} 1.0"));
        row.samples = seconds.to_vec();
        row
    }

    fn some(value: &f64) -> Option<f64> {
        Some(*value)
    }

    const COLUMNS: &[Column<f64>] = &[
        Column {
            title: "seconds",
            cell: |row, _| spread(row, some, 2),
        },
        Column {
            title: "× potluck's",
            cell: |row, ours| ratio(row, ours, some),
        },
    ];

    fn report(rows: Vec<Row<f64>>) -> Report<f64> {
        let machine = Machine {
            cores: 2,
            cpu: "X".into(),
            memory_mib: 9,
            kernel: "Linux 6".into(),
        };
        Report {
            name: "pair",
            machine,
            runs: 3,
            parts: vec![Part {
                about: "As it is.".into(),
                rows,
            }],
        }
    }

    #[test]
    fn table_holds_ratios_and_what_is_missing() {
        let report = report(vec![
            row("potluck", &[2.0, 2.5, 1.5]),
            row("other", &[4.0]),
            Row::missing("absent", "no root | no nginx".to_owned()),
        ]);
        let text = report.markdown(COLUMNS);
        assert!(
            text.contains("| potluck | 2.00 (1.50–2.50) | 1.00 |"),
            "{text}"
        );
        assert!(text.contains("| other | 4.00 | 2.00 |"), "{text}");
        assert!(
            text.contains("| absent | not measured: no root / no nginx | |"),
            "{text}"
        );
        assert!(text.contains("Programs: other 1.0; potluck 1.0."), "{text}");
        assert!(!report.is_whole());
    }

    #[test]
    fn only_its_own_section_changes() {
        let (begin, end) = ("<!-- pair: begin -->", "<!-- pair: end -->");
        let page = format!("# B\n{begin}\nold\n{end}\nrest\n<!-- wan: begin -->\n");
        let new = replace_section(&page, "pair", "| t |\n").unwrap();
        let expected = format!("# B\n{begin}\n\n| t |\n\n{end}\nrest\n<!-- wan: begin -->\n");
        assert_eq!(new, expected);
        assert_eq!(replace_section(&new, "pair", "| t |\n").unwrap(), new);
        assert_eq!(replace_section("# B\n", "pair", "x"), None);
        assert_eq!(replace_section(&page, "wan", "x"), None);
    }
}

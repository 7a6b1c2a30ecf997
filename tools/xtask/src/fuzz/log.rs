//! What matters in libFuzzer's output.

use std::collections::VecDeque;

/// Lines kept, to be shown when something went wrong.
const TAIL_LINES: usize = 60;

/// What was read so far.
#[derive(Default)]
pub(super) struct Log {
    pub(super) executions: u64,
    pub(super) finding: Option<String>,
    tail: VecDeque<String>,
}

impl Log {
    pub(super) fn line(&mut self, line: &str) {
        if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = number.trim().parse().unwrap_or(0);
        } else if let Some(count) = progress(line) {
            self.executions = self.executions.max(count);
        }
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.finding = Some(path.trim().to_owned());
        }
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
    }

    /// The last lines.
    pub(super) fn tail(&self) -> String {
        self.tail
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// The number in `#4096 pulse cov: …`, which is all that a run that crashes leaves.
fn progress(line: &str) -> Option<u64> {
    line.strip_prefix('#')?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Log {
        let mut log = Log::default();
        lines.iter().for_each(|line| log.line(line));
        log
    }

    #[test]
    fn a_clean_run() {
        let lines = [
            "#2\tINITED cov: 7",
            "#4096\tpulse",
            "stat::number_of_executed_units: 5000",
        ];
        let log = read(&lines);
        assert_eq!((log.executions, log.finding), (5_000, None));
    }

    #[test]
    fn a_crash() {
        let written = "artifact_prefix='x'; Test unit written to artifacts/link/crash-1";
        let log = read(&["#4096\tpulse", "#3 0x7f in frame", written]);
        assert_eq!(log.executions, 4_096);
        assert_eq!(log.finding.as_deref(), Some("artifacts/link/crash-1"));
    }

    #[test]
    fn the_tail_is_bounded() {
        let lines: Vec<String> = (0..200).map(|n| format!("line {n}")).collect();
        let log = read(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(log.tail().lines().count(), TAIL_LINES);
        assert!(log.tail().ends_with("line 199"));
    }
}

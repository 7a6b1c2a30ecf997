//! What `cargo test` says, brought down to a line or two for each runner.

use std::io::{BufRead, BufReader, PipeReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// Sum over all runners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

/// Runs `cargo test` and prints the closing lines of each runner, and all of a failing one.
pub(super) fn run(command: &mut Command) -> Result<(bool, Tally)> {
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    let errors = writer.try_clone().context("cannot make a pipe")?;
    // One pipe for both, because the runner's name and its results arrive on different ones.
    command.stdin(Stdio::null()).stdout(writer).stderr(errors);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    // The command keeps our copies of the writing ends, which would keep the pipe open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let tally = follow(reader)?;
    let status = child.wait().context("lost sight of cargo test")?;
    Ok((status.success(), tally))
}

fn follow(reader: PipeReader) -> Result<Tally> {
    let mut filter = Filter::default();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader
            .read_until(b'\n', &mut line)
            .context("cannot read what cargo test says")?
            == 0
        {
            break;
        }
        for shown in filter.line(String::from_utf8_lossy(&line).trim_end()) {
            println!("{shown}");
        }
    }
    for shown in filter.finish() {
        println!("{shown}");
    }
    Ok(filter.tally)
}

/// Decides which lines are shown; the lines of a running test binary wait for its verdict.
#[derive(Default)]
struct Filter {
    tally: Tally,
    /// Heading of the runner that is at work.
    heading: Option<String>,
    held: Vec<String>,
}

impl Filter {
    fn line(&mut self, line: &str) -> Vec<String> {
        let trimmed = line.trim_start();
        if trimmed.starts_with("Running ") || trimmed.starts_with("Doc-tests ") {
            let lost = self.finish();
            self.heading = Some(trimmed.to_owned());
            return lost;
        }
        if let Some(result) = trimmed.strip_prefix("test result: ") {
            let (passed, failed) = (count(result, "passed"), count(result, "failed"));
            self.tally.passed += passed;
            self.tally.failed += failed;
            let mut shown = if failed > 0 {
                self.finish()
            } else {
                self.heading.take().into_iter().collect()
            };
            self.held.clear();
            // Runners without a single test would only hide the others.
            if passed + failed == 0 {
                return Vec::new();
            }
            shown.push(format!("    {trimmed}"));
            return shown;
        }
        let at_once = trimmed.contains("has been running for over") || trimmed.starts_with("error");
        if self.heading.is_none() || at_once {
            // Building: only what went wrong, and what cargo says of it.
            let noise = [
                "Compiling ",
                "Finished ",
                "Blocking ",
                "Downloading ",
                "Downloaded ",
                "Updating ",
            ];
            let quiet = trimmed.is_empty() || noise.iter().any(|start| trimmed.starts_with(start));
            return if quiet {
                Vec::new()
            } else {
                vec![line.to_owned()]
            };
        }
        self.held.push(line.to_owned());
        Vec::new()
    }

    /// All that was held back: of a runner that failed or ended without a result.
    fn finish(&mut self) -> Vec<String> {
        let mut shown: Vec<String> = self.heading.take().into_iter().collect();
        shown.append(&mut self.held);
        shown
    }
}

/// The number before a word: `12 passed` holds 12.
fn count(result: &str, word: &str) -> u64 {
    let before = result.split(word).next().unwrap_or_default();
    before
        .trim_end()
        .rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow_text(text: &str) -> (Vec<String>, Tally) {
        let mut filter = Filter::default();
        let mut shown: Vec<String> = text.lines().flat_map(|line| filter.line(line)).collect();
        shown.append(&mut filter.finish());
        (shown, filter.tally)
    }

    #[test]
    fn passing_runners_take_two_lines_and_empty_ones_none() {
        let (shown, tally) = follow_text(
            "   Compiling a v0.1.0\n    Finished `release` profile\n     Running unittests src/lib.rs (target/a)\n\n\
             running 2 tests\ntest x ... ok\ntest y ... ok\n\n\
             test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\n\
             Doc-tests a\n\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored\n",
        );
        assert_eq!(shown.len(), 2, "{shown:?}");
        assert_eq!(shown[0], "Running unittests src/lib.rs (target/a)");
        assert!(shown[1].contains("2 passed; 0 failed"));
        assert_eq!(
            tally,
            Tally {
                passed: 2,
                failed: 0
            }
        );
    }

    #[test]
    fn a_failing_runner_is_shown_whole() {
        let (shown, tally) = follow_text(
            "     Running tests/a.rs (target/a)\nrunning 2 tests\ntest x ... FAILED\ntest y ... ok\n\n\
             failures:\n\n---- x stdout ----\nleft: 1\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored\n\n\
             error: test failed, to rerun pass `--test a`\n",
        );
        assert!(shown.iter().any(|line| line == "left: 1"), "{shown:?}");
        assert!(
            shown
                .iter()
                .any(|line| line.starts_with("error: test failed"))
        );
        assert_eq!(
            tally,
            Tally {
                passed: 1,
                failed: 1
            }
        );
    }

    #[test]
    fn a_runner_that_dies_and_a_build_error_are_shown() {
        let (shown, tally) =
            follow_text("     Running tests/a.rs (x)\nrunning 1 test\nthread 'x' abort\n");
        assert_eq!(
            shown,
            [
                "Running tests/a.rs (x)",
                "running 1 test",
                "thread 'x' abort"
            ]
        );
        assert_eq!(tally, Tally::default());
        let (shown, _) = follow_text("error[E0425]: cannot find value\n --> src/lib.rs:1:1\n");
        assert_eq!(shown.len(), 2);
    }

    #[test]
    fn counts() {
        assert_eq!(count("ok. 12 passed; 3 failed; 0 ignored", "passed"), 12);
        assert_eq!(count("ok. 12 passed; 3 failed; 0 ignored", "failed"), 3);
        assert_eq!(count("ok.", "passed"), 0);
    }
}

//! `test`: everything that has to pass, in the order in which it fails fastest.

mod browser;
mod runners;
mod schema;

use std::io::Write;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use crate::interop::few;
use crate::tidy;
use crate::workspace::Workspace;
use runners::Tally;

/// Options of `test`.
#[derive(Args)]
pub(crate) struct TestArgs {
    /// Run all steps and all tests even after one has failed
    #[arg(long, env = "POTLUCK_TEST_KEEP_GOING")]
    keep_going: bool,
    /// Leave out the slow process tests (sets POTLUCK_QUICK=1 for them)
    #[arg(long, env = "POTLUCK_QUICK")]
    quick: bool,
    /// Run only the steps whose names hold this
    #[arg(long)]
    only: Option<String>,
}

/// Runs the steps and ends with the sum over all test runners.
pub(crate) fn run(workspace: &Workspace, args: &TestArgs) -> Result<bool> {
    let mut report = Report {
        failed_steps: Vec::new(),
        keep_going: args.keep_going,
        only: args.only.clone(),
    };
    let mut tally = Tally::default();
    let started = Instant::now();

    report.step("cargo fmt --check", || {
        let members = passes(workspace.cargo().args(["fmt", "--all", "--check"]))?;
        // Not a member, because it builds on nightly only.
        let fuzz = ["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"];
        Ok(passes(workspace.cargo().args(fuzz))? && members)
    })?;
    report.step("cargo clippy", || {
        let mut clippy = workspace.cargo();
        clippy.args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--release",
            "--quiet",
        ]);
        passes(clippy.args(["--", "-D", "warnings"]))
    })?;
    report.step("cargo xtask tidy", || tidy::run(workspace))?;
    report.step("cargo test", || {
        let mut tests = workspace.cargo();
        tests.args(["test", "--workspace", "--release", "--color=never"]);
        if args.keep_going {
            tests.arg("--no-fail-fast");
        }
        if args.quick {
            tests.env("POTLUCK_QUICK", "1");
        }
        let (passed, sum) = runners::run(&mut tests)?;
        tally = sum;
        Ok(passed)
    })?;

    report.step("other BitTorrent programs", || {
        if args.quick {
            println!("*** LEFT OUT: nothing is shown about other BitTorrent programs");
            return Ok(true);
        }
        few::run(workspace)
    })?;

    report.step("the API as it describes itself", || {
        if args.quick {
            println!("*** LEFT OUT: schemathesis tries nothing of the API");
            return Ok(true);
        }
        schema::run(workspace)
    })?;

    report.step("pages in a browser", || {
        if args.quick {
            println!("*** LEFT OUT: nothing is shown about the pages in a browser");
            return Ok(true);
        }
        browser::run(workspace)
    })?;

    println!("\nall steps: {:.1} s", started.elapsed().as_secs_f64());
    if !report.failed_steps.is_empty() {
        println!("steps that failed: {}", report.failed_steps.join(", "));
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(report.failed_steps.is_empty())
}

struct Report {
    failed_steps: Vec<&'static str>,
    keep_going: bool,
    only: Option<String>,
}

impl Report {
    /// Runs one step under a heading, unless an earlier one failed and that is the end.
    fn step(&mut self, name: &'static str, run: impl FnOnce() -> Result<bool>) -> Result<()> {
        if !self.failed_steps.is_empty() && !self.keep_going {
            return Ok(());
        }
        if self.only.as_ref().is_some_and(|only| !name.contains(only)) {
            return Ok(());
        }
        println!("\n=== {name}");
        // What the step writes itself must not overtake the heading.
        std::io::stdout()
            .flush()
            .context("cannot write to stdout")?;
        let started = Instant::now();
        let passed = run().with_context(|| format!("step `{name}` could not run"))?;
        let verdict = if passed { "ok" } else { "FAILED" };
        println!(
            "=== {name}: {verdict} ({:.1} s)",
            started.elapsed().as_secs_f64()
        );
        if !passed {
            self.failed_steps.push(name);
        }
        Ok(())
    }
}

fn passes(command: &mut Command) -> Result<bool> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_steps(keep_going: bool, only: Option<&str>) -> (Vec<&'static str>, Vec<&'static str>) {
        let mut report = Report {
            failed_steps: Vec::new(),
            keep_going,
            only: only.map(ToOwned::to_owned),
        };
        let mut ran = Vec::new();
        for (name, passed) in [("a", true), ("b", false), ("c", true)] {
            let step = report.step(name, || {
                ran.push(name);
                Ok(passed)
            });
            assert!(step.is_ok());
        }
        (ran, report.failed_steps)
    }

    #[test]
    fn stops_at_the_first_failure_unless_told_otherwise() {
        assert_eq!(run_steps(false, None), (vec!["a", "b"], vec!["b"]));
        assert_eq!(run_steps(true, None), (vec!["a", "b", "c"], vec!["b"]));
        assert_eq!(run_steps(false, Some("c")), (vec!["c"], vec![]));
    }
}

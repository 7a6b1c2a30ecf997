//! `fuzz`: every target for a while, with new findings kept apart from the committed corpus.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::workspace::Workspace;

const INSTALL_NIGHTLY: &str = "\
fuzzing needs a nightly toolchain, for the sanitizer and the coverage counters:
    rustup toolchain install nightly --profile minimal";
const INSTALL_CARGO_FUZZ: &str = "\
fuzzing needs cargo-fuzz:
    cargo install cargo-fuzz --locked
and its folder (usually ~/.cargo/bin) in PATH";

/// Options of `fuzz`.
#[derive(Args)]
pub(crate) struct FuzzArgs {
    /// How long each target runs
    #[arg(long, default_value_t = 60, env = "POTLUCK_FUZZ_SECONDS")]
    seconds: u32,
    /// Only these targets (repeatable)
    #[arg(long = "target")]
    targets: Vec<String>,
    /// Add inputs that reach new code to the committed corpus
    #[arg(long)]
    merge: bool,
}

/// What one run of a target brought.
struct Outcome {
    target: String,
    executions: u64,
    corpus: usize,
    finding: Option<String>,
}

/// Runs the targets one after the other; `false` when one of them has a finding.
pub(crate) fn run(workspace: &Workspace, args: &FuzzArgs) -> Result<bool> {
    check_tools()?;
    let folder = workspace.root.join("fuzz");
    let known = targets(&folder)?;
    for wanted in &args.targets {
        ensure!(
            known.contains(wanted),
            "no fuzz target {wanted}; there are: {}",
            known.join(", ")
        );
    }
    let chosen = if args.targets.is_empty() {
        &known
    } else {
        &args.targets
    };
    let mut outcomes = Vec::new();
    for target in chosen {
        println!("=== fuzz {target} for {} s", args.seconds);
        let run = Run {
            folder: &folder,
            target_folder: &workspace.target,
            work: workspace.target.join("fuzz-corpus").join(target),
            target,
        };
        outcomes.push(run.fuzz(args.seconds)?);
        if args.merge {
            run.merge()?;
        }
    }
    println!(
        "\n{:<16} {:>14} {:>10}  finding",
        "target", "executions", "new inputs"
    );
    for outcome in &outcomes {
        let finding = outcome.finding.as_deref().unwrap_or("none");
        println!(
            "{:<16} {:>14} {:>10}  {finding}",
            outcome.target, outcome.executions, outcome.corpus
        );
    }
    Ok(outcomes.iter().all(|outcome| outcome.finding.is_none()))
}

fn check_tools() -> Result<()> {
    let answers = |command: &mut Command| {
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    if !answers(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])) {
        bail!(INSTALL_NIGHTLY);
    }
    if !answers(Command::new("cargo-fuzz").args(["fuzz", "--version"]))
        && !answers(Command::new("cargo-fuzz").arg("--version"))
    {
        bail!(INSTALL_CARGO_FUZZ);
    }
    Ok(())
}

/// The `[[bin]]` entries of the fuzz crate.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml"))
        .context("cannot read fuzz/Cargo.toml")?;
    let table: toml::Table = manifest.parse().context("fuzz/Cargo.toml is not TOML")?;
    let bins = table
        .get("bin")
        .and_then(toml::Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let names = bins.iter().filter_map(|bin| bin.get("name")?.as_str());
    Ok(names.map(str::to_owned).collect())
}

struct Run<'a> {
    folder: &'a Path,
    /// Where builds go.
    target_folder: &'a Path,
    /// New inputs go here, so that a run leaves the committed corpus alone.
    work: PathBuf,
    target: &'a str,
}

impl Run<'_> {
    fn seeds(&self) -> PathBuf {
        self.folder.join("corpus").join(self.target)
    }

    /// `cargo fuzz run TARGET`, on nightly whatever the project's own toolchain is.
    fn command(&self) -> Command {
        let mut command = Command::new("rustup");
        command.args(["run", "nightly", "cargo", "fuzz", "run", self.target]);
        // Set by the cargo that runs this task, for its own toolchain.
        for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
            command.env_remove(name);
        }
        command.env("CARGO_TARGET_DIR", self.target_folder);
        command.current_dir(self.folder).stdin(Stdio::null());
        command
    }

    fn fuzz(&self, seconds: u32) -> Result<Outcome> {
        for folder in [self.work.clone(), self.seeds()] {
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut command = self.command();
        command.arg(&self.work).arg(self.seeds()).arg("--");
        command.arg(format!("-max_total_time={seconds}"));
        command.args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048"]);
        let mut child = command
            .stdout(Stdio::inherit())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {command:?}"))?;
        let mut log = Log::default();
        if let Some(stderr) = child.stderr.take() {
            for line in BufReader::new(stderr).split(b'\n') {
                let line = line.context("cannot read what the fuzzer says")?;
                log.line(&String::from_utf8_lossy(&line));
            }
        }
        let status = child.wait().context("lost sight of the fuzzer")?;
        if !status.success() {
            // Whatever it said last is all there is to go by.
            println!("{}", log.tail.join("\n"));
            ensure!(
                log.executions > 0 || log.finding.is_some(),
                "fuzz target {} did not run",
                self.target
            );
            log.finding
                .get_or_insert_with(|| format!("ended with {status}"));
        }
        Ok(Outcome {
            target: self.target.to_owned(),
            executions: log.executions,
            corpus: std::fs::read_dir(&self.work).map_or(0, Iterator::count),
            finding: log.finding,
        })
    }

    /// Copies what reaches new code into the committed corpus.
    fn merge(&self) -> Result<()> {
        let mut command = self.command();
        command
            .arg(self.seeds())
            .arg(&self.work)
            .args(["--", "-merge=1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let status = command
            .status()
            .with_context(|| format!("cannot run {command:?}"))?;
        ensure!(
            status.success(),
            "merging the corpus of {} failed",
            self.target
        );
        Ok(())
    }
}

/// What matters in libFuzzer's output.
#[derive(Default)]
struct Log {
    executions: u64,
    finding: Option<String>,
    /// The last lines, shown when something went wrong.
    tail: Vec<String>,
}

impl Log {
    const TAIL: usize = 60;

    fn line(&mut self, line: &str) {
        if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = number.trim().parse().unwrap_or(0);
        } else if let Some(count) = progress(line) {
            self.executions = self.executions.max(count);
        }
        if let Some(at) = line.find("Test unit written to ") {
            self.finding = Some(line[at + "Test unit written to ".len()..].trim().to_owned());
        }
        if self.tail.len() == Self::TAIL {
            self.tail.remove(0);
        }
        self.tail.push(line.to_owned());
    }
}

/// The number in `#4096 pulse cov: …`, which is all a run that crashes leaves.
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

    #[test]
    fn log_of_a_clean_run() {
        let mut log = Log::default();
        for line in [
            "#2\tINITED cov: 7",
            "#4096\tpulse",
            "stat::number_of_executed_units: 5000",
        ] {
            log.line(line);
        }
        assert_eq!((log.executions, log.finding), (5_000, None));
    }

    #[test]
    fn log_of_a_crash() {
        let mut log = Log::default();
        for line in [
            "#4096\tpulse",
            "artifact_prefix='x'; Test unit written to artifacts/link/crash-1",
        ] {
            log.line(line);
        }
        assert_eq!(log.executions, 4_096);
        assert_eq!(log.finding.as_deref(), Some("artifacts/link/crash-1"));
    }
}

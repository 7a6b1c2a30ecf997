//! `fuzz`: every target for a while, with new inputs kept apart from the committed corpus.

mod libfuzzer;
mod log;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::workspace::Workspace;
use libfuzzer::{Outcome, Targets};

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
    /// How many targets run at the same time
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
    /// Add inputs that reach new code to the committed corpus
    #[arg(long)]
    merge: bool,
}

/// Runs the targets; `false` when one of them has a finding.
pub(crate) fn run(workspace: &Workspace, args: &FuzzArgs) -> Result<bool> {
    check_tools()?;
    let folder = workspace.root.join("fuzz");
    let known = target_names(&folder)?;
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
    let targets = Targets::build(&folder, &workspace.target)?;
    let outcomes = run_all(&targets, chosen, args)?;

    println!(
        "\n{:<16} {:>14} {:>12}  finding",
        "target", "executions", "new inputs"
    );
    for Outcome {
        target,
        executions,
        new_inputs,
        finding,
    } in &outcomes
    {
        let finding = finding.as_deref().unwrap_or("none");
        println!("{target:<16} {executions:>14} {new_inputs:>12}  {finding}");
    }
    Ok(outcomes.iter().all(|outcome| outcome.finding.is_none()))
}

fn run_all(targets: &Targets, chosen: &[String], args: &FuzzArgs) -> Result<Vec<Outcome>> {
    let waiting = Mutex::new(chosen.iter());
    let next = || {
        waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next()
    };
    let one = |name: &String| -> Result<Outcome> {
        println!("=== fuzz {name} for {} s", args.seconds);
        let outcome = targets.fuzz(name, args.seconds)?;
        if args.merge {
            targets.merge(name)?;
        }
        Ok(outcome)
    };
    let worker = || {
        std::iter::from_fn(next)
            .map(one)
            .collect::<Result<Vec<Outcome>>>()
    };
    let mut outcomes = std::thread::scope(|scope| -> Result<Vec<Outcome>> {
        let workers: Vec<_> = (0..args.jobs).map(|_| scope.spawn(worker)).collect();
        let mut outcomes = Vec::new();
        for worker in workers {
            let Ok(done) = worker.join() else {
                bail!("a fuzz worker panicked")
            };
            outcomes.append(&mut done?);
        }
        Ok(outcomes)
    })?;
    outcomes.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(outcomes)
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
    if !answers(Command::new("cargo-fuzz").arg("--version")) {
        bail!(INSTALL_CARGO_FUZZ);
    }
    Ok(())
}

/// The `[[bin]]` entries of the fuzz crate.
fn target_names(folder: &Path) -> Result<Vec<String>> {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml"));
    let manifest = manifest.context("cannot read fuzz/Cargo.toml")?;
    let table: toml::Table = manifest.parse().context("fuzz/Cargo.toml is not TOML")?;
    let bins = table
        .get("bin")
        .and_then(toml::Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let names = bins.iter().filter_map(|bin| bin.get("name")?.as_str());
    Ok(names.map(str::to_owned).collect())
}

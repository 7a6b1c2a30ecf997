//! `bench pair`: one file from one process to another on loopback.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::foreign::{Curl, Libtorrent};
use super::machine::Machine;
use super::payload;
use super::potluck::Potluck;
use super::process::Process;
use super::report::{Report, Row, Sample};
use crate::workspace::Workspace;

/// Options of `bench pair`.
#[derive(Args)]
pub(crate) struct PairArgs {
    /// Size of the file
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    mib: u64,
    /// Runs of each program; the table shows the median
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    /// A potluck to measure, instead of the one built from this tree
    #[arg(long, env = "POTLUCK_BIN")]
    potluck: Option<PathBuf>,
    /// Seconds that a single transfer may take
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// Show the table only: leave docs/benchmarks.md and bench/results alone
    #[arg(long)]
    dry: bool,
}

/// What every program of the comparison is given.
pub(super) struct Setting {
    /// Helper scripts of the project.
    pub(super) scripts: PathBuf,
    /// The file to move.
    pub(super) payload: PathBuf,
    /// Where it was moved to; removed after each run, as is all of `scratch`.
    pub(super) received: PathBuf,
    pub(super) scratch: PathBuf,
    /// Things to keep between invocations, such as an environment for a helper.
    pub(super) tools: PathBuf,
    pub(super) timeout: Duration,
}

impl Setting {
    /// Starts a process that keeps its log in the scratch folder.
    pub(super) fn start(&self, command: &mut Command, log: &str) -> Result<Process> {
        Process::start(command, &self.scratch.join(log), self.timeout)
    }
}

/// A pair of programs that move the file, once per run.
pub(super) trait Contender {
    /// Moves the payload to `received` and says what it took.
    fn run(&self, setting: &Setting) -> Result<Sample>;
}

/// Runs the programs in turn, so that a slow minute of the machine falls on all of them.
pub(super) fn run(workspace: &Workspace, args: &PairArgs) -> Result<bool> {
    let base = workspace.target.join("bench");
    let setting = Setting {
        scripts: workspace.root.join("bench"),
        payload: base
            .join("payload")
            .join(format!("payload-{}m.bin", args.mib)),
        received: base.join("run").join("received.bin"),
        scratch: base.join("run"),
        tools: base.join("tools"),
        timeout: Duration::from_secs(args.timeout),
    };
    payload::make(&setting.payload, args.mib << 20)?;
    std::fs::create_dir_all(&setting.tools).context("cannot make the tools folder")?;
    // Without our own figures there is nothing to compare.
    let (potluck, version) = Potluck::prepare(workspace, args.potluck.clone())?;
    let mut contenders = vec![prepared("potluck", Ok((potluck, version)))];
    contenders.push(prepared("nginx → curl, HTTPS", Curl::prepare(&setting)));
    contenders.push(prepared("libtorrent pair", Libtorrent::prepare(&setting)));

    for round in 1..=args.runs {
        for (row, contender) in &mut contenders {
            let Some(running) = contender else { continue };
            match one_run(running.as_ref(), &setting) {
                Ok(sample) => {
                    println!("run {round}: {:<22} {:.3} s", row.name, sample.seconds);
                    row.samples.push(sample);
                }
                Err(error) => {
                    println!("run {round}: {:<22} FAILED: {error:#}", row.name);
                    row.missing = Some(format!("failed: {error:#}"));
                    *contender = None;
                }
            }
        }
    }
    let rows = contenders.into_iter().map(|(row, _)| row).collect();
    let report = Report::new(Machine::this(), args.mib, args.runs, rows);
    println!("\n{}", report.markdown());
    if !args.dry {
        report.write(&workspace.root)?;
    }
    Ok(report.is_whole())
}

type Entrant = (Row, Option<Box<dyn Contender>>);

fn prepared<C: Contender + 'static>(name: &str, contender: Result<(C, String)>) -> Entrant {
    match contender {
        Ok((contender, version)) => (Row::new(name, version), Some(Box::new(contender))),
        Err(error) => {
            println!("{name}: not measured: {error:#}");
            (Row::missing(name, format!("{error:#}")), None)
        }
    }
}

fn one_run(contender: &dyn Contender, setting: &Setting) -> Result<Sample> {
    fresh_folder(&setting.scratch)?;
    // The last run's dirty pages are not this run's to write.
    rustix::fs::sync();
    let sample = contender.run(setting)?;
    ensure!(
        payload::same_bytes(&setting.payload, &setting.received)?,
        "the received file differs"
    );
    // After a failure the logs stay, to be looked at.
    std::fs::remove_dir_all(&setting.scratch).context("cannot clean up")?;
    Ok(sample)
}

fn fresh_folder(path: &Path) -> Result<()> {
    if path.exists() {
        std::fs::remove_dir_all(path)
            .with_context(|| format!("cannot empty {}", path.display()))?;
    }
    std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

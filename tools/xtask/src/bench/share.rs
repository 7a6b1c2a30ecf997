//! `bench share`: how fast a node computes the address of a file, beside b3sum.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use super::compare::Field;
use super::machine::Machine;
use super::node::{self, Node};
use super::options::{Bench, Options, first_line};
use super::payload;
use super::process::Process;
use super::report::{Column, Part, Report, figure, ratio, spread};
use super::site::Site;
use crate::workspace::Workspace;

/// Options of `bench share`.
#[derive(Args)]
pub(crate) struct ShareArgs {
    /// Size of the file, in MiB
    #[arg(long, default_value_t = 1_024)]
    mib: u64,
    /// Threads of both programs [default: one for each core]
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    options: Options,
}

/// One file, hashed.
#[derive(Serialize)]
struct Sample {
    mib: u64,
    seconds: f64,
    cpu: Option<f64>,
    peak_mib: Option<f64>,
}

impl Sample {
    fn rate(&self) -> Option<f64> {
        Some((self.mib << 20) as f64 / 1e9 / self.seconds)
    }
}

const COLUMNS: &[Column<Sample>] = &[
    Column {
        title: "seconds",
        cell: |row, _| spread(row, |sample| Some(sample.seconds), 3),
    },
    Column {
        title: "GB/s",
        cell: |row, _| figure(row.median(Sample::rate), 2),
    },
    Column {
        title: "potluck's speed ÷ this",
        cell: |row, ours| ratio(row, ours, |sample| Some(sample.seconds)),
    },
    Column {
        title: "CPU s",
        cell: |row, _| figure(row.median(|sample| sample.cpu), 2),
    },
    Column {
        title: "peak MiB",
        cell: |row, _| figure(row.median(|sample| sample.peak_mib), 0),
    },
];

/// Measures and reports.
pub(super) fn run(workspace: &Workspace, args: &ShareArgs) -> Result<bool> {
    let options = &args.options;
    let bench = Bench::prepare(workspace, options)?;
    let threads = args.threads.unwrap_or_else(Machine::cores);
    let payload = payload::settled(&bench, args.mib)?;
    let site = Site::Loopback;
    let mut field = Field::new();
    field.add(
        options,
        "potluck",
        "potluck share",
        || Ok(((), node::version(&bench)?)),
        |()| share(&bench, &site, &payload, threads),
    );
    field.add(
        options,
        "b3sum",
        "b3sum",
        || {
            bench.install("b3sum")?;
            let version = first_line(Command::new(bench.cargo_tool("b3sum")).arg("--version"))?;
            Ok(((), version))
        },
        |()| b3sum(&bench, &site, &payload, threads),
    );
    let runs = options.runs.unwrap_or(5);
    let rows = field.compare(&bench, runs, |sample| {
        format!(
            "{:.3} s, {:.2} GB/s",
            sample.seconds,
            sample.rate().unwrap_or_default()
        )
    });
    let report = Report {
        name: "share",
        machine: Machine::this(),
        runs,
        parts: vec![Part {
            about: format!(
                "A file of {} MiB in the page cache, {threads} threads, the native address alone.",
                args.mib
            ),
            rows,
        }],
    };
    let dry = options.dry || !options.only.is_empty();
    report.publish(&bench.root, COLUMNS, dry)
}

/// Puts a file into the page cache, where all programs find it.
fn warm(path: &Path) -> Result<()> {
    let mut file = std::fs::File::open(path).context("cannot read the payload")?;
    std::io::copy(&mut file, &mut std::io::sink()).context("cannot read the payload")?;
    Ok(())
}

/// Timed is `potluck share`, from its start to its end, with a node that has never seen the file.
fn share(bench: &Bench, site: &Site, payload: &Path, threads: usize) -> Result<Sample> {
    let node = Node::new(bench, site, 0, "node");
    let mut config = node.command();
    let set = config
        .args(["config", "set", "share.threads", &threads.to_string()])
        .output()
        .context("cannot run potluck config")?;
    ensure!(
        set.status.success(),
        "potluck config: {}",
        String::from_utf8_lossy(&set.stderr).trim()
    );
    let running = node.up("up")?;
    warm(payload)?;
    let before = running.process.cpu_seconds();
    let mut share = node.command();
    let sharing = Process::start(
        share.arg("share").arg(payload),
        &bench.log("share"),
        bench.timeout,
    )?;
    let ended = sharing.wait_end()?;
    let of_node = running.process.cpu_since(before);
    let peak_mib = running.process.peak_mib();
    running.process.stop()?;
    Ok(Sample {
        mib: payload.metadata()?.len() >> 20,
        seconds: ended.seconds,
        cpu: of_node.zip(ended.cpu).map(|(node, command)| node + command),
        peak_mib,
    })
}

fn b3sum(bench: &Bench, site: &Site, payload: &Path, threads: usize) -> Result<Sample> {
    warm(payload)?;
    let mut b3sum = site.command(0, bench.cargo_tool("b3sum"));
    b3sum
        .args(["--num-threads", &threads.to_string()])
        .arg(payload);
    let ended = Process::start(&mut b3sum, &bench.log("b3sum"), bench.timeout)?.wait_end()?;
    Ok(Sample {
        mib: payload.metadata()?.len() >> 20,
        seconds: ended.seconds,
        cpu: ended.cpu,
        peak_mib: ended.peak_mib,
    })
}

//! `bench idle`: what a node costs that has nothing to do, beside the daemons of other programs.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use potluck_netlab::Link;
use serde::Serialize;

use super::compare::Field;
use super::lab::LineArgs;
use super::machine::Machine;
use super::node::{self, Node, Running};
use super::options::{Bench, Options, first_line};
use super::process::Process;
use super::report::{Column, Part, Report, figure};
use super::site::Site;
use crate::workspace::Workspace;

/// Options of `bench idle`.
#[derive(Args)]
pub(crate) struct IdleArgs {
    /// Peers of the node that has company
    #[arg(long, default_value_t = 20)]
    peers: usize,
    /// Seconds until the measurement begins
    #[arg(long, default_value_t = 30)]
    settle: u64,
    /// Seconds that it takes
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    #[command(flatten)]
    line: LineArgs,
    #[command(flatten)]
    options: Options,
}

/// The node that is measured; its peers follow.
const MEASURED: usize = 0;

/// One stretch of idling.
#[derive(Serialize)]
struct Sample {
    seconds: f64,
    resident_mib: Option<f64>,
    peak_mib: Option<f64>,
    cpu: Option<f64>,
    sent_bytes: u64,
    received_bytes: u64,
}

impl Sample {
    fn core_percent(&self) -> Option<f64> {
        Some(self.cpu? / self.seconds * 1e2)
    }

    fn hourly_kb(&self) -> Option<f64> {
        let bytes = self.sent_bytes + self.received_bytes;
        Some(bytes as f64 / 1e3 * 3_600.0 / self.seconds)
    }
}

const COLUMNS: &[Column<Sample>] = &[
    Column {
        title: "resident MiB",
        cell: |row, _| figure(row.median(|sample| sample.resident_mib), 1),
    },
    Column {
        title: "peak MiB",
        cell: |row, _| figure(row.median(|sample| sample.peak_mib), 1),
    },
    Column {
        title: "% of a core",
        cell: |row, _| figure(row.median(Sample::core_percent), 3),
    },
    Column {
        title: "kB an hour, both ways",
        cell: |row, _| figure(row.median(Sample::hourly_kb), 0),
    },
];

/// Measures and reports.
pub(super) fn run(workspace: &Workspace, args: &IdleArgs) -> Result<bool> {
    let options = &args.options;
    let bench = Bench::prepare(workspace, options)?;
    bench.install("lab")?;
    let site = args.line.build(vec![Link::UNSHAPED; args.peers + 1])?;
    let (bench, site) = (&bench, &site);
    let crowd = format!("potluck with {} peers", args.peers);
    let mut field = Field::new();
    for (name, peers) in [("potluck alone", 0), (crowd.as_str(), args.peers)] {
        field.add(
            options,
            "potluck",
            name,
            || Ok(((), node::version(bench)?)),
            move |()| potluck(bench, site, args, peers),
        );
    }
    add_daemons(&mut field, bench, site, args);
    let runs = options.runs.unwrap_or(1);
    let rows = field.compare(bench, runs, |sample| {
        format!(
            "{} MiB, {} % of a core, {} kB an hour",
            figure(sample.resident_mib, 1),
            figure(sample.core_percent(), 3),
            figure(sample.hourly_kb(), 0),
        )
    });
    let report = Report {
        name: "idle",
        machine: Machine::this(),
        runs,
        parts: vec![Part {
            about: format!(
                "Over {} s, from {} s after the start of the last node; each node of ours shares one small file.",
                args.seconds, args.settle
            ),
            rows,
        }],
    };
    let dry = options.dry || !options.only.is_empty();
    report.publish(&bench.root, COLUMNS, dry)
}

/// Daemons of other programs, in the namespace that ours was measured in.
fn add_daemons<'a>(
    field: &mut Field<'a, Sample>,
    bench: &'a Bench,
    site: &'a Site,
    args: &'a IdleArgs,
) {
    let options = &args.options;
    field.add(
        options,
        "transmission",
        "transmission-daemon alone",
        || {
            bench.install("transmission")?;
            Ok((
                (),
                first_line(Command::new("transmission-daemon").arg("--version"))?,
            ))
        },
        |()| {
            let folder = bench.folder("transmission")?;
            daemon(bench, site, args, "transmission-daemon", |command| {
                command.arg("-f").arg("-g").arg(&folder)
            })
        },
    );
    field.add(
        options,
        "aria2",
        "aria2c --enable-rpc alone",
        || {
            bench.install("aria2")?;
            Ok(((), first_line(Command::new("aria2c").arg("--version"))?))
        },
        |()| {
            daemon(bench, site, args, "aria2c", |command| {
                command.args(["--no-conf", "--enable-rpc"])
            })
        },
    );
}

fn potluck(bench: &Bench, site: &Site, args: &IdleArgs, peers: usize) -> Result<Sample> {
    let measured = start(bench, site, MEASURED, None)?;
    let mut others = Vec::new();
    for index in 1..=peers {
        others.push(start(bench, site, index, Some(&measured.address))?);
    }
    let sample = idle(site, args, &measured.process)?;
    for running in others {
        running.process.stop()?;
    }
    measured.process.stop()?;
    Ok(sample)
}

/// A node that shares a file of its own.
fn start(bench: &Bench, site: &Site, index: usize, peer: Option<&str>) -> Result<Running> {
    let name = format!("node-{index}");
    let file = bench.scratch.join(format!("{name}.txt"));
    write(&file, &name)?;
    let node = Node::new(bench, site, index, &name);
    let running = node.up_with(&name, |up| {
        if let Some(peer) = peer {
            up.args(["--peer", peer]);
        }
    })?;
    node.share(&running, &file)?;
    Ok(running)
}

fn write(file: &Path, name: &str) -> Result<()> {
    std::fs::write(file, name.repeat(1_000))
        .with_context(|| format!("cannot write {}", file.display()))
}

fn daemon(
    bench: &Bench,
    site: &Site,
    args: &IdleArgs,
    program: &str,
    arguments: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<Sample> {
    let mut command = site.command(MEASURED, program);
    command
        .env("HOME", &bench.scratch)
        .current_dir(&bench.scratch);
    let running = Process::start(arguments(&mut command), &bench.log(program), bench.timeout)?;
    let sample = idle(site, args, &running)?;
    running.stop()?;
    Ok(sample)
}

/// Lets time pass.
fn idle(site: &Site, args: &IdleArgs, process: &Process) -> Result<Sample> {
    let Site::Lab(lab) = site else {
        anyhow::bail!("bytes are counted on a shaped network")
    };
    std::thread::sleep(Duration::from_secs(args.settle));
    let cpu = process.cpu_seconds();
    let before = lab.traffic(MEASURED);
    let start = std::time::Instant::now();
    std::thread::sleep(Duration::from_secs(args.seconds));
    let seconds = start.elapsed().as_secs_f64();
    let after = lab.traffic(MEASURED);
    Ok(Sample {
        seconds,
        resident_mib: process.resident_mib(),
        peak_mib: process.peak_mib(),
        cpu: process.cpu_since(cpu),
        sent_bytes: after.sent - before.sent,
        received_bytes: after.received - before.received,
    })
}

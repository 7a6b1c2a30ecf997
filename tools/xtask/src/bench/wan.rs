//! `bench wan`: a pair on a long line that loses packets, and one whose path goes dark for a while.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use potluck_netlab::Lab;
use serde::Serialize;

use super::compare::{Field, Row};
use super::lab::LineArgs;
use super::machine::Machine;
use super::node::{Node, event};
use super::options::{Bench, Options};
use super::pair::web::Web;
use super::pair::{RECEIVER, SENDER, Setting};
use super::process::Process;
use super::report::{Column, Part, Report, figure, spread};
use super::site::Site;
use super::{node, payload};
use crate::workspace::Workspace;

/// Options of `bench wan`.
#[derive(Args)]
pub(crate) struct WanArgs {
    /// Random loss in each direction, in percent, one table each
    #[arg(long, value_delimiter = ',', default_value = "0.1,1")]
    loss: Vec<f64>,
    /// Rate of both lines in both directions, in Mbit/s
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// Round trip, in milliseconds
    #[arg(long, default_value_t = 100)]
    rtt_ms: u64,
    /// Size of the file, in MiB
    #[arg(long, default_value_t = 256)]
    mib: u64,
    /// What is not complete after this many seconds is stopped, and its rate is that until then
    #[arg(long, default_value_t = 90)]
    limit: u64,
    /// Seconds for which the path goes dark in the last table; 0 leaves it out
    #[arg(long, default_value_t = 20)]
    dark: u64,
    #[command(flatten)]
    line: LineArgs,
    #[command(flatten)]
    options: Options,
}

/// How far into a transfer its path goes dark.
const DARK_AFTER: Duration = Duration::from_secs(5);
/// How long a transfer may take to come back.
const DARK_PATIENCE: Duration = Duration::from_secs(60);
/// Frames that make up as many bytes can only be content: it flows again.
const FLOWING_BYTES: u64 = 65_536;

/// One transfer, or a part of one.
#[derive(Serialize)]
struct Sample {
    /// Bytes of the file that arrived.
    bytes: u64,
    seconds: f64,
    /// Whether that is all of it.
    complete: bool,
    /// The line's rate in bits a second.
    line_bits: u64,
    /// Seconds from the return of the path until content came in.
    back_seconds: Option<f64>,
}

impl Sample {
    fn megabits(&self) -> Option<f64> {
        Some(self.bytes as f64 * 8.0 / 1e6 / self.seconds)
    }

    fn share(&self) -> Option<f64> {
        Some(self.bytes as f64 * 8.0 / self.seconds / self.line_bits as f64)
    }
}

const COLUMNS: &[Column<Sample>] = &[
    Column {
        title: "Mbit/s of content",
        cell: |row, _| spread(row, Sample::megabits, 1),
    },
    Column {
        title: "of the line",
        cell: |row, _| percent(row.median(Sample::share)),
    },
    Column {
        title: "rate ÷ potluck's",
        cell: |row, ours| super::report::ratio(row, ours, Sample::megabits),
    },
    Column {
        title: "seconds",
        cell: seconds,
    },
    Column {
        title: "flows again after, s",
        cell: |row, _| spread(row, |sample| sample.back_seconds, 2),
    },
];

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "—".into(), |value| format!("{:.0} %", value * 1e2))
}

fn seconds(row: &Row<Sample>, _ours: &Row<Sample>) -> String {
    let time = figure(row.median(|sample| Some(sample.seconds)), 1);
    if row.samples.iter().all(|sample| sample.complete) {
        return time;
    }
    format!("{time}, not complete")
}

/// Measures and reports.
pub(super) fn run(workspace: &Workspace, args: &WanArgs) -> Result<bool> {
    let options = &args.options;
    let bench = Bench::prepare(workspace, options)?;
    bench.install("lab")?;
    let runs = options.runs.unwrap_or(3);
    let mut parts = Vec::new();
    for loss in &args.loss {
        parts.push(part(&bench, args, *loss, Duration::ZERO, runs)?);
    }
    if args.dark > 0 {
        parts.push(part(
            &bench,
            args,
            0.0,
            Duration::from_secs(args.dark),
            runs,
        )?);
    }
    let report = Report {
        name: "wan",
        machine: Machine::this(),
        runs,
        parts,
    };
    let dry = options.dry || !options.only.is_empty();
    report.publish(&bench.root, COLUMNS, dry)
}

fn part(
    bench: &Bench,
    args: &WanArgs,
    loss: f64,
    dark: Duration,
    runs: u32,
) -> Result<Part<Sample>> {
    let delay = Duration::from_millis(args.rtt_ms) / 2;
    let line = args.line.link(args.rate, args.rate, delay, loss / 100.0);
    let site = args.line.build(vec![line; 2])?;
    let setting = Setting::new(bench, &site, payload::settled(bench, args.mib)?);
    let what = if dark.is_zero() {
        format!("{loss} % of packets lost in each direction")
    } else {
        format!(
            "no loss, and {} s of darkness after {} s",
            dark.as_secs(),
            DARK_AFTER.as_secs()
        )
    };
    let about = format!(
        "{} MiB at {} Mbit/s, {} ms round trip, {what}, queues of {} ms, {} unless a program chooses.",
        args.mib,
        args.rate,
        args.rtt_ms,
        args.line.queue_ms,
        args.line.congestion(),
    );
    println!("{about}");
    let plan = &Plan {
        dark,
        limit: Duration::from_secs(args.limit) + dark,
        line_bits: args.rate * 1_000_000,
    };
    let mut field = Field::new();
    field.add(
        &args.options,
        "potluck",
        "potluck",
        || Ok(((), node::version(bench)?)),
        |()| native(&setting, plan),
    );
    field.add(
        &args.options,
        "curl",
        "nginx → curl, HTTPS",
        || Web::prepare(bench),
        |web| curl(web, &setting, plan),
    );
    let rows = field.compare(bench, runs, |sample| {
        let back = sample.back_seconds;
        let back = back.map_or(String::new(), |back| {
            format!(", flows again after {back:.2} s")
        });
        format!("{:.1} Mbit/s{back}", sample.megabits().unwrap_or_default())
    });
    Ok(Part { about, rows })
}

/// What happens to each transfer.
struct Plan {
    dark: Duration,
    limit: Duration,
    line_bits: u64,
}

fn native(setting: &Setting<'_>, plan: &Plan) -> Result<Sample> {
    let Setting { bench, site, .. } = setting;
    let sender = Node::new(bench, site, SENDER, "sender");
    let running = sender.up("up")?;
    let link = sender.share(&running, &setting.payload)?;
    let mut get = Node::new(bench, site, RECEIVER, "receiver").get(&link, &setting.received);
    let getting = Process::start(&mut get, &bench.log("get"), bench.timeout)?;
    let mut done = 0;
    let sample = watch(setting, plan, getting, |line| {
        if let Some(progress) = event(line, "progress") {
            done = progress["done_bytes"].as_u64().unwrap_or(done);
        }
        Ok(done)
    })?;
    running.process.stop()?;
    Ok(sample)
}

fn curl(web: &Web, setting: &Setting<'_>, plan: &Plan) -> Result<Sample> {
    let bench = setting.bench;
    let server = web.serve(setting)?;
    let mut curl = web.fetch(setting, &server);
    let fetching = Process::start(&mut curl, &bench.log("curl"), bench.timeout)?;
    let sample = watch(setting, plan, fetching, |_| {
        let written = setting.received.metadata();
        Ok(written.map_or(0, |file| file.len()))
    })?;
    server.process.stop()?;
    Ok(sample)
}

/// Waits for a receiver to end or for the limit. `arrived` gives the bytes so far, told of each line.
fn watch(
    setting: &Setting<'_>,
    plan: &Plan,
    mut receiver: Process,
    mut arrived: impl FnMut(&str) -> Result<u64>,
) -> Result<Sample> {
    let Site::Lab(lab) = setting.site else {
        bail!("a long line needs a shaped network")
    };
    let all = setting.payload.metadata()?.len();
    let back_seconds = darken(lab, plan, &receiver)?;
    let mut bytes = 0;
    loop {
        let line = receiver.next_line(Duration::from_millis(10))?;
        bytes = arrived(line.as_deref().unwrap_or_default())?.max(bytes);
        let seconds = receiver.age();
        if let Some(ended) = receiver.has_ended()? {
            payload::check(&setting.payload, &setting.received)?;
            return Ok(Sample {
                bytes: all,
                seconds: ended.seconds,
                complete: true,
                line_bits: plan.line_bits,
                back_seconds,
            });
        }
        if seconds > plan.limit.as_secs_f64() {
            receiver.stop()?;
            return Ok(Sample {
                bytes,
                seconds,
                complete: false,
                line_bits: plan.line_bits,
                back_seconds,
            });
        }
    }
}

/// Turns the receiver's path dark and back. Gives the seconds from its return until content came in.
fn darken(lab: &Lab, plan: &Plan, receiver: &Process) -> Result<Option<f64>> {
    if plan.dark.is_zero() {
        return Ok(None);
    }
    let began = DARK_AFTER.saturating_sub(Duration::from_secs_f64(receiver.age()));
    std::thread::sleep(began);
    lab.darken(RECEIVER, plan.dark);
    let back = Instant::now() + plan.dark;
    std::thread::sleep(plan.dark);
    let before = lab.traffic(RECEIVER).received;
    while lab.traffic(RECEIVER).received < before + FLOWING_BYTES {
        if back.elapsed() > DARK_PATIENCE {
            return Err(anyhow::anyhow!(
                "nothing came in {} s after the return",
                DARK_PATIENCE.as_secs()
            ))
            .context("the path returned");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(Some(back.elapsed().as_secs_f64()))
}

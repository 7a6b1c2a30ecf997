//! `bench swarm`: one seed and many leeches that start at once, on lines as homes have them.

mod contenders;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use potluck_netlab::Link;
use serde::Serialize;

use self::contenders::{Aria2Swarm, Leech, LibtorrentSwarm, PotluckSwarm, Starter};
use super::compare::Field;
use super::lab::LineArgs;
use super::machine::{Machine, busy_seconds};
use super::node;
use super::options::{Bench, Options};
use super::payload;
use super::report::{Column, Part, Report, figure, ratio, spread};
use super::site::Site;
use crate::workspace::Workspace;

/// Options of `bench swarm`.
#[derive(Args)]
pub(crate) struct SwarmArgs {
    /// Sizes of the swarm, one table each
    #[arg(long, value_delimiter = ',', default_value = "8,16,32")]
    leeches: Vec<usize>,
    /// Size of the file, in MiB
    #[arg(long, default_value_t = 64)]
    mib: u64,
    /// Upload rate of each node, in Mbit/s
    #[arg(long, default_value_t = 40)]
    up: u64,
    /// Download rate of each node, in Mbit/s
    #[arg(long, default_value_t = 80)]
    down: u64,
    /// Upload rate of every third leech in the mixed swarm, in Mbit/s
    #[arg(long, default_value_t = 4)]
    slow_up: u64,
    /// Which swarms: all alike, with every third leech slow, or both
    #[arg(long, value_enum, default_value = "both")]
    links: Links,
    /// One-way delay, in milliseconds
    #[arg(long, default_value_t = 10)]
    delay_ms: u64,
    #[command(flatten)]
    line: LineArgs,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Links {
    Alike,
    Mixed,
    Both,
}

/// One distribution of the file.
#[derive(Serialize)]
struct Sample {
    /// Seconds until each leech had it, from the start of all, in order.
    finished: Vec<f64>,
    /// No swarm could end before.
    bound_seconds: f64,
    /// Bytes on the seed's line, in sizes of the file, with all headers.
    seed_copies: f64,
    /// The share of what the lines of all nodes could have sent that was sent, with all headers.
    upload_used: f64,
    /// The busy share of all cores of the machine meanwhile.
    busy: Option<f64>,
}

impl Sample {
    fn last(&self) -> Option<f64> {
        self.finished.last().copied()
    }

    fn mean(&self) -> Option<f64> {
        let count = self.finished.len() as f64;
        Some(self.finished.iter().sum::<f64>() / count)
    }

    fn over_bound(&self) -> Option<f64> {
        Some(self.last()? / self.bound_seconds)
    }
}

const COLUMNS: &[Column<Sample>] = &[
    Column {
        title: "last finisher, s",
        cell: |row, _| spread(row, Sample::last, 1),
    },
    Column {
        title: "÷ fluid bound",
        cell: |row, _| figure(row.median(Sample::over_bound), 2),
    },
    Column {
        title: "time ÷ potluck's",
        cell: |row, ours| ratio(row, ours, Sample::last),
    },
    Column {
        title: "mean finisher, s",
        cell: |row, _| figure(row.median(Sample::mean), 1),
    },
    Column {
        title: "copies sent by the seed",
        cell: |row, _| figure(row.median(|sample| Some(sample.seed_copies)), 2),
    },
    Column {
        title: "upload used",
        cell: |row, _| percent(row.median(|sample| Some(sample.upload_used))),
    },
    Column {
        title: "machine busy",
        cell: |row, _| percent(row.median(|sample| sample.busy)),
    },
];

fn percent(part: Option<f64>) -> String {
    part.map_or_else(|| "—".into(), |part| format!("{:.0} %", part * 1e2))
}

/// The seed; leeches follow, and last of all a node that is no part of the swarm, for a tracker.
const SEED: usize = 0;

/// What every program is given.
struct Setting<'a> {
    bench: &'a Bench,
    site: Site,
    links: Vec<Link>,
    leeches: usize,
    payload: PathBuf,
}

impl Setting<'_> {
    /// The node outside of the swarm.
    fn hub(&self) -> usize {
        self.leeches + 1
    }

    fn received(&self, leech: usize) -> PathBuf {
        self.bench.scratch.join(format!("received-{leech}"))
    }

    /// Seconds in which a fluid could be everywhere: no swarm is faster.
    fn bound(&self) -> Result<f64> {
        let bits = self.payload.metadata()?.len() as f64 * 8.0;
        let swarm = self.links.get(..=self.leeches).unwrap_or_default();
        let (seed, leeches) = swarm.split_first().context("a swarm without a seed")?;
        Ok(fluid_bound(bits, seed, leeches))
    }
}

fn fluid_bound(bits: f64, seed: &Link, leeches: &[Link]) -> f64 {
    let rate = |bits: Option<u64>| bits.map_or(f64::INFINITY, |bits| bits as f64);
    let slowest = leeches.iter().map(|link| rate(link.down_bits));
    let up = rate(seed.up_bits) + leeches.iter().map(|link| rate(link.up_bits)).sum::<f64>();
    let by_seed = bits / rate(seed.up_bits);
    let by_slowest = bits / slowest.fold(f64::INFINITY, f64::min);
    by_seed
        .max(by_slowest)
        .max(leeches.len() as f64 * bits / up)
}

/// Measures and reports.
pub(super) fn run(workspace: &Workspace, args: &SwarmArgs) -> Result<bool> {
    let options = &args.options;
    let bench = Bench::prepare(workspace, options)?;
    bench.install("lab")?;
    let payload = payload::settled(&bench, args.mib)?;
    let runs = options.runs.unwrap_or(3);
    let mut parts = Vec::new();
    for leeches in &args.leeches {
        for mixed in [false, true] {
            let unwanted = if mixed { Links::Alike } else { Links::Mixed };
            if args.links != unwanted {
                parts.push(part(&bench, args, payload.clone(), *leeches, mixed, runs)?);
            }
        }
    }
    let report = Report {
        name: "swarm",
        machine: Machine::this(),
        runs,
        parts,
    };
    let dry = options.dry || !options.only.is_empty();
    report.publish(&bench.root, COLUMNS, dry)
}

fn part(
    bench: &Bench,
    args: &SwarmArgs,
    payload: PathBuf,
    leeches: usize,
    mixed: bool,
    runs: u32,
) -> Result<Part<Sample>> {
    ensure!(leeches > 0, "a swarm needs a leech");
    let delay = Duration::from_millis(args.delay_ms);
    let line = |up| args.line.link(up, args.down, delay, 0.0);
    let mut links = vec![line(args.up)];
    links.extend((1..=leeches).map(|leech| {
        let is_slow = mixed && leech % 3 == 0;
        line(if is_slow { args.slow_up } else { args.up })
    }));
    links.push(Link::UNSHAPED);
    let site = args.line.build(links.clone())?;
    let setting = Setting {
        bench,
        site,
        links,
        leeches,
        payload,
    };
    let bound = setting.bound()?;
    let mix = if mixed {
        format!(", every third leech {} up", args.slow_up)
    } else {
        String::new()
    };
    let about = format!(
        "{leeches} leeches, {} MiB; each node {} Mbit/s up{mix}, {} down, {} ms one way, queues of {} ms, {}: \
         the fluid bound is {bound:.1} s.",
        args.mib,
        args.up,
        args.down,
        args.delay_ms,
        args.line.queue_ms,
        args.line.congestion(),
    );
    println!("{about}");
    let rows = field(&setting, &args.options).compare(bench, runs, |sample| {
        format!(
            "last {:.1} s, {:.2} × the bound, seed {:.2} copies, {:.0} % of upload used, machine {:.0} % busy",
            sample.last().unwrap_or_default(),
            sample.over_bound().unwrap_or_default(),
            sample.seed_copies,
            sample.upload_used * 1e2,
            sample.busy.unwrap_or_default() * 1e2,
        )
    });
    Ok(Part { about, rows })
}

fn field<'a>(setting: &'a Setting<'a>, options: &Options) -> Field<'a, Sample> {
    let mut field = Field::new();
    field.add(
        options,
        "potluck",
        "potluck",
        || Ok(((), node::version(setting.bench)?)),
        |()| distribute(setting, &PotluckSwarm::start(setting)?),
    );
    field.add(
        options,
        "aria2",
        "aria2",
        || Aria2Swarm::prepare(setting),
        |aria2| distribute(setting, &aria2.start(setting)?),
    );
    field.add(
        options,
        "libtorrent",
        "libtorrent",
        || LibtorrentSwarm::prepare(setting),
        |libtorrent| distribute(setting, &libtorrent.start(setting)?),
    );
    field.add(
        options,
        "potluck-seed",
        "potluck → libtorrent",
        || LibtorrentSwarm::prepare(setting),
        |libtorrent| distribute(setting, &libtorrent.start_behind_potluck(setting)?),
    );
    field
}

/// Starts all leeches at once, and waits until the last has everything. Each keeps serving until then.
fn distribute(setting: &Setting<'_>, starter: &impl Starter) -> Result<Sample> {
    let Site::Lab(lab) = &setting.site else {
        anyhow::bail!("a swarm needs a shaped network")
    };
    let sent = || -> Vec<u64> {
        let nodes = SEED..=setting.leeches;
        nodes.map(|node| lab.traffic(node).sent).collect()
    };
    let sent_before = sent();
    let busy_before = busy_seconds();
    let start = Instant::now();
    let all_done = std::sync::Barrier::new(setting.leeches + 1);
    let (results, sent, busy) = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=setting.leeches)
            .map(|leech| {
                let all_done = &all_done;
                scope.spawn(move || {
                    let result = starter.leech(leech);
                    let seconds = start.elapsed().as_secs_f64();
                    all_done.wait();
                    // What serves ends here, not before.
                    result.and_then(Leech::stop).map(|()| seconds)
                })
            })
            .collect();
        all_done.wait();
        let seconds = start.elapsed().as_secs_f64();
        let sent: Vec<u64> = (sent().iter().zip(&sent_before))
            .map(|(now, before)| now - before)
            .collect();
        let busy = busy_seconds()
            .zip(busy_before)
            .map(|(now, before)| (now - before) / seconds / Machine::cores() as f64);
        let results: Result<Vec<f64>> = threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked")))
            })
            .collect();
        (results, sent, busy)
    });
    let mut finished = results?;
    finished.sort_by(f64::total_cmp);
    for leech in 1..=setting.leeches {
        payload::check(&setting.payload, &setting.received(leech))
            .with_context(|| format!("leech {leech}"))?;
    }
    let rates = setting.links.iter().filter_map(|link| link.up_bits);
    let could = rates.sum::<u64>() as f64 / 8.0 * finished.last().copied().unwrap_or_default();
    Ok(Sample {
        finished,
        bound_seconds: setting.bound()?,
        seed_copies: sent.first().copied().unwrap_or_default() as f64
            / setting.payload.metadata()?.len() as f64,
        upload_used: sent.iter().sum::<u64>() as f64 / could,
        busy,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let link = |up, down| Link {
            up_bits: Some(up),
            down_bits: Some(down),
            ..Link::UNSHAPED
        };
        let bits = 64.0 * 1_048_576.0 * 8.0;
        let (seed, fast) = (link(40_000_000, 80_000_000), link(40_000_000, 80_000_000));
        // The seed has to send it once.
        let by_seed = fluid_bound(bits, &seed, &[fast; 8]);
        assert!((by_seed - 13.42).abs() < 0.01, "{by_seed}");
        // A slow line decides.
        let slow = link(40_000_000, 8_000_000);
        assert!((fluid_bound(bits, &seed, &[slow]) - 67.1).abs() < 0.1);
        // All uploads together decide.
        let poor = link(4_000_000, 80_000_000);
        let together = fluid_bound(bits, &seed, &[poor; 9]);
        assert!((together - 9.0 * bits / 76e6).abs() < 1e-6);
    }
}

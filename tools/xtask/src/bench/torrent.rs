//! `bench torrent`: one file of a torrent on loopback, Potluck with libtorrent and libtorrent with itself.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use super::compare::Field;
use super::machine::Machine;
use super::node::{self, Node, event};
use super::options::{Bench, Options};
use super::pair::bittorrent::Libtorrent;
use super::pair::{RECEIVER, SENDER, Sample};
use super::payload;
use super::process::{Ended, Process};
use super::report::{Column, Part, Report, figure, ratio, spread};
use super::site::Site;
use crate::workspace::Workspace;

/// Options of `bench torrent`.
#[derive(Args)]
pub(crate) struct TorrentArgs {
    /// Size of the file, in MiB
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    mib: u64,
    /// Versions of the torrent, one table each
    #[arg(long, value_delimiter = ',', default_value = "v1,v2")]
    formats: Vec<String>,
    #[command(flatten)]
    options: Options,
}

const COLUMNS: &[Column<Sample>] = &[
    Column {
        title: "seconds",
        cell: |row, _| spread(row, |sample| Some(sample.seconds), 2),
    },
    Column {
        title: "time ÷ libtorrent's",
        cell: |row, first| ratio(row, first, |sample| Some(sample.seconds)),
    },
    Column {
        title: "CPU s, receiver / sender",
        cell: |row, _| {
            let of = |of: fn(&Sample) -> Option<f64>| figure(row.median(of), 2);
            let receiver = of(|sample| sample.receiver_cpu);
            format!("{receiver} / {}", of(|sample| sample.sender_cpu))
        },
    },
    Column {
        title: "peak MiB, receiver / sender",
        cell: |row, _| {
            let of = |of: fn(&Sample) -> Option<f64>| figure(row.median(of), 0);
            let receiver = of(|sample| sample.receiver_peak_mib);
            format!("{receiver} / {}", of(|sample| sample.sender_peak_mib))
        },
    },
];

/// Measures and reports.
pub(super) fn run(workspace: &Workspace, args: &TorrentArgs) -> Result<bool> {
    let options = &args.options;
    let bench = Bench::prepare(workspace, options)?;
    let payload = payload::settled(&bench, args.mib)?;
    let runs = options.runs.unwrap_or(3);
    let mut parts = Vec::new();
    for format in &args.formats {
        let pair = Pair {
            bench: &bench,
            payload: payload.clone(),
            torrent: payload.with_extension(format!("{format}.torrent")),
        };
        let about = format!("{} MiB over loopback, a torrent of {format}.", args.mib);
        println!("{about}");
        let rows = field(&pair, format, options)
            .compare(&bench, runs, |sample| format!("{:.3} s", sample.seconds));
        parts.push(Part { about, rows });
    }
    let report = Report {
        name: "torrent",
        machine: Machine::this(),
        runs,
        parts,
    };
    let dry = options.dry || !options.only.is_empty();
    report.publish(&bench.root, COLUMNS, dry)
}

fn field<'a>(pair: &'a Pair<'a>, format: &str, options: &Options) -> Field<'a, Sample> {
    let mut field = Field::new();
    let described = || pair.describe(format);
    let mut add = |key: &str, name: &str, from: Kind, to: Kind| {
        let prepare = || {
            described()?;
            let (client, version) = Libtorrent::install(pair.bench)?;
            let ours = node::version(pair.bench)?;
            Ok((
                client.with_torrent(&pair.torrent),
                format!("{version}; {ours}"),
            ))
        };
        field.add(options, key, name, prepare, move |client| {
            pair.transfer(client, from, to)
        });
    };
    let (own, foreign) = (Kind::Potluck, Kind::Libtorrent);
    add("libtorrent", "libtorrent → libtorrent", foreign, foreign);
    add("fetches", "libtorrent → potluck", foreign, own);
    add("serves", "potluck → libtorrent", own, foreign);
    add("potluck", "potluck → potluck", own, own);
    field
}

#[derive(Clone, Copy)]
enum Kind {
    Potluck,
    Libtorrent,
}

/// What is moved.
struct Pair<'a> {
    bench: &'a Bench,
    payload: PathBuf,
    torrent: PathBuf,
}

impl Pair<'_> {
    fn link_file(&self) -> PathBuf {
        self.torrent.with_extension("link")
    }

    /// Makes the torrent file and its link with Potluck, unless they are there.
    fn describe(&self, format: &str) -> Result<()> {
        if self.torrent.exists() && self.link_file().exists() {
            return Ok(());
        }
        let mut create = Command::new(&self.bench.potluck);
        create
            .args(["--json", "--data"])
            .arg(self.bench.payloads.join("maker"))
            .args(["torrent", "create", "--piece-size", "1MiB"])
            .args(["--format", format, "--output"])
            .args([&self.torrent, &self.payload]);
        let made = create.output().context("cannot run potluck")?;
        let said = String::from_utf8_lossy(&made.stdout);
        let values = said
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let link = values
            .filter_map(|value| value["magnet"].as_str().map(str::to_owned))
            .next_back();
        let link = link.with_context(|| {
            let why = String::from_utf8_lossy(&made.stderr);
            format!("no torrent: {}", why.trim())
        })?;
        std::fs::write(self.link_file(), link).context("cannot write the link")
    }

    /// A node that stays on loopback.
    fn node(&self, index: usize, name: &str) -> Result<Node<'_>> {
        let node = Node::new(self.bench, &Site::Loopback, index, name);
        node.set("bittorrent.dht", "false")?;
        node.set("bittorrent.encryption", "off")?;
        Ok(node)
    }

    /// Starts what serves. Gives its port.
    fn seed(&self, client: &Libtorrent, kind: Kind) -> Result<(Process, u16)> {
        let (bench, log) = (self.bench, self.bench.log("seed"));
        match kind {
            Kind::Libtorrent => {
                let port = Site::Loopback.free_port(SENDER)?;
                let mut seed = client.seed(&Site::Loopback, SENDER, port, &self.payload)?;
                seed.args(["--tcp-only", "--encryption", "off"]);
                let seed = Process::start(&mut seed, &log, bench.timeout)?;
                seed.wait_line(|line| (line == "ready").then_some(()))?;
                Ok((seed, port))
            }
            Kind::Potluck => {
                let mut seed = self.node(SENDER, "seeder")?.command();
                seed.args(["torrent", "seed"])
                    .args([&self.torrent, &self.payload]);
                let seed = Process::start(&mut seed, &log, bench.timeout)?;
                let seeding = seed.wait_line(|line| event(line, "seeding"))?;
                let port = seeding["port"].as_u64().context("it serves on no port")?;
                Ok((seed, u16::try_from(port)?))
            }
        }
    }

    /// Starts what fetches, and waits until it has everything. Gives what it took and where that is.
    fn fetch(&self, client: &Libtorrent, kind: Kind, port: u16) -> Result<(Ended, PathBuf)> {
        let (bench, log) = (self.bench, self.bench.log("fetch"));
        let folder = bench.folder("received")?;
        match kind {
            Kind::Libtorrent => {
                let own = Site::Loopback.free_port(RECEIVER)?;
                let peers = [format!("127.0.0.1:{port}")];
                let mut leech = client.leech(&Site::Loopback, RECEIVER, own, &folder, &peers);
                leech.args(["--tcp-only", "--encryption", "off"]);
                let leech = Process::start(&mut leech, &log, bench.timeout)?;
                leech.wait_line(|line| (line == "done").then_some(()))?;
                let took = Ended {
                    seconds: leech.age(),
                    cpu: leech.cpu_seconds(),
                    peak_mib: leech.peak_mib(),
                };
                // It says that it is complete before the last blocks have reached the file system.
                leech.stop()?;
                let name = self.payload.file_name();
                Ok((took, folder.join(name.context("a payload without name")?)))
            }
            Kind::Potluck => {
                let to = folder.join("it");
                let link = std::fs::read_to_string(self.link_file())?;
                let link = format!("{link}&x.pe=127.0.0.1:{port}");
                let mut get = self.node(RECEIVER, "fetcher")?.get(&link, &to);
                let get = Process::start(&mut get, &log, bench.timeout)?;
                get.wait_line(|line| event(line, "done"))?;
                Ok((get.wait_end()?, to))
            }
        }
    }

    fn transfer(&self, client: &Libtorrent, from: Kind, to: Kind) -> Result<Sample> {
        let (seed, port) = self.seed(client, from)?;
        let before = seed.cpu_seconds();
        let (took, received) = self.fetch(client, to, port)?;
        let sample = Sample {
            mib: self.payload.metadata()?.len() >> 20,
            seconds: took.seconds,
            receiver_cpu: took.cpu,
            sender_cpu: seed.cpu_since(before),
            receiver_peak_mib: took.peak_mib,
            sender_peak_mib: seed.peak_mib(),
        };
        seed.stop()?;
        payload::check(&self.payload, &received)?;
        Ok(sample)
    }
}

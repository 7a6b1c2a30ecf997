//! The first byte of a range in the middle of a file that only the other node of a long line has.

use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::{GatewayArgs, asking, helia};
use crate::bench::compare::{Field, Row};
use crate::bench::machine::Machine;
use crate::bench::node::{self, Node};
use crate::bench::options::Bench;
use crate::bench::pair::{RECEIVER, SENDER, Setting};
use crate::bench::payload;
use crate::bench::report::{Column, Part, Report, figure, spread};

/// Bytes that are asked for at a time.
pub(super) const BYTES: u64 = 65_536;
/// Runs, unless the options say otherwise.
const RUNS: u32 = 7;
/// How long nodes that just met are left alone, so that what they tell each other first is not timed.
const SETTLE: Duration = Duration::from_millis(500);
/// Round trips that a first byte may take at most.
const GOAL: f64 = 4.0;

/// One run.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Sample {
    /// A round trip between both nodes: the least that a TCP connection took.
    pub(super) round_trip_seconds: f64,
    /// Until the first byte of a file that the asking node knows nothing of.
    pub(super) first_seconds: f64,
    /// Until the first byte of another range of the same file, far from the first.
    pub(super) next_seconds: f64,
}

impl Sample {
    fn first_trips(&self) -> Option<f64> {
        Some(self.first_seconds / self.round_trip_seconds)
    }

    fn next_trips(&self) -> Option<f64> {
        Some(self.next_seconds / self.round_trip_seconds)
    }
}

const COLUMNS: &[Column<Sample>] = &[
    Column {
        title: "first byte, ms",
        cell: |row, _| spread(row, |sample| Some(sample.first_seconds * 1e3), 0),
    },
    Column {
        title: "in round trips",
        cell: |row, _| figure(row.median(Sample::first_trips), 2),
    },
    Column {
        title: "of another range, ms",
        cell: |row, _| spread(row, |sample| Some(sample.next_seconds * 1e3), 0),
    },
    Column {
        title: "in round trips",
        cell: |row, _| figure(row.median(Sample::next_trips), 2),
    },
    Column {
        title: "round trip, ms",
        cell: |row, _| {
            figure(
                row.median(|sample| Some(sample.round_trip_seconds * 1e3)),
                1,
            )
        },
    },
];

/// Where the ranges of a run begin: in the middle, and near the end.
pub(super) fn places(mib: u64) -> [u64; 2] {
    [(mib << 19) + 4_321, (mib << 20) / 8 * 7 + 1_234]
}

/// Measures and reports.
pub(super) fn run(bench: &Bench, args: &GatewayArgs) -> Result<bool> {
    bench.install("lab")?;
    let delay = Duration::from_millis(args.delay_ms);
    let line = args.line.link(args.rate, args.rate, delay, 0.0);
    let site = args.line.build(vec![line; 2])?;
    let setting = Setting::new(bench, &site, payload::settled(bench, args.mib)?);
    let runs = args.options.runs.unwrap_or(RUNS);
    let about = format!(
        "{} KiB in the middle of a file of {} MiB that only the other node has, {} ms round trip, {} Mbit/s. Both are \
         connected; the node that is asked has never heard of the file.",
        BYTES >> 10,
        args.mib,
        args.delay_ms * 2,
        args.rate,
    );
    println!("{about}");
    let mut field = Field::new();
    field.add(
        &args.options,
        "potluck",
        "potluck, by its link",
        || Ok(((), node::version(bench)?)),
        |()| ours(&setting, args.mib, Asked::ByLink),
    );
    field.add(
        &args.options,
        "potluck",
        "potluck, by its CID alone",
        || Ok(((), node::version(bench)?)),
        |()| ours(&setting, args.mib, Asked::ByCid),
    );
    field.add(
        &args.options,
        "helia",
        "Helia, verified-fetch",
        || helia::Helia::prepare(bench),
        |helia| helia.fetch(&setting, args.mib),
    );
    let rows = field.compare(bench, runs, |sample| {
        format!(
            "{:.0} ms, another {:.0} ms, round trip {:.1} ms",
            sample.first_seconds * 1e3,
            sample.next_seconds * 1e3,
            sample.round_trip_seconds * 1e3
        )
    });
    say_goal(&rows);
    let report = Report {
        name: "gateway-first-byte",
        machine: Machine::this(),
        runs,
        parts: vec![Part { about, rows }],
    };
    let dry = args.options.dry || !args.options.only.is_empty();
    report.publish(&bench.root, COLUMNS, dry)
}

fn say_goal(rows: &[Row<Sample>]) {
    let ours = rows.first().and_then(|row| row.median(Sample::first_trips));
    if let Some(trips) = ours {
        let met = if trips <= GOAL { "met" } else { "MISSED" };
        println!("goal of {GOAL} round trips: {met} ({trips:.2})");
    }
}

/// What a file is asked for by. A CID does not tell a node what kind of file it is, which it has to look
/// at the file's start for.
#[derive(Clone, Copy)]
enum Asked {
    ByLink,
    ByCid,
}

impl Asked {
    fn path(self, link: &str) -> Option<String> {
        let cid = link.strip_prefix("potluck:")?.split('?').next()?;
        Some(match self {
            // A name is all that pages add.
            Self::ByLink => format!("/c/potluck%3A{cid}%3Fname%3Dfilm.mp4"),
            Self::ByCid => format!("/c/{cid}"),
        })
    }
}

fn ours(setting: &Setting<'_>, mib: u64, asked: Asked) -> Result<Sample> {
    let Setting { bench, site, .. } = setting;
    let giver = Node::new(bench, site, SENDER, "giver");
    let giving = giver.up("giver")?;
    let link = giver.share(&giving, &setting.payload)?;
    let path = asked.path(&link).context("a link of another kind")?;
    let reader = Node::new(bench, site, RECEIVER, "reader");
    let reading = reader.up("reader")?;
    reader.connect(&giving.address)?;
    std::thread::sleep(SETTLE);
    let port = reader.gateway()?.port;
    let address = (site.address(SENDER), node::PORT);
    let sample = site.inside(RECEIVER, || {
        let round_trip_seconds = round_trip(address)?;
        let ask = |from: u64| -> Result<f64> {
            let (seconds, body) = asking::range(port, &path, from, BYTES)?;
            check(&setting.payload, from, &body)?;
            Ok(seconds)
        };
        let [first, next] = places(mib);
        Ok(Sample {
            round_trip_seconds,
            first_seconds: ask(first)?,
            next_seconds: ask(next)?,
        })
    });
    reading.process.stop()?;
    giving.process.stop()?;
    sample
}

/// The least that a TCP connection takes.
fn round_trip(address: (Ipv4Addr, u16)) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..5 {
        let began = Instant::now();
        drop(TcpStream::connect(address).context("the line is dark")?);
        least = least.min(began.elapsed().as_secs_f64());
    }
    Ok(least)
}

/// An error if these are not the bytes of the file.
pub(super) fn check(file: &Path, from: u64, body: &[u8]) -> Result<()> {
    let mut expected = vec![0; body.len()];
    let file = File::open(file).context("cannot read the payload")?;
    file.read_exact_at(&mut expected, from)
        .context("cannot read the payload")?;
    ensure!(body == expected, "other bytes came");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Asked;

    #[test]
    fn paths_of_content() {
        let link = "potluck:bafkx?name=a&size=3&addr=/ip4/127.0.0.1/tcp/1";
        assert_eq!(Asked::ByCid.path(link).unwrap(), "/c/bafkx");
        let by_link = Asked::ByLink.path(link).unwrap();
        assert_eq!(by_link, "/c/potluck%3Abafkx%3Fname%3Dfilm.mp4");
        assert_eq!(Asked::ByCid.path("magnet:?x"), None);
    }
}

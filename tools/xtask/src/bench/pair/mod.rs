//! `bench pair`: one file from one process to another on loopback.

pub(super) mod bittorrent;
pub(super) mod native;
pub(super) mod sendme;
pub(super) mod web;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::compare::Field;
use super::machine::Machine;
use super::node;
use super::options::{Bench, Options};
use super::payload;
use super::report::{Column, Part, Report, figure, ratio, spread};
use super::site::Site;
use crate::workspace::Workspace;

/// Options of `bench pair`.
#[derive(Args)]
pub(crate) struct PairArgs {
    /// Size of the file, in MiB
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    mib: u64,
    #[command(flatten)]
    options: Options,
}

/// The nodes of a pair.
pub(super) const SENDER: usize = 0;
pub(super) const RECEIVER: usize = 1;

/// What every pair is given.
pub(super) struct Setting<'a> {
    pub(super) bench: &'a Bench,
    pub(super) site: &'a Site,
    /// The file to move.
    pub(super) payload: PathBuf,
    /// Where it is moved to.
    pub(super) received: PathBuf,
}

impl<'a> Setting<'a> {
    pub(super) fn new(bench: &'a Bench, site: &'a Site, payload: PathBuf) -> Self {
        Self {
            bench,
            site,
            payload,
            received: bench.scratch.join("received.bin"),
        }
    }
}

/// One transfer.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Sample {
    pub(super) mib: u64,
    pub(super) seconds: f64,
    pub(super) receiver_cpu: Option<f64>,
    pub(super) sender_cpu: Option<f64>,
    pub(super) receiver_peak_mib: Option<f64>,
    pub(super) sender_peak_mib: Option<f64>,
}

impl Sample {
    fn seconds(&self) -> Option<f64> {
        Some(self.seconds)
    }

    fn rate(&self) -> Option<f64> {
        Some((self.mib << 20) as f64 / 1e6 / self.seconds)
    }

    fn cpu_per_gib(&self) -> Option<f64> {
        let both = self.receiver_cpu? + self.sender_cpu?;
        Some(both * 1_024.0 / self.mib as f64)
    }
}

const COLUMNS: &[Column<Sample>] = &[
    Column {
        title: "seconds",
        cell: |row, _| spread(row, Sample::seconds, 2),
    },
    Column {
        title: "time ÷ potluck's",
        cell: |row, ours| ratio(row, ours, Sample::seconds),
    },
    Column {
        title: "MB/s",
        cell: |row, _| figure(row.median(Sample::rate), 0),
    },
    Column {
        title: "CPU s per GiB, both",
        cell: |row, _| figure(row.median(Sample::cpu_per_gib), 2),
    },
    Column {
        title: "of it receiver / sender",
        cell: |row, _| {
            let receiver = figure(row.median(|sample| sample.receiver_cpu), 2);
            format!(
                "{receiver} / {}",
                figure(row.median(|sample| sample.sender_cpu), 2)
            )
        },
    },
    Column {
        title: "peak MiB receiver / sender",
        cell: |row, _| {
            let receiver = figure(row.median(|sample| sample.receiver_peak_mib), 0);
            format!(
                "{receiver} / {}",
                figure(row.median(|sample| sample.sender_peak_mib), 0)
            )
        },
    },
];

/// Measures and reports.
pub(super) fn run(workspace: &Workspace, args: &PairArgs) -> Result<bool> {
    let options = &args.options;
    let bench = Bench::prepare(workspace, options)?;
    let site = Site::Loopback;
    let setting = Setting::new(&bench, &site, payload::settled(&bench, args.mib)?);
    let setting = &setting;
    let checked = |sample: Result<Sample>| -> Result<Sample> {
        let sample = sample?;
        payload::check(&setting.payload, &setting.received)?;
        Ok(sample)
    };
    let mut field = Field::new();
    field.add(
        options,
        "potluck",
        "potluck",
        || Ok(((), node::version(&bench)?)),
        |()| checked(native::transfer(setting)),
    );
    field.add(
        options,
        "curl",
        "nginx → curl, HTTPS",
        || web::Web::prepare(&bench),
        |web| checked(web.transfer(setting)),
    );
    field.add(
        options,
        "aria2",
        "aria2 pair",
        || bittorrent::Aria2::prepare(setting),
        |aria2| checked(aria2.transfer(setting)),
    );
    field.add(
        options,
        "libtorrent",
        "libtorrent pair",
        || bittorrent::Libtorrent::prepare(setting),
        |libtorrent| checked(libtorrent.transfer(setting)),
    );
    field.add(
        options,
        "sendme",
        "sendme pair",
        || sendme::Sendme::prepare(&bench),
        |sendme| checked(sendme.transfer(setting)),
    );
    let runs = options.runs.unwrap_or(5);
    let show = |sample: &Sample| format!("{:.3} s", sample.seconds);
    let report = Report {
        name: "pair",
        machine: Machine::this(),
        runs,
        parts: vec![Part {
            about: format!("{} MiB over loopback.", args.mib),
            rows: field.compare(&bench, runs, show),
        }],
    };
    let dry = options.dry || !options.only.is_empty();
    report.publish(&bench.root, COLUMNS, dry)
}

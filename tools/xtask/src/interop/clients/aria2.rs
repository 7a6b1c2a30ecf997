//! aria2. It meets its peers through the tracker, having no other way to be told of them.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Client, Serving, Wanted, unsupported};
use crate::bench::options::{Bench, first_line};
use crate::interop::cell::{Cell, Connection, Outcome, Version};
use crate::interop::place::Place;

/// The program of the system.
pub(super) struct Aria2 {
    version: String,
}

impl Aria2 {
    /// Makes sure that it is there.
    pub(super) fn prepare(bench: &Bench) -> Result<Self> {
        bench.install("aria2")?;
        let version = first_line(Command::new("aria2c").arg("--version"))?;
        Ok(Self { version })
    }
}

fn command(place: &Place<'_>, port: u16, folder: &Path) -> Command {
    let mut command = place.command("aria2c");
    command
        .args(["--no-conf", "--enable-dht=false", "--enable-dht6=false"])
        .args(["--bt-enable-lpd=false", "--enable-peer-exchange=true"])
        .args(["--file-allocation=none", "--allow-overwrite=true"])
        .args(["--follow-torrent=mem", "--seed-ratio=0.0"])
        .args(["--summary-interval=0", "--console-log-level=notice"])
        .args(["--enable-color=false", "--show-console-readout=false"])
        .arg("--on-bt-download-complete")
        .arg(place.bench.scripts.join("say_done.sh"))
        .arg("--interface=127.0.0.1")
        .arg(format!("--listen-port={port}"))
        .arg("--dir")
        .arg(folder);
    if place.connection == Connection::Encrypted {
        command.args(["--bt-require-crypto=true", "--bt-min-crypto-level=arc4"]);
    }
    command
}

impl Client for Aria2 {
    fn version(&self) -> &str {
        &self.version
    }

    fn without_trying(&self, cell: Cell) -> Option<Outcome> {
        if cell.connection == Connection::Utp {
            return unsupported("uTP", "aria2");
        }
        match cell.row.version {
            Version::V2 => unsupported("version 2", "aria2"),
            // `aria2c --show-files` prints another infohash than the tracker and its peers know.
            Version::Hybrid => unsupported("the infohash of hybrids", "aria2"),
            Version::V1 => None,
        }
    }

    fn seed(&self, place: &Place<'_>, torrent: &Path, folder: &Path) -> Result<Serving> {
        let port = place.free_port()?;
        let mut seed = command(place, port, folder);
        seed.args(["--check-integrity=true", "--bt-hash-check-seed=true"]);
        let process = place.start(seed.arg(torrent), "seed")?;
        process.wait_line(|line| {
            let said = ["Verification finished successfully", "Seeding is"];
            said.iter().any(|said| line.contains(said)).then_some(())
        })?;
        Ok(Serving {
            process,
            port,
            magnet: None,
        })
    }

    fn fetch(&self, place: &Place<'_>, wanted: &Wanted<'_>) -> Result<f64> {
        let mut leech = command(place, place.free_port()?, wanted.into);
        let process = place.start(leech.arg(wanted.link), "fetch")?;
        process.wait_line(|line| (line == "done").then_some(()))?;
        let seconds = process.age();
        process.stop()?;
        Ok(seconds)
    }
}

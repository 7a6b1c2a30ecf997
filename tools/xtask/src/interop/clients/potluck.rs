//! Potluck itself: `torrent seed` and `get`, each with a data directory of its own.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Client, Serving, Wanted};
use crate::bench::options::{Bench, first_line};
use crate::interop::cell::{Cell, Connection, Outcome};
use crate::interop::place::Place;

/// The program of this tree.
pub(super) struct Potluck {
    version: String,
}

impl Potluck {
    /// Asks it for its version.
    pub(super) fn prepare(bench: &Bench) -> Result<Self> {
        let version = first_line(Command::new(&bench.potluck).arg("--version"))?;
        Ok(Self { version })
    }
}

/// The program with a data directory that is set for the cell.
fn node(place: &Place<'_>, name: &str) -> Result<Command> {
    let data = place.folder(name)?;
    let encryption = match place.connection {
        Connection::Encrypted => "require",
        Connection::Plain | Connection::Utp => "off",
    };
    let is_utp = place.connection == Connection::Utp;
    let settings = [
        ("bittorrent.encryption", encryption),
        ("bittorrent.tcp", if is_utp { "false" } else { "true" }),
        ("bittorrent.utp", if is_utp { "true" } else { "false" }),
        ("bittorrent.dht", "false"),
        ("bittorrent.lsd", "false"),
    ];
    let command = || {
        let mut command = place.command(&place.bench.potluck);
        command
            .env("POTLUCK_LISTEN", "/ip4/127.0.0.1/tcp/0")
            .arg("--json")
            .arg("--data")
            .arg(&data);
        command
    };
    for (key, value) in settings {
        place
            .ask(command().args(["config", "set", key, value]))
            .with_context(|| format!("cannot set {key}"))?;
    }
    Ok(command())
}

/// An event of this kind.
fn event(line: &str, kind: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(line).ok()?;
    (value["event"] == kind).then_some(value)
}

impl Client for Potluck {
    fn version(&self) -> &str {
        &self.version
    }

    fn without_trying(&self, _cell: Cell) -> Option<Outcome> {
        None
    }

    fn takes_peers_of_links(&self) -> bool {
        true
    }

    fn seed(&self, place: &Place<'_>, torrent: &Path, folder: &Path) -> Result<Serving> {
        let mut seed = node(place, "s")?;
        seed.args(["torrent", "seed"])
            .args([torrent, folder])
            .arg("--no-lan");
        let process = place.start(&mut seed, "seed")?;
        let seeding = process.wait_line(|line| event(line, "seeding"))?;
        let port = seeding["port"]
            .as_u64()
            .and_then(|port| port.try_into().ok());
        Ok(Serving {
            process,
            port: port.context("it serves on no port")?,
            magnet: seeding["magnet"].as_str().map(str::to_owned),
        })
    }

    fn fetch(&self, place: &Place<'_>, wanted: &Wanted<'_>) -> Result<f64> {
        let mut get = node(place, "f")?;
        // The slash says that the content goes below the folder under its own name.
        get.args(["get", wanted.link, "--no-lan", "--timeout", "30", "-o"])
            .arg(wanted.into.join(""));
        let process = place.start(&mut get, "fetch")?;
        process.wait_line(|line| event(line, "done"))?;
        Ok(process.wait_end()?.seconds)
    }
}

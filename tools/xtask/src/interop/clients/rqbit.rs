//! rqbit, from crates.io.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Client, Serving, Wanted, unsupported};
use crate::bench::options::{Bench, first_line};
use crate::interop::cell::{Cell, Connection, Outcome, Version};
use crate::interop::place::Place;

/// The program, in the folder of tools.
pub(super) struct Rqbit {
    program: PathBuf,
    version: String,
}

impl Rqbit {
    /// Looks whether it is there. It is not installed: to build it takes longer than the matrix.
    pub(super) fn prepare(bench: &Bench) -> Result<Self> {
        let program = bench.cargo_tool("rqbit");
        ensure!(
            program.is_file(),
            "not there: `cargo install rqbit --locked` into the folder of tools takes too long for the matrix"
        );
        let version = first_line(Command::new(&program).arg("--version"))?;
        Ok(Self { program, version })
    }

    /// `download` with an API at the port `api`.
    fn command(&self, place: &Place<'_>, name: &str, (port, api): (u16, u16)) -> Result<Command> {
        let mut command = place.command(&self.program);
        command
            .env("HOME", place.folder(&format!("{name}-home"))?)
            .args([
                "--disable-dht",
                "--disable-lsd",
                "--disable-upnp-port-forward",
            ])
            .args(["--listen-ip", "127.0.0.1", "--listen-port"])
            .arg(port.to_string())
            // It tells trackers the port of its server otherwise, whatever it listens on.
            .arg("--announce-port")
            .arg(port.to_string())
            .args(["--http-api-listen-addr", &format!("127.0.0.1:{api}")]);
        if place.connection == Connection::Utp {
            command.args(["--disable-tcp-listen", "--disable-tcp-connect"]);
            command.arg("--experimental-enable-utp-listen");
        }
        command.arg("download");
        Ok(command)
    }
}

/// Waits until all of its torrent is there and checked, as its API tells.
fn wait_complete(place: &Place<'_>, api: u16) -> Result<()> {
    place.wait_for_port(api)?;
    place.wait_until("the check of what is there", || {
        let mut curl = place.command("curl");
        curl.args(["--silent", "--noproxy", "*"])
            .arg(format!("http://127.0.0.1:{api}/torrents/0/stats/v1"));
        let stats: Value = serde_json::from_str(&place.ask(&mut curl)?).unwrap_or_default();
        Ok((stats["finished"] == true).then_some(()))
    })
}

impl Client for Rqbit {
    fn version(&self) -> &str {
        &self.version
    }

    fn without_trying(&self, cell: Cell) -> Option<Outcome> {
        if cell.connection == Connection::Encrypted {
            return unsupported("encryption", "rqbit");
        }
        match cell.row.version {
            Version::V2 => unsupported("version 2", "rqbit"),
            Version::V1 | Version::Hybrid => None,
        }
    }

    fn seed(&self, place: &Place<'_>, torrent: &Path, folder: &Path) -> Result<Serving> {
        let (port, api) = (place.free_port()?, place.free_port()?);
        let mut seed = self.command(place, "seed", (port, api))?;
        seed.args(["--overwrite", "--output-folder"])
            .args([folder, torrent]);
        let process = place.start(&mut seed, "seed")?;
        wait_complete(place, api)?;
        Ok(Serving {
            process,
            port,
            magnet: None,
        })
    }

    fn fetch(&self, place: &Place<'_>, wanted: &Wanted<'_>) -> Result<f64> {
        let ports = (place.free_port()?, place.free_port()?);
        let mut leech = self.command(place, "fetch", ports)?;
        leech
            .args(["--exit-on-finish", "--output-folder"])
            .arg(wanted.into)
            .arg(wanted.link);
        Ok(place.start(&mut leech, "fetch")?.wait_end()?.seconds)
    }
}

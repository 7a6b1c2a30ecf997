//! rqbit, from crates.io.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::{Client, Serving, Wanted, never};
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
        ensure!(program.is_file(), "not installed");
        let version = first_line(Command::new(&program).arg("--version"))?;
        Ok(Self { program, version })
    }

    fn command(&self, place: &Place<'_>, name: &str, port: u16) -> Result<Command> {
        let mut command = place.command(&self.program);
        command
            .env("HOME", place.folder(&format!("{name}-home"))?)
            .args([
                "--disable-dht",
                "--disable-lsd",
                "--disable-upnp-port-forward",
            ])
            .args([
                "--listen-ip",
                "127.0.0.1",
                "--listen-port",
                &port.to_string(),
            ])
            .args([
                "--http-api-listen-addr",
                &format!("127.0.0.1:{}", place.free_port()?),
            ])
            .arg("download");
        Ok(command)
    }
}

impl Client for Rqbit {
    fn version(&self) -> &str {
        &self.version
    }

    fn without_trying(&self, cell: Cell) -> Option<Outcome> {
        if cell.connection == Connection::Encrypted {
            return never("rqbit has no encryption");
        }
        match cell.row.version {
            Version::V2 => never("rqbit has no version 2"),
            Version::V1 | Version::Hybrid => None,
        }
    }

    fn seed(&self, place: &Place<'_>, torrent: &Path, folder: &Path) -> Result<Serving> {
        let port = place.free_port()?;
        let mut seed = self.command(place, "seed", port)?;
        seed.args(["--overwrite", "--output-folder"])
            .args([folder, torrent]);
        let process = place.start(&mut seed, "seed")?;
        place.wait_for_port(port)?;
        Ok(Serving {
            process,
            port,
            magnet: None,
        })
    }

    fn fetch(&self, place: &Place<'_>, wanted: &Wanted<'_>) -> Result<f64> {
        let mut leech = self.command(place, "fetch", place.free_port()?)?;
        leech
            .args(["--exit-on-finish", "--output-folder"])
            .arg(wanted.into)
            .arg(wanted.link);
        Ok(place.start(&mut leech, "fetch")?.wait_end()?.seconds)
    }
}

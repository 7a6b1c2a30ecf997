//! libtorrent, driven by the script in `bench/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Client, Serving, Wanted};
use crate::bench::options::{Bench, first_line};
use crate::interop::cell::{Cell, Connection, Outcome};
use crate::interop::place::Place;

/// The library, in a Python of its own.
pub(super) struct Libtorrent {
    python: PathBuf,
    script: PathBuf,
    version: String,
}

impl Libtorrent {
    /// Makes sure that it is there.
    pub(super) fn prepare(bench: &Bench) -> Result<Self> {
        bench.install("libtorrent")?;
        let python = bench.libtorrent_python();
        let script = bench.scripts.join("libtorrent_peer.py");
        let version = first_line(Command::new(&python).arg(&script).arg("version"))?;
        Ok(Self {
            python,
            script,
            version: format!("libtorrent {version}"),
        })
    }

    fn command(&self, place: &Place<'_>, role: &str, port: u16) -> Command {
        let (transport, encryption) = match place.connection {
            Connection::Plain => ("--tcp-only", "off"),
            Connection::Encrypted => ("--tcp-only", "require"),
            Connection::Utp => ("--utp-only", "off"),
        };
        let mut command = place.command(&self.python);
        command
            .arg(&self.script)
            .args([role, transport, "--encryption", encryption])
            .args(["--listen", &format!("127.0.0.1:{port}")]);
        command
    }
}

impl Client for Libtorrent {
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
        let port = place.free_port()?;
        let mut seed = self.command(place, "seed", port);
        let process = place.start(seed.args([torrent, folder]), "seed")?;
        process.wait_line(|line| (line == "ready").then_some(()))?;
        Ok(Serving {
            process,
            port,
            magnet: None,
        })
    }

    fn fetch(&self, place: &Place<'_>, wanted: &Wanted<'_>) -> Result<f64> {
        let mut leech = self.command(place, "leech", place.free_port()?);
        let process = place.start(leech.arg(wanted.link).arg(wanted.into), "fetch")?;
        process.wait_line(|line| (line == "done").then_some(()))?;
        let seconds = process.age();
        process.stop()?;
        Ok(seconds)
    }
}

//! Transmission: its daemon, told what to do by its remote control.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::{Client, Serving, Wanted, unsupported};
use crate::bench::options::{Bench, first_line};
use crate::bench::process::Process;
use crate::interop::cell::{Cell, Connection, Outcome, Version};
use crate::interop::place::Place;

/// The programs of the system.
pub(super) struct Transmission {
    version: String,
}

impl Transmission {
    /// Makes sure that they are there.
    pub(super) fn prepare(bench: &Bench) -> Result<Self> {
        bench.install("transmission")?;
        let version = first_line(Command::new("transmission-daemon").arg("--version"))?;
        Ok(Self { version })
    }
}

/// A daemon that does nothing yet.
struct Daemon<'a> {
    place: &'a Place<'a>,
    process: Process,
    port: u16,
    remote: String,
}

impl<'a> Daemon<'a> {
    /// Starts one with a configuration of its own.
    fn start(place: &'a Place<'_>, name: &str) -> Result<Self> {
        let folder = place.folder(&format!("{name}-home"))?;
        let (port, remote) = (place.free_port()?, place.free_port()?);
        let settings = settings(place.connection, port, remote);
        std::fs::write(folder.join("settings.json"), settings)
            .context("cannot write the settings of Transmission")?;
        let mut daemon = place.command("transmission-daemon");
        daemon.args(["--foreground", "--config-dir"]).arg(&folder);
        let process = place.start(&mut daemon, name)?;
        place.wait_for_port(remote)?;
        Ok(Self {
            place,
            process,
            port,
            remote: format!("127.0.0.1:{remote}"),
        })
    }

    fn remote(&self) -> Command {
        let mut command = self.place.command("transmission-remote");
        command.arg(&self.remote);
        command
    }

    /// Adds a torrent whose files are or will be in `folder`.
    fn add(&self, link: &str, folder: &Path) -> Result<()> {
        let mut add = self.remote();
        add.args(["--add", link, "--download-dir"]).arg(folder);
        let said = self.place.ask(&mut add)?;
        ensure!(said.contains("success"), "not added: {}", said.trim());
        Ok(())
    }

    /// Waits until all of the torrent is there and checked.
    fn wait_complete(&self) -> Result<()> {
        let mut last = String::new();
        let complete = self.place.wait_until("completion", || {
            let said = self.place.ask(self.remote().args(["-t", "all", "-i"]))?;
            let field = |name: &str| {
                let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
                line.map(str::trim).unwrap_or_default().to_owned()
            };
            last = format!("{} {}", field("State:"), field("Error:"));
            if last.contains("local data") {
                bail!("{last}");
            }
            let is_checking = field("State:").contains("Verifying");
            Ok((field("Percent Done:") == "100%" && !is_checking).then_some(()))
        });
        complete.with_context(|| format!("state: {}", last.trim()))
    }
}

/// Loopback only, and nothing that looks for peers but the tracker.
fn settings(connection: Connection, port: u16, remote: u16) -> String {
    let encryption = match connection {
        // 0 prefers plain connections, 2 takes no others than encrypted ones.
        Connection::Encrypted => 2,
        Connection::Plain | Connection::Utp => 0,
    };
    let settings = json!({
        "bind-address-ipv4": "127.0.0.1",
        "bind-address-ipv6": "::1",
        "peer-port": port,
        "rpc-bind-address": "127.0.0.1",
        "rpc-port": remote,
        "rpc-authentication-required": false,
        "encryption": encryption,
        "dht-enabled": false,
        "lpd-enabled": false,
        "pex-enabled": true,
        "utp-enabled": connection == Connection::Utp,
        "port-forwarding-enabled": false,
        "start-added-torrents": true,
        "blocklist-enabled": false,
        "message-level": 2,
    });
    settings.to_string()
}

impl Client for Transmission {
    fn version(&self) -> &str {
        &self.version
    }

    fn without_trying(&self, cell: Cell) -> Option<Outcome> {
        match cell.row.version {
            Version::V2 => unsupported("version 2", "Transmission 3"),
            Version::Hybrid => unsupported("hybrids", "Transmission 3"),
            Version::V1 => None,
        }
    }

    fn dials_loopback(&self) -> bool {
        false
    }

    fn makes_empty_files(&self) -> bool {
        false
    }

    fn seed(&self, place: &Place<'_>, torrent: &Path, folder: &Path) -> Result<Serving> {
        let daemon = Daemon::start(place, "seed")?;
        daemon.add(&torrent.to_string_lossy(), folder)?;
        daemon.wait_complete()?;
        Ok(Serving {
            port: daemon.port,
            process: daemon.process,
            magnet: None,
        })
    }

    fn fetch(&self, place: &Place<'_>, wanted: &Wanted<'_>) -> Result<f64> {
        let daemon = Daemon::start(place, "fetch")?;
        daemon.add(wanted.link, wanted.into)?;
        daemon.wait_complete()?;
        let seconds = daemon.process.age();
        daemon.process.stop()?;
        Ok(seconds)
    }
}

//! qBittorrent without a window, told what to do by its web API.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Client, Serving, Wanted};
use crate::bench::options::{Bench, first_line};
use crate::bench::process::Process;
use crate::interop::cell::{Cell, Connection, Outcome};
use crate::interop::place::Place;

/// The program of the system.
pub(super) struct QBittorrent {
    version: String,
}

impl QBittorrent {
    /// Makes sure that it is there.
    pub(super) fn prepare(bench: &Bench) -> Result<Self> {
        bench.install("qbittorrent")?;
        let version = first_line(Command::new("qbittorrent-nox").arg("--version"))?;
        Ok(Self { version })
    }
}

/// A program that does nothing yet.
struct Running<'a> {
    place: &'a Place<'a>,
    process: Process,
    port: u16,
    api: String,
}

impl<'a> Running<'a> {
    /// Starts one with a profile of its own.
    fn start(place: &'a Place<'_>, name: &str) -> Result<Self> {
        let profile = place.folder(&format!("{name}-home"))?;
        let config = place.folder(&format!("{name}-home/qBittorrent/config"))?;
        let (port, web) = (place.free_port()?, place.free_port()?);
        std::fs::write(
            config.join("qBittorrent.conf"),
            settings(place.connection, port, web),
        )
        .context("cannot write the settings of qBittorrent")?;
        let mut command = place.command("qbittorrent-nox");
        command.arg(format!("--profile={}", profile.display()));
        let process = place.start(&mut command, name)?;
        place.wait_for_port(web)?;
        Ok(Self {
            place,
            process,
            port,
            api: format!("http://127.0.0.1:{web}/api/v2/torrents"),
        })
    }

    fn curl(&self, method: &str) -> Command {
        let mut curl = self.place.command("curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*"])
            .arg(format!("{}/{method}", self.api));
        curl
    }

    /// Adds a torrent whose files are or will be in `folder`.
    fn add(&self, link: &str, folder: &Path, is_there: bool) -> Result<()> {
        let mut add = self.curl("add");
        // The text of `--form-string` is taken as it is; a link would not survive `--form`.
        if link.starts_with("magnet:") {
            add.args(["--form-string", &format!("urls={link}")]);
        } else {
            add.args(["--form", &format!("torrents=@\"{link}\"")]);
        }
        add.args(["--form-string", &format!("savepath={}", folder.display())])
            .args(["--form-string", &format!("skip_checking={is_there}")])
            .args(["--form-string", "autoTMM=false"])
            .args(["--form-string", "contentLayout=Original"]);
        let said = self.place.ask(&mut add)?;
        ensure!(said.contains("Ok"), "not added: {}", said.trim());
        Ok(())
    }

    /// Waits until all of the torrent is there and checked.
    fn wait_complete(&self) -> Result<()> {
        let mut last = String::new();
        let complete = self.place.wait_until("completion", || {
            let said = self.place.ask(&mut self.curl("info"))?;
            let all: Value = serde_json::from_str(&said).context("no JSON from qBittorrent")?;
            let state = all[0]["state"].as_str().unwrap_or_default();
            last = format!("{state}, {}", all[0]["progress"]);
            ensure!(
                !matches!(state, "error" | "missingFiles"),
                "its state is {state}"
            );
            // The states of what is complete end in UP, for uploading.
            let is_complete =
                state == "uploading" || (state.ends_with("UP") && state != "checkingUP");
            Ok(is_complete.then_some(()))
        });
        complete.with_context(|| format!("state: {last}"))
    }
}

/// Loopback only, and nothing that looks for peers but the tracker and the link.
fn settings(connection: Connection, port: u16, web: u16) -> String {
    let (protocol, encryption) = match connection {
        // 0 is the default, 1 takes encrypted connections alone, 2 none of them.
        Connection::Plain => ("TCP", 2),
        Connection::Encrypted => ("TCP", 1),
        Connection::Utp => ("UTP", 2),
    };
    format!(
        "[LegalNotice]\nAccepted=true\n\n\
         [BitTorrent]\n\
         Session\\BTProtocol={protocol}\n\
         Session\\DHTEnabled=false\n\
         Session\\Encryption={encryption}\n\
         Session\\Interface=lo\n\
         Session\\InterfaceAddress=127.0.0.1\n\
         Session\\InterfaceName=lo\n\
         Session\\LSDEnabled=false\n\
         Session\\MultiConnectionsPerIp=true\n\
         Session\\Port={port}\n\
         Session\\QueueingSystemEnabled=false\n\n\
         [Network]\nPortForwardingEnabled=false\n\n\
         [Preferences]\n\
         WebUI\\Address=127.0.0.1\n\
         WebUI\\LocalHostAuth=false\n\
         WebUI\\Port={web}\n\
         WebUI\\UseUPnP=false\n"
    )
}

impl Client for QBittorrent {
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
        let running = Running::start(place, "seed")?;
        running.add(&torrent.to_string_lossy(), folder, true)?;
        running.wait_complete()?;
        Ok(Serving {
            port: running.port,
            process: running.process,
            magnet: None,
        })
    }

    fn fetch(&self, place: &Place<'_>, wanted: &Wanted<'_>) -> Result<f64> {
        let running = Running::start(place, "fetch")?;
        running.add(wanted.link, wanted.into, false)?;
        running.wait_complete()?;
        let seconds = running.process.age();
        running.process.stop()?;
        Ok(seconds)
    }
}

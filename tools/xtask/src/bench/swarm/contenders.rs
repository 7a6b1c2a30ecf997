//! How each program takes part in a swarm.

use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{SEED, Setting};
use crate::bench::node::{Node, Running, event};
use crate::bench::pair::bittorrent::{Aria2, Libtorrent, tracker_command};
use crate::bench::process::Process;

/// BitTorrent clients each have an address of their own.
const PORT: u16 = 6_881;
const TRACKER_PORT: u16 = 6_969;
/// Small enough that pieces spread early, as for a torrent of this size.
const PIECE_KIB: u32 = 256;

/// A seed that serves while this lives, and what starts a leech.
pub(super) trait Starter: Sync {
    /// Starts a leech and waits until it has everything. It goes on serving.
    fn leech(&self, leech: usize) -> Result<Leech>;
}

/// A leech that has everything.
pub(super) struct Leech {
    serving: Process,
    /// Where its file is, and where it belongs.
    moved: Option<(PathBuf, PathBuf)>,
}

impl Leech {
    /// Ends it.
    pub(super) fn stop(self) -> Result<()> {
        self.serving.stop()?;
        if let Some((from, to)) = &self.moved {
            std::fs::rename(from, to).context("no received file")?;
        }
        Ok(())
    }
}

/// Nodes of this tree. Leeches are told of the seed alone.
pub(super) struct PotluckSwarm<'a> {
    setting: &'a Setting<'a>,
    _seed: Running,
    link: String,
}

impl<'a> PotluckSwarm<'a> {
    pub(super) fn start(setting: &'a Setting<'a>) -> Result<Self> {
        let seed = Node::new(setting.bench, &setting.site, SEED, "seed");
        let running = seed.up("seed")?;
        let link = seed.share(&running, &setting.payload)?;
        Ok(Self {
            setting,
            _seed: running,
            link,
        })
    }
}

impl Starter for PotluckSwarm<'_> {
    fn leech(&self, leech: usize) -> Result<Leech> {
        let Setting { bench, site, .. } = self.setting;
        let name = format!("leech-{leech}");
        let node = Node::new(bench, site, leech, &name);
        // A node that stays, as the other clients do; a command alone would leave when it has everything.
        let running = node.up(&name)?;
        let mut get = node.get(&self.link, &self.setting.received(leech));
        let log = bench.log(&format!("get-{leech}"));
        Process::start(&mut get, &log, bench.timeout)?.wait_end()?;
        Ok(Leech {
            serving: running.process,
            moved: None,
        })
    }
}

/// libtorrent clients. Each is told of all others, which spares it the time to find them.
pub(super) struct LibtorrentSwarm {
    client: Libtorrent,
}

/// A running swarm of them.
pub(super) struct LibtorrentSeed<'a> {
    setting: &'a Setting<'a>,
    client: &'a Libtorrent,
    /// None when another program is the seed.
    _seed: Option<Process>,
}

impl LibtorrentSwarm {
    pub(super) fn prepare(setting: &Setting<'_>) -> Result<(Self, String)> {
        let (client, version) = Libtorrent::install(setting.bench)?;
        let client = client.describe(&setting.payload, PIECE_KIB, None)?;
        Ok((Self { client }, version))
    }

    pub(super) fn start<'a>(&'a self, setting: &'a Setting<'a>) -> Result<LibtorrentSeed<'a>> {
        let bench = setting.bench;
        let mut seed = self
            .client
            .seed(&setting.site, SEED, PORT, &setting.payload)?;
        let seed = Process::start(&mut seed, &bench.log("seed"), bench.timeout)?;
        seed.wait_line(|line| (line == "ready").then_some(()))?;
        Ok(LibtorrentSeed {
            setting,
            client: &self.client,
            _seed: Some(seed),
        })
    }
}

impl Starter for LibtorrentSeed<'_> {
    fn leech(&self, leech: usize) -> Result<Leech> {
        let Setting { bench, site, .. } = self.setting;
        let name = format!("leech-{leech}");
        let folder = bench.folder(&name)?;
        let peers: Vec<String> = (SEED..=self.setting.leeches)
            .filter(|peer| *peer != leech)
            .map(|peer| format!("{}:{PORT}", site.address(peer)))
            .collect();
        let mut command = self.client.leech(site, leech, PORT, &folder, &peers);
        let serving = Process::start(&mut command, &bench.log(&name), bench.timeout)?;
        serving.wait_line(|line| (line == "done").then_some(()))?;
        arrived(self.setting, leech, serving, &folder)
    }
}

/// A node of this tree that seeds to libtorrent clients.
pub(super) struct PotluckSeed<'a> {
    leeches: LibtorrentSeed<'a>,
    _node: Running,
}

impl LibtorrentSwarm {
    /// The same swarm, with a node of this tree in the place of the seed.
    pub(super) fn start_behind_potluck<'a>(
        &'a self,
        setting: &'a Setting<'a>,
    ) -> Result<PotluckSeed<'a>> {
        let bench = setting.bench;
        let node = Node::new(bench, &setting.site, SEED, "node");
        node.set("bittorrent.dht", "false")?;
        node.set("bittorrent.port", &PORT.to_string())?;
        let running = node.up("node")?;
        let mut seed = node.command();
        seed.args(["torrent", "seed"])
            .args([self.client.torrent(), &setting.payload]);
        let seed = Process::start(&mut seed, &bench.log("seed"), bench.timeout)?;
        seed.wait_line(|line| event(line, "seeding"))?;
        seed.wait_end()?;
        Ok(PotluckSeed {
            leeches: LibtorrentSeed {
                setting,
                client: &self.client,
                _seed: None,
            },
            _node: running,
        })
    }
}

impl Starter for PotluckSeed<'_> {
    fn leech(&self, leech: usize) -> Result<Leech> {
        self.leeches.leech(leech)
    }
}

/// aria2 clients with a tracker on an unshaped line.
pub(super) struct Aria2Swarm {
    torrent: PathBuf,
    tracker: SocketAddrV4,
}

/// A running swarm of them.
pub(super) struct Aria2Seed<'a> {
    setting: &'a Setting<'a>,
    torrent: &'a PathBuf,
    _seed: Process,
    _tracker: Process,
}

impl Aria2Swarm {
    pub(super) fn prepare(setting: &Setting<'_>) -> Result<(Self, String)> {
        let (aria2, version) = Aria2::install(setting.bench)?;
        let tracker = SocketAddrV4::new(setting.site.address(setting.hub()), TRACKER_PORT);
        let torrent = aria2.describe(&setting.payload, PIECE_KIB, tracker)?;
        Ok((Self { torrent, tracker }, version))
    }

    pub(super) fn start<'a>(&'a self, setting: &'a Setting<'a>) -> Result<Aria2Seed<'a>> {
        let Setting { bench, site, .. } = setting;
        let mut tracker = tracker_command(bench, site, setting.hub(), self.tracker);
        let tracker = Process::start(&mut tracker, &bench.log("tracker"), bench.timeout)?;
        tracker.wait_line(|line| (line == "ready").then_some(()))?;
        let mut seed = Aria2::seed(bench, site, SEED, PORT, &self.torrent, &setting.payload)?;
        let seed = Process::start(&mut seed, &bench.log("seed"), bench.timeout)?;
        seed.wait_line(Aria2::is_seeding)?;
        tracker.wait_line(|line| line.starts_with("announce ").then_some(()))?;
        Ok(Aria2Seed {
            setting,
            torrent: &self.torrent,
            _seed: seed,
            _tracker: tracker,
        })
    }
}

impl Starter for Aria2Seed<'_> {
    fn leech(&self, leech: usize) -> Result<Leech> {
        let Setting { bench, site, .. } = self.setting;
        let name = format!("leech-{leech}");
        let folder = bench.folder(&name)?;
        let mut command = Aria2::client(bench, site, leech, PORT, self.torrent, &folder);
        let serving = Process::start(&mut command, &bench.log(&name), bench.timeout)?;
        serving.wait_line(Aria2::is_complete)?;
        arrived(self.setting, leech, serving, &folder)
    }
}

/// A client whose file is in its folder, under the payload's name.
fn arrived(setting: &Setting<'_>, leech: usize, serving: Process, folder: &Path) -> Result<Leech> {
    let name = setting.payload.file_name();
    let name = name.context("a payload without a name")?;
    Ok(Leech {
        serving,
        moved: Some((folder.join(name), setting.received(leech))),
    })
}

//! BitTorrent clients: verified like ours, but in the clear, and nothing is synced.

use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{RECEIVER, SENDER, Sample, Setting};
use crate::bench::options::{Bench, first_line};
use crate::bench::process::Process;
use crate::bench::site::Site;

/// Piece size of a large file on a fast line.
const PIECE_KIB: u32 = 1_024;

/// A leech that is complete, and a seed.
struct Pair {
    leech: Process,
    seed: Process,
    seconds: f64,
    seed_cpu_before: Option<f64>,
}

impl Pair {
    /// Ends both, and puts the file where it belongs.
    fn finish(self, setting: &Setting<'_>, folder: &Path) -> Result<Sample> {
        let sample = Sample {
            mib: setting.payload.metadata()?.len() >> 20,
            seconds: self.seconds,
            receiver_cpu: self.leech.cpu_seconds(),
            sender_cpu: self.seed.cpu_since(self.seed_cpu_before),
            receiver_peak_mib: self.leech.peak_mib(),
            sender_peak_mib: self.seed.peak_mib(),
        };
        // They say that they are complete before the last blocks have reached the file system.
        self.leech.stop()?;
        self.seed.stop()?;
        let name = setting.payload.file_name();
        let name = name.context("a payload without a name")?;
        std::fs::rename(folder.join(name), &setting.received).context("no received file")?;
        Ok(sample)
    }
}

/// libtorrent, driven by the script in `bench/`.
pub(in crate::bench) struct Libtorrent {
    python: PathBuf,
    script: PathBuf,
    torrent: PathBuf,
}

impl Libtorrent {
    /// Makes sure that the library is there.
    pub(in crate::bench) fn install(bench: &Bench) -> Result<(Self, String)> {
        bench.install("libtorrent")?;
        let client = Self {
            python: bench.tools.join("libtorrent").join("bin").join("python"),
            script: bench.scripts.join("libtorrent_peer.py"),
            torrent: PathBuf::new(),
        };
        let version = first_line(client.on(&Site::Loopback, SENDER).arg("version"))?;
        Ok((client, format!("libtorrent {version}")))
    }

    /// Makes sure that the library is there, and describes the payload in a torrent file.
    pub(in crate::bench) fn prepare(setting: &Setting<'_>) -> Result<(Self, String)> {
        let (client, version) = Self::install(setting.bench)?;
        let client = client.describe(&setting.payload, PIECE_KIB, None)?;
        Ok((client, version))
    }

    /// Writes a torrent file beside the payload.
    pub(in crate::bench) fn describe(
        mut self,
        payload: &Path,
        piece_kib: u32,
        tracker: Option<SocketAddrV4>,
    ) -> Result<Self> {
        self.torrent = make_torrent(&self, payload, piece_kib, tracker)?;
        Ok(self)
    }

    /// The same about a torrent file that is there.
    pub(in crate::bench) fn with_torrent(mut self, torrent: &Path) -> Self {
        self.torrent = torrent.to_path_buf();
        self
    }

    /// The torrent file.
    pub(in crate::bench) fn torrent(&self) -> &Path {
        &self.torrent
    }

    fn on(&self, site: &Site, node: usize) -> Command {
        let mut command = site.command(node, &self.python);
        command.arg(&self.script);
        command
    }

    /// A complete client on a node; it says `ready` when others can fetch.
    pub(in crate::bench) fn seed(
        &self,
        site: &Site,
        node: usize,
        port: u16,
        payload: &Path,
    ) -> Result<Command> {
        let payloads = payload.parent().context("a payload without a folder")?;
        let listen = format!("{}:{port}", site.address(node));
        let mut seed = self.on(site, node);
        seed.arg("seed")
            .args([self.torrent.as_path(), payloads])
            .args(["--listen", &listen]);
        Ok(seed)
    }

    /// An empty client on a node; it says `done` when every piece is there and checked.
    pub(in crate::bench) fn leech(
        &self,
        site: &Site,
        node: usize,
        port: u16,
        folder: &Path,
        peers: &[String],
    ) -> Command {
        let listen = format!("{}:{port}", site.address(node));
        let mut leech = self.on(site, node);
        leech
            .arg("leech")
            .args([self.torrent.as_path(), folder])
            .args(["--listen", &listen]);
        for peer in peers {
            leech.args(["--peer", peer]);
        }
        leech
    }

    /// Moves the payload once.
    pub(in crate::bench) fn transfer(&self, setting: &Setting<'_>) -> Result<Sample> {
        let Setting { bench, site, .. } = setting;
        let port = site.free_port(SENDER)?;
        let mut seed = self.seed(site, SENDER, port, &setting.payload)?;
        // Its other transport is slower on loopback, and the comparison is with the faster of the two.
        seed.arg("--tcp-only");
        let seed = Process::start(&mut seed, &bench.log("seed"), bench.timeout)?;
        seed.wait_line(|line| (line == "ready").then_some(()))?;

        let folder = bench.folder("leech")?;
        let seed_cpu_before = seed.cpu_seconds();
        let peers = [format!("{}:{port}", site.address(SENDER))];
        let leech_port = site.free_port(RECEIVER)?;
        let mut leech = self.leech(site, RECEIVER, leech_port, &folder, &peers);
        let leech = Process::start(leech.arg("--tcp-only"), &bench.log("leech"), bench.timeout)?;
        leech.wait_line(|line| (line == "done").then_some(()))?;
        let pair = Pair {
            seconds: leech.age(),
            leech,
            seed,
            seed_cpu_before,
        };
        pair.finish(setting, &folder)
    }
}

fn make_torrent(
    client: &Libtorrent,
    payload: &Path,
    piece_kib: u32,
    tracker: Option<SocketAddrV4>,
) -> Result<PathBuf> {
    // Apart from each other: both kinds may be in use in one comparison.
    let kind = if tracker.is_some() {
        "tracked"
    } else {
        "plain"
    };
    let torrent = payload.with_extension(format!("{piece_kib}k-{kind}.torrent"));
    let mut make = client.on(&Site::Loopback, SENDER);
    make.arg("make")
        .args([payload, &torrent])
        .args(["--piece-kib", &piece_kib.to_string()]);
    if let Some(tracker) = tracker {
        make.args(["--tracker", &format!("http://{tracker}/announce")]);
    }
    let made = make
        .output()
        .context("cannot run bench/libtorrent_peer.py")?;
    ensure!(
        made.status.success(),
        "no torrent: {}",
        String::from_utf8_lossy(&made.stderr).trim()
    );
    Ok(torrent)
}

/// aria2. It meets its peers through a tracker, having no other way to be told of them.
pub(in crate::bench) struct Aria2 {
    maker: Libtorrent,
}

impl Aria2 {
    /// Makes sure that it is there, and what makes its torrent files.
    pub(in crate::bench) fn install(bench: &Bench) -> Result<(Self, String)> {
        bench.install("aria2")?;
        let version = first_line(Command::new("aria2c").arg("--version"))?;
        let (maker, _) = Libtorrent::install(bench)?;
        Ok((Self { maker }, version))
    }

    /// As [`Self::install`]: the torrent is made when the tracker's port is known.
    pub(in crate::bench) fn prepare(setting: &Setting<'_>) -> Result<(Self, String)> {
        Self::install(setting.bench)
    }

    /// Writes a torrent file that names the tracker.
    pub(in crate::bench) fn describe(
        &self,
        payload: &Path,
        piece_kib: u32,
        tracker: SocketAddrV4,
    ) -> Result<PathBuf> {
        make_torrent(&self.maker, payload, piece_kib, Some(tracker))
    }

    /// A client on a node. A line [is complete](Self::is_complete) when every piece is there and checked.
    pub(in crate::bench) fn client(
        bench: &Bench,
        site: &Site,
        node: usize,
        port: u16,
        torrent: &Path,
        folder: &Path,
    ) -> Command {
        let mut command = site.command(node, "aria2c");
        command
            .args(["--no-conf", "--enable-dht=false", "--enable-dht6=false"])
            .args(["--bt-enable-lpd=false", "--enable-peer-exchange=true"])
            .args(["--file-allocation=falloc", "--allow-overwrite=true"])
            .args(["--follow-torrent=mem", "--seed-ratio=0.0"])
            .args(["--summary-interval=0", "--console-log-level=notice"])
            .args(["--enable-color=false", "--show-console-readout=false"])
            .arg("--on-bt-download-complete")
            .arg(bench.scripts.join("say_done.sh"))
            .arg(format!("--interface={}", site.address(node)))
            .arg(format!("--listen-port={port}"))
            .arg("--dir")
            .arg(folder)
            .arg(torrent);
        command
    }

    /// The same with everything there already.
    pub(in crate::bench) fn seed(
        bench: &Bench,
        site: &Site,
        node: usize,
        port: u16,
        torrent: &Path,
        payload: &Path,
    ) -> Result<Command> {
        let payloads = payload.parent().context("a payload without a folder")?;
        let mut seed = Self::client(bench, site, node, port, torrent, payloads);
        seed.args(["--check-integrity=true", "--bt-hash-check-seed=true"]);
        Ok(seed)
    }

    /// Whether a line of a leech says that it is complete.
    pub(in crate::bench) fn is_complete(line: &str) -> Option<()> {
        (line == "done").then_some(())
    }

    /// Whether a line of a seed says that others can fetch.
    pub(in crate::bench) fn is_seeding(line: &str) -> Option<()> {
        let said = ["Verification finished successfully", "Seeding is"];
        said.iter().any(|said| line.contains(said)).then_some(())
    }

    /// Moves the payload once.
    pub(in crate::bench) fn transfer(&self, setting: &Setting<'_>) -> Result<Sample> {
        let Setting { bench, site, .. } = setting;
        let tracker = SocketAddrV4::new(site.address(SENDER), site.free_port(SENDER)?);
        let torrent = self.describe(&setting.payload, PIECE_KIB, tracker)?;
        let mut tracker = tracker_command(bench, site, SENDER, tracker);
        let tracking = Process::start(&mut tracker, &bench.log("tracker"), bench.timeout)?;
        tracking.wait_line(|line| (line == "ready").then_some(()))?;

        let port = site.free_port(SENDER)?;
        let mut seed = Self::seed(bench, site, SENDER, port, &torrent, &setting.payload)?;
        let seed = Process::start(&mut seed, &bench.log("seed"), bench.timeout)?;
        seed.wait_line(Self::is_seeding)?;
        tracking.wait_line(|line| line.starts_with("announce ").then_some(()))?;

        let folder = bench.folder("leech")?;
        let seed_cpu_before = seed.cpu_seconds();
        let leech_port = site.free_port(RECEIVER)?;
        let mut leech = Self::client(bench, site, RECEIVER, leech_port, &torrent, &folder);
        let leech = Process::start(&mut leech, &bench.log("leech"), bench.timeout)?;
        leech.wait_line(Self::is_complete)?;
        let pair = Pair {
            seconds: leech.age(),
            leech,
            seed,
            seed_cpu_before,
        };
        let sample = pair.finish(setting, &folder)?;
        tracking.stop()?;
        Ok(sample)
    }
}

/// A tracker on a node; it says `ready`, and `announce …` for each client that comes.
pub(in crate::bench) fn tracker_command(
    bench: &Bench,
    site: &Site,
    node: usize,
    listen: SocketAddrV4,
) -> Command {
    let mut command = site.command(node, "python3");
    command
        .arg(bench.scripts.join("tracker.py"))
        .arg(listen.to_string());
    command
}

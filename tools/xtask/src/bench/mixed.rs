//! `bench mixed`: one file under several names, fetched from sources of every kind at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::compare::Field;
use super::machine::Machine;
use super::node::{self, Node, Running, event};
use super::options::{Bench, Options, first_line};
use super::payload;
use super::process::Process;
use super::report::{Column, Part, Report, figure};
use super::site::Site;
use crate::workspace::Workspace;

/// Options of `bench mixed`.
#[derive(Args)]
pub(crate) struct MixedArgs {
    /// Size of the file
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// What each source sends at most, in bytes a second
    #[arg(long, default_value_t = 5_000_000)]
    limit: u64,
    #[command(flatten)]
    options: Options,
}

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// A Potluck peer.
    Native,
    /// libtorrent, with a torrent of version 2.
    Libtorrent,
    /// Transmission, with one of version 1.
    Transmission,
    /// nginx.
    Web,
}

const ALL: [Kind; 4] = [
    Kind::Native,
    Kind::Libtorrent,
    Kind::Transmission,
    Kind::Web,
];

/// One fetch.
#[derive(Serialize)]
struct Sample {
    /// Bytes of the file.
    bytes: u64,
    seconds: f64,
    /// Bytes over the network, and those that were of no use.
    fetched: u64,
    wasted: u64,
    /// Bytes by kind of source.
    from: BTreeMap<Kind, u64>,
    /// What all sources may send together, in bytes a second.
    limit: u64,
}

impl Sample {
    fn rate(&self) -> Option<f64> {
        Some(self.bytes as f64 / self.seconds / 1e6)
    }

    fn of_limit(&self) -> Option<f64> {
        Some(self.bytes as f64 / self.seconds / self.limit as f64)
    }

    fn waste(&self) -> Option<f64> {
        let needless = self.fetched.saturating_sub(self.bytes) + self.wasted;
        Some(100.0 * needless as f64 / self.bytes as f64)
    }

    fn megabytes(&self, kind: Kind) -> Option<f64> {
        self.from.get(&kind).map(|bytes| *bytes as f64 / 1e6)
    }
}

const COLUMNS: &[Column<Sample>] = &[
    Column {
        title: "seconds",
        cell: |row, _| figure(row.median(|sample| Some(sample.seconds)), 1),
    },
    Column {
        title: "MB/s",
        cell: |row, _| figure(row.median(Sample::rate), 1),
    },
    Column {
        title: "of what they may send",
        cell: |row, _| figure(row.median(Sample::of_limit), 2),
    },
    Column {
        title: "waste, %",
        cell: |row, _| figure(row.median(Sample::waste), 2),
    },
    Column {
        title: "MB from Potluck / libtorrent / Transmission / web seed",
        cell: |row, _| {
            let of = |kind| figure(row.median(|sample| sample.megabytes(kind)), 0);
            ALL.map(of).join(" / ")
        },
    },
];

/// Measures and reports.
pub(super) fn run(workspace: &Workspace, args: &MixedArgs) -> Result<bool> {
    let options = &args.options;
    let bench = Bench::prepare(workspace, options)?;
    let file = payload::settled(&bench, args.mib)?;
    let place = Mixed {
        bench: &bench,
        site: Site::Loopback,
        file,
        limit: args.limit,
    };
    let place = &place;
    let mut field = Field::new();
    let sets: [(&str, &str, &[Kind]); 2] = [
        ("all", "all four at once", &ALL),
        (
            "own",
            "those of the one torrent alone",
            &[Kind::Libtorrent, Kind::Web],
        ),
    ];
    for (key, name, kinds) in sets {
        field.add(
            options,
            key,
            name,
            || prepare(&bench, kinds),
            move |()| place.fetch(kinds),
        );
    }
    let runs = options.runs.unwrap_or(1);
    let rows = field.compare(&bench, runs, |sample| format!("{:.1} s", sample.seconds));
    let report = Report {
        name: "mixed",
        machine: Machine::this(),
        runs,
        parts: vec![Part {
            about: format!(
                "One file of {} MiB, fetched as a torrent of version 2 with other names, from sources that send {} MB/s \
                 each at most, over loopback.",
                args.mib,
                args.limit as f64 / 1e6
            ),
            rows,
        }],
    };
    let dry = options.dry || !options.only.is_empty();
    report.publish(&bench.root, COLUMNS, dry)
}

/// Makes sure that what serves is there; gives the versions.
fn prepare(bench: &Bench, kinds: &[Kind]) -> Result<((), String)> {
    let mut versions = vec![node::version(bench)?];
    for kind in kinds {
        versions.push(match kind {
            Kind::Native => continue,
            Kind::Libtorrent => {
                bench.install("libtorrent")?;
                let mut python = Command::new(python(bench));
                let script = bench.scripts.join("libtorrent_peer.py");
                let version = first_line(python.arg(script).arg("version"))?;
                format!("libtorrent {version}")
            }
            Kind::Transmission => {
                bench.install("transmission")?;
                first_line(Command::new("transmission-daemon").arg("--version"))?
            }
            Kind::Web => {
                bench.install("web")?;
                let said = first_line(Command::new("nginx").arg("-v"))?;
                said.trim_start_matches("nginx version: ").to_owned()
            }
        });
    }
    Ok(((), versions.join("; ")))
}

fn python(bench: &Bench) -> PathBuf {
    bench.tools.join("libtorrent").join("bin").join("python")
}

/// Where and with what it is measured.
struct Mixed<'a> {
    bench: &'a Bench,
    site: Site,
    file: PathBuf,
    limit: u64,
}

/// What serves, until it is dropped, and what the fetching node is given.
#[derive(Default)]
struct Sources {
    processes: Vec<Process>,
    nodes: Vec<Running>,
    also: Vec<String>,
    /// The kind of a source by what events call it.
    names: BTreeMap<String, Kind>,
}

impl Mixed<'_> {
    fn fetch(&self, kinds: &[Kind]) -> Result<Sample> {
        let web = self.site.free_port(0)?;
        let has_web = kinds.contains(&Kind::Web);
        let url = format!("http://127.0.0.1:{web}/{}", self.file_name()?);
        let two = self.describe("v2", has_web.then_some(url.as_str()))?;
        let one = self.describe("v1", None)?;
        let mut sources = Sources::default();
        for kind in kinds {
            match kind {
                Kind::Native => self.native(&mut sources)?,
                Kind::Libtorrent => self.libtorrent(&two, &mut sources)?,
                Kind::Transmission => self.transmission(&one, &mut sources)?,
                Kind::Web => {
                    self.web(web, &mut sources)?;
                    sources.names.insert(url.clone(), Kind::Web);
                }
            }
        }
        let received = self.bench.scratch.join("received.bin");
        let taker = self.node("taker")?;
        let mut get = taker.get(&two.to_string_lossy(), &received);
        for also in &sources.also {
            get.args(["--also", also]);
        }
        let start = Instant::now();
        let getting = self.start(&mut get, "taker")?;
        let done = getting.wait_line(|line| event(line, "done"))?;
        getting.wait_end()?;
        let seconds = start.elapsed().as_secs_f64();
        payload::check(&self.file, &received)?;
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let mut from: BTreeMap<Kind, u64> = BTreeMap::new();
        for source in done["sources"].as_array().into_iter().flatten() {
            let name = source["peer"].as_str().unwrap_or_default();
            let kind = sources.names.get(name);
            let kind = kind.with_context(|| format!("bytes from nobody known: {name}"))?;
            *from.entry(*kind).or_default() += number(&source["bytes"]);
        }
        Ok(Sample {
            bytes: self.file.metadata()?.len(),
            seconds,
            fetched: number(&done["fetched_bytes"]),
            wasted: number(&done["wasted_bytes"]),
            from,
            limit: self.limit * kinds.len() as u64,
        })
    }

    fn file_name(&self) -> Result<String> {
        let name = self.file.file_name().context("a payload without a name")?;
        Ok(name.to_string_lossy().into_owned())
    }

    fn start(&self, command: &mut Command, log: &str) -> Result<Process> {
        Process::start(command, &self.bench.log(log), self.bench.timeout)
    }

    /// A node that looks for nobody.
    fn node(&self, name: &str) -> Result<Node<'_>> {
        let node = Node::new(self.bench, &self.site, 0, name);
        for (key, value) in [("bittorrent.dht", "false"), ("bittorrent.port", "0")] {
            let mut set = node.command();
            set.args(["config", "set", key, value]);
            self.start(&mut set, "config")?.wait_end()?;
        }
        Ok(node)
    }

    fn describe(&self, format: &str, web: Option<&str>) -> Result<PathBuf> {
        let torrent = self.bench.scratch.join(format!("{format}.torrent"));
        let mut create = Node::new(self.bench, &self.site, 0, "maker").command();
        create.args(["torrent", "create", "--format", format, "--force"]);
        create.args([
            "--piece-size",
            if format == "v1" { "256KiB" } else { "1MiB" },
        ]);
        if let Some(web) = web {
            create.args(["--web-seed", web]);
        }
        create.arg("--output").arg(&torrent).arg(&self.file);
        self.start(&mut create, "create")?.wait_end()?;
        Ok(torrent)
    }

    /// A magnet link that leads to a peer on this machine.
    fn magnet(&self, torrent: &Path, port: u16) -> Result<String> {
        let mut show = Node::new(self.bench, &self.site, 0, "maker").command();
        show.args(["torrent", "show"]).arg(torrent);
        let said = show.output().context("cannot look into a torrent")?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let lines = said.lines();
        let mut parsed = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let magnet = parsed.find_map(|value| Some(value["magnet"].as_str()?.to_owned()));
        let magnet = magnet.context("a torrent without a magnet link")?;
        Ok(format!("{magnet}&x.pe=127.0.0.1:{port}"))
    }

    fn native(&self, sources: &mut Sources) -> Result<()> {
        let node = self.node("native")?;
        let limit = format!("{}B/s", self.limit);
        let running = node.up_with("native", |up| {
            up.args(["--up-limit", &limit]);
        })?;
        sources.also.push(node.share(&running, &self.file)?);
        let id = running.address.rsplit("/p2p/").next().unwrap_or_default();
        sources.names.insert(id.to_owned(), Kind::Native);
        sources.nodes.push(running);
        Ok(())
    }

    fn libtorrent(&self, torrent: &Path, sources: &mut Sources) -> Result<()> {
        let port = self.site.free_port(0)?;
        let mut seed = self.site.command(0, python(self.bench));
        seed.arg(self.bench.scripts.join("libtorrent_peer.py"))
            .args(["seed", "--tcp-only"])
            .args(["--upload-limit", &self.limit.to_string()])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg(torrent)
            .arg(self.file.parent().context("a payload without a folder")?);
        let process = self.start(&mut seed, "libtorrent")?;
        process.wait_line(|line| (line == "ready").then_some(()))?;
        self.found(torrent, port, Kind::Libtorrent, process, sources)
    }

    fn transmission(&self, torrent: &Path, sources: &mut Sources) -> Result<()> {
        let home = self.bench.folder("transmission")?;
        let (port, remote) = (self.site.free_port(0)?, self.site.free_port(0)?);
        let settings = json!({
            "bind-address-ipv4": "127.0.0.1",
            "peer-port": port,
            "rpc-bind-address": "127.0.0.1",
            "rpc-port": remote,
            "rpc-authentication-required": false,
            "dht-enabled": false,
            "lpd-enabled": false,
            "utp-enabled": false,
            "port-forwarding-enabled": false,
            // In thousands of bytes.
            "speed-limit-up": self.limit / 1000,
            "speed-limit-up-enabled": true,
        });
        std::fs::write(home.join("settings.json"), settings.to_string())
            .context("cannot write the settings of Transmission")?;
        let mut daemon = self.site.command(0, "transmission-daemon");
        daemon.args(["--foreground", "--config-dir"]).arg(&home);
        let process = self.start(&mut daemon, "transmission")?;
        self.site.wait_for_port(0, remote, self.bench.timeout)?;
        let ask = |args: &[&str]| -> Result<String> {
            let mut asking = Command::new("transmission-remote");
            asking.arg(format!("127.0.0.1:{remote}")).args(args);
            let said = asking.output().context("cannot ask Transmission")?;
            Ok(String::from_utf8_lossy(&said.stdout).into_owned())
        };
        let folder = self.file.parent().context("a payload without a folder")?;
        let (torrent_text, folder) = (torrent.to_string_lossy(), folder.to_string_lossy());
        let said = ask(&["--add", &torrent_text, "--download-dir", &folder])?;
        ensure!(said.contains("success"), "not added: {}", said.trim());
        let deadline = Instant::now() + self.bench.timeout;
        loop {
            let said = ask(&["-t", "all", "-i"])?;
            if said.contains("Percent Done: 100%") && !said.contains("Verifying") {
                break;
            }
            if Instant::now() > deadline {
                bail!("Transmission does not find the file complete");
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        self.found(torrent, port, Kind::Transmission, process, sources)
    }

    fn found(
        &self,
        torrent: &Path,
        port: u16,
        kind: Kind,
        process: Process,
        sources: &mut Sources,
    ) -> Result<()> {
        sources.also.push(self.magnet(torrent, port)?);
        sources.names.insert(format!("127.0.0.1:{port}"), kind);
        sources.processes.push(process);
        Ok(())
    }

    fn web(&self, port: u16, sources: &mut Sources) -> Result<()> {
        let folder = self.bench.folder("web")?;
        let shown = folder.to_string_lossy();
        let root = self.file.parent().context("a payload without a folder")?;
        let config = format!(
            "daemon off; master_process off; pid {shown}/nginx.pid; error_log {shown}/error.log warn; events {{}} \
             http {{ access_log off; client_body_temp_path {shown}/body; proxy_temp_path {shown}/proxy; \
             fastcgi_temp_path {shown}/fastcgi; uwsgi_temp_path {shown}/uwsgi; scgi_temp_path {shown}/scgi; \
             server {{ listen 127.0.0.1:{port}; root {}; limit_rate {}; }} }}",
            root.display(),
            self.limit
        );
        let path = folder.join("nginx.conf");
        std::fs::write(&path, config).context("cannot write the configuration of nginx")?;
        let mut nginx = self.site.command(0, "nginx");
        nginx.arg("-e").arg(folder.join("error.log"));
        let process = self.start(nginx.arg("-c").arg(path), "nginx")?;
        self.site.wait_for_port(0, port, self.bench.timeout)?;
        sources.processes.push(process);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waste_is_what_came_beyond_the_file() {
        let sample = Sample {
            bytes: 1000,
            seconds: 2.0,
            fetched: 1010,
            wasted: 10,
            from: ALL.map(|kind| (kind, 250)).into(),
            limit: 1000,
        };
        assert_eq!(sample.waste(), Some(2.0));
        assert_eq!(sample.of_limit(), Some(0.5));
        assert!(ALL.iter().all(|kind| sample.megabytes(*kind).is_some()));
    }
}

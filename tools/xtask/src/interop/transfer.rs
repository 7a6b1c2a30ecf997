//! One cell: a tracker, a torrent, a program that serves and one that fetches.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::cell::{Cell, Direction, Outcome, Row, Way};
use super::clients::{Client, Wanted};
use super::content::Source;
use super::place::Place;
use crate::bench::options::Bench;
use crate::bench::process::Process;

/// Size of the pieces, in what `potluck torrent create` understands.
const PIECE_SIZE: &str = "256KiB";

/// How long a program may take to tell the tracker of itself, once it serves.
const ANNOUNCE_TIME: Duration = Duration::from_secs(15);

/// What all cells are given.
pub(super) struct Matrix<'a> {
    pub(super) bench: &'a Bench,
    pub(super) source: &'a Source,
    /// Potluck, or what stands for it.
    pub(super) subject: &'a dyn Client,
    /// Cells that were tried.
    pub(super) count: usize,
}

/// A torrent file and its link.
struct Torrent {
    path: PathBuf,
    magnet: String,
}

impl Matrix<'_> {
    /// Tries a cell with a program; an error says that the matrix itself is broken.
    pub(super) fn run(&mut self, other: &dyn Client, cell: Cell) -> Result<Outcome> {
        let without = |client: &dyn Client| client.without_trying(cell);
        if let Some(outcome) = without(other).or_else(|| without(self.subject)) {
            return Ok(outcome);
        }
        self.count += 1;
        // A short name: sockets of programs lie below it, and their paths have a limit.
        let folder = self.bench.scratch.join(self.count.to_string());
        let place = Place::new(self.bench, cell.connection, folder, self.bench.timeout)?;
        let outcome = match self.transfer(&place, other, cell) {
            Ok(seconds) => Outcome::Pass(seconds),
            Err(error) => {
                let reason = place.reason(&error, &["fetch", "seed"]);
                println!("logs: {}", place.path().display());
                match other.known_failure(cell) {
                    Some(why) => Outcome::Known(reason, why.to_owned()),
                    None => Outcome::Fail(reason),
                }
            }
        };
        place.clean_up(!matches!(outcome, Outcome::Pass(_)))?;
        Ok(outcome)
    }

    fn transfer(&self, place: &Place<'_>, other: &dyn Client, cell: Cell) -> Result<f64> {
        let (seeder, fetcher) = match cell.direction {
            Direction::Fetches => (other, self.subject),
            Direction::Serves => (self.subject, other),
        };
        let tracker = SocketAddrV4::new(Ipv4Addr::LOCALHOST, place.free_port()?);
        let tracking = start_tracker(place, tracker)?;
        let torrent = self.describe(place, cell.row, tracker)?;
        let (from, into) = (place.folder("from")?, place.folder("to")?);
        self.source.copy(cell.row.content, &from)?;

        let mut serving = seeder
            .seed(place, &torrent.path, &from)
            .context("it does not serve")?;
        // A link that names the peer has to do without the tracker too.
        let is_named = cell.row.way == Way::Magnet && fetcher.takes_peers_of_links();
        if !is_named {
            wait_announced(&tracking, serving.port)?;
        }
        let link = match cell.row.way {
            Way::File => torrent.path.to_string_lossy().into_owned(),
            Way::Magnet => {
                let mut link = serving.magnet.take().unwrap_or(torrent.magnet);
                if is_named {
                    link = format!("{link}&x.pe=127.0.0.1:{}", serving.port);
                }
                link
            }
        };
        let wanted = Wanted {
            link: &link,
            into: &into,
        };
        let seconds = fetcher.fetch(place, &wanted)?;
        let strict = fetcher.makes_empty_files();
        self.source.compare(cell.row.content, &into, strict)?;
        let is_up = serving.process.has_ended()?.is_none();
        ensure!(is_up, "the serving program ended");
        Ok(seconds)
    }

    /// Makes the torrent file with Potluck, whoever serves it.
    fn describe(&self, place: &Place<'_>, row: Row, tracker: SocketAddrV4) -> Result<Torrent> {
        let path = place.file("it.torrent");
        let mut create = place.command(&self.bench.potluck);
        create
            .arg("--json")
            .arg("--data")
            .arg(place.folder("c")?)
            .args(["torrent", "create"])
            .arg(self.source.path(row.content))
            .arg("--output")
            .arg(&path)
            .args(["--format", row.version.name()])
            .args(["--piece-size", PIECE_SIZE])
            .args(["--tracker", &format!("http://{tracker}/announce")]);
        let said = place.ask(&mut create).context("no torrent file")?;
        Ok(Torrent {
            path,
            magnet: magnet(&said).context("a torrent file without a link")?,
        })
    }
}

/// The link in what `potluck torrent create --json` says.
fn magnet(said: &str) -> Option<String> {
    let values = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    values
        .filter_map(|value| value["magnet"].as_str().map(str::to_owned))
        .next_back()
}

fn start_tracker(place: &Place<'_>, listen: SocketAddrV4) -> Result<Process> {
    let script: &Path = &place.bench.scripts.join("tracker.py");
    let mut tracker = place.command("python3");
    let tracking = place.start(tracker.arg(script).arg(listen.to_string()), "tracker")?;
    tracking.wait_line(|line| (line == "ready").then_some(()))?;
    Ok(tracking)
}

/// Waits until the program on this port has told the tracker of itself.
fn wait_announced(tracking: &Process, port: u16) -> Result<()> {
    let awaited = format!("announce 127.0.0.1:{port}");
    let deadline = Instant::now() + ANNOUNCE_TIME;
    let mut others = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match tracking.next_line(left)? {
            Some(line) if line == awaited => return Ok(()),
            Some(line) => others.push(line),
            None if left.is_zero() => {
                bail!("port {port} serves and does not announce; the tracker saw: {others:?}")
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_found_among_other_lines() {
        let said = "{\"event\":\"x\"}\nnot json\n{\"magnet\":\"magnet:?xt=1\",\"name\":\"x\"}\n";
        assert_eq!(magnet(said).as_deref(), Some("magnet:?xt=1"));
        assert_eq!(magnet("{}"), None);
    }
}

//! One cell: a tracker, a torrent, a program that serves and one that fetches.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::cell::{Cell, Direction, Outcome, Row, Way};
use super::clients::{Client, Serving, Wanted};
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
        let transfer = Transfer {
            place,
            seeder,
            fetcher,
            way: cell.row.way,
            tracking: start_tracker(place, tracker)?,
            torrent: self.describe(place, cell.row, tracker)?,
            from: place.folder("from")?,
            into: place.folder("to")?,
        };
        self.source.copy(cell.row.content, &transfer.from)?;
        let (mut serving, seconds) = if fetcher.dials_loopback() {
            transfer.seeder_first()?
        } else {
            transfer.fetcher_first()?
        };
        let strict = fetcher.makes_empty_files();
        let into = &transfer.into;
        self.source.compare(cell.row.content, into, strict)?;
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

/// Both sides of a cell.
struct Transfer<'a> {
    place: &'a Place<'a>,
    seeder: &'a dyn Client,
    fetcher: &'a dyn Client,
    way: Way,
    tracking: Process,
    torrent: Torrent,
    from: PathBuf,
    into: PathBuf,
}

impl Transfer<'_> {
    fn seed(&self) -> Result<Serving> {
        let seeding = self.seeder.seed(self.place, &self.torrent.path, &self.from);
        seeding.context("it does not serve")
    }

    fn fetch(&self, link: &str) -> Result<f64> {
        let wanted = Wanted {
            link,
            into: &self.into,
        };
        self.fetcher.fetch(self.place, &wanted)
    }

    /// The fetching program finds the other by the tracker or by the link.
    fn seeder_first(&self) -> Result<(Serving, f64)> {
        let mut serving = self.seed()?;
        // A link that names the peer has to do without the tracker too.
        let is_named = self.way == Way::Magnet && self.fetcher.takes_peers_of_links();
        if !is_named {
            let awaited = format!("announce 127.0.0.1:{}", serving.port);
            wait_announced(&self.tracking, |line| line == awaited)?;
        }
        let link = match self.way {
            Way::File => self.torrent.path.to_string_lossy().into_owned(),
            Way::Magnet => {
                let link = serving.magnet.take();
                let link = link.unwrap_or_else(|| self.torrent.magnet.clone());
                if is_named {
                    format!("{link}&x.pe=127.0.0.1:{}", serving.port)
                } else {
                    link
                }
            }
        };
        let seconds = self.fetch(&link)?;
        Ok((serving, seconds))
    }

    /// The serving program finds the other by the tracker, which has heard of it already.
    fn fetcher_first(&self) -> Result<(Serving, f64)> {
        let path = self.torrent.path.to_string_lossy();
        let link: &str = match self.way {
            Way::File => &path,
            Way::Magnet => &self.torrent.magnet,
        };
        std::thread::scope(|scope| {
            // The program that is fetching ends with the thread that started it.
            let fetching = scope.spawn(|| self.fetch(link));
            wait_announced(&self.tracking, |line| line.starts_with("announce "))?;
            let serving = self.seed()?;
            let fetched = fetching.join();
            let fetched = fetched.unwrap_or_else(|_| bail!("a thread of the matrix panicked"));
            Ok((serving, fetched?))
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

/// Waits until somebody of whom this is true has told the tracker of itself.
fn wait_announced(tracking: &Process, is_awaited: impl Fn(&str) -> bool) -> Result<()> {
    let deadline = Instant::now() + ANNOUNCE_TIME;
    let mut others = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match tracking.next_line(left)? {
            Some(line) if is_awaited(&line) => return Ok(()),
            Some(line) => others.push(line),
            None if left.is_zero() => {
                bail!("who is awaited does not announce; the tracker saw: {others:?}")
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

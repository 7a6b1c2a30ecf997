//! The programs of the matrix, each driven by what it has for that: a command, a remote control or a
//! web API.

mod aria2;
mod libtorrent;
mod potluck;
mod qbittorrent;
mod rqbit;
mod transmission;

use std::path::Path;

use anyhow::{Result, bail};

use super::cell::{Cell, Outcome};
use super::place::Place;
use crate::bench::options::Bench;
use crate::bench::process::Process;

/// What the fetching program is given.
pub(super) struct Wanted<'a> {
    /// A path to a torrent file, or a magnet link.
    pub(super) link: &'a str,
    /// Where its files go, under their own name.
    pub(super) into: &'a Path,
}

/// A program that others can fetch from; ended when dropped.
pub(super) struct Serving {
    pub(super) process: Process,
    pub(super) port: u16,
    /// The magnet link that it printed, if it prints one.
    pub(super) magnet: Option<String>,
}

/// One program. It is started anew for each cell and keeps nothing from one to the next.
pub(super) trait Client: Sync {
    /// What it calls itself.
    fn version(&self) -> &str;

    /// What a cell comes to without trying, because the program does not have what it takes.
    fn without_trying(&self, cell: Cell) -> Option<Outcome>;

    /// A failure that is the program's own, by what is known of it.
    fn known_failure(&self, _cell: Cell) -> Option<&'static str> {
        None
    }

    /// Whether it takes peers from a magnet link (`x.pe`).
    fn takes_peers_of_links(&self) -> bool {
        false
    }

    /// Whether it connects to peers on loopback. One that does not has to be found by them.
    fn dials_loopback(&self) -> bool {
        true
    }

    /// Whether it makes the files of a torrent that are empty.
    fn makes_empty_files(&self) -> bool {
        true
    }

    /// Serves a torrent whose files lie in `folder`, until what this returns is dropped.
    fn seed(&self, place: &Place<'_>, torrent: &Path, folder: &Path) -> Result<Serving>;

    /// Fetches everything and ends, so that all of it is in the files. Gives the seconds from the
    /// program's start until it says that it is complete.
    fn fetch(&self, place: &Place<'_>, wanted: &Wanted<'_>) -> Result<f64>;
}

/// The programs that Potluck is held against, in the order of the page.
pub(super) const OTHERS: [&str; 5] = [
    "libtorrent",
    "qbittorrent",
    "transmission",
    "aria2",
    "rqbit",
];

/// Makes sure that a program is there; an error says why it is not.
pub(super) fn prepare(name: &str, bench: &Bench) -> Result<Box<dyn Client>> {
    Ok(match name {
        "potluck" => Box::new(potluck::Potluck::prepare(bench)?),
        "libtorrent" => Box::new(libtorrent::Libtorrent::prepare(bench)?),
        "qbittorrent" => Box::new(qbittorrent::QBittorrent::prepare(bench)?),
        "transmission" => Box::new(transmission::Transmission::prepare(bench)?),
        "aria2" => Box::new(aria2::Aria2::prepare(bench)?),
        "rqbit" => Box::new(rqbit::Rqbit::prepare(bench)?),
        _ => bail!("no program of the matrix: {name}"),
    })
}

/// Shorthand for what a program does not have.
fn unsupported(what: &str, program: &str) -> Option<Outcome> {
    Some(Outcome::Never(format!(
        "{what}: not supported by {program}"
    )))
}

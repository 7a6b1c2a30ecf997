//! A fuzz target for every decoder of what comes from others, or from a disk that others touched.
//!
//! Targets are plain functions, so that two things call the same code: libFuzzer, through the crate
//! in `fuzz/`, which needs a nightly toolchain, and the test that replays `fuzz/corpus` on any. A
//! target panics when a property does not hold; on input that is merely wrong it returns.

use std::path::PathBuf;

mod bittorrent_session;
mod bittorrent_wire;
mod blocklist;
mod dht;
mod journal;
mod link;
mod lsd;
mod manifest;
mod mse;
mod pieceset;
mod proof;
mod seeds;
mod stored_records;
mod take;
mod torrent;
mod tracker;
mod web_seed;
mod wire_bulk;
mod wire_control;

pub use bittorrent_session::bittorrent_session;
pub use bittorrent_wire::bittorrent_wire;
pub use blocklist::blocklist;
pub use dht::dht;
pub use journal::journal;
pub use link::link;
pub use lsd::lsd;
pub use manifest::manifest;
pub use mse::mse;
pub use pieceset::pieceset;
pub use proof::proof;
pub use stored_records::stored_records;
pub use torrent::{magnet, torrent};
pub use tracker::tracker;
pub use web_seed::web_seed;
pub use wire_bulk::wire_bulk;
pub use wire_control::wire_control;

/// Where the committed inputs are: in the workspace that cargo runs the caller from. That of the
/// build may be another one, when clones share a cache.
#[must_use]
pub fn corpus_folder() -> PathBuf {
    let built = || env!("CARGO_MANIFEST_DIR").into();
    let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(built, PathBuf::from);
    crate_folder.join("../../fuzz/corpus")
}

/// One target.
pub struct Target {
    /// Its name: of the binary in `fuzz/fuzz_targets` and of the folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Tries one input.
    pub run: fn(&[u8]),
    /// Real examples to begin from, each with a name.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
}

/// All targets.
pub const TARGETS: [Target; 18] = [
    Target {
        name: "bittorrent_session",
        run: bittorrent_session,
        seeds: bittorrent_session::seeds,
    },
    Target {
        name: "bittorrent_wire",
        run: bittorrent_wire,
        seeds: bittorrent_wire::seeds,
    },
    Target {
        name: "blocklist",
        run: blocklist,
        seeds: blocklist::seeds,
    },
    Target {
        name: "dht",
        run: dht,
        seeds: dht::seeds,
    },
    Target {
        name: "journal",
        run: journal,
        seeds: journal::seeds,
    },
    Target {
        name: "link",
        run: link,
        seeds: link::seeds,
    },
    Target {
        name: "lsd",
        run: lsd,
        seeds: lsd::seeds,
    },
    Target {
        name: "magnet",
        run: magnet,
        seeds: torrent::magnet_seeds,
    },
    Target {
        name: "manifest",
        run: manifest,
        seeds: manifest::seeds,
    },
    Target {
        name: "mse",
        run: mse,
        seeds: mse::seeds,
    },
    Target {
        name: "pieceset",
        run: pieceset,
        seeds: pieceset::seeds,
    },
    Target {
        name: "proof",
        run: proof,
        seeds: proof::seeds,
    },
    Target {
        name: "stored_records",
        run: stored_records,
        seeds: stored_records::seeds,
    },
    Target {
        name: "torrent",
        run: torrent,
        seeds: torrent::torrent_seeds,
    },
    Target {
        name: "tracker",
        run: tracker,
        seeds: tracker::seeds,
    },
    Target {
        name: "web_seed",
        run: web_seed,
        seeds: web_seed::seeds,
    },
    Target {
        name: "wire_bulk",
        run: wire_bulk,
        seeds: wire_bulk::seeds,
    },
    Target {
        name: "wire_control",
        run: wire_control,
        seeds: wire_control::seeds,
    },
];

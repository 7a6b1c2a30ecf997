//! What the owner wants of torrents: how long they are seeded, how many are fetched at a time, what is
//! fetched unasked, and who is kept out.

use super::keys::{Key, key};
use super::value::{self, Wrong};
use std::path::PathBuf;
use toml_edit::Value;

/// What the owner wants of torrents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Seed until so many thousandths of a torrent's bytes were given; 0: no such goal.
    pub seed_ratio_milli: u64,
    /// Seed for so many seconds; 0: no such goal.
    pub seed_time_seconds: u64,
    /// Torrents that a node that stays fetches at a time; 0: no limit.
    pub active_downloads: u32,
    /// Torrent files that appear in this folder are fetched.
    pub watch: Option<PathBuf>,
    /// Where those are put; `None`: `downloads` in the data directory.
    pub watch_dest: Option<PathBuf>,
    /// A list of addresses that are no peers.
    pub blocklist: Option<PathBuf>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            seed_ratio_milli: 0,
            seed_time_seconds: 0,
            active_downloads: 5,
            watch: None,
            watch_dest: None,
            blocklist: None,
        }
    }
}

/// Their settings, all of which a running node follows.
pub(super) const KEYS: [Key; 6] = [
    key(
        "bittorrent.seed_ratio",
        "Stop seeding a torrent when this many times its size was given, such as 2.0; 0 for no goal",
        |config, value| {
            value::ratio(value).map(|found| config.bittorrent.rules.seed_ratio_milli = found)
        },
        |config| value::show_ratio(config.bittorrent.rules.seed_ratio_milli),
    )
    .live(),
    key(
        "bittorrent.seed_time",
        "Stop seeding a torrent after this time, such as 24h; empty for no goal",
        |config, value| {
            value::time(value).map(|found| config.bittorrent.rules.seed_time_seconds = found)
        },
        |config| match config.bittorrent.rules.seed_time_seconds {
            0 => String::new(),
            seconds => value::show_time(seconds),
        },
    )
    .live(),
    key(
        "bittorrent.active_downloads",
        "Torrents that are fetched at a time, others wait; 0 for no limit",
        |config, value| {
            config.bittorrent.rules.active_downloads = value::count(value, 0, 100_000)?;
            Ok(())
        },
        |config| config.bittorrent.rules.active_downloads.to_string(),
    )
    .live(),
    key(
        "bittorrent.watch",
        "Folder whose torrent files are fetched as they appear; empty for none",
        |config, value| path(value).map(|found| config.bittorrent.rules.watch = found),
        |config| show_path(config.bittorrent.rules.watch.as_ref()),
    )
    .live(),
    key(
        "bittorrent.watch_dest",
        "Folder where those torrents are put; empty for 'downloads' in the data directory",
        |config, value| path(value).map(|found| config.bittorrent.rules.watch_dest = found),
        |config| show_path(config.bittorrent.rules.watch_dest.as_ref()),
    )
    .live(),
    key(
        "bittorrent.blocklist",
        "File of addresses that are no BitTorrent peers (P2P, DAT or CIDR lines); empty for none",
        |config, value| path(value).map(|found| config.bittorrent.rules.blocklist = found),
        |config| show_path(config.bittorrent.rules.blocklist.as_ref()),
    )
    .live(),
];

/// An absolute path: a node that stays has no current folder that its owner knows of.
pub(super) fn path(value: &Value) -> Result<Option<PathBuf>, Wrong> {
    let text = value::text(value)?;
    if text.is_empty() {
        return Ok(None);
    }
    let path = PathBuf::from(&text);
    if !path.is_absolute() {
        return Err(Wrong::new(
            format!("is {}, which is no absolute path", value::quoted(&text)),
            "write the whole path, such as \"/home/me/torrents\"",
        ));
    }
    Ok(Some(path))
}

pub(super) fn show_path(path: Option<&PathBuf>) -> String {
    path.map(|path| path.display().to_string())
        .unwrap_or_default()
}

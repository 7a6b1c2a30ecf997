//! Pages, the local API and content over HTTP.

use super::keys::{Key, key};
use super::rules::{path, show_path};
use super::value;
use std::path::PathBuf;

/// How browsers and programs of this machine reach the node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gateway {
    /// The port on loopback; 0: any that is free, and the same again after a restart.
    pub port: u16,
    /// Where downloads go that were begun on a page; `None`: `downloads` in the data directory.
    pub downloads: Option<PathBuf>,
    /// Metrics can be read without the token.
    pub metrics: bool,
}

/// Their settings.
pub(super) const KEYS: [Key; 3] = [
    key(
        "gateway.port",
        "Port of the pages and the local API, on loopback; 0 for any free one",
        |config, value| {
            let found = value::count(value, 0, 65_535)?;
            config.gateway.port = u16::try_from(found).unwrap_or_default();
            Ok(())
        },
        |config| config.gateway.port.to_string(),
    ),
    key(
        "gateway.downloads",
        "Folder of what is fetched from a page; empty for 'downloads' in the data directory",
        |config, value| path(value).map(|found| config.gateway.downloads = found),
        |config| show_path(config.gateway.downloads.as_ref()),
    )
    .live(),
    key(
        "gateway.metrics",
        "Programs of this machine may read /metrics without the token",
        |config, value| value::boolean(value).map(|found| config.gateway.metrics = found),
        |config| config.gateway.metrics.to_string(),
    )
    .live(),
];

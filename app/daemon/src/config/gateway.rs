//! Pages, the local API and content over HTTP.

use super::keys::{Key, key};
use super::rules::{path, show_path};
use super::value::{self, Wrong};
use std::net::SocketAddr;
use std::path::PathBuf;
use toml_edit::Value;

/// How browsers and programs of this machine reach the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The port on loopback; 0: any that is free, and the same again after a restart.
    pub port: u16,
    /// Where downloads go that were begun on a page; `None`: `downloads` in the data directory.
    pub downloads: Option<PathBuf>,
    /// Films that are converted at a time for the pages; 0: none.
    pub films: u32,
    /// Metrics can be read without the token.
    pub metrics: bool,
    /// Content needs the token too.
    pub content_token: bool,
    /// Listening for others than this machine.
    pub outside: Outside,
}

/// How others than this machine reach the node, if they do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outside {
    /// Where to listen; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// Host of the pages, as browsers know it.
    pub name: String,
    /// Host of content, another one.
    pub content_name: String,
    /// Certificate and its key, in PEM.
    pub certificate: Option<PathBuf>,
    /// See there.
    pub key: Option<PathBuf>,
    /// Listens without them, which the owner has to want.
    pub insecure: bool,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            port: 0,
            downloads: None,
            films: 1,
            metrics: false,
            content_token: false,
            outside: Outside::default(),
        }
    }
}

/// Their settings.
pub(super) const KEYS: [Key; 11] = [
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
        "gateway.films",
        "Films converted at a time (by ffmpeg) for the pages while you watch; 0 for none",
        |config, value| value::count(value, 0, 16).map(|found| config.gateway.films = found),
        |config| config.gateway.films.to_string(),
    )
    .live(),
    key(
        "gateway.metrics",
        "Programs of this machine may read /metrics without the token",
        |config, value| value::boolean(value).map(|found| config.gateway.metrics = found),
        |config| config.gateway.metrics.to_string(),
    )
    .live(),
    key(
        "gateway.content_token",
        "Programs of this machine need the token, or an address from the API, to read content too",
        |config, value| value::boolean(value).map(|found| config.gateway.content_token = found),
        |config| config.gateway.content_token.to_string(),
    )
    .live(),
    key(
        "gateway.listen",
        "IP:PORT to answer other machines at; needs both names, and a certificate or gateway.insecure",
        |config, value| address(value).map(|found| config.gateway.outside.listen = found),
        |config| {
            let listen = config.gateway.outside.listen;
            listen.map(|listen| listen.to_string()).unwrap_or_default()
        },
    ),
    key(
        "gateway.name",
        "Host by which other machines reach the pages, such as nas.example",
        |config, value| host(value).map(|found| config.gateway.outside.name = found),
        |config| config.gateway.outside.name.clone(),
    ),
    key(
        "gateway.content_name",
        "Another host of the same machine, for content alone, such as content.nas.example",
        |config, value| host(value).map(|found| config.gateway.outside.content_name = found),
        |config| config.gateway.outside.content_name.clone(),
    ),
    key(
        "gateway.certificate",
        "File of the TLS certificate for both names, in PEM, with the chain",
        |config, value| path(value).map(|found| config.gateway.outside.certificate = found),
        |config| show_path(config.gateway.outside.certificate.as_ref()),
    ),
    key(
        "gateway.key",
        "File of the private key of that certificate, in PEM",
        |config, value| path(value).map(|found| config.gateway.outside.key = found),
        |config| show_path(config.gateway.outside.key.as_ref()),
    ),
    key(
        "gateway.insecure",
        "Answer other machines without TLS: everybody on the way can take over the node",
        |config, value| value::boolean(value).map(|found| config.gateway.outside.insecure = found),
        |config| config.gateway.outside.insecure.to_string(),
    ),
];

fn address(value: &Value) -> Result<Option<SocketAddr>, Wrong> {
    let text = value::text(value)?;
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse::<SocketAddr>().ok();
    let usable = parsed.filter(|address| address.port() != 0);
    usable.map(Some).ok_or_else(|| {
        Wrong::new(
            format!("is {}, which is no IP:PORT", value::quoted(&text)),
            "write for example \"0.0.0.0:4770\" or \"[::]:4770\"",
        )
    })
}

/// A name of DNS, or an IP address.
fn host(value: &Value) -> Result<String, Wrong> {
    let text = value::text(value)?.to_ascii_lowercase();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let is_ip = text.parse::<std::net::IpAddr>().is_ok();
    if is_ip || (text.chars().all(is_name) && text.len() < 254) {
        return Ok(text);
    }
    Err(Wrong::new(
        format!("is {}, which is no name of a host", value::quoted(&text)),
        "write the name alone, without http:// and port",
    ))
}

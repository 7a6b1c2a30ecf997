//! What a person names when they want a torrent: a magnet link, an infohash, a file, or its address on
//! the web.

use crate::errors;
use potluck_api::{ErrorBody, ExitCode};
use potluck_bittorrent::{InfoHashV1, InfoHashV2, InfoHashes, Magnet, Metainfo};
use std::path::PathBuf;
use std::sync::Arc;

/// A torrent that somebody named.
#[derive(Debug)]
pub(super) enum Source {
    Magnet(Box<Magnet>),
    File(PathBuf),
    Url(String),
}

/// Whether a text names a torrent rather than native content.
pub(crate) fn is_torrent(text: &str) -> bool {
    parse(text.trim()).is_some()
}

fn parse(text: &str) -> Option<Result<Source, ErrorBody>> {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    if lower.starts_with("magnet:") {
        return Some(magnet(text));
    }
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Some(Ok(Source::Url(text.to_owned())));
    }
    if text.starts_with('/') || text.starts_with("file:///") {
        let path = text.strip_prefix("file://").unwrap_or(text);
        return Some(Ok(Source::File(path.into())));
    }
    let hashes = infohash(text)?;
    Some(Ok(Source::Magnet(Box::new(Magnet::new(hashes)))))
}

fn magnet(text: &str) -> Result<Source, ErrorBody> {
    let magnet = text.parse::<Magnet>();
    let magnet = magnet.map_err(|error| {
        errors::usage(
            error.to_string(),
            "copy the whole link, in quotes: 'magnet:?xt=urn:btih:…'",
        )
    })?;
    Ok(Source::Magnet(Box::new(magnet)))
}

/// An infohash by itself: 40 hexadecimal digits, or 64.
fn infohash(text: &str) -> Option<InfoHashes> {
    match text.len() {
        40 => text.parse::<InfoHashV1>().ok().map(|hash| InfoHashes {
            v1: Some(hash),
            v2: None,
        }),
        64 => text.parse::<InfoHashV2>().ok().map(|hash| InfoHashes {
            v1: None,
            v2: Some(hash),
        }),
        _ => None,
    }
}

impl Source {
    /// Reads what somebody named.
    pub(super) fn of(text: &str) -> Result<Self, ErrorBody> {
        parse(text.trim()).unwrap_or_else(|| {
            Err(errors::usage(
                format!("'{}' names no torrent", errors::clip(text)),
                "give a magnet link, a .torrent file or an infohash",
            ))
        })
    }
}

/// Understands the bytes of a torrent file.
pub(super) fn understand(bytes: &[u8], shown: &str) -> Result<Arc<Metainfo>, ErrorBody> {
    let metainfo = Metainfo::parse(bytes).map_err(|error| {
        ErrorBody::new(
            ExitCode::Usage,
            format!("{shown} is not a torrent that can be used: {error}"),
            "name a .torrent file; to give a file to others, use 'potluck share'",
        )
    })?;
    Ok(Arc::new(metainfo))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torrents_are_told_from_native_links() {
        for (text, expected) in [
            (
                "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
                true,
            ),
            ("MAGNET:?xt=urn:btih:broken", true),
            ("https://example.org/a.torrent", true),
            ("/tmp/a.torrent", true),
            ("c12fe1c06bba254a9dc9f519b335aa7c1367a88a", true),
            (&"0".repeat(64), true),
            ("potluck:bafkr4iabc", false),
            (
                "bafkr4icauqs6gkc3fs2p3cslwqtdcqyi7bdh4dd54dbtv7s73vyhclgk4y",
                false,
            ),
            (
                "ipfs://bafkr4icauqs6gkc3fs2p3cslwqtdcqyi7bdh4dd54dbtv7s73vyhclgk4y",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(is_torrent(text), expected, "{text}");
        }
    }

    #[test]
    fn a_broken_magnet_link_is_a_usage_error() {
        let error = Source::of("magnet:?xt=urn:btih:broken").unwrap_err();
        assert_eq!(error.code, ExitCode::Usage);
    }
}

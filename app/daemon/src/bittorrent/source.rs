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

/// The torrent that a magnet link, an infohash, or the address that this node gives a torrent
/// ([`super::address`]) names; `None` of a text that is neither.
pub(crate) fn hashes_of(text: &str) -> Option<Result<InfoHashes, ErrorBody>> {
    let text = text.trim();
    let of_v1 = text.strip_prefix("btih:");
    let named = of_v1.or_else(|| text.strip_prefix("btmh:1220"));
    match parse(named.unwrap_or(text))? {
        Ok(Source::Magnet(magnet)) => Some(Ok(magnet.hashes)),
        Ok(Source::File(_) | Source::Url(_)) => None,
        Err(error) => Some(Err(error)),
    }
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
    fn torrents_are_named_in_several_ways() {
        let v1 = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
        for text in [
            v1.to_owned(),
            format!("btih:{v1}"),
            format!("magnet:?xt=urn:btih:{v1}&dn=x"),
        ] {
            let hashes = hashes_of(&text).unwrap().unwrap();
            assert_eq!(super::super::address(&hashes), format!("btih:{v1}"));
        }
        let v2 = format!("btmh:1220{}", "5".repeat(64));
        let hashes = hashes_of(&v2).unwrap().unwrap();
        assert_eq!(super::super::address(&hashes), v2);
        assert!(hashes_of("magnet:?xt=urn:btih:broken").unwrap().is_err());
        for text in [
            "/tmp/a.torrent",
            "https://example.org/a",
            "bafkr4i",
            "btih:5",
        ] {
            assert!(hashes_of(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_broken_magnet_link_is_a_usage_error() {
        let error = Source::of("magnet:?xt=urn:btih:broken").unwrap_err();
        assert_eq!(error.code, ExitCode::Usage);
    }
}

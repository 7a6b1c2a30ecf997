//! Reading magnet links that may come from anyone.

use std::ops::RangeInclusive;

use percent_encoding::percent_decode_str;

use super::{MAX_MAGNET_BYTES, MAX_MAGNET_LIST, Magnet, MagnetError};
use crate::{InfoHashes, MAX_URL_BYTES};

/// The start of a multihash: SHA-256, 32 bytes.
pub(super) const SHA_256: &str = "1220";

/// Reads a link. Infohashes must be right; hints that are broken, repeated or too many are left out,
/// as others do, because links pass through many hands.
pub(super) fn magnet(text: &str) -> Result<Magnet, MagnetError> {
    let text = text.trim();
    let bytes = text.len();
    if bytes > MAX_MAGNET_BYTES {
        return Err(MagnetError::TooLong { bytes });
    }
    let query = text.split_at_checked("magnet:?".len());
    let query = query.filter(|(start, _)| start.eq_ignore_ascii_case("magnet:?"));
    let (_, query) = query.ok_or(MagnetError::Syntax)?;
    let mut magnet = Magnet::new(InfoHashes::default());
    for field in query.split('&') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        add_field(&mut magnet, unnumbered(key), value)?;
    }
    if magnet.hashes == InfoHashes::default() {
        return Err(MagnetError::NoInfoHash);
    }
    Ok(magnet)
}

/// A key without the number that tells it from others of its kind: `tr.1`.
fn unnumbered(key: &str) -> &str {
    match key.split_once('.') {
        Some((stem, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => stem,
        _ => key,
    }
}

fn add_field(magnet: &mut Magnet, key: &str, value: &str) -> Result<(), MagnetError> {
    match key {
        "xt" => {
            let topic = unescape(value).ok_or(MagnetError::Syntax)?;
            return add_topic(&mut magnet.hashes, &topic);
        }
        // Forms write a space as a plus, and so do those who make links with their rules.
        "dn" => {
            let name = unescape(&value.replace('+', " "));
            magnet.name = magnet.name.take().or(name.filter(|name| !name.is_empty()));
        }
        "xl" => magnet.size = magnet.size.or_else(|| number(value)),
        "tr" => push(&mut magnet.trackers, url(value)),
        "ws" => push(&mut magnet.web_seeds, url(value)),
        "x.pe" => {
            let peer = unescape(value).and_then(|peer| peer.parse().ok());
            push(&mut magnet.peers, peer);
        }
        "so" => {
            let value = unescape(value).unwrap_or_default();
            for part in value.split(',') {
                push(&mut magnet.select, range(part));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Reads an infohash. Topics of other networks are theirs.
fn add_topic(hashes: &mut InfoHashes, topic: &str) -> Result<(), MagnetError> {
    if let Some(hash) = strip_start(topic, "urn:btih:") {
        return set_once(&mut hashes.v1, hash.parse()?);
    }
    if let Some(hash) = strip_start(topic, "urn:btmh:") {
        let hash = hash.strip_prefix(SHA_256).ok_or(MagnetError::Multihash)?;
        return set_once(&mut hashes.v2, hash.parse()?);
    }
    Ok(())
}

fn strip_start<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (found, rest) = text.split_at_checked(start.len())?;
    found.eq_ignore_ascii_case(start).then_some(rest)
}

fn set_once<T: PartialEq>(slot: &mut Option<T>, value: T) -> Result<(), MagnetError> {
    match slot {
        Some(other) if *other != value => Err(MagnetError::Twice),
        _ => {
            *slot = Some(value);
            Ok(())
        }
    }
}

fn push<T: PartialEq>(list: &mut Vec<T>, value: Option<T>) {
    if let Some(value) = value
        && list.len() < MAX_MAGNET_LIST
        && !list.contains(&value)
    {
        list.push(value);
    }
}

fn unescape(value: &str) -> Option<String> {
    let text = percent_decode_str(value).decode_utf8().ok()?;
    Some(text.into_owned())
}

fn url(value: &str) -> Option<String> {
    let url = unescape(value)?.trim().to_owned();
    (!url.is_empty() && url.len() <= MAX_URL_BYTES).then_some(url)
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Reads one position or a range of them (BEP 53).
fn range(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}

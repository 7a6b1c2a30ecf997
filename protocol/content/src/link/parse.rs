//! Reading links that may come from anyone.

use std::borrow::Cow;

use multiaddr::Multiaddr;
use percent_encoding::percent_decode_str;

use super::{Link, LinkError, MAX_LINK_ADDRS, MAX_LINK_BYTES, MAX_LINK_XTS};
use crate::{Address, AddressError, check_name};

/// Characters of a field that an error quotes.
const MAX_QUOTE: usize = 80;
/// Digits of a BitTorrent infohash, version 1.
const INFOHASH_DIGITS: usize = 40;

/// Reads a link of ours, an `ipfs://` link or a bare address.
pub(super) fn link(text: &str) -> Result<Link, LinkError> {
    let text = text.trim();
    let bytes = text.len();
    if bytes > MAX_LINK_BYTES {
        return Err(LinkError::TooLong { bytes });
    }
    if text.is_empty() {
        return Err(LinkError::Empty);
    }
    if let Some(rest) = strip_scheme(text, "potluck:") {
        return potluck(rest.strip_prefix("//").unwrap_or(rest));
    }
    if let Some(rest) = strip_scheme(text, "ipfs://") {
        return ipfs(rest);
    }
    if let Some(rest) = text.strip_prefix("/ipfs/") {
        return ipfs(rest);
    }
    match foreign(text) {
        Some(kind) => Err(LinkError::Unsupported { kind }),
        None => Ok(Link::new(address(text)?)),
    }
}

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// What kind of thing of another network a text is.
fn foreign(text: &str) -> Option<&'static str> {
    const SCHEMES: [(&str, &str); 6] = [
        ("magnet:", "a magnet link"),
        ("ipns://", "an IPNS name"),
        ("/ipns/", "an IPNS name"),
        ("http://", "a web address"),
        ("https://", "a web address"),
        ("file:", "a file address"),
    ];
    let scheme = SCHEMES
        .iter()
        .find(|(scheme, _)| strip_scheme(text, scheme).is_some());
    if let Some((_, kind)) = scheme {
        return Some(kind);
    }
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (text.len() == INFOHASH_DIGITS && is_hex).then_some("a BitTorrent infohash")
}

fn ipfs(rest: &str) -> Result<Link, LinkError> {
    let cid = rest.split(['?', '#']).next().unwrap_or_default();
    let (cid, path) = cid.split_once('/').unwrap_or((cid, ""));
    if path.is_empty() {
        Ok(Link::new(address(cid)?))
    } else {
        Err(LinkError::Subpath)
    }
}

fn address(text: &str) -> Result<Address, LinkError> {
    text.parse().map_err(|error| match error {
        AddressError::NotBlake3 { code } => LinkError::NotBlake3 { code },
        AddressError::UnsupportedCodec { codec } => LinkError::UnsupportedCodec { codec },
        AddressError::Syntax | AddressError::DigestLength { .. } => LinkError::Syntax,
    })
}

fn potluck(rest: &str) -> Result<Link, LinkError> {
    let (rest, key) = match rest.split_once('#') {
        Some((rest, key)) => (rest, Some(key)),
        None => (rest, None),
    };
    let (cid, query) = rest.split_once('?').unwrap_or((rest, ""));
    let cid = cid.strip_suffix('/').unwrap_or(cid);
    if cid.contains('/') {
        return Err(LinkError::Subpath);
    }
    let mut link = Link::new(address(cid)?);
    for field in query.split('&').filter(|field| !field.is_empty()) {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        add_field(&mut link, key, value)?;
    }
    if let Some(key) = key.filter(|key| !key.is_empty()) {
        link.key = Some(key.parse().map_err(LinkError::Key)?);
    }
    Ok(link)
}

/// Reads one field into the link. Fields that are not known are left to later versions.
fn add_field(link: &mut Link, key: &str, value: &str) -> Result<(), LinkError> {
    match key {
        "name" => {
            let name = unescape(value)?.into_owned();
            check_name(&name).map_err(LinkError::Name)?;
            set_once(&mut link.name, name, "name")
        }
        "size" => {
            let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            let size = is_number.then(|| value.parse().ok()).flatten();
            set_once(&mut link.size, size.ok_or(LinkError::Size)?, "size")
        }
        "addr" => {
            let text = unescape(value)?;
            let addr = text
                .parse::<Multiaddr>()
                .ok()
                .filter(|addr| !addr.is_empty());
            let addr = addr.ok_or_else(|| LinkError::Addr {
                text: text.chars().take(MAX_QUOTE).collect(),
            })?;
            push_bounded(&mut link.addrs, addr, "addr", MAX_LINK_ADDRS)
        }
        "xt" => {
            let xt = unescape(value)?.into_owned();
            push_bounded(&mut link.xt, xt, "xt", MAX_LINK_XTS)
        }
        _ => Ok(()),
    }
}

fn unescape(value: &str) -> Result<Cow<'_, str>, LinkError> {
    percent_decode_str(value)
        .decode_utf8()
        .map_err(|_| LinkError::Escape)
}

fn set_once<T>(slot: &mut Option<T>, value: T, field: &'static str) -> Result<(), LinkError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(LinkError::Twice { field }),
    }
}

fn push_bounded<T>(
    list: &mut Vec<T>,
    value: T,
    field: &'static str,
    limit: usize,
) -> Result<(), LinkError> {
    if list.len() >= limit {
        return Err(LinkError::TooMany { field, limit });
    }
    list.push(value);
    Ok(())
}

//! One line of a blocklist.

use std::net::{IpAddr, Ipv6Addr};

/// Levels of eMule above this one are let in.
const MAX_BLOCKED_LEVEL: u32 = 127;
/// Longest text of an address of IPv6, with an address of IPv4 at its end.
const MAX_V6_TEXT: usize = 45;
/// Bytes at the start of a file that say that it is UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing: it is empty, or a remark.
    Nothing,
    /// Addresses of IPv4, first and last.
    V4(u32, u32),
    /// Addresses of IPv6, first and last.
    V6(u128, u128),
    /// Addresses that are let in.
    Allowed,
    /// It makes no sense.
    Bad,
}

/// Reads a line without its end. Names may be in any encoding; the rest is ASCII.
pub(super) fn parse(line: &[u8]) -> Line {
    let line = line.strip_prefix(MARK).unwrap_or(line).trim_ascii();
    if line.is_empty()
        || line.starts_with(b"#")
        || line.starts_with(b";")
        || line.starts_with(b"//")
    {
        return Line::Nothing;
    }
    plain(line)
        .or_else(|| dat(line))
        .or_else(|| p2p(line))
        .unwrap_or(Line::Bad)
}

/// `1.2.3.4`, `1.2.3.0/24` or `1.2.3.4 - 1.2.3.9`, and perhaps a remark.
fn plain(line: &[u8]) -> Option<Line> {
    let end = line.iter().position(|byte| matches!(byte, b'#' | b';'));
    let text = text(line.get(..end.unwrap_or(line.len()))?)?;
    if let Some((first, last)) = text.split_once('-') {
        return range(first, last);
    }
    if let Some((network, bits)) = text.split_once('/') {
        return cidr(address(network)?, number(bits, 3)?);
    }
    let one = address(text)?;
    between(one, one)
}

/// `1.2.3.0 - 1.2.3.255 , 100 , name`.
fn dat(line: &[u8]) -> Option<Line> {
    let mut fields = line.split(|byte| *byte == b',');
    let (first, last) = text(fields.next()?)?.split_once('-')?;
    let level = number(text(fields.next()?)?, 3)?;
    let found = range(first, last)?;
    Some(if level > MAX_BLOCKED_LEVEL {
        Line::Allowed
    } else {
        found
    })
}

/// `name:1.2.3.0-1.2.3.255`; the name may have colons and dashes in it.
fn p2p(line: &[u8]) -> Option<Line> {
    let dash = line.iter().rposition(|byte| *byte == b'-')?;
    let (before, last) = (line.get(..dash)?, line.get(dash + 1..)?);
    let last = address(text(last)?)?;
    let start = before.len().saturating_sub(MAX_V6_TEXT + 1);
    let near = before.get(start..)?;
    // The longest text that is an address is the one that is meant: the end of one of IPv6 may be one too.
    let colons = near.iter().enumerate();
    let colons = colons.filter(|(_, byte)| **byte == b':');
    let mut firsts = colons.filter_map(|(at, _)| address(text(near.get(at + 1..)?)?));
    let first = firsts.find(|first| first.is_ipv4() == last.is_ipv4())?;
    between(first, last)
}

fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    text.is_ascii().then_some(text)
}

fn range(first: &str, last: &str) -> Option<Line> {
    between(address(first)?, address(last)?)
}

/// An address. Those of IPv4 may have zeros in front of their numbers, which are decimal all the same.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if text.contains(':') {
        return text.parse().ok().map(IpAddr::V6);
    }
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        *octet = u8::try_from(number(parts.next()?, 3)?).ok()?;
    }
    parts.next().is_none().then(|| IpAddr::from(octets))
}

/// A number of at least one digit and at most so many.
fn number(text: &str, digits: usize) -> Option<u32> {
    let text = text.trim();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || text.len() > digits {
        return None;
    }
    text.parse().ok()
}

fn between(first: IpAddr, last: IpAddr) -> Option<Line> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            Some(Line::V4(first.to_bits(), last.to_bits()))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => Some(between_v6(first, last)),
        _ => None,
    }
}

/// Addresses of IPv4 that are written as those of IPv6 are those of IPv4.
fn between_v6(first: Ipv6Addr, last: Ipv6Addr) -> Line {
    match (first.to_ipv4_mapped(), last.to_ipv4_mapped()) {
        (Some(first), Some(last)) => Line::V4(first.to_bits(), last.to_bits()),
        _ => Line::V6(first.to_bits(), last.to_bits()),
    }
}

/// All addresses that begin with so many bits of one.
fn cidr(address: IpAddr, bits: u32) -> Option<Line> {
    match address {
        IpAddr::V4(address) => {
            let others = u32::MAX.checked_shr(bits).unwrap_or(0);
            let first = address.to_bits() & !others;
            (bits <= 32).then_some(Line::V4(first, first | others))
        }
        IpAddr::V6(address) => {
            let others = u128::MAX.checked_shr(bits).unwrap_or(0);
            let first = address.to_bits() & !others;
            let (first, last) = (Ipv6Addr::from(first), Ipv6Addr::from(first | others));
            (bits <= 128).then(|| between_v6(first, last))
        }
    }
}

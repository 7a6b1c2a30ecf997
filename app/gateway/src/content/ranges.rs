//! Which bytes of a file a request asks for (RFC 9110, section 14).
//!
//! Read here because the crates at hand differ from the RFC where players ask: `headers` finds no
//! bytes in a suffix that is longer than the file, and leaves ranges in that begin behind its end.

use std::ops::Range;

/// Ranges of one request; more than this is not how anybody reads a file.
const MAX_RANGES: usize = 32;

/// What a `Range` header comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The whole file: there is no such header, or one that is to be ignored.
    Whole,
    /// One part.
    One(Range<u64>),
    /// Several parts, in the order asked for.
    Many(Vec<Range<u64>>),
    /// Nothing that there is.
    Nothing,
}

/// Reads a header for a file of `size` bytes.
pub(super) fn wanted(header: &str, size: u64) -> Wanted {
    let Some((unit, list)) = header.split_once('=') else {
        return Wanted::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let mut parts = Vec::new();
    // A list may have empty elements (section 5.6.1).
    let elements = list
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty());
    for (index, text) in elements.enumerate() {
        match part(text, size) {
            Some(part) if index < MAX_RANGES => parts.extend(part),
            // What is malformed, or too much, is ignored as a whole.
            _ => return Wanted::Whole,
        }
    }
    // Parts that overlap would make an answer larger than the file.
    let sum: u64 = parts.iter().map(|part| part.end - part.start).sum();
    match parts.len() {
        0 if list.trim().is_empty() => Wanted::Whole,
        0 => Wanted::Nothing,
        1 => Wanted::One(parts.swap_remove(0)),
        _ if sum > size => Wanted::Whole,
        _ => Wanted::Many(parts),
    }
}

/// One element: `None` when it is malformed, `Some(None)` when the file has no such bytes.
fn part(text: &str, size: u64) -> Option<Option<Range<u64>>> {
    let (first, last) = text.split_once('-')?;
    let range = match (first.trim(), last.trim()) {
        ("", suffix) => size.saturating_sub(number(suffix)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    Some((range.start < range.end).then_some(range))
}

/// Digits and nothing else. A number that is too large lies behind the end of every file.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;

    #[test]
    fn as_the_rfc_says() {
        let many = |parts: &[Range<u64>]| Wanted::Many(parts.to_vec());
        for (header, expected) in [
            ("bytes=0-0", Wanted::One(0..1)),
            ("bytes=0-9", Wanted::One(0..10)),
            ("bytes=9-9", Wanted::One(9..10)),
            ("bytes=5-", Wanted::One(5..10)),
            ("bytes=5-99", Wanted::One(5..10)),
            ("bytes=-3", Wanted::One(7..10)),
            ("bytes=-99", Wanted::One(0..10)),
            ("BYTES = 1 - 2 ", Wanted::One(1..3)),
            ("bytes=0-99999999999999999999999", Wanted::One(0..10)),
            ("bytes=0-1,8-9", many(&[0..2, 8..10])),
            ("bytes=8-, 0-1", many(&[8..10, 0..2])),
            ("bytes=,0-1,,-1", many(&[0..2, 9..10])),
            ("bytes=0-1,20-30", Wanted::One(0..2)),
            ("bytes=0-9,0-9", Wanted::Whole),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=10-20,99-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=99999999999999999999999-", Wanted::Nothing),
            ("bytes=", Wanted::Whole),
            ("bytes=2-1", Wanted::Whole),
            ("bytes=x-1", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=1", Wanted::Whole),
            ("bytes=--1", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(wanted(header, 10), expected, "{header}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(wanted("bytes=-1", 0), Wanted::Nothing);
        let most = vec!["0-0"; MAX_RANGES + 1].join(",");
        assert_eq!(wanted(&format!("bytes={most}"), 1000), Wanted::Whole);
    }
}

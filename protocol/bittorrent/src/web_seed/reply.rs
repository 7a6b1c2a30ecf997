//! What web servers say of their answers (RFC 9110).

use std::str::FromStr;
use std::time::Duration;

/// Which bytes of a file an answer has (RFC 9110, section 14.4): `bytes 0-99/1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
    /// Bytes of the file, if that is known.
    pub size: Option<u64>,
}

/// It is no range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no range of bytes")]
pub struct RangeError;

impl FromStr for ContentRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        range(text).ok_or(RangeError)
    }
}

fn range(text: &str) -> Option<ContentRange> {
    let (unit, range) = text.split_once(' ')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (range, size) = range.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let size = match size {
        "*" => None,
        size => Some(number(size)?),
    };
    let is_within = size.is_none_or(|size| last < size);
    (first <= last && is_within).then_some(ContentRange { first, last, size })
}

/// How long a server wants to be left alone (RFC 9110, section 10.2.3). None when it says so as a date.
#[must_use]
pub fn retry_after(text: &str) -> Option<Duration> {
    number(text).map(Duration::from_secs)
}

/// A number without a sign.
fn number(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = |first, last, size| Ok(ContentRange { first, last, size });
        assert_eq!("bytes 0-9/10".parse(), range(0, 9, Some(10)));
        assert_eq!("Bytes 5-9/*".parse(), range(5, 9, None));
        for wrong in [
            "",
            "bytes",
            "bytes */10",
            "bytes 1-2",
            "bytes -1-2/3",
            "bytes +1-2/3",
            "pages 1-2/3",
            "bytes 1-2/x",
            "bytes 1-/3",
            // The end ahead of the start, and past the end of the file.
            "bytes 2-1/3",
            "bytes 0-3/3",
        ] {
            assert_eq!(wrong.parse::<ContentRange>(), Err(RangeError), "{wrong}");
        }
    }

    #[test]
    fn pauses() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Fri, 31 Dec 1999 23:59:59 GMT"), None);
        assert_eq!(retry_after("99999999999999999999"), None);
        assert_eq!(retry_after(""), None);
    }
}

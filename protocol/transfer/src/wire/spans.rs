//! Ranges of pieces on the wire: pairs of start and end, ascending and apart.

use std::ops::Range;

use potluck_content::MAX_PIECES;
use serde::{Deserialize, Deserializer, Serializer};

use super::{WireError, ensure};

pub(super) fn serialize<S: Serializer>(
    ranges: &[Range<u32>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ranges.iter().map(|range| (range.start, range.end)))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Range<u32>>, D::Error> {
    let pairs = Vec::<(u32, u32)>::deserialize(deserializer)?;
    Ok(pairs.into_iter().map(|(start, end)| start..end).collect())
}

/// Checks that ranges are within every layout's bounds, ascending, not empty, and don't touch.
pub(super) fn check(ranges: &[Range<u32>], max: usize) -> Result<(), WireError> {
    ensure(!ranges.is_empty(), "no ranges")?;
    ensure(ranges.len() <= max, "too many ranges")?;
    ensure(
        ranges.iter().all(|range| range.start < range.end),
        "empty range",
    )?;
    ensure(
        ranges.iter().all(|range| range.end <= MAX_PIECES),
        "range beyond any layout",
    )?;
    let apart = ranges.windows(2).all(|pair| pair[0].end < pair[1].start);
    ensure(apart, "ranges overlap, touch or descend")
}

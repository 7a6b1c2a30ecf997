//! Piece bitmaps from other nodes, and the arithmetic on them against a plain set.

use std::collections::BTreeSet;

use potluck_content::PieceSet;

use crate::seeds::seed;
use crate::take::Take;

/// Most pieces of a set that the plain one is compared with.
const MODEL_PIECES: u32 = 300;

/// A bitmap that is taken comes back byte for byte, and sets behave as sets.
pub fn pieceset(data: &[u8]) {
    let mut take = Take(data);
    let length = take.u32();
    if let Ok(set) = PieceSet::from_bytes(length, take.0) {
        assert_eq!(set.to_bytes(), take.0);
        assert_eq!(set.len(), length);
        assert!(set.count() <= length);
        assert_eq!(set.is_full(), set.count() == length);
        let ranges: u32 = set.ranges().map(|range| range.end - range.start).sum();
        assert_eq!(ranges, set.count());
    }
    follow_model(length % MODEL_PIECES, take);
}

/// Applies the rest of the input as operations to a set and to its model.
fn follow_model(length: u32, mut take: Take<'_>) {
    let (mut set, mut model) = (PieceSet::new(length), BTreeSet::new());
    while !take.is_empty() {
        let (kind, a, b) = (take.u8(), u32::from(take.u16()), u32::from(take.u16()));
        // Pieces past the end and ranges the wrong way round are part of what is tried.
        let (piece, range) = (a % (MODEL_PIECES + 8), a % MODEL_PIECES..b % MODEL_PIECES);
        let inside = |range: std::ops::Range<u32>| range.filter(|piece| *piece < length);
        match kind % 6 {
            0 if piece < length => assert_eq!(set.insert(piece), model.insert(piece)),
            1 if piece < length => assert_eq!(set.remove(piece), model.remove(&piece)),
            2 => {
                set.insert_range(range.clone());
                model.extend(inside(range));
            }
            3 => {
                set.remove_range(range.clone());
                model.retain(|piece| !range.contains(piece));
            }
            4 => {
                let mut other = PieceSet::new(length);
                other.insert_range(range.clone());
                let plain: BTreeSet<u32> = inside(range).collect();
                compare(&set.union(&other), &model.union(&plain).copied().collect());
                compare(
                    &set.intersection(&other),
                    &model.intersection(&plain).copied().collect(),
                );
                compare(
                    &set.difference(&other),
                    &model.difference(&plain).copied().collect(),
                );
                assert_eq!(set.is_subset(&other), model.is_subset(&plain));
            }
            _ => {
                assert_eq!(set.contains(piece), model.contains(&piece));
                assert_eq!(
                    set.first_present(piece),
                    model.range(piece..).next().copied()
                );
                let missing = inside(piece..length).find(|piece| !model.contains(piece));
                assert_eq!(set.first_missing(piece), missing);
            }
        }
    }
    compare(&set, &model);
}

fn compare(set: &PieceSet, model: &BTreeSet<u32>) {
    assert!(set.iter().eq(model.iter().copied()));
    assert_eq!(set.count() as usize, model.len());
}

/// Bitmaps of several lengths, and some that have bits past their end.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let with_length = |length: u32, bytes: &[u8]| [&length.to_le_bytes(), bytes].concat();
    let mut some = PieceSet::new(1_000);
    some.insert_range(3..70);
    some.insert_range(640..1_000);
    let operations: Vec<u8> = (0_u8..=60)
        .flat_map(|n| [n, n.wrapping_mul(7), 0, n ^ 0x55, 1])
        .collect();
    vec![
        seed("none", with_length(0, &[])),
        seed("full", with_length(77, &PieceSet::full(77).to_bytes())),
        seed("some", with_length(1_000, &some.to_bytes())),
        seed("stray", with_length(3, &[0xff])),
        seed("short", with_length(u32::MAX, &[0xff])),
        seed("operations", with_length(190, &operations)),
    ]
}

//! Proofs of spans: what is altered is found out, and what is made up shows nothing.

use std::ops::Range;
use std::sync::OnceLock;

use potluck_content::tree::{self, Geometry, PARENT_BYTES};
use potluck_content::{GROUP_BYTES, Hash};

use crate::seeds::seed;
use crate::take::Take;

/// Groups of the example, the last of them short: a tree with subtrees of every shape.
const GROUPS: u64 = 37;
const LAST_GROUP_BYTES: u64 = 1_000;

struct Example {
    data: Vec<u8>,
    outboard: Vec<u8>,
    root: Hash,
    geometry: Geometry,
}

impl Example {
    fn get() -> &'static Self {
        static EXAMPLE: OnceLock<Example> = OnceLock::new();
        EXAMPLE.get_or_init(|| {
            let size = (GROUPS - 1) * GROUP_BYTES + LAST_GROUP_BYTES;
            let data: Vec<u8> = (0..size).map(scramble).collect();
            let (root, outboard) = tree::outboard(&data);
            Self {
                outboard,
                root,
                geometry: Geometry::new(size),
                data,
            }
        })
    }

    fn bytes(&self, span: &Range<u64>) -> &[u8] {
        let groups = self.data.chunks(index(GROUP_BYTES));
        let before: usize = groups
            .clone()
            .take(index(span.start))
            .map(<[u8]>::len)
            .sum();
        let inside: usize = groups
            .take(index(span.end))
            .skip(index(span.start))
            .map(<[u8]>::len)
            .sum();
        &self.data[before..before + inside]
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Bytes that differ from their neighbours and from group to group.
fn scramble(at: u64) -> u8 {
    at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7]
}

/// Checks a made-up proof and an altered one.
pub fn proof(data: &[u8]) {
    let mut take = Take(data);
    if take.u8() & 1 == 0 {
        made_up(take);
    } else {
        altered(take);
    }
}

/// Any size, span and root: nothing may be shown that the root does not say.
fn made_up(mut take: Take<'_>) {
    // Sizes of all magnitudes, up to the largest.
    let size = take.u64() >> (take.u8() % 64);
    let start = take.u64() >> (take.u8() % 64);
    let span = start..start.saturating_add(u64::from(take.u16()));
    let root = Hash::from_bytes(take.array());
    let geometry = Geometry::new(size);
    assert_eq!(
        geometry.outboard_len(),
        (geometry.groups() - 1) * PARENT_BYTES as u64
    );
    let Ok(shown) = tree::check(&root, geometry, span.clone(), take.0) else {
        return;
    };
    assert_eq!(shown.parents().len() * PARENT_BYTES, take.0.len());
    assert_eq!(shown.group_hashes().len() as u64, span.end - span.start);
    // Whatever it shows, bytes can be held against it.
    let group = take
        .0
        .get(..geometry.group_len(span.start))
        .unwrap_or(take.0);
    let _ = shown.check_groups(span.start, group);
}

/// A true proof of some span, altered in some places or cut.
fn altered(mut take: Take<'_>) {
    let example = Example::get();
    let start = u64::from(take.u8()) % GROUPS;
    let span = start..(start + 1 + u64::from(take.u8()) % GROUPS).min(GROUPS);
    let truth = tree::prove(example.geometry, &example.outboard[..], span.clone());
    let Ok(truth) = truth else {
        unreachable!("the example's tree is whole")
    };
    assert_eq!(truth.len(), example.geometry.proof_len(&span));
    let mut proof = truth.clone();
    let mut data = example.bytes(&span).to_vec();
    let claimed = Geometry::new(
        example
            .geometry
            .size()
            .wrapping_add(u64::from(take.u8() % 3)),
    );
    while !take.is_empty() {
        let (kind, at, value) = (take.u8() % 3, index(u64::from(take.u32())), take.u8());
        match kind {
            0 if !proof.is_empty() => {
                let at = at % proof.len();
                proof[at] ^= value;
            }
            1 => proof.truncate(at),
            _ => {
                let at = at % data.len();
                data[at] ^= value;
            }
        }
    }
    let shown = tree::check(&example.root, claimed, span.clone(), &proof);
    // Another size is another tree only where the last group is looked at.
    let size_matters = span.end == GROUPS && claimed != example.geometry;
    let Ok(shown) = shown else {
        assert!(
            proof != truth || claimed != example.geometry,
            "a true proof was refused"
        );
        return;
    };
    assert_eq!(proof, truth, "an altered proof was taken");
    let right = shown.check_groups(span.start, &data).is_ok();
    assert_eq!(right, data == example.bytes(&span) && !size_matters);
}

/// Made-up and true proofs.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let example = Example::get();
    let mut single = vec![0];
    single.extend(5_u64.to_le_bytes());
    single.extend([0; 10]);
    single.extend(1_u16.to_le_bytes());
    single.extend(Hash::of(b"hello").as_bytes());
    let mut pair = vec![0];
    pair.extend((GROUP_BYTES + 1).to_le_bytes());
    pair.extend([0; 10]);
    pair.extend(2_u16.to_le_bytes());
    pair.extend(example.root.as_bytes());
    pair.extend(&example.outboard[..PARENT_BYTES]);
    vec![
        seed("made-up-single", single),
        seed("made-up-pair", pair),
        seed("true-first", [1, 0, 0, 0]),
        seed("true-all", [1, 0, 36, 0]),
        seed("true-last", [1, 36, 0, 0]),
        seed("other-size", [1, 36, 0, 1]),
        seed("altered-proof", [1, 5, 9, 0, 0, 70, 0, 0, 0, 1]),
        seed("altered-data", [1, 5, 9, 0, 2, 70, 0, 0, 0, 1]),
        seed("cut", [1, 5, 9, 0, 1, 64, 0, 0, 0, 0]),
    ]
}

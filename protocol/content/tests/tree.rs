//! Hash trees against `bao-tree` and `blake3` as models, and against tampering.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::ops::Range;

use bao_tree::io::outboard::PreOrderMemOutboard;
use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRanges, iter::BaoChunk};
use potluck_content::tree::{
    BuildError, Geometry, Parent, ProofError, TreeBuilder, check, hash_groups, outboard, prove,
};
use potluck_content::{GROUP_BYTES, Hash};
use proptest::prelude::*;

const GROUP: usize = 16 * 1024;
const SIZES: [usize; 18] = [
    0,
    1,
    1023,
    1024,
    1025,
    GROUP - 1,
    GROUP,
    GROUP + 1,
    2 * GROUP - 1,
    2 * GROUP,
    2 * GROUP + 1,
    3 * GROUP,
    5 * GROUP - 1,
    7 * GROUP + 1,
    8 * GROUP,
    (1 << 20) - 1,
    1 << 20,
    (1 << 20) + 1,
];

/// Bytes of which no two groups are equal.
fn sample(size: usize) -> Vec<u8> {
    let mut data = vec![0; size];
    blake3::Hasher::new()
        .update(b"sample")
        .finalize_xof()
        .fill(&mut data);
    data
}

fn reference_tree(size: u64) -> BaoTree {
    BaoTree::new(size, BlockSize::from_chunk_log(4))
}

/// The parents above a span, as `bao-tree` walks them.
fn reference_offsets(size: u64, span: &Range<u64>) -> Vec<u64> {
    let tree = reference_tree(size);
    let chunks = ChunkNum(span.start * 16)..ChunkNum(span.end * 16);
    let ranges = ChunkRanges::from(chunks);
    let walk = tree.ranges_pre_order_chunks_iter_ref(&ranges, 0);
    walk.filter_map(|chunk| match chunk {
        BaoChunk::Parent { node, .. } => tree.pre_order_offset(node).map(|n| n * 64),
        BaoChunk::Leaf { .. } => None,
    })
    .collect()
}

fn bytes_of(data: &[u8], span: &Range<u64>) -> Vec<u8> {
    let at = |group: u64| {
        usize::try_from(group * GROUP_BYTES)
            .unwrap()
            .min(data.len())
    };
    data[at(span.start)..at(span.end)].to_vec()
}

/// All spans of a small blob, some of a large one.
fn spans(groups: u64) -> Vec<Range<u64>> {
    let ends =
        |start: u64| (start + 1..=groups).filter(move |end| groups < 12 || end % 7 == start % 7);
    (0..groups)
        .flat_map(|start| ends(start).map(move |end| start..end))
        .collect()
}

#[test]
fn outboard_is_that_of_the_models() {
    for size in SIZES {
        let data = sample(size);
        let (root, ours) = outboard(&data);
        let reference = PreOrderMemOutboard::create(&data, BlockSize::from_chunk_log(4));
        assert_eq!(root.as_bytes(), blake3::hash(&data).as_bytes(), "{size}");
        assert_eq!(ours, reference.data, "{size}");
        let geometry = Geometry::new(size as u64);
        assert_eq!(geometry.outboard_len(), ours.len() as u64);
        assert_eq!(geometry.groups(), reference_tree(size as u64).blocks());
    }
}

#[test]
fn every_span_is_proven_and_checked() {
    for size in SIZES {
        let data = sample(size);
        let (root, parents) = outboard(&data);
        let geometry = Geometry::new(size as u64);
        for span in spans(geometry.groups()) {
            let proof = prove(geometry, parents.as_slice(), span.clone()).unwrap();
            assert_eq!(proof.len(), geometry.proof_len(&span), "{size} {span:?}");
            let verified = check(&root, geometry, span.clone(), &proof).unwrap();
            let offsets: Vec<u64> = verified
                .parents()
                .iter()
                .map(|(offset, _)| *offset)
                .collect();
            assert_eq!(
                offsets,
                reference_offsets(size as u64, &span),
                "{size} {span:?}"
            );
            let bytes = bytes_of(&data, &span);
            assert_eq!(bytes.len() as u64, geometry.span_len(span.clone()));
            assert_eq!(verified.check_groups(span.start, &bytes), Ok(()));
            assert_eq!(verified.shows_size(), span.end == geometry.groups());
        }
    }
}

#[test]
fn parts_of_a_span_are_checked_alone() {
    let data = sample(7 * GROUP + 5);
    let (root, parents) = outboard(&data);
    let geometry = Geometry::new(data.len() as u64);
    let proof = prove(geometry, parents.as_slice(), 2..8).unwrap();
    let verified = check(&root, geometry, 2..8, &proof).unwrap();
    let cut = |from: usize, to: usize| &data[from * GROUP..data.len().min(to * GROUP)];
    assert_eq!(verified.check_groups(3, cut(3, 6)), Ok(()));
    assert_eq!(verified.check_groups(7, cut(7, 8)), Ok(()));
    assert_eq!(
        verified.check_groups(8, &[]),
        Ok(()),
        "nothing is true of anything"
    );
    let wrong = |first, bytes: &[u8]| verified.check_groups(first, bytes).unwrap_err().group;
    assert_eq!(wrong(1, cut(1, 3)), 1, "before the span");
    assert_eq!(wrong(8, &[0]), 8, "past the end");
    assert_eq!(wrong(2, cut(3, 4)), 2, "another group's bytes");
    assert_eq!(wrong(4, &cut(4, 6)[..GROUP + 9]), 5, "half a group");
    assert_eq!(
        wrong(7, &[cut(7, 8), &[0]].concat()),
        8,
        "more than the blob has"
    );
}

#[test]
fn the_last_group_shows_the_size() {
    for size in SIZES {
        let data = sample(size);
        let (root, parents) = outboard(&data);
        let truth = Geometry::new(size as u64);
        let span = truth.last_group();
        let proof = prove(truth, parents.as_slice(), span.clone()).unwrap();
        let bytes = bytes_of(&data, &span);
        let near = (0..=4 * GROUP)
            .step_by(611)
            .map(|d| (size + 2 * GROUP).saturating_sub(d));
        for claim in near.chain([size + 1, size.saturating_sub(1), 2 * size + 1, size / 2]) {
            let geometry = Geometry::new(claim as u64);
            // A liar may cut or pad proof and bytes to what the claimed size asks for.
            let mut proof = proof.clone();
            proof.resize(geometry.proof_len(&geometry.last_group()), 0);
            let mut bytes = bytes.clone();
            bytes.resize(geometry.group_len(geometry.groups() - 1), 0);
            let believed = check(&root, geometry, geometry.last_group(), &proof)
                .is_ok_and(|v| v.check_groups(geometry.groups() - 1, &bytes).is_ok());
            assert_eq!(believed, claim == size, "{size} claimed as {claim}");
        }
    }
}

#[test]
fn builder_takes_any_batches() {
    for size in SIZES {
        let data = sample(size);
        let (root, expected) = outboard(&data);
        for batch in [1, 2, 3, 64] {
            let mut builder = TreeBuilder::new(size as u64);
            let mut parents = Vec::new();
            for part in data.chunks(batch * GROUP) {
                builder.push_groups(part, &mut parents).unwrap();
            }
            assert_eq!(builder.finish(), Ok(root), "{size} by {batch}");
            assert_eq!(place(&parents, expected.len()), expected);
        }
    }
}

fn place(parents: &[(u64, Parent)], length: usize) -> Vec<u8> {
    let mut outboard = vec![0; length];
    for (offset, parent) in parents {
        let offset = usize::try_from(*offset).unwrap();
        outboard[offset..offset + 64].copy_from_slice(parent);
    }
    outboard
}

#[test]
fn builder_refuses_wrong_lengths() {
    let mut parents = Vec::new();
    let size = (GROUP + 5) as u64;
    let mut builder = TreeBuilder::new(size);
    let push = |builder: &mut TreeBuilder, length: usize| {
        builder.push_groups(&vec![0; length], &mut Vec::new())
    };
    assert_eq!(push(&mut builder, 5), Err(BuildError::PartialGroup));
    assert_eq!(
        push(&mut builder, GROUP + 6),
        Err(BuildError::TooLong { size })
    );
    assert_eq!(push(&mut builder, GROUP), Ok(()));
    assert_eq!(push(&mut builder, 4), Err(BuildError::PartialGroup));
    assert_eq!(builder.clone().finish(), Err(BuildError::TooShort { size }));
    assert_eq!(
        builder.push_hashes(&[[0; 32]; 2], &mut parents),
        Err(BuildError::TooLong { size })
    );
    assert_eq!(push(&mut builder, 5), Ok(()));
    assert_eq!(push(&mut builder, 1), Err(BuildError::TooLong { size }));
    assert!(builder.finish().is_ok());
}

#[test]
fn refuses_spans_that_are_none() {
    let geometry = Geometry::new(3 * GROUP_BYTES);
    let reversed = Range { start: 2, end: 1 };
    for span in [0..0, 3..4, 0..4, reversed, u64::MAX..u64::MAX, 0..u64::MAX] {
        let result = check(&Hash::of(b""), geometry, span.clone(), &[]);
        assert!(matches!(result, Err(ProofError::Span { .. })), "{span:?}");
    }
    let missing = prove(geometry, [0; 100].as_slice(), 0..3).unwrap_err();
    assert_eq!(missing.offset, 64);
}

#[test]
fn largest_sizes_have_a_shape() {
    for size in [u64::MAX, 1 << 63, (1 << 63) + 1, (1 << 50) - 1] {
        let geometry = Geometry::new(size);
        let groups = geometry.groups();
        assert_eq!(geometry.span_len(0..u64::MAX), size);
        assert_eq!(geometry.span_len(0..groups), size);
        assert_eq!(geometry.group_len(u64::MAX), 0);
        assert_eq!(geometry.outboard_len(), (groups - 1) * 64);
        assert_eq!(
            geometry.proof_len(&(0..groups)) as u64,
            geometry.outboard_len()
        );
        assert!(geometry.proof_len(&geometry.last_group()) <= 50 * 64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn round_trip(size in 0usize..1_500_000, from in any::<u64>(), length in any::<u64>()) {
        let data = sample(size);
        let (root, parents) = outboard(&data);
        let geometry = Geometry::new(size as u64);
        let start = from % geometry.groups();
        let span = start..start + 1 + length % (geometry.groups() - start);
        let proof = prove(geometry, parents.as_slice(), span.clone()).unwrap();
        let verified = check(&root, geometry, span.clone(), &proof).unwrap();
        prop_assert_eq!(verified.check_groups(span.start, &bytes_of(&data, &span)), Ok(()));
        for (offset, parent) in verified.parents() {
            let offset = usize::try_from(*offset).unwrap();
            prop_assert_eq!(&parents[offset..offset + 64], parent);
        }
    }

    #[test]
    fn any_flipped_bit_is_refused(
        size in 1usize..600_000, from in any::<u64>(), length in 0u64..20, bit in any::<usize>(),
    ) {
        let data = sample(size);
        let (root, parents) = outboard(&data);
        let geometry = Geometry::new(size as u64);
        let start = from % geometry.groups();
        let span = start..(start + 1 + length).min(geometry.groups());
        let mut proof = prove(geometry, parents.as_slice(), span.clone()).unwrap();
        let verified = check(&root, geometry, span.clone(), &proof).unwrap();
        let mut bytes = bytes_of(&data, &span);
        let at = bit % (bytes.len() * 8);
        bytes[at / 8] ^= 1 << (at % 8);
        let group = span.start + (at / 8 / GROUP) as u64;
        prop_assert_eq!(verified.check_groups(span.start, &bytes).unwrap_err().group, group);
        if !proof.is_empty() {
            let at = bit % (proof.len() * 8);
            proof[at / 8] ^= 1 << (at % 8);
            let refused = matches!(check(&root, geometry, span.clone(), &proof), Err(ProofError::Mismatch { .. }));
            prop_assert!(refused);
            proof.pop();
        } else {
            proof.push(0);
        }
        let refused = matches!(check(&root, geometry, span, &proof), Err(ProofError::Length { .. }));
        prop_assert!(refused);
    }

    #[test]
    fn regions_can_be_hashed_apart(size in 0usize..800_000, cut in any::<usize>()) {
        let data = sample(size);
        let (root, expected) = outboard(&data);
        let geometry = Geometry::new(size as u64);
        let cut = cut % (data.len() / GROUP + 1);
        let (left, right) = data.split_at(cut * GROUP);
        let (mut hashes, mut parents) = (Vec::new(), Vec::new());
        if cut > 0 {
            hash_groups(left, 0, geometry, &mut hashes);
        }
        if cut == 0 || !right.is_empty() {
            hash_groups(right, cut as u64, geometry, &mut hashes);
        }
        let mut builder = TreeBuilder::new(size as u64);
        builder.push_hashes(&hashes, &mut parents).unwrap();
        prop_assert_eq!(builder.finish(), Ok(root));
        prop_assert_eq!(place(&parents, expected.len()), expected);
    }

    #[test]
    fn shapes_are_those_of_the_model(size in 0u64..(1 << 52), from in any::<u64>(), length in 1u64..40) {
        let geometry = Geometry::new(size);
        prop_assert_eq!(geometry.outboard_len(), reference_tree(size).outboard_size());
        let start = from % geometry.groups();
        let span = start..(start + length).min(geometry.groups());
        let offsets = reference_offsets(size, &span);
        prop_assert_eq!(geometry.proof_len(&span), offsets.len() * 64);
        // A source that answers with the offset itself shows which parents were read.
        struct Offsets;
        impl potluck_content::tree::ParentSource for Offsets {
            type Error = std::convert::Infallible;
            fn parent(&self, offset: u64) -> Result<Parent, Self::Error> {
                let mut parent = [0; 64];
                parent[..8].copy_from_slice(&offset.to_le_bytes());
                Ok(parent)
            }
        }
        let proof = prove(geometry, &Offsets, span).unwrap();
        let read: Vec<u64> = proof
            .chunks(64)
            .map(|parent| u64::from_le_bytes(parent[..8].try_into().unwrap()))
            .collect();
        prop_assert_eq!(read, offsets);
    }

    #[test]
    fn any_proof_is_judged(
        root in any::<[u8; 32]>(), size in any::<u64>(), from in any::<u64>(), to in any::<u64>(),
        proof in proptest::collection::vec(any::<u8>(), 0..400), near in any::<bool>(),
    ) {
        let geometry = Geometry::new(size);
        let span = if near { from % geometry.groups()..from % geometry.groups() + to % 5 } else { from..to };
        let mut proof = proof;
        let length = geometry.proof_len(&span);
        if length < 10_000 {
            proof.resize(length, 7);
        }
        if let Ok(verified) = check(&Hash::from_bytes(root), geometry, span, &proof) {
            prop_assert!(verified.check_groups(from, &proof).is_err() || proof.is_empty());
        }
    }
}

/// Cuts bytes where a list of lengths says, over and over.
fn cut<'a>(data: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = data;
    for length in lengths.iter().cycle() {
        let (part, after) = rest.split_at((*length).min(rest.len()));
        parts.push(part);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    parts
}

proptest! {
    #[test]
    fn bytes_in_parts_check_as_bytes_in_one(
        size in prop_oneof![prop::sample::select(SIZES.to_vec()), 1..200_000_usize],
        lengths in prop::collection::vec(1..40_000_usize, 1..6),
        spoil in any::<prop::sample::Index>(),
    ) {
        let data = sample(size);
        let (root, tree) = outboard(&data);
        let geometry = Geometry::new(size as u64);
        let groups = 0..geometry.groups();
        let proof = prove(geometry, tree.as_slice(), groups.clone()).unwrap();
        let verified = check(&root, geometry, groups, &proof).unwrap();
        prop_assert_eq!(verified.check_parts(0, cut(&data, &lengths)), Ok(()));
        if size > 0 {
            let at = spoil.index(size);
            let mut wrong = data.clone();
            wrong[at] ^= 1;
            let error = verified.check_parts(0, cut(&wrong, &lengths)).unwrap_err();
            prop_assert_eq!(error.group, (at / GROUP) as u64);
            // Cut within a group, or too long, it is not the blob either.
            let short = verified.check_parts(0, cut(&data[..size - 1], &lengths));
            prop_assert_eq!(short.is_ok(), (size - 1).is_multiple_of(GROUP));
            let long = [data.as_slice(), &[0]].concat();
            prop_assert!(verified.check_parts(0, cut(&long, &lengths)).is_err());
        }
    }
}

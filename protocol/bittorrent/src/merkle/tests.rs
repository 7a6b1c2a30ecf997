//! Piece layers: what is answered is right, and nothing else is.

#![allow(clippy::unwrap_used, clippy::panic)]

mod fetch;

use potluck_content::EntryPath;
use potluck_content::foreign::{PieceTree, layer_root};
use proptest::prelude::*;

use super::*;
use crate::wire::{HashList, HashRequest, Message};
use crate::{Builder, Metainfo, NewFile, Version};

const KIB: u64 = 1024;

/// A hash that looks random.
fn hash(seed: u64, at: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    for (byte, place) in hash.iter_mut().zip(0..) {
        let mixed = (seed ^ at.rotate_left(17)).wrapping_mul(0x9E37_79B9_7F4A_7C15 + 2 * place);
        *byte = mixed.to_be_bytes()[1];
    }
    hash
}

/// A file of so many pieces, whose last one is not full.
fn file(path: &str, pieces: u64, piece_bytes: u64) -> NewFile {
    let layer: Vec<[u8; 32]> = (0..pieces).map(|at| hash(pieces, at)).collect();
    NewFile {
        path: EntryPath::new(path).unwrap(),
        size: pieces * piece_bytes - 1,
        executable: false,
        root: layer_root(&layer, piece_bytes),
        layer,
    }
}

fn torrent(files: &[u64], piece_bytes: u64) -> Metainfo {
    let files = (0..).zip(files);
    let files =
        files.map(|(at, pieces): (u32, &u64)| file(&format!("f{at}"), *pieces, piece_bytes));
    let files = files.chain([file("small", 1, piece_bytes)]).collect();
    let builder = Builder::folder("t", files, piece_bytes, Version::V2).unwrap();
    builder.finish(&[]).unwrap()
}

/// The same torrent as a magnet link leads to it.
fn bare(torrent: &Metainfo) -> Metainfo {
    Metainfo::from_info(torrent.info().clone())
}

/// All requests for ranges of two or more hashes that fit, up to the root, from the piece layer on.
fn requests(root: [u8; 32], pieces: u64, bottom: u32) -> Vec<HashRequest> {
    let height = pieces.next_power_of_two().ilog2();
    let mut all = Vec::new();
    for up in 0..height {
        let above = height - up;
        for own in 1..=above.min(13) {
            for at in 0..1_u32 << (above - own) {
                all.push(HashRequest {
                    root,
                    base_layer: bottom + up,
                    index: at << own,
                    length: 1 << own,
                    proof_layers: above - 1,
                });
            }
        }
    }
    all
}

fn is_right(request: &HashRequest, hashes: &[[u8; 32]], bytes: u64) -> bool {
    verify_hashes(request, &HashList::new(hashes), bytes)
}

#[test]
fn all_that_can_be_asked_is_answered() {
    for (pieces, piece_bytes) in [
        (2, 16 * KIB),
        (3, 16 * KIB),
        (37, 64 * KIB),
        (600, 32 * KIB),
    ] {
        let torrent = torrent(&[pieces], piece_bytes);
        let file = &torrent.info().files()[0];
        let bottom = (piece_bytes / (16 * KIB)).ilog2();
        let mut answers = HashAnswers::new();
        let all = requests(file.root.unwrap(), pieces, bottom);
        assert!(all.len() > 1 || pieces == 2);
        for request in all {
            let found = answers.answer(&torrent, &request).unwrap();
            assert!(is_right(&request, &found, file.size), "{request:?}");
            // It goes over the wire as it is.
            let mut frame = Vec::new();
            let hashes = HashList::new(&found);
            Message::Hashes { request, hashes }
                .encode(&mut frame)
                .unwrap();
            assert_eq!(
                Message::decode(&frame[4..], None).unwrap(),
                Message::Hashes { request, hashes }
            );
        }
    }
}

#[test]
fn answers_follow_from_the_bytes() {
    // Five pieces of two blocks: the tree by hand, from the blocks up.
    let piece_bytes = 32 * KIB;
    let data: Vec<u8> = (0..150_000_u32).map(|at| (at % 251) as u8).collect();
    let mut blocks: Vec<[u8; 32]> = data.chunks(16_384).map(sha).collect();
    assert_eq!(blocks.len(), 10);
    blocks.resize(16, [0; 32]);
    let mut layers = vec![blocks];
    while layers.last().unwrap().len() > 1 {
        let below = layers.last().unwrap().chunks(2);
        layers.push(below.map(|pair| sha(pair.as_flattened())).collect());
    }
    let mut tree = PieceTree::new();
    let size = data.len() as u64;
    let layer: Vec<[u8; 32]> = data
        .chunks(32_768)
        .map(|piece| {
            tree.push(piece);
            tree.finish(size, piece_bytes).unwrap()
        })
        .collect();
    assert_eq!(layer, layers[1][..5]);
    let root = layers[4][0];
    let file = NewFile {
        size,
        root: Some(root),
        layer,
        ..file("a", 5, piece_bytes)
    };
    let builder = Builder::single(file, piece_bytes, Version::V2).unwrap();
    let torrent = builder.finish(&[]).unwrap();
    let ask = |base_layer, index, length, proof_layers| {
        let request = HashRequest {
            root,
            base_layer,
            index,
            length,
            proof_layers,
        };
        (request, answer_hashes(&torrent, &request))
    };
    let (request, found) = ask(1, 4, 2, 2);
    let expected = [layers[1][4], layers[1][5], layers[2][3], layers[3][0]];
    assert_eq!(found.as_deref(), Some(&expected[..]));
    assert!(is_right(&request, &expected, size));
    // As much proof as was asked for; it says nothing about the root then.
    let (request, found) = ask(1, 0, 4, 1);
    assert_eq!(found.as_deref(), Some(&layers[1][..4]));
    assert!(!is_right(&request, &found.unwrap(), size));
    // All of it needs no proof.
    let (request, found) = ask(1, 0, 8, 2);
    assert_eq!(found.as_deref(), Some(&layers[1][..]));
    assert!(is_right(&request, &layers[1], size));
    // Leaves are not known, and verified all the same.
    let (request, found) = ask(0, 8, 2, 3);
    assert_eq!(found, None);
    let leaves = [
        layers[0][8],
        layers[0][9],
        layers[1][5],
        layers[2][3],
        layers[3][0],
    ];
    assert!(is_right(&request, &leaves, size));
    // A range that is cut at the end of the layer.
    let (request, found) = ask(1, 4, 1, 2);
    assert!(found.is_none_or(|found| is_right(&request, &found, size)));
    let (request, found) = ask(1, 0, 5, 2);
    assert_eq!(found.as_deref(), Some(&layers[1][..5]));
    assert!(is_right(&request, &found.unwrap(), size));
}

fn sha(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(bytes).into()
}

#[test]
fn what_is_not_there_is_refused() {
    let torrent = torrent(&[600, 5], 16 * KIB);
    let root = torrent.info().files()[0].root.unwrap();
    let small = torrent.info().files()[2].root.unwrap();
    let good = HashRequest {
        root,
        base_layer: 0,
        index: 512,
        length: 128,
        proof_layers: 9,
    };
    assert!(answer_hashes(&torrent, &good).is_some());
    assert_eq!(answer_hashes(&bare(&torrent), &good), None);
    for bad in [
        HashRequest {
            root: [1; 32],
            ..good
        },
        HashRequest {
            root: small,
            ..good
        },
        HashRequest {
            base_layer: 10,
            ..good
        },
        HashRequest {
            base_layer: u32::MAX,
            ..good
        },
        HashRequest {
            proof_layers: 10,
            ..good
        },
        HashRequest {
            proof_layers: u32::MAX,
            ..good
        },
        HashRequest {
            index: 1024,
            ..good
        },
        HashRequest { index: 520, ..good },
        HashRequest {
            index: u32::MAX,
            ..good
        },
        HashRequest { length: 0, ..good },
        HashRequest {
            length: 1024,
            ..good
        },
        HashRequest {
            length: u32::MAX,
            ..good
        },
    ] {
        assert_eq!(answer_hashes(&torrent, &bad), None, "{bad:?}");
        assert!(!is_right(&bad, &[[0; 32]; 130], 600 * 16 * KIB));
    }
    // A tree whose leaves are below what is known.
    let torrent = super::tests::torrent(&[600], 32 * KIB);
    let root = torrent.info().files()[0].root.unwrap();
    assert_eq!(answer_hashes(&torrent, &HashRequest { root, ..good }), None);
}

#[test]
fn a_long_file_is_hashed_once() {
    // The largest torrent there is. Its top is kept, and the rest of each request is small.
    let pieces = 1 << 17;
    let torrent = torrent(&[pieces], 16 * KIB);
    let file = &torrent.info().files()[0];
    let mut answers = HashAnswers::new();
    for index in (0..pieces).step_by(512) {
        let request = HashRequest {
            root: file.root.unwrap(),
            base_layer: 0,
            index: u32::try_from(index).unwrap(),
            length: 512,
            proof_layers: 16,
        };
        let found = answers.answer(&torrent, &request).unwrap();
        assert_eq!(found.len(), 512 + 8);
        assert!(is_right(&request, &found, file.size));
    }
    // One request can't ask for the hashing of all.
    let wide = HashRequest {
        root: file.root.unwrap(),
        base_layer: 4,
        index: 0,
        length: 8192,
        proof_layers: 0,
    };
    assert_eq!(answers.answer(&torrent, &wide), None);
    let high = HashRequest {
        base_layer: 9,
        length: 256,
        ..wide
    };
    assert_eq!(
        answers.answer(&torrent, &high).map(|found| found.len()),
        Some(256)
    );
}

#[test]
fn past_the_end_must_be_padding() {
    // A root that was made over something else than padding: no file has it.
    let mut nodes: Vec<[u8; 32]> = (0..4).map(|at| hash(1, at)).collect();
    let root = layer_root(&nodes, 16 * KIB).unwrap();
    let request = HashRequest {
        root,
        base_layer: 0,
        index: 0,
        length: 4,
        proof_layers: 1,
    };
    assert!(is_right(&request, &nodes, 4 * 16 * KIB));
    assert!(!is_right(&request, &nodes, 3 * 16 * KIB));
    nodes[3] = [0; 32];
    let root = layer_root(&nodes[..3], 16 * KIB).unwrap();
    assert!(is_right(
        &HashRequest { root, ..request },
        &nodes,
        3 * 16 * KIB
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_hash_may_be_another(
        pieces in 2..1500_u64,
        shift in 0..4_u32,
        pick in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        bit in 0..256_usize,
    ) {
        let piece_bytes = (16 * KIB) << shift;
        let torrent = torrent(&[pieces], piece_bytes);
        let file = &torrent.info().files()[0];
        let all = requests(file.root.unwrap(), pieces, shift);
        let request = all[pick.index(all.len())];
        let mut found = answer_hashes(&torrent, &request).unwrap();
        prop_assert!(is_right(&request, &found, file.size));
        let at = place.index(found.len());
        found[at][bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!is_right(&request, &found, file.size));
        found[at][bit / 8] ^= 1 << (bit % 8);
        // Nor may one be missing, one be there twice, or two stand in another order.
        prop_assert!(!is_right(&request, &found[1..], file.size));
        prop_assert!(!is_right(&request, &found[..found.len() - 1], file.size));
        found.push(found[at]);
        prop_assert!(!is_right(&request, &found, file.size));
        found.pop();
        if found[0] != found[1] {
            found.swap(0, 1);
            prop_assert!(!is_right(&request, &found, file.size));
            found.swap(0, 1);
        }
        let root = hash(7, 7);
        let other = HashRequest { root, ..request };
        prop_assert!(!is_right(&other, &found, file.size));
        let index = request.index ^ request.length;
        let other = HashRequest { index, ..request };
        // Far past the end of a file all ranges are alike.
        if answer_hashes(&torrent, &other).is_none_or(|there| there != found) {
            prop_assert!(!is_right(&other, &found, file.size));
        }
    }

    #[test]
    fn whatever_is_asked_and_answered(
        root in any::<bool>(),
        base_layer in prop_oneof![0..12_u32, any::<u32>()],
        index in prop_oneof![0..1024_u32, any::<u32>()],
        length in prop_oneof![0..1024_u32, any::<u32>()],
        proof_layers in prop_oneof![0..12_u32, any::<u32>()],
        hashes in prop::collection::vec(any::<[u8; 32]>(), 0..20),
        bytes in any::<u64>(),
    ) {
        let torrent = torrent(&[700], 32 * KIB);
        let root = if root { torrent.info().files()[0].root.unwrap() } else { [0; 32] };
        let request = HashRequest { root, base_layer, index, length, proof_layers };
        prop_assert!(!is_right(&request, &hashes, bytes));
        if let Some(found) = answer_hashes(&torrent, &request) {
            let (hashes, mut frame) = (HashList::new(&found), Vec::new());
            let message = Message::Hashes { request, hashes };
            prop_assert!(message.encode(&mut frame).is_ok());
        }
    }
}

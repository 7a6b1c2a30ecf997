//! Every version beside every other, with pieces of several sizes, compared byte by byte.

use super::*;
use crate::{Builder, NewFile, PieceDigester, Version};

const KIB: u64 = 1024;
const VERSIONS: [Version; 4] = [
    Version::V1 { aligned: false },
    Version::V1 { aligned: true },
    Version::V2,
    Version::Hybrid,
];
const PIECES: [u64; 3] = [16 * KIB, 32 * KIB, 128 * KIB];

/// The bytes of a file, by its seed and size.
fn bytes(seed: u64, size: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..size).map(|_| next()).collect()
}

/// Files as their name, seed and size.
type Files = [(&'static str, u64, u64)];

fn torrent(files: &Files, piece_bytes: u64, version: Version) -> (Info, Vec<Vec<u8>>) {
    let new = files.iter().map(|(name, _, size)| NewFile {
        path: name.parse().unwrap(),
        size: *size,
        executable: false,
        root: None,
        layer: Vec::new(),
    });
    let new: Vec<NewFile> = new.collect();
    let builder = match &new[..] {
        [one] => Builder::single(one.clone(), piece_bytes, version).unwrap(),
        _ => Builder::folder("shelf", new, piece_bytes, version).unwrap(),
    };
    // The builder has an order of its own.
    let data = builder.files().iter().map(|file| {
        let named = files.iter().find(|(name, ..)| *name == file.path.as_str());
        let (_, seed, size) = named.unwrap();
        bytes(*seed, *size)
    });
    let data: Vec<Vec<u8>> = data.collect();
    let (v1, v2) = builder.needs();
    let layout = builder.layout();
    let mut digester = PieceDigester::new(v1, v2);
    let digests = (0..layout.pieces()).map(|piece| {
        for span in layout.spans(piece) {
            match span.file {
                Some(file) => digester.push(slice(&data[file], span.offset, span.bytes)),
                None => digester.push_padding(span.bytes),
            }
        }
        let size = layout.owner(piece).map_or(0, |(_, size, _)| size);
        digester.finish(size, layout.piece_bytes())
    });
    let digests: Vec<_> = digests.collect();
    let metainfo = builder.finish_with(&digests).unwrap();
    let info = metainfo.info().clone();
    let mut real = data.into_iter();
    let all = info.files().iter().map(|file| match file.kind {
        FileKind::Regular => real.next().unwrap(),
        _ => Vec::new(),
    });
    let all = all.collect();
    (info, all)
}

fn slice(data: &[u8], offset: u64, bytes: u64) -> &[u8] {
    let start = usize::try_from(offset).unwrap();
    &data[start..start + usize::try_from(bytes).unwrap()]
}

/// Bytes as they stand in the pieces of a torrent.
fn stream(info: &Info, data: &[Vec<u8>]) -> Vec<u8> {
    let end = u64::from(info.pieces()) * info.piece_bytes();
    let mut all = vec![0; usize::try_from(end).unwrap()];
    for (file, data) in info.files().iter().zip(data) {
        let start = usize::try_from(file.offset).unwrap();
        all[start..start + data.len()].copy_from_slice(data);
    }
    all
}

fn at<'a>(stream: &'a [u8], info: &Info, block: &Block) -> &'a [u8] {
    let start = u64::from(block.piece) * info.piece_bytes() + u64::from(block.begin);
    slice(stream, start, block.length.into())
}

const OURS: &Files = &[
    ("a.txt", 1, 5_000),
    ("film.mkv", 2, 400_000),
    ("other.bin", 3, 70_000),
    ("z.txt", 4, 10),
];
const THEIRS: &Files = &[
    ("b.txt", 5, 17_000),
    ("film.mkv", 2, 400_000),
    ("third.bin", 6, 300_000),
];

fn pairs() -> impl Iterator<Item = (Version, Version, u64, u64)> {
    let all = VERSIONS.into_iter().flat_map(|a| VERSIONS.map(|b| (a, b)));
    all.flat_map(|(a, b)| {
        PIECES
            .into_iter()
            .flat_map(move |x| PIECES.map(|y| (a, b, x, y)))
    })
}

#[test]
fn positions_lead_to_the_same_bytes() {
    for (a, b, x, y) in pairs() {
        let (ours, our_data) = torrent(OURS, x, a);
        let (theirs, their_data) = torrent(THEIRS, y, b);
        let overlap = Overlap::new(&ours, &theirs);
        let files: Vec<&CommonFile> = overlap.files().collect();
        assert_eq!(files.len(), 1, "{a:?} {b:?}");
        let both_v2 = ours.hashes().v2.is_some() && theirs.hashes().v2.is_some();
        assert_eq!(files[0].is_proven, both_v2);
        let film = files[0].ours;
        assert_eq!(ours.files()[film].path.as_str(), "shelf/film.mkv");
        let stream = stream(&theirs, &their_data);
        for offset in [0, 1, 16_384, 99_999, 399_999] {
            let (piece, begin) = overlap.position(film, offset).unwrap();
            let place = u64::from(piece) * y + begin;
            let index = usize::try_from(offset).unwrap();
            assert_eq!(
                stream[usize::try_from(place).unwrap()],
                our_data[film][index]
            );
        }
        assert_eq!(overlap.position(film, 400_000), None);
    }
}

#[test]
fn lent_parts_make_our_blocks() {
    let (mut whole, mut torn) = (0, 0);
    for (a, b, x, y) in pairs() {
        let (ours, our_data) = torrent(OURS, x, a);
        let (theirs, their_data) = torrent(THEIRS, y, b);
        let overlap = Overlap::new(&ours, &theirs);
        let (our_stream, their_stream) = (stream(&ours, &our_data), stream(&theirs, &their_data));
        for piece in overlap.common().iter() {
            let parts = overlap.lent_parts(piece);
            assert_eq!(parts.is_empty(), !overlap.is_lendable(piece));
            let mut blocks: BTreeMap<Block, Vec<u8>> = BTreeMap::new();
            for part in &parts {
                let block = blocks.entry(part.ours).or_default();
                assert_eq!(block.len(), part.at as usize);
                block.extend_from_slice(at(&their_stream, &theirs, &part.theirs));
                assert!(u64::from(part.theirs.begin + part.theirs.length) <= y);
                if part.at + part.theirs.length == part.whole {
                    block.resize(part.ours.length as usize, 0);
                }
            }
            for (block, bytes) in &blocks {
                assert_eq!(bytes, at(&our_stream, &ours, block), "{a:?} {b:?} {x} {y}");
            }
            whole += blocks.len();
            torn += parts.len() - blocks.len();
        }
        let aligned = |version| version != Version::V1 { aligned: false };
        if aligned(a) && aligned(b) {
            assert!(
                overlap
                    .common()
                    .iter()
                    .all(|piece| overlap.is_lendable(piece))
            );
        }
        let film = overlap.files().next().map(|file| file.theirs).unwrap();
        let pieces: PieceSet = collect(ours.pieces(), overlap.pieces_of_theirs(film));
        assert!(overlap.common().is_subset(&pieces));
    }
    assert!(whole > 1000 && torn > 100, "{whole} {torn}");
}

fn collect(count: u32, pieces: impl Iterator<Item = u32>) -> PieceSet {
    let mut set = PieceSet::new(count);
    for piece in pieces {
        set.insert(piece);
    }
    set
}

#[test]
fn pieces_are_covered_when_all_their_bytes_are() {
    for (a, b, x, y) in pairs() {
        let (ours, _) = torrent(OURS, x, a);
        let (theirs, _) = torrent(THEIRS, y, b);
        let overlap = Overlap::new(&ours, &theirs);
        let mut have = PieceSet::new(theirs.pieces());
        let mut covered = PieceSet::new(ours.pieces());
        assert!(overlap.covered(&have).is_empty());
        // Piece by piece, what is new is among those that were touched.
        for piece in (0..theirs.pieces()).rev() {
            have.insert(piece);
            for touched in overlap.touched(piece) {
                if overlap.covers(touched, &have) {
                    covered.insert(touched);
                }
            }
            assert_eq!(covered, overlap.covered(&have), "{a:?} {b:?} {x} {y}");
        }
        assert_eq!(covered, overlap.common());
        // All but what the film shares with its neighbours.
        assert!(u64::from(covered.count()) * x + 2 * x >= 400_000);
    }
}

#[test]
fn one_file_alone_is_lent_whatever_the_version() {
    for (a, b, x, y) in pairs() {
        let (ours, _) = torrent(&[("film.mkv", 2, 400_001)], x, a);
        let (theirs, _) = torrent(&[("renamed.mkv", 2, 400_001)], y, b);
        let overlap = Overlap::new(&ours, &theirs);
        assert!(overlap.common().is_full());
        assert!(
            overlap
                .common()
                .iter()
                .all(|piece| overlap.is_lendable(piece))
        );
    }
}

#[test]
fn files_that_only_may_be_the_same() {
    let v1 = Version::V1 { aligned: false };
    let (ours, _) = torrent(OURS, PIECES[0], v1);
    // Of two with the same size the name decides; without it, nothing does.
    let two: &Files = &[("x/film.mkv", 7, 400_000), ("x/b.mkv", 8, 400_000)];
    let overlap = Overlap::new(&ours, &torrent(two, PIECES[0], v1).0);
    assert!(overlap.files().all(|file| !file.is_proven) && !overlap.is_empty());
    let two: &Files = &[("x/a.mkv", 7, 400_000), ("x/b.mkv", 8, 400_000)];
    assert!(Overlap::new(&ours, &torrent(two, PIECES[0], v1).0).is_empty());
    // Roots that differ prove that files do.
    let (ours, _) = torrent(OURS, PIECES[0], Version::V2);
    let other: &Files = &[("film.mkv", 9, 400_000), ("a.txt", 9, 1)];
    let (theirs, _) = torrent(other, PIECES[0], Version::Hybrid);
    assert!(Overlap::new(&ours, &theirs).is_empty());
    let mut overlap = Overlap::new(&ours, &torrent(THEIRS, PIECES[1], v1).0);
    overlap.retain(|file| file.is_proven);
    assert!(overlap.is_empty() && overlap.common().is_empty());
}

//! Pieces and the files that they are made of.

use super::*;

const PIECE: u64 = 32 * KIB;
const VERSIONS: [Version; 4] = [
    Version::V1 { aligned: false },
    Version::V1 { aligned: true },
    Version::V2,
    Version::Hybrid,
];

/// Files around the lengths of blocks and pieces, and an empty one.
fn files() -> Vec<NewFile> {
    let sizes = [0, 1, 16 * KIB, PIECE, PIECE + 1, 3 * PIECE, 100_000];
    let file = |(index, size): (usize, u64)| {
        let data = sample(usize::try_from(size).unwrap());
        new_file(&format!("d{}/f{index}", index % 2), &data, PIECE)
    };
    sizes.into_iter().enumerate().map(file).collect()
}

fn builder(version: Version) -> Builder {
    Builder::folder("shelf", files(), PIECE, version).unwrap()
}

/// Without the hashes that are to be found.
fn bare(version: Version) -> Builder {
    let strip = |file: NewFile| NewFile {
        root: None,
        layer: Vec::new(),
        ..file
    };
    let files = files().into_iter().map(strip).collect();
    Builder::folder("shelf", files, PIECE, version).unwrap()
}

#[test]
fn hashes_of_pieces_make_the_same_torrent_as_hashes_of_files() {
    for version in VERSIONS {
        let bare = bare(version);
        let (v1, v2) = bare.needs();
        let pieces = digests(&bare.layout(), &sizes(&bare), v1, v2);
        let made = bare.finish_with(&pieces).unwrap();
        let mut expected = finish(builder(version));
        if !v2 {
            expected.layers.clear();
        }
        assert_eq!(made, expected, "{version:?}");
    }
}

#[test]
fn a_missing_hash_is_noticed() {
    for version in VERSIONS {
        let bare = bare(version);
        let (v1, v2) = bare.needs();
        let pieces = digests(&bare.layout(), &sizes(&bare), v1, v2);
        let short = bare.finish_with(&pieces[..pieces.len() - 1]);
        assert!(short.is_err(), "{version:?}");
    }
}

#[test]
fn a_torrent_that_was_read_has_the_layout_that_it_was_made_with() {
    for version in VERSIONS {
        let builder = builder(version);
        let sizes = sizes(&builder);
        let made = builder.layout();
        let torrent = Metainfo::parse(&finish(builder).encode()).unwrap();
        let read = torrent.info().layout();
        assert_eq!(read.pieces(), made.pieces(), "{version:?}");
        assert_eq!(read.pieces(), u64::from(torrent.info().pieces()));
        // Positions among files of version 1 count the padding.
        let real = |spans: Vec<Span>| -> Vec<(u64, u64)> {
            let spans = spans.into_iter().filter(|span| span.file.is_some());
            spans.map(|span| (span.offset, span.bytes)).collect()
        };
        let mut seen = 0;
        for piece in 0..read.pieces() {
            let (read, made) = (read.spans(piece).collect(), made.spans(piece).collect());
            let (read, made) = (real(read), real(made));
            assert_eq!(read, made, "{version:?} {piece}");
            seen += read.iter().map(|(_, bytes)| bytes).sum::<u64>();
        }
        assert_eq!(seen, sizes.iter().sum::<u64>());
        assert_eq!(read.spans(read.pieces()).count(), 0);
        assert_eq!(read.owner(read.pieces()), None);
    }
}

#[test]
fn pieces_are_good_or_bad() {
    for version in VERSIONS {
        let builder = builder(version);
        let (v1, v2) = builder.needs();
        let torrent = finish(builder);
        let layout = torrent.info().layout();
        let sizes: Vec<u64> = torrent
            .info()
            .files()
            .iter()
            .map(|file| file.size)
            .collect();
        let good = digests(&layout, &sizes, v1, v2);
        for (piece, digest) in (0..).zip(&good) {
            assert!(
                torrent.is_piece(&layout, piece, digest),
                "{version:?} {piece}"
            );
            assert!(!torrent.is_piece(&layout, piece, &PieceDigest::default()));
            assert!(!torrent.is_piece(&layout, torrent.info().pieces(), digest));
            let flip = PieceDigest {
                v1: digest.v1.map(|_| [1; 20]),
                v2: digest.v2.map(|_| [1; 32]),
            };
            assert!(
                !torrent.is_piece(&layout, piece, &flip),
                "{version:?} {piece}"
            );
        }
    }
}

#[test]
fn a_hybrid_without_its_layers_is_checked_as_version_1() {
    let torrent = finish(builder(Version::Hybrid));
    let alone = Metainfo::from_info(torrent.info().clone());
    let layout = alone.info().layout();
    let sizes: Vec<u64> = alone.info().files().iter().map(|file| file.size).collect();
    for (piece, digest) in (0..).zip(digests(&layout, &sizes, true, true)) {
        assert!(alone.is_piece(&layout, piece, &digest), "{piece}");
    }
}

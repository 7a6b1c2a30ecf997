//! What is made is read as the same, whatever it is; and whatever comes is judged.

use proptest::prelude::*;

use super::*;
use crate::Magnet;

const PIECE: u64 = 16 * KIB;

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![
        any::<bool>().prop_map(|aligned| Version::V1 { aligned }),
        Just(Version::V2),
        Just(Version::Hybrid),
    ]
}

fn files() -> impl Strategy<Value = Vec<NewFile>> {
    let size = prop_oneof![Just(0), Just(16_384), Just(32_768), 1..100_000_usize];
    let file = ("[a-c]{1,2}(/[d-f]{1,2}){0,2}", size, any::<bool>());
    proptest::collection::vec(file, 1..6).prop_map(|files| {
        let make = |(path, size, executable): (String, usize, bool)| NewFile {
            executable,
            ..new_file(&path, &sample(size), PIECE)
        };
        files.into_iter().map(make).collect()
    })
}

fn some_torrent() -> Vec<u8> {
    let files = ["a", "b/c"].map(|path| new_file(path, &sample(40_000), PIECE));
    let builder = Builder::folder("t", files.to_vec(), PIECE, Version::Hybrid).unwrap();
    let mut torrent = finish(builder);
    torrent.trackers = vec![vec!["http://a".to_owned()], vec!["udp://b".to_owned()]];
    torrent.encode()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_made_is_read(
        files in files(),
        version in version(),
        is_private in any::<bool>(),
        trackers in proptest::collection::vec(proptest::collection::vec("[a-z]{1,9}", 1..3), 0..3),
        comment in any::<Option<String>>(),
        creation_date_seconds in proptest::option::of(0..u64::MAX >> 1),
        port in 1..u16::MAX,
    ) {
        let total: u64 = files.iter().map(|file| file.size).sum();
        let Ok(builder) = Builder::folder("name", files, PIECE, version) else {
            return Ok(());
        };
        prop_assume!(total > 0);
        // Read as a single file.
        prop_assume!(version != Version::V2 || builder.files().len() > 1 || builder.files()[0].path.depth() > 1);
        let builder = builder.private(is_private);
        let expected: Vec<_> = builder.files().iter().map(|file| (format!("name/{}", file.path), file.size, file.executable)).collect();
        let mut torrent = finish(builder);
        torrent.trackers = trackers;
        torrent.comment = comment.filter(|comment| comment.len() < 1000);
        torrent.creation_date_seconds = creation_date_seconds;
        torrent.nodes = vec![("host".to_owned(), port)];
        let bytes = torrent.encode();
        let read = Metainfo::parse(&bytes).unwrap();
        prop_assert_eq!(&read, &torrent);
        prop_assert_eq!(read.encode(), bytes);
        prop_assert_eq!(&Info::parse(torrent.info().bytes()).unwrap(), torrent.info());
        prop_assert_eq!(read.missing_layers().count(), 0);
        let info = read.info();
        let regular = info.files().iter().filter(|file| file.kind == FileKind::Regular);
        let found: Vec<_> = regular.clone().map(|file| (file.path.to_string(), file.size, file.executable)).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(info.is_private(), is_private);
        prop_assert_eq!(info.v1_piece(0).is_some(), version != Version::V2);
        if version != (Version::V1 { aligned: false }) {
            prop_assert!(regular.filter(|file| file.size > 0).all(|file| file.offset % PIECE == 0));
        }
        let magnet = Magnet::new(info.hashes());
        prop_assert_eq!(magnet.to_string().parse(), Ok(magnet));
    }

    /// Bytes of a torrent changed, cut or doubled anywhere: an error or a torrent that holds together.
    #[test]
    fn damage_is_judged(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
        double in any::<bool>(),
    ) {
        let mut bytes = some_torrent();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if double {
            let part = bytes[at..].to_vec();
            bytes.splice(at..at, part);
        } else {
            bytes.truncate(at + cut.index(bytes.len() - at + 1));
        }
        if let Ok(torrent) = Metainfo::parse(&bytes) {
            let info = torrent.info();
            prop_assert!(info.pieces() <= MAX_PIECES && info.total_bytes() > 0);
            let last = info.files().last().unwrap();
            prop_assert_eq!(last.offset + last.size, info.total_bytes());
            let again = Metainfo::parse(&torrent.encode()).unwrap();
            prop_assert_eq!(again.info(), info);
        }
    }
}

#[test]
fn the_maker_refuses_what_readers_would_change() {
    let folder = |name: &str, paths: &[&str]| {
        let files = paths
            .iter()
            .map(|path| new_file(path, b"x", PIECE))
            .collect();
        Builder::folder(name, files, PIECE, Version::Hybrid).map(|_| ())
    };
    assert_eq!(folder("t", &["a", "a!", "a.b", "b/c"]), Ok(()));
    let twice = |path: &str| {
        Err(BuildError::Twice {
            path: path.to_owned(),
        })
    };
    assert_eq!(folder("t", &["a", "b", "a"]), twice("a"));
    assert_eq!(folder("t", &["a!", "a/b", "a"]), twice("a"));
    let name = |name: &str| {
        Err(BuildError::Name {
            name: name.to_owned(),
        })
    };
    assert_eq!(folder("..", &["a"]), name(".."));
    assert_eq!(folder("a/b", &["a"]), name("a/b"));
    assert_eq!(folder("", &["a"]), name(""));
    assert_eq!(folder("t", &["a\u{200e}"]), name("a\u{200e}"));
    let single = Builder::single(new_file("a/b", b"x", PIECE), PIECE, Version::V2);
    assert_eq!(single.map(|_| ()).unwrap_err(), name("a/b").unwrap_err());
}

#[test]
fn the_maker_refuses_what_readers_would_refuse() {
    let file = |data: &[u8]| new_file("a", data, PIECE);
    let finish = |file: NewFile, piece_bytes, version| {
        let builder = Builder::single(file, piece_bytes, version).unwrap();
        builder.finish(&[[0; 20]; 2]).map(|_| ()).unwrap_err()
    };
    let rootless = NewFile {
        root: None,
        ..file(b"x")
    };
    let no_root = BuildError::NoRoot {
        path: "a".to_owned(),
    };
    assert_eq!(finish(rootless, PIECE, Version::V2), no_root);
    let refused = |error| BuildError::Refused(error);
    assert_eq!(
        finish(file(b""), PIECE, Version::V2),
        refused(MetainfoError::TotalSize)
    );
    let found = MetainfoError::PieceLength { found: 0 };
    assert_eq!(finish(file(b"x"), 0, Version::Hybrid), refused(found));
    let hashes = MetainfoError::PieceHashes {
        expected: 20,
        found: 40,
    };
    assert_eq!(finish(file(b"x"), PIECE, Version::Hybrid), refused(hashes));
    let layerless = NewFile {
        layer: Vec::new(),
        ..file(&sample(40_000))
    };
    assert_eq!(
        finish(layerless, PIECE, Version::V2),
        refused(MetainfoError::Layer)
    );
}

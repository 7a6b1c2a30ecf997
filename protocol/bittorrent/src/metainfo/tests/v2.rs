//! Version 2 and hybrids: what `test_torrents` of libtorrent covers, and more, rebuilt.

use super::*;

/// A file of four pieces of 16 KiB, the last of which is short.
const SIZE: usize = 50_000;

fn big() -> NewFile {
    new_file("a", &sample(SIZE), 16 * KIB)
}

fn small() -> NewFile {
    new_file("b", &sample(10), 16 * KIB)
}

fn leaf(file: &NewFile) -> Option<Value> {
    let size = i64::try_from(file.size).unwrap();
    let root = file.root.map(Value::text);
    dict([("", dict([("length", int(size)), ("pieces root", root)]))])
}

/// The file of a tree with some fields replaced.
fn changed<const N: usize>(file: &NewFile, entries: [(&str, Option<Value>); N]) -> Option<Value> {
    let Some(Value::Dict(mut leaf)) = leaf(file) else {
        panic!("not a file")
    };
    dict([("", with(leaf.remove(&b""[..]), entries))])
}

fn info(tree: Option<Value>) -> Option<Value> {
    dict([
        ("file tree", tree),
        ("meta version", int(2)),
        ("name", text("t")),
        ("piece length", int(16_384)),
    ])
}

fn tree(tree: Option<Value>) -> Result<Metainfo, MetainfoError> {
    read(info(tree))
}

fn one<const N: usize>(entries: [(&str, Option<Value>); N]) -> Result<Metainfo, MetainfoError> {
    tree(dict([("t", changed(&big(), entries))]))
}

/// `a` of four pieces and `b` of one.
fn two() -> Option<Value> {
    dict([("a", leaf(&big())), ("b", leaf(&small()))])
}

fn with_layers(tree: Option<Value>, layers: Option<Value>) -> Result<Metainfo, MetainfoError> {
    let torrent = dict([("info", info(tree)), ("piece layers", layers)]);
    Metainfo::parse(&torrent.unwrap().encode())
}

fn layers(entries: &[(&[u8], &[u8])]) -> Option<Value> {
    let entries = entries
        .iter()
        .map(|(root, layer)| (root.to_vec(), Value::text(layer)));
    Some(Value::Dict(entries.collect()))
}

#[test]
fn files_of_a_tree() {
    let torrent = one([]).unwrap();
    assert_eq!(shown(&torrent), ["t+50000"]);
    let hashes = torrent.info().hashes();
    assert!(hashes.v1.is_none() && hashes.v2.is_some());
    assert_eq!(
        (torrent.info().is_single(), torrent.info().pieces()),
        (true, 4)
    );
    let torrent = tree(two()).unwrap();
    assert_eq!(shown(&torrent), ["t/a+50000", "t/b+10"]);
    assert_eq!(
        (torrent.info().files()[1].offset, torrent.info().pieces()),
        (65_536, 5)
    );
    // The tree has the last word on the name of a single file.
    let other = tree(dict([("u", leaf(&big()))])).unwrap();
    assert_eq!(
        (other.info().name(), shown(&other)),
        ("u", vec!["u+50000".to_owned()])
    );
    let below = tree(dict([("d", dict([("u", leaf(&big()))]))])).unwrap();
    assert_eq!(shown(&below), ["t/d/u+50000"]);
    let empty = changed(&small(), [("length", int(0)), ("pieces root", None)]);
    let torrent = tree(dict([("a", leaf(&big())), ("b", empty)])).unwrap();
    assert_eq!(shown(&torrent), ["t/a+50000", "t/b+0"]);
    let rooted = changed(&small(), [("length", int(0))]);
    let torrent = tree(dict([("a", leaf(&big())), ("b", rooted)])).unwrap();
    assert_eq!(torrent.info().files()[1].root, None);
    let torrent = tree(dict([("a", dict([])), ("b", leaf(&big()))])).unwrap();
    assert_eq!(shown(&torrent), ["t/b+50000"]);
}

#[test]
fn broken_trees() {
    use MetainfoError as E;
    assert_eq!(one([("length", int(-1))]), Err(E::FileSize { index: 0 }));
    assert_eq!(one([("length", None)]), Err(E::FileSize { index: 0 }));
    assert_eq!(
        one([("length", int(1 << 44))]),
        Err(E::FileSize { index: 0 })
    );
    assert_eq!(
        one([("length", int(1 << 43))]),
        Err(E::TooManyPieces { found: 1 << 29 })
    );
    assert_eq!(one([("pieces root", None)]), Err(E::NoRoot { index: 0 }));
    assert_eq!(
        one([("pieces root", text([0; 32]))]),
        Err(E::NoRoot { index: 0 })
    );
    assert_eq!(
        one([("pieces root", text([1; 31]))]),
        Err(E::NoRoot { index: 0 })
    );
    assert_eq!(
        one([("attr", text("p"))]),
        Err(E::PaddingInTree { index: 0 })
    );
    assert_eq!(tree(dict([("a", dict([]))])), Err(E::NoFiles));
    assert_eq!(tree(dict([("", leaf(&big()))])), Err(E::Tree));
    assert_eq!(tree(dict([("a", int(1))])), Err(E::Tree));
    assert_eq!(tree(dict([("a", dict([("", int(1))]))])), Err(E::Tree));
    assert_eq!(tree(int(1)), Err(E::Field { field: "file tree" }));
    let mixed = with(leaf(&big()), [("b", leaf(&big()))]);
    assert_eq!(tree(dict([("a", mixed)])), Err(E::Tree));
    let empty = changed(&small(), [("length", int(0))]);
    assert_eq!(tree(dict([("a", empty)])), Err(E::TotalSize));
    for found in [8192, 20_000, 1 << 29] {
        let info = with(info(two()), [("piece length", int(found))]);
        assert_eq!(read(info), Err(E::PieceLength { found }));
    }
    for (version, error) in [
        (int(3), E::Version { found: 3 }),
        (
            int(1),
            E::Field {
                field: "meta version",
            },
        ),
        (
            None,
            E::Field {
                field: "meta version",
            },
        ),
    ] {
        assert_eq!(
            read(with(info(two()), [("meta version", version)])),
            Err(error)
        );
    }
    assert_eq!(
        read(with(info(two()), [("name", None)])),
        Err(E::Field { field: "name" })
    );
}

#[test]
fn deep_trees() {
    let nested = |depth: usize| {
        let wrap = |tree: Option<Value>, _| dict([("d", tree)]);
        tree((0..depth).fold(leaf(&big()), wrap))
    };
    assert!(nested(63).is_ok());
    assert!(matches!(nested(64), Err(MetainfoError::Path { .. })));
    let too_deep = MetainfoError::Bencode(BencodeError::TooDeep { limit: 100 });
    assert_eq!(nested(99), Err(too_deep.clone()));
    let bytes = ["d4:infod9:file tree".to_owned(), "d1:a".repeat(10_000_000)].concat();
    assert_eq!(Metainfo::parse(bytes.as_bytes()), Err(too_deep));
}

use crate::BencodeError;

#[test]
fn one_encoding() {
    let bytes = torrent(info(two()));
    assert!(Metainfo::parse(&bytes).is_ok());
    let replaced = |from: &str, to: &str| {
        let at = bytes
            .windows(from.len())
            .position(|part| part == from.as_bytes());
        let at = at.unwrap();
        let rest = &bytes[at + from.len()..];
        Metainfo::parse(&[&bytes[..at], to.as_bytes(), rest].concat())
    };
    for (from, to) in [
        ("lengthi50000e", "lengthi050000e"),
        ("4:name1:t", "04:name1:t"),
        ("4:name1:t", "4:name1:t3:axei1e"),
        ("4:name1:t", "4:name1:t4:name1:t"),
    ] {
        assert_eq!(replaced(from, to), Err(MetainfoError::NotCanonical), "{to}");
    }
    assert!(
        replaced("d4:info", "d1:ai00e04:info").is_ok(),
        "outside of the info dictionary"
    );
}

#[test]
fn hostile_names() {
    let single = |name| shown(&tree(dict([(name, leaf(&big()))])).unwrap());
    assert_eq!(single("a/b"), ["ab+50000"]);
    assert_eq!(single(".."), ["_+50000"]);
    let torrent = tree(dict([("..", dict([("..", leaf(&big()))]))])).unwrap();
    assert_eq!(shown(&torrent), ["t/_/_+50000"]);
    let torrent = read(with(info(two()), [("name", text(".."))])).unwrap();
    let hash = crate::InfoHashV1::of(torrent.info().bytes()).to_string();
    assert_eq!(torrent.info().name(), hash);
    let torrent = tree(dict([
        ("A", leaf(&big())),
        ("a", leaf(&big())),
        ("a/", leaf(&small())),
    ]));
    assert_eq!(
        shown(&torrent.unwrap()),
        ["t/A+50000", "t/a.1+50000", "t/a.2+10"]
    );
    let link = [
        ("attr", text("l")),
        ("length", None),
        ("pieces root", None),
        ("symlink path", path(["a"])),
    ];
    let torrent = tree(dict([("a", leaf(&big())), ("l", changed(&big(), link))])).unwrap();
    assert_eq!(shown(&torrent), ["t/a+50000", "t/l+0 -> t/a"]);
}

#[test]
fn piece_layers() {
    let file = big();
    let (root, layer) = (file.root.unwrap(), file.layer.concat());
    let read = |entries: &[(&[u8], &[u8])]| with_layers(two(), layers(entries));
    let torrent = read(&[(&root, &layer)]).unwrap();
    assert_eq!(torrent.layer(&root), Some(&file.layer[..]));
    assert_eq!(torrent.missing_layers().count(), 0);
    // They may be missing, as after a magnet link.
    let mut later = read(&[]).unwrap();
    assert_eq!(later.missing_layers().collect::<Vec<_>>(), [root]);
    assert_eq!(with_layers(two(), int(1)).as_ref(), Ok(&later));
    assert_eq!(
        later.add_layer(root, vec![[1; 32]; 4]),
        Err(MetainfoError::Layer)
    );
    assert_eq!(
        later.add_layer([1; 32], file.layer.clone()),
        Err(MetainfoError::Layer)
    );
    later.add_layer(root, file.layer.clone()).unwrap();
    assert_eq!(later, torrent);
    let small_root = small().root.unwrap();
    for broken in [
        &[(&root[..], &layer[..96])][..],
        &[(&root, &layer[..127])],
        &[(&root, &[7; 128])],
        &[(&root, &[layer.as_slice(), &[0; 32]].concat())],
        &[(&root, &[])],
        &[(&root, &layer), (&[1; 32], &layer)],
        &[(&root, &layer), (&[1; 31], &layer)],
        &[(&root, &layer), (&small_root, &small_root)],
    ] {
        assert_eq!(read(broken), Err(MetainfoError::Layer));
    }
    // One root can't have two lengths.
    let liar = changed(&file, [("length", int(70_000))]);
    let both = dict([("a", leaf(&file)), ("b", liar)]);
    assert_eq!(with_layers(both, layers(&[])), Err(MetainfoError::Layer));
}

fn v1_file(name: &str, size: i64) -> Option<Value> {
    dict([("length", int(size)), ("path", path([name]))])
}

fn padding(size: i64) -> Option<Value> {
    with(v1_file("pad", size), [("attr", text("p"))])
}

fn hybrid<const N: usize>(
    tree: Option<Value>,
    files: [Option<Value>; N],
    pieces: usize,
) -> Result<Vec<String>, MetainfoError> {
    let entries = [("files", list(files)), ("pieces", hashes(pieces))];
    read(with(info(tree), entries)).map(|torrent| {
        let found = torrent.info().hashes();
        assert!(found.v1.is_some() && found.v2.is_some());
        shown(&torrent)
    })
}

#[test]
fn hybrids_of_one_file() {
    let tree = || dict([("t", leaf(&big()))]);
    let hybrid = |entries: [(&str, Option<Value>); 2]| read(with(info(tree()), entries));
    let torrent = hybrid([("length", int(50_000)), ("pieces", hashes(4))]).unwrap();
    assert_eq!(shown(&torrent), ["t+50000"]);
    assert_eq!(torrent.info().files()[0].root, big().root);
    assert!(torrent.info().hashes().v1.is_some() && torrent.info().v1_piece(3).is_some());
    let wrong = hybrid([("length", int(50_001)), ("pieces", hashes(4))]);
    assert_eq!(wrong, Err(MetainfoError::Inconsistent));
    let wrong = hybrid([("length", int(50_000)), ("pieces", hashes(3))]);
    assert_eq!(
        wrong,
        Err(MetainfoError::PieceHashes {
            expected: 80,
            found: 60
        })
    );
    let wrong = hybrid([("length", int(50_000)), ("name", text("u"))]);
    assert_eq!(wrong, Err(MetainfoError::Inconsistent));
    // Half of version 1 is none.
    let torrent = hybrid([("length", int(50_000)), ("pieces", None)]).unwrap();
    assert!(torrent.info().hashes().v1.is_none());
    let torrent = hybrid([("length", None), ("pieces", hashes(4))]).unwrap();
    assert!(torrent.info().hashes().v1.is_none());
}

#[test]
fn hybrids_of_folders() {
    let (a, b) = (|| v1_file("a", 50_000), || v1_file("b", 10));
    let lines = [
        "t/a+50000",
        ".pad/15536+15536 pad",
        "t/b+10",
        ".pad/16374+16374 pad",
    ];
    assert_eq!(
        hybrid(two(), [a(), padding(15_536), b()], 5).unwrap(),
        lines[..3]
    );
    assert_eq!(
        hybrid(two(), [a(), padding(15_536), b(), padding(16_374)], 5).unwrap(),
        lines
    );
    let executable = with(a(), [("attr", text("x"))]);
    assert!(hybrid(two(), [executable, padding(15_536), b()], 5).is_ok());
    let single = dict([("t", leaf(&big()))]);
    assert_eq!(
        hybrid(single, [v1_file("t", 50_000)], 4).unwrap(),
        ["t/t+50000"]
    );
    let inconsistent = |tree, files: Vec<Option<Value>>| {
        let entries = [("files", list(files)), ("pieces", hashes(5))];
        assert_eq!(
            read(with(info(tree), entries)),
            Err(MetainfoError::Inconsistent)
        );
    };
    inconsistent(two(), vec![a(), b()]);
    inconsistent(two(), vec![a()]);
    inconsistent(two(), vec![a(), padding(15_536)]);
    inconsistent(two(), vec![a(), padding(15_537), b()]);
    inconsistent(two(), vec![a(), padding(15_536 + 16_384), b()]);
    inconsistent(two(), vec![padding(16_384), a(), padding(15_536), b()]);
    inconsistent(two(), vec![a(), padding(15_536), b(), padding(10)]);
    inconsistent(two(), vec![b(), padding(16_374), a()]);
    inconsistent(two(), vec![a(), padding(15_536), b(), v1_file("c", 0)]);
    inconsistent(two(), vec![a(), padding(15_536), v1_file("B", 10)]);
    inconsistent(two(), vec![a(), padding(15_536), v1_file("b", 11)]);
    inconsistent(dict([("a", leaf(&big()))]), vec![a(), padding(15_536), b()]);
}

/// Padding before or after a file of no bytes makes no difference.
#[test]
fn hybrids_with_empty_files() {
    let empty = changed(&small(), [("length", int(0)), ("pieces root", None)]);
    let tree = || {
        dict([
            ("a", leaf(&big())),
            ("b", empty.clone()),
            ("c", leaf(&small())),
        ])
    };
    let (a, b, c) = (v1_file("a", 50_000), v1_file("b", 0), v1_file("c", 10));
    let before = [a.clone(), padding(15_536), b.clone(), c.clone()];
    assert!(hybrid(tree(), before, 5).is_ok());
    assert!(hybrid(tree(), [a, b, padding(15_536), c], 5).is_ok());
}

//! Version 1: what `test_torrents` of libtorrent covers, and more, rebuilt.

use super::*;

fn single() -> Option<Value> {
    dict([
        ("length", int(100)),
        ("name", text("x")),
        ("piece length", int(16_384)),
        ("pieces", hashes(1)),
    ])
}

fn one<const N: usize>(entries: [(&str, Option<Value>); N]) -> Result<Metainfo, MetainfoError> {
    read(with(single(), entries))
}

fn file<const N: usize>(names: [&str; N], size: i64) -> Option<Value> {
    dict([("length", int(size)), ("path", path(names))])
}

/// A folder `t` of files, with as many hashes as they take.
fn folder<const N: usize>(files: [Option<Value>; N]) -> Option<Value> {
    let size = |file: &Option<Value>| match file {
        Some(Value::Dict(file)) => match file.get(&b"length"[..]) {
            Some(Value::Number(size)) => *size,
            _ => 0,
        },
        _ => 0,
    };
    let total = files.iter().map(size).fold(0, i64::saturating_add);
    let pieces = usize::try_from(total).unwrap_or(0).div_ceil(16_384);
    dict([
        ("files", list(files)),
        ("name", text("t")),
        ("piece length", int(16_384)),
        ("pieces", hashes(pieces.min(4))),
    ])
}

fn many<const N: usize>(files: [Option<Value>; N]) -> Result<Metainfo, MetainfoError> {
    read(folder(files))
}

fn padding(size: i64) -> Option<Value> {
    with(file([".pad", "0"], size), [("attr", text("p"))])
}

fn link<const N: usize>(name: &str, target: [&str; N]) -> Option<Value> {
    let entries = [("attr", text("l")), ("symlink path", path(target))];
    with(file([name], 0), entries)
}

#[test]
fn one_file() {
    let torrent = one([]).unwrap();
    assert_eq!(shown(&torrent), ["x+100"]);
    let info = torrent.info();
    assert_eq!(
        (info.name(), info.is_single(), info.pieces()),
        ("x", true, 1)
    );
    assert_eq!(info.v1_piece(0), Some([b'a'; 20]));
    assert_eq!(info.v1_piece(1), None);
    assert!(info.hashes().v1.is_some() && info.hashes().v2.is_none() && !info.is_private());
    assert_eq!(&torrent.encode(), &super::torrent(single()));
    assert!(one([("private", int(1))]).unwrap().info().is_private());
    assert!(!one([("private", int(0))]).unwrap().info().is_private());
    let torrent = one([("name.utf-8", text("é")), ("attr", text("xh"))]).unwrap();
    assert_eq!(shown(&torrent), ["é+100 x h"]);
}

#[test]
fn missing_and_broken_fields() {
    use MetainfoError as E;
    let field = |field| Err(E::Field { field });
    let piece_length = |found| Err(E::PieceLength { found });
    for (entry, expected) in [
        (("piece length", None), field("piece length")),
        (("piece length", text("16384")), field("piece length")),
        (("piece length", int(0)), piece_length(0)),
        (("piece length", int(-16_384)), piece_length(-16_384)),
        (("piece length", int(i64::MAX)), piece_length(i64::MAX)),
        (("piece length", int(1 << 29)), piece_length(1 << 29)),
        (("name", None), field("name")),
        (("name", int(1)), field("name")),
        (("name", text("")), Err(E::NoName { index: 0 })),
        (("name", text("..")), Err(E::NoName { index: 0 })),
        (("name", text("/../")), Err(E::NoName { index: 0 })),
        (("length", None), Err(E::FileSize { index: 0 })),
        (("length", text("100")), Err(E::FileSize { index: 0 })),
        (("length", int(-1)), Err(E::FileSize { index: 0 })),
        (("length", int(i64::MAX)), Err(E::FileSize { index: 0 })),
        (("length", int(1 << 44)), Err(E::FileSize { index: 0 })),
        (("length", int(0)), Err(E::TotalSize)),
        (("pieces", None), field("pieces")),
        (("pieces", int(1)), field("pieces")),
        (
            ("pieces", text("a".repeat(21))),
            Err(E::PieceHashes {
                expected: 20,
                found: 21,
            }),
        ),
        (
            ("pieces", hashes(2)),
            Err(E::PieceHashes {
                expected: 20,
                found: 40,
            }),
        ),
        (
            ("pieces", text("")),
            Err(E::PieceHashes {
                expected: 20,
                found: 0,
            }),
        ),
        (("meta version", int(3)), Err(E::Version { found: 3 })),
        (("file tree", dict([])), field("meta version")),
        (("meta version", int(2)), field("file tree")),
    ] {
        let name = format!("{entry:?}");
        assert_eq!(
            one([entry]).map(|torrent| shown(&torrent)),
            expected,
            "{name}"
        );
    }
    let huge = one([("length", int(1 << 43)), ("piece length", int(1 << 21))]);
    assert_eq!(huge, Err(E::TooManyPieces { found: 1 << 22 }));
    assert!(one([("piece length", int(1))]).is_err_and(|e| matches!(e, E::PieceHashes { .. })));
    assert!(one([("piece length", int(300))]).is_ok());
    assert!(one([("piece length", int((1 << 29) - (1 << 14)))]).is_ok());
    let found = (1 << 29) - (1 << 14) + 1;
    assert_eq!(
        one([("piece length", int(found))]),
        Err(E::PieceLength { found })
    );
}

#[test]
fn as_many_pieces_as_others_take() {
    let pieces = 1 << 21;
    let info = |pieces: i64| {
        let hashes = hashes(usize::try_from(pieces).unwrap());
        [("length", int(pieces * 16_384)), ("pieces", hashes)]
    };
    assert_eq!(one(info(pieces)).unwrap().info().pieces(), MAX_PIECES);
    let found = u64::try_from(pieces).unwrap() + 1;
    assert_eq!(
        one(info(pieces + 1)),
        Err(MetainfoError::TooManyPieces { found })
    );
}

/// Encodings that are not canonical exist in torrents of version 1, and their bytes are hashed as
/// they stand.
#[test]
fn sloppy_encodings() {
    for (first, rest) in [
        ("6:lengthi0100e", "4:name1:x"),
        ("4:name1:x", "6:lengthi100e"),
        ("6:lengthi100e6:lengthi101e", "4:name1:x"),
        ("06:lengthi100e", "4:name01:x"),
    ] {
        let pieces = "a".repeat(20);
        let info = format!("d{first}{rest}12:piece lengthi16384e6:pieces20:{pieces}e");
        let torrent = Metainfo::parse(format!("d4:info{info}e trailing").as_bytes()).unwrap();
        assert_eq!(shown(&torrent), ["x+100"]);
        assert_eq!(torrent.info().bytes(), info.as_bytes());
        let hash = crate::InfoHashV1::of(info.as_bytes());
        assert_eq!(torrent.info().hashes().v1, Some(hash));
        assert_eq!(Info::parse(info.as_bytes()).as_ref(), Ok(torrent.info()));
        let behind = [info.as_bytes(), b"x"].concat();
        assert_eq!(Info::parse(&behind), Err(MetainfoError::NotDictionary));
    }
}

#[test]
fn folders() {
    let torrent = many([file(["a"], 10), file(["b", "c"], 16_384)]).unwrap();
    assert_eq!(shown(&torrent), ["t/a+10", "t/b/c+16384"]);
    let info = torrent.info();
    assert_eq!(
        (info.is_single(), info.pieces(), info.total_bytes()),
        (false, 2, 16_394)
    );
    assert_eq!(info.files()[1].offset, 10);
    let both = read(with(folder([file(["a"], 10)]), [("length", int(99))]));
    assert_eq!(shown(&both.unwrap()), ["t/a+10"]);
    let utf8 = with(file(["a"], 5), [("path.utf-8", path(["é"]))]);
    assert_eq!(shown(&many([utf8]).unwrap()), ["t/é+5"]);
}

#[test]
fn broken_files() {
    use MetainfoError as E;
    let broken = |entries: [(&str, Option<Value>); 1]| {
        many([file(["a"], 10), with(file(["b"], 10), entries)]).unwrap_err()
    };
    assert_eq!(broken([("path", None)]), E::NoName { index: 1 });
    assert_eq!(broken([("path", text("b"))]), E::NoName { index: 1 });
    assert_eq!(broken([("path", list([]))]), E::NoName { index: 1 });
    assert_eq!(
        broken([("path", list([int(3)]))]),
        E::Field { field: "path" }
    );
    assert_eq!(broken([("length", int(-1))]), E::FileSize { index: 1 });
    assert_eq!(broken([("length", text("1"))]), E::FileSize { index: 1 });
    assert_eq!(
        broken([("length", int(i64::MAX))]),
        E::FileSize { index: 1 }
    );
    assert_eq!(many([]), Err(E::NoFiles));
    assert_eq!(many([int(3)]), Err(E::Field { field: "files" }));
    assert_eq!(many([file(["a"], 0)]), Err(E::TotalSize));
    let huge = i64::try_from(MAX_FILE_BYTES).unwrap();
    assert_eq!(
        many([file(["a"], huge), file(["b"], huge), file(["c"], huge)]),
        Err(E::TotalSize)
    );
    assert!(matches!(
        many([file(["a"], huge)]),
        Err(E::TooManyPieces { .. })
    ));
}

#[test]
fn hostile_paths_are_made_safe() {
    let paths = |files| shown(&many(files).unwrap());
    assert_eq!(
        paths([
            file(["..", "a"], 1),
            file(["."], 1),
            file(["..", ".."], 1),
            file(["a", "", "b"], 1)
        ]),
        // libtorrent leaves the second under a name that is a directory, too.
        ["t/_/a+1", "t/_.1+1", "t/_/_+1", "t/a/_/b+1"]
    );
    assert_eq!(
        paths([
            file(["/etc", "passwd"], 1),
            file(["\\\\x", "c:"], 1),
            file(["a/../../b"], 1),
            file(["\0"], 1)
        ]),
        ["t/etc/passwd+1", "t/x/c_+1", "t/a....b+1", "t/_+1"]
    );
    // libtorrent makes these different when it adds the torrent.
    assert_eq!(
        paths([
            file(["foo", "bar.txt"], 1),
            file(["foo", "bar.txt"], 1),
            file(["FOO", "bar.txt"], 1),
            file(["foo"], 1)
        ]),
        [
            "t/foo/bar.txt+1",
            "t/foo/bar.1.txt+1",
            "t/FOO/bar.2.txt+1",
            "t/foo.1+1"
        ]
    );
    let name = |name| read(with(folder([file(["a"], 1)]), [("name", text(name))])).unwrap();
    assert_eq!(name("/a/b").info().name(), "ab");
    assert_eq!(shown(&name("")), ["_/a+1"]);
    let nameless = name("..");
    let hash = nameless.info().hashes().v1.unwrap().to_string();
    assert_eq!(nameless.info().name(), hash);
    assert_eq!(shown(&nameless), [format!("{hash}/a+1")]);
}

#[test]
fn paths_that_are_too_much() {
    let path = |depth: usize, name: &str| list(vec![text(name); depth]);
    let one = |path| many([with(file(["a"], 1), [("path", path)])]);
    assert!(one(path(63, "a")).is_ok());
    let refused = |path| {
        assert!(matches!(
            one(path),
            Err(MetainfoError::Path { index: 0, .. })
        ));
    };
    refused(path(64, "a"));
    refused(path(60, &"a".repeat(200)));
    // A folder's name counts for each of its files.
    let long = with(file([&"a".repeat(60)], 1), []).unwrap();
    let files = |file: Value, files| {
        let files = Some(Value::List(vec![file; files]));
        let name = text("n".repeat(255));
        read(with(
            folder([]),
            [("files", files), ("name", name), ("pieces", hashes(29))],
        ))
    };
    assert_eq!(files(long, 450_000), Err(MetainfoError::PathsTooLong));
    let short = with(padding(1), [("path", None)]).unwrap();
    assert_eq!(
        files(short, MAX_FILES + 1),
        Err(MetainfoError::TooManyFiles)
    );
}

#[test]
fn padding_files() {
    let torrent = many([
        file(["a"], 10),
        padding(16_374),
        padding(16_384),
        file(["b"], 10),
    ])
    .unwrap();
    assert_eq!(
        shown(&torrent),
        [
            "t/a+10",
            ".pad/16374+16374 pad",
            ".pad/16384+16384 pad",
            "t/b+10"
        ]
    );
    let nameless = with(padding(16_374), [("path", None)]);
    assert_eq!(
        shown(&many([file(["a"], 10), nameless]).unwrap())[1],
        ".pad/16374+16374 pad"
    );
    let bitcomet = file(["_____padding_file_0_if you see this file_____"], 16_374);
    assert_eq!(
        shown(&many([file(["a"], 10), bitcomet]).unwrap())[1],
        ".pad/16374+16374 pad"
    );
    // A link is no padding, and has no bytes.
    let both = with(link("p", ["a"]), [("attr", text("lp"))]);
    assert_eq!(
        shown(&many([file(["a"], 10), both]).unwrap())[1],
        "t/p+0 -> t/a"
    );
    let broken = with(padding(16_374), [("length", int(-1))]);
    assert_eq!(
        many([file(["a"], 10), broken]),
        Err(MetainfoError::FileSize { index: 1 })
    );
    let broken = with(padding(16_374), [("path", list([int(1)]))]);
    assert_eq!(
        many([file(["a"], 10), broken]),
        Err(MetainfoError::Field { field: "path" })
    );
}

#[test]
fn symbolic_links() {
    let bar = || file(["a", "b", "bar"], 10);
    let shows = |files, line: &str| assert_eq!(shown(&many(files).unwrap())[1], line);
    shows([bar(), link("l", ["a", "b", "bar"])], "t/l+0 -> t/a/b/bar");
    shows([bar(), link("l", ["a"])], "t/l+0 -> t/a");
    shows(
        [bar(), with(link("l", ["a"]), [("length", None)])],
        "t/l+0 -> t/a",
    );
    shows(
        [bar(), with(link("l", ["a"]), [("length", int(99))])],
        "t/l+0 -> t/a",
    );
    // libtorrent lets these point to themselves.
    shows(
        [bar(), link("l", ["..", "..", "etc", "passwd"])],
        "t/l+0 -> nowhere",
    );
    shows([bar(), link("l", ["A"])], "t/l+0 -> nowhere");
    shows([bar(), link("l", ["l"])], "t/l+0 -> nowhere");
    let deep = with(
        link("l", ["a"]),
        [("symlink path", list(vec![text("a"); 70]))],
    );
    shows([bar(), deep], "t/l+0 -> nowhere");
    // What leads nowhere in the torrent's own words is an empty file.
    shows(
        [bar(), with(link("l", ["a"]), [("symlink path", None)])],
        "t/l+0",
    );
    shows([bar(), link("l", [])], "t/l+0");
    let broken = with(link("l", ["a"]), [("symlink path", list([int(3)]))]);
    assert_eq!(
        many([bar(), broken]),
        Err(MetainfoError::Field {
            field: "symlink path"
        })
    );
    // Nothing lies below a link.
    let below = many([file(["l", "x"], 10), link("l", ["l"])]).unwrap();
    assert_eq!(shown(&below), ["t/l/x+10", "t/l.1+0 -> t/l"]);
    // A circle, which libtorrent leaves.
    let circle = many([bar(), link("x", ["y"]), link("y", ["x"])]).unwrap();
    assert_eq!(
        shown(&circle)[1..],
        ["t/x+0 -> nowhere", "t/y+0 -> nowhere"]
    );
}

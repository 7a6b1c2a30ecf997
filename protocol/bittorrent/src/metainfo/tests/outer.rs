//! What stands around the info dictionary.

use super::*;
use crate::BencodeError;

fn info() -> Option<Value> {
    dict([
        ("length", int(100)),
        ("name", text("x")),
        ("piece length", int(16_384)),
        ("pieces", hashes(1)),
    ])
}

fn with_fields<const N: usize>(entries: [(&str, Option<Value>); N]) -> Metainfo {
    let torrent = with(dict([("info", info())]), entries).unwrap();
    Metainfo::parse(&torrent.encode()).unwrap()
}

#[test]
fn what_is_no_torrent() {
    use MetainfoError as E;
    let missing = E::Field { field: "info" };
    for (bytes, error) in [
        (&b""[..], E::Bencode(BencodeError::End)),
        (b"<html>", E::Bencode(BencodeError::Syntax { at: 0 })),
        (b"6:string", E::NotDictionary),
        (b"le", E::NotDictionary),
        (b"de", missing.clone()),
        (b"d4:info1:xe", missing.clone()),
        (b"d4:infolee", missing),
        (
            b"d4:infodee",
            E::Field {
                field: "piece length",
            },
        ),
    ] {
        assert_eq!(Metainfo::parse(bytes), Err(error), "{bytes:?}");
    }
    let bytes = MAX_METAINFO_BYTES + 1;
    assert_eq!(
        Metainfo::parse(&vec![b'l'; bytes]),
        Err(E::TooLarge { bytes })
    );
    assert_eq!(Info::parse(&vec![b'l'; bytes]), Err(E::TooLarge { bytes }));
    let many = ["l".to_owned(), "0:".repeat(3_000_000)].concat();
    let error = E::Bencode(BencodeError::TooMany { limit: 3_000_000 });
    assert_eq!(Metainfo::parse(many.as_bytes()), Err(error));
}

#[test]
fn trackers_in_tiers() {
    let announce = || ("announce", text(" udp://one.example/announce\n"));
    let torrent = with_fields([announce()]);
    assert_eq!(torrent.trackers, [["udp://one.example/announce"]]);
    let tiers = list([
        list([
            text("http://a"),
            text("  http://b"),
            text(""),
            int(1),
            text(b"\xff"),
        ]),
        text("http://no-tier"),
        list([]),
        list([text("http://c d")]),
    ]);
    let torrent = with_fields([announce(), ("announce-list", tiers)]);
    assert_eq!(
        torrent.trackers,
        [vec!["http://a", "http://b"], vec!["http://c%20d"]]
    );
    let empty = with_fields([announce(), ("announce-list", list([list([])]))]);
    assert_eq!(empty.trackers, [["udp://one.example/announce"]]);
    let broken = with_fields([("announce", int(1)), ("announce-list", int(1))]);
    assert!(broken.trackers.is_empty());
    let many = list((0..3000).map(|at| list([text(format!("http://{at}"))])));
    assert_eq!(
        with_fields([("announce-list", many)]).trackers.len(),
        MAX_URLS
    );
    let long = with_fields([("announce", text("h".repeat(MAX_URL_BYTES + 1)))]);
    assert!(long.trackers.is_empty());
}

#[test]
fn web_seeds() {
    let seeds = |field| with_fields([("url-list", field)]).web_seeds;
    assert_eq!(seeds(text("http://a/b c")), ["http://a/b%20c"]);
    let several = list([
        text("http://a"),
        text("http://a"),
        text(""),
        int(3),
        text("http://b/"),
    ]);
    assert_eq!(seeds(several), ["http://a", "http://b/"]);
    assert!(seeds(text("")).is_empty() && seeds(int(1)).is_empty() && seeds(list([])).is_empty());
    let file = |name| dict([("length", int(10)), ("path", path([name]))]);
    let info = with(
        info(),
        [("files", list([file("a"), file("b")])), ("length", None)],
    );
    let torrent = dict([("info", info), ("url-list", text("http://a/file"))]).unwrap();
    let torrent = Metainfo::parse(&torrent.encode()).unwrap();
    assert_eq!(torrent.web_seeds, ["http://a/file/"]);
}

#[test]
fn other_fields() {
    let node = |host, port| list([text(host), int(port)]);
    let torrent = with_fields([
        ("comment", text("for people")),
        ("comment.utf-8", text("für Menschen")),
        ("created by", text(b"x\xff")),
        ("creation date", int(1_234_567)),
        (
            "nodes",
            list([
                node("a.example", 6881),
                node("::1", 1),
                node("", 1),
                node("b", 0),
                node("b", 65_536),
                int(1),
            ]),
        ),
    ]);
    assert_eq!(torrent.comment.as_deref(), Some("für Menschen"));
    assert_eq!(torrent.created_by.as_deref(), Some("x\u{fffd}"));
    assert_eq!(torrent.creation_date_seconds, Some(1_234_567));
    assert_eq!(
        torrent.nodes,
        [("a.example".to_owned(), 6881), ("::1".to_owned(), 1)]
    );
    assert_eq!(
        with_fields([("creation date", int(-1))]).creation_date_seconds,
        None
    );
    assert_eq!(with_fields([("comment", int(-1))]).comment, None);
    let long = with_fields([("comment", text("x".repeat(100_000)))]);
    assert_eq!(long.comment.map(|comment| comment.len()), Some(16 * 1024));
    let torrent = with_fields([]);
    assert_eq!(Metainfo::from_info(torrent.info().clone()), torrent);
}

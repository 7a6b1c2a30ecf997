//! Complete torrents, read where their files are.

use std::fs;
use std::path::Path;

use potluck_bittorrent::Version;
use potluck_store::{
    ReadError, Store, TorrentAddError, TorrentCount, TorrentKey, TorrentReader, What,
};
use tempfile::tempdir;

use crate::common::{bytes, open, put};
use crate::made::{Made, V1, folder, shapes, single};

fn put_all(dir: &Path) {
    for (path, data, _) in shapes() {
        put(&dir.join(path), &data);
    }
}

fn reader(store: &Store, made: &Made) -> TorrentReader {
    let key = TorrentKey::of(&made.metainfo);
    store.open_torrent(&key).unwrap().unwrap()
}

fn read(reader: &TorrentReader, made: &Made, piece: u32) -> Result<(), ReadError> {
    let mut data = vec![0; made.piece(piece).len()];
    reader.read(piece, 0, &mut data)?;
    assert_eq!(data, made.piece(piece));
    Ok(())
}

fn what(result: Result<(), ReadError>) -> What {
    match result {
        Err(ReadError::Changed { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_that_are_here_are_seeded_where_they_are() {
    for version in [V1, Version::Hybrid, Version::V2] {
        let dir = tempdir().unwrap();
        let made = folder(&shapes(), version);
        let place = dir.path().join("mine");
        put_all(&place);
        let store = open(&dir.path().join("store"));
        let info = store.add_torrent(&made.metainfo, &place, 3).unwrap();
        assert!(info.complete && info.seed && !info.running);
        assert_eq!(info.have_bytes, info.wanted_bytes);
        assert_eq!(info.place, place.canonicalize().unwrap());
        drop(store);
        let store = open(&dir.path().join("store"));
        assert_eq!(store.torrents().unwrap(), [info]);
        let found = store
            .torrent_metainfo(&TorrentKey::of(&made.metainfo))
            .unwrap();
        assert_eq!(found.unwrap(), *made.metainfo);
        let reader = reader(&store, &made);
        for piece in made.shuffled() {
            read(&reader, &made, piece).unwrap();
        }
        let past = reader.read(made.pieces(), 0, &mut [0]);
        assert!(matches!(past, Err(ReadError::BadSpan)));
    }
}

#[test]
fn more_files_than_stay_open_are_read() {
    let dir = tempdir().unwrap();
    let names: Vec<String> = (0..100).map(|n| format!("{n:03}")).collect();
    let files = (0..)
        .zip(&names)
        .map(|(n, name)| (name.as_str(), bytes(n, 5000), false));
    let files = files.collect::<Vec<_>>();
    let made = folder(&files, V1);
    for (name, data, _) in &files {
        put(&dir.path().join("t").join(name), data);
    }
    let store = open(&dir.path().join("store"));
    store
        .add_torrent(&made.metainfo, &dir.path().join("t"), 3)
        .unwrap();
    let reader = reader(&store, &made);
    for piece in made.shuffled() {
        read(&reader, &made, piece).unwrap();
    }
}

#[test]
fn changed_files_are_noticed() {
    let dir = tempdir().unwrap();
    let made = folder(&shapes(), V1);
    let dest = dir.path().join("t");
    let store = open(&dir.path().join("store"));
    let download = made.begin(&store, &dest);
    made.fetch_wanted(&download);
    download.finish(true, 9).unwrap();
    let reader = reader(&store, &made);
    let last = made.pieces() - 1;
    read(&reader, &made, 0).unwrap();
    read(&reader, &made, last).unwrap();

    // The same bytes at another time, while the file is open.
    let first = dest.join("a/deep/er/file");
    fs::write(&first, &shapes()[0].1).unwrap();
    assert_eq!(what(read(&reader, &made, 0)), What::Changed);
    assert_eq!(what(read(&reader, &made, 0)), What::Changed);
    // Another file with the same bytes and times.
    let z = dest.join("z");
    let time = fs::metadata(&z).unwrap().modified().unwrap();
    fs::rename(&z, dest.join("old z")).unwrap();
    fs::copy(dest.join("old z"), &z).unwrap();
    let file = fs::File::options().write(true).open(&z).unwrap();
    file.set_modified(time).unwrap();
    assert_eq!(what(read(&reader, &made, last)), What::Changed);
    // The one that was recorded comes back.
    fs::rename(dest.join("old z"), &z).unwrap();
    read(&reader, &made, last).unwrap();
    fs::remove_file(&z).unwrap();
    assert_eq!(what(read(&reader, &made, last)), What::Missing);
    fs::remove_dir_all(&dest).unwrap();
    assert_eq!(what(read(&reader, &made, 5)), What::Missing);
    // What is no file any more is not read either, nor waited for.
    std::os::unix::fs::symlink("/etc/passwd", &dest).unwrap();
    assert_eq!(what(read(&reader, &made, 5)), What::Missing);
}

#[test]
fn files_that_are_not_those_of_the_torrent_are_refused() {
    let dir = tempdir().unwrap();
    let made = folder(&shapes(), V1);
    let place = dir.path().join("mine");
    let store = open(&dir.path().join("store"));
    let add = || store.add_torrent(&made.metainfo, &place, 3);
    let bad = |what: What| match add() {
        Err(TorrentAddError::BadFile { what: found, .. }) => assert_eq!(found, what),
        other => panic!("{other:?}"),
    };
    bad(What::Missing);
    put_all(&place);
    put(&place.join("z"), b"short");
    bad(What::Changed);
    fs::remove_file(place.join("z")).unwrap();
    bad(What::Missing);
    assert!(store.torrents().unwrap().is_empty());
    put_all(&place);
    add().unwrap();

    let other = single("x", bytes(1, 100_000), V1);
    let download = other.begin(&store, &dir.path().join("x"));
    put(&dir.path().join("y"), &bytes(1, 100_000));
    let add = || store.add_torrent(&other.metainfo, &dir.path().join("y"), 3);
    assert!(matches!(add(), Err(TorrentAddError::Busy)));
    drop(download);
    assert!(matches!(add(), Err(TorrentAddError::Unfinished { .. })));
    store
        .remove_torrent(&TorrentKey::of(&other.metainfo))
        .unwrap();
    add().unwrap();
}

#[test]
fn a_torrent_that_is_here_moves_with_its_files() {
    let dir = tempdir().unwrap();
    let made = folder(&shapes(), Version::Hybrid);
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    put_all(&old);
    let store = open(&dir.path().join("store"));
    let key = store.add_torrent(&made.metainfo, &old, 3).unwrap().key;
    let count = TorrentCount {
        uploaded_bytes: 8,
        ..TorrentCount::default()
    };
    store.count_torrents(&[(key, count)]).unwrap();
    fs::rename(&old, &new).unwrap();
    assert_eq!(what(read(&reader(&store, &made), &made, 0)), What::Missing);
    let info = store.add_torrent(&made.metainfo, &new, 5).unwrap();
    assert_eq!((info.uploaded_bytes, info.created_unix), (8, 3));
    read(&reader(&store, &made), &made, 0).unwrap();
}

//! What a new start finds.

use std::fs;

use potluck_bittorrent::Version;
use potluck_store::{FinishError, ReadError, TorrentBeginError, TorrentDownload};
use tempfile::tempdir;

use crate::common::{names, open, tree};
use crate::made::{V1, folder, shapes};

fn have(download: &TorrentDownload) -> Vec<u32> {
    download.have().iter().collect()
}

/// Changes one byte of a file of the part.
fn damage(download: &TorrentDownload, path: &str, at: usize) {
    let path = download.part_path().join(path);
    let mut data = fs::read(&path).unwrap();
    data[at] ^= 0x40;
    fs::write(&path, data).unwrap();
}

#[test]
fn a_killed_process_loses_nothing() {
    for version in [V1, Version::Hybrid, Version::V2] {
        let dir = tempdir().unwrap();
        let made = folder(&shapes(), version);
        let dest = dir.path().join("t");
        let store = open(&dir.path().join("store"));
        let download = made.begin(&store, &dest);
        made.fetch(&download, [5, 0, 3]);
        // Written, but not known to be right.
        made.write(&download, 1);
        let before = store.torrent(&download.key()).unwrap().unwrap().have_bytes;
        drop((download, store));

        let store = open(&dir.path().join("store"));
        let download = made.begin(&store, &dest);
        assert_eq!(have(&download), [0, 3, 5], "of the journal");
        let info = store.torrent(&download.key()).unwrap().unwrap();
        assert_eq!(info.have_bytes, before);
        download.checkpoint().unwrap();
        made.fetch(&download, [7]);
        drop((download, store));

        let store = open(&dir.path().join("store"));
        let info = &store.torrents().unwrap()[0];
        assert_eq!((info.have_bytes, info.running), (before, false));
        let download = store.resume_torrent(&info.key).unwrap();
        assert_eq!(have(&download), [0, 3, 5, 7], "of both");
        made.fetch_wanted(&download);
        download.finish(true, 9).unwrap();
        assert_eq!(tree(&dest).len(), 13);
    }
}

#[test]
fn a_wrong_piece_of_the_journal_is_wanted_again() {
    let dir = tempdir().unwrap();
    let made = folder(&shapes(), V1);
    let dest = dir.path().join("t");
    let store = open(&dir.path().join("store"));
    let download = made.begin(&store, &dest);
    made.fetch(&download, [0, 1, 2]);
    damage(&download, "a/deep/er/file", 40_000);
    drop((download, store));
    let store = open(&dir.path().join("store"));
    let download = made.begin(&store, &dest);
    assert_eq!(have(&download), [0, 2]);
    made.fetch_wanted(&download);
    download.finish(false, 9).unwrap();
    assert_eq!(
        fs::read(dest.join("a/deep/er/file")).unwrap(),
        shapes()[0].1
    );
}

#[test]
fn pieces_of_a_file_that_was_cut_are_wanted_again() {
    let dir = tempdir().unwrap();
    let made = folder(&shapes(), V1);
    let dest = dir.path().join("t");
    let store = open(&dir.path().join("store"));
    let download = made.begin(&store, &dest);
    made.fetch_wanted(&download);
    download.checkpoint().unwrap();
    let path = download.part_path().join("b/piece");
    drop((download, store));
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(5)
        .unwrap();
    let store = open(&dir.path().join("store"));
    let download = made.begin(&store, &dest);
    // 100 001 bytes are before it, so it is in two pieces.
    assert_eq!(
        download
            .wanted()
            .difference(&download.have())
            .iter()
            .collect::<Vec<_>>(),
        [3, 4]
    );

    made.fetch_wanted(&download);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(5)
        .unwrap();
    assert!(matches!(
        download.read(3, 0, &mut vec![0; 32 * 1024]),
        Err(ReadError::Changed { .. })
    ));
    assert!(matches!(
        download.finish(true, 9),
        Err(FinishError::Tampered { .. })
    ));
    assert_eq!(download.wanted().difference(&download.have()).count(), 2);
    made.fetch_wanted(&download);
    download.finish(true, 9).unwrap();
    assert_eq!(fs::read(dest.join("b/piece")).unwrap(), shapes()[2].1);
}

#[test]
fn what_was_deleted_is_begun_anew() {
    let dir = tempdir().unwrap();
    let made = folder(&shapes(), V1);
    let dest = dir.path().join("t");
    let store = open(&dir.path().join("store"));
    let download = made.begin(&store, &dest);
    made.fetch(&download, [0, 1]);
    download.checkpoint().unwrap();
    made.fetch(&download, [2]);
    let part = download.part_path().parent().unwrap().to_path_buf();
    drop((download, store));
    fs::remove_dir_all(&part).unwrap();
    // Somebody else's folder in its place is not ours.
    fs::create_dir_all(part.join("data/a")).unwrap();
    let store = open(&dir.path().join("store"));
    let download = made.begin(&store, &dest);
    assert!(download.have().is_empty());
    made.fetch_wanted(&download);
    download.finish(true, 9).unwrap();
    assert_eq!(names(dir.path()), ["store", "t"]);
}

#[test]
fn a_torrent_goes_to_one_place() {
    let dir = tempdir().unwrap();
    let made = folder(&shapes(), V1);
    let store = open(&dir.path().join("store"));
    let download = made.begin(&store, &dir.path().join("t"));
    made.fetch(&download, [0]);
    let begin = |name: &str| store.begin_torrent(made.spec(&dir.path().join(name)));
    assert!(matches!(begin("t"), Err(TorrentBeginError::Busy)));
    drop(download);
    match begin("other") {
        Err(TorrentBeginError::OtherDest { dest }) => {
            assert_eq!(dest, dir.path().canonicalize().unwrap().join("t"));
        }
        other => panic!("{other:?}"),
    }
    let download = begin("t").unwrap();
    assert_eq!(have(&download), [0]);
    made.fetch_wanted(&download);
    download.finish(true, 9).unwrap();
    let at = dir.path().canonicalize().unwrap().join("t");
    for name in ["t", "other"] {
        match begin(name) {
            Err(TorrentBeginError::Complete { place }) => assert_eq!(place, at),
            other => panic!("{other:?}"),
        }
    }
    // Its owner removed it, and wants it again.
    fs::remove_dir_all(&at).unwrap();
    let download = begin("other").unwrap();
    assert!(download.have().is_empty());
}

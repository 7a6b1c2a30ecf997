//! What is refused, and what is forgotten.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use potluck_store::records::TorrentOwnerRecord;
use potluck_store::{
    DropError, FinishError, TorrentBeginError, TorrentCount, TorrentSpec, WriteError,
};
use tempfile::tempdir;

use crate::common::{bytes, names, open, put};
use crate::made::{V1, folder, shapes, single};

#[test]
fn nothing_is_ever_replaced() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let made = folder(&shapes(), V1);
    let dest = dir.path().join("t");
    put(&dest, b"precious");
    let refused = store.begin_torrent(made.spec(&dest));
    assert!(matches!(refused, Err(TorrentBeginError::DestExists { .. })));
    fs::remove_file(&dest).unwrap();
    let download = made.begin(&store, &dest);
    made.fetch_wanted(&download);
    put(&dest.join("x"), b"precious");
    assert!(matches!(
        download.finish(true, 9),
        Err(FinishError::DestExists { .. })
    ));
    assert_eq!(names(&dest), ["x"]);
    fs::remove_dir_all(&dest).unwrap();
    download.finish(true, 9).unwrap();
    assert_eq!(fs::read(dest.join("z")).unwrap(), bytes(6, 20_000));
}

#[test]
fn selections_must_be_of_the_torrent() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let made = folder(&shapes(), V1);
    for wanted in [vec![], vec![0, 8]] {
        let spec = TorrentSpec {
            wanted: Some(wanted),
            ..made.spec(&dir.path().join("t"))
        };
        let refused = store.begin_torrent(spec);
        assert!(matches!(refused, Err(TorrentBeginError::BadSelection(_))));
    }
    let refused = store.begin_torrent(made.spec(Path::new("/")));
    assert!(matches!(refused, Err(TorrentBeginError::BadDest { .. })));
    assert!(store.torrents().unwrap().is_empty());
}

#[test]
fn unfinished_torrents_go_with_their_part() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let made = folder(&shapes(), V1);
    let download = made.begin(&store, &dir.path().join("t"));
    let key = download.key();
    made.fetch(&download, [0, 1]);
    assert!(matches!(store.remove_torrent(&key), Err(DropError::Busy)));
    drop(download);
    assert!(store.remove_torrent(&key).unwrap());
    assert_eq!(names(dir.path()), ["store"]);
    assert!(names(&dir.path().join("store/torrents")).is_empty());
    assert!(!store.remove_torrent(&key).unwrap());
    assert!(store.torrent(&key).unwrap().is_none());
    assert!(matches!(
        store.resume_torrent(&key),
        Err(TorrentBeginError::NotHave)
    ));
}

#[test]
fn finished_files_are_their_owners() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let made = folder(&shapes(), V1);
    let dest = dir.path().join("t");
    let download = made.begin(&store, &dest);
    made.fetch_wanted(&download);
    download.finish(true, 9).unwrap();
    // Who has it in hand still doesn't keep it from being removed.
    assert!(store.remove_torrent(&download.key()).unwrap());
    assert!(store.open_torrent(&download.key()).unwrap().is_none());
    assert_eq!(fs::read(dest.join("z")).unwrap(), bytes(6, 20_000));
}

#[test]
fn counts_add_up_and_last() {
    let dir = tempdir().unwrap();
    let made = folder(&shapes(), V1);
    let store = open(&dir.path().join("store"));
    let download = made.begin(&store, &dir.path().join("t"));
    let key = download.key();
    let count = |uploaded_bytes, fetched_bytes, seeded_seconds| TorrentCount {
        uploaded_bytes,
        fetched_bytes,
        seeded_seconds,
    };
    store.count_torrents(&[(key, count(5, 100, 0))]).unwrap();
    let wish = |owner: &mut TorrentOwnerRecord| owner.ratio_goal_milli = Some(1500);
    assert!(store.change_torrent_owner(&key, wish).unwrap());
    made.fetch_wanted(&download);
    download.finish(true, 9).unwrap();
    store
        .count_torrents(&[(key, count(u64::MAX, 1, 40)), (key, count(0, 0, 2))])
        .unwrap();
    drop((download, store));
    let store = open(&dir.path().join("store"));
    let info = store.torrent(&key).unwrap().unwrap();
    assert_eq!((info.uploaded_bytes, info.fetched_bytes), (u64::MAX, 101));
    let wished = TorrentOwnerRecord {
        ratio_goal_milli: Some(1500),
        seeded_seconds: 42,
        ..TorrentOwnerRecord::default()
    };
    assert_eq!(info.owner, wished);
    assert!(store.restart_torrent_goals(&key).unwrap());
    let owner = store.torrent(&key).unwrap().unwrap().owner;
    assert_eq!((owner.seeded_seconds, owner.uploaded_before), (0, u64::MAX));
    assert_eq!(owner.ratio_goal_milli, Some(1500));
    assert!(store.seed_torrent(&key, false).unwrap());
    let info = store.torrent(&key).unwrap().unwrap();
    assert!(info.complete && !info.seed);
    assert!(!store.was_watched(&key).unwrap());
    store.note_watched(&key, 9).unwrap();
    store.remove_torrent(&key).unwrap();
    assert!(store.was_watched(&key).unwrap(), "it is gone, not unseen");
    store.count_torrents(&[(key, count(1, 1, 1))]).unwrap();
    assert!(!store.change_torrent_owner(&key, wish).unwrap());
    assert!(!store.restart_torrent_goals(&key).unwrap());
    assert!(store.torrents().unwrap().is_empty());
    assert!(!store.seed_torrent(&key, true).unwrap());
}

/// A file system of one megabyte, which only root can mount.
struct Small(PathBuf);

impl Small {
    fn mount(path: PathBuf) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(&path);
        mount
            .status()
            .is_ok_and(|status| status.success())
            .then_some(Self(path))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_says_how_much_is_missing() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let Some(small) = Small::mount(dir.path().join("small")) else {
        println!("SKIPPED: mounting a small file system needs root; nothing was tested");
        return;
    };
    let made = single("film", bytes(3, 2_000_000), V1);
    let dest = small.0.join("film");
    let download = made.begin(&store, &dest);
    let mut fetched = 0;
    let error = (0..made.pieces()).find_map(|piece| {
        let data = made.piece(piece);
        if let Err(error) = download.write(piece, 0, &data) {
            return Some(error);
        }
        assert!(download.verify(piece).unwrap());
        fetched += data.len() as u64;
        None
    });
    match error {
        Some(WriteError::NoSpace { needed, .. }) => assert_eq!(needed, 2_000_000 - fetched),
        other => panic!("{other:?}"),
    }
    // What is there stays, and it goes on once there is room.
    let grown = Command::new("mount")
        .args(["-o", "remount,size=4m"])
        .arg(&small.0)
        .status();
    assert!(grown.unwrap().success());
    made.fetch_wanted(&download);
    download.finish(false, 1).unwrap();
    assert_eq!(fs::read(&dest).unwrap(), bytes(3, 2_000_000));
}

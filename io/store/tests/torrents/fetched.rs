//! From the first byte to the final name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use potluck_bittorrent::{Metainfo, PieceDigester, Version};
use potluck_store::{FinishError, ReadError, TorrentKey, WriteError};
use tempfile::tempdir;

use crate::common::{bytes, names, open, put, tree};
use crate::made::{BLOCK, Made, PIECE, V1, folder, shapes, single, without_layers};

/// What the folder of [`shapes`] looks like.
fn expected() -> BTreeMap<PathBuf, (char, bool, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for (path, data, run) in shapes() {
        let path = PathBuf::from(path);
        for above in path
            .ancestors()
            .skip(1)
            .filter(|above| above.file_name().is_some())
        {
            all.insert(above.to_path_buf(), ('d', false, Vec::new()));
        }
        all.insert(path, ('f', run, data));
    }
    all
}

#[test]
fn torrents_of_all_versions_arrive() {
    let aligned = Version::V1 { aligned: true };
    for version in [V1, aligned, Version::Hybrid, Version::V2] {
        let dir = tempdir().unwrap();
        let store = open(&dir.path().join("store"));
        let made = folder(&shapes(), version);
        let dest = dir.path().join("out/t");
        let download = made.begin(&store, &dest);
        assert!(download.wanted().is_full() && download.have().is_empty());
        let half = made.shuffled().len() / 2;
        made.fetch(&download, made.shuffled().into_iter().take(half));
        download.checkpoint().unwrap();
        let info = store.torrent(&download.key()).unwrap().unwrap();
        assert!(info.running && !info.complete && info.have_bytes < info.wanted_bytes);
        assert!(matches!(
            download.finish(true, 9),
            Err(FinishError::Incomplete { .. })
        ));
        made.fetch_wanted(&download);
        for piece in 0..made.pieces() {
            let mut data = vec![1; made.piece(piece).len()];
            download.read(piece, 0, &mut data).unwrap();
            assert_eq!(data, made.piece(piece), "padding reads as zeros");
        }
        assert!(!dest.exists());
        assert_eq!(
            download.finish(true, 9).unwrap(),
            dest.canonicalize().unwrap()
        );
        assert_eq!(tree(&dest), expected(), "{version:?}");
        assert_eq!(names(&dir.path().join("out")), ["t"]);
        assert!(names(&dir.path().join("store/torrents")).is_empty());

        assert!(matches!(download.finish(true, 9), Err(FinishError::Ended)));
        assert!(matches!(download.write(0, 0, &[1]), Err(WriteError::Ended)));
        let info = store.torrent(&download.key()).unwrap().unwrap();
        assert!(info.complete && info.seed && !info.running && !info.selected);
        let total: usize = shapes().iter().map(|(_, data, _)| data.len()).sum();
        assert_eq!(
            (info.have_bytes, info.wanted_bytes),
            (total as u64, total as u64)
        );
        assert_eq!((info.created_unix, info.completed_unix), (7, Some(9)));
        let reader = store.open_torrent(&download.key()).unwrap().unwrap();
        assert!(reader.have().is_full());
        for piece in 0..made.pieces() {
            let mut data = vec![1; made.piece(piece).len()];
            reader.read(piece, 0, &mut data).unwrap();
            assert_eq!(data, made.piece(piece));
        }
    }
}

#[test]
fn a_single_file_arrives_and_can_be_run() {
    for version in [V1, Version::Hybrid, Version::V2] {
        let dir = tempdir().unwrap();
        let store = open(&dir.path().join("store"));
        let made = single("tool", bytes(9, 100_000), version);
        let dest = dir.path().join("under another name");
        let download = made.begin(&store, &dest);
        made.fetch_wanted(&download);
        download.finish(false, 9).unwrap();
        let found = tree(dir.path());
        let found = &found[&PathBuf::from("under another name")];
        assert_eq!(*found, ('f', true, bytes(9, 100_000)));
        // Nothing is kept of what is not to be seeded.
        assert!(store.torrents().unwrap().is_empty());
        assert!(store.torrent_metainfo(&download.key()).unwrap().is_none());
    }
}

#[test]
fn wrong_bytes_are_no_piece_and_can_be_written_again() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let made = folder(&shapes(), V1);
    let download = made.begin(&store, &dir.path().join("t"));
    let mut wrong = made.piece(3);
    wrong[17] ^= 1;
    download.write(3, 0, &wrong).unwrap();
    assert!(!download.verify(3).unwrap());
    assert!(download.have().is_empty());
    assert!(!download.verify(4).unwrap(), "nothing was written");
    made.fetch(&download, [3]);
    assert_eq!(download.have().iter().collect::<Vec<_>>(), [3]);
}

#[test]
fn a_piece_that_is_here_is_never_overwritten() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let made = folder(&shapes(), Version::Hybrid);
    let download = made.begin(&store, &dir.path().join("t"));
    made.fetch(&download, [2]);
    download.write(2, 0, &vec![0; BLOCK]).unwrap();
    let mut data = made.piece(2);
    download.read(2, 0, &mut data).unwrap();
    assert_eq!(data, made.piece(2));
}

/// Whoever sends garbage of a piece while it is hashed makes it wrong, or comes too late.
#[test]
fn garbage_never_gets_into_a_piece_that_was_found_right() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let made = folder(&shapes(), V1);
    let download = Arc::new(made.begin(&store, &dir.path().join("t")));
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (download, stop) = (Arc::clone(&download), Arc::clone(&stop));
        move || {
            while !stop.load(Ordering::Relaxed) {
                for piece in 0..4 {
                    download.write(piece, 0, &[7; 100]).unwrap();
                }
            }
        }
    });
    let mut tries = 0;
    while download.have().count() < 4 && tries < 1_000_000 {
        tries += 1;
        for piece in 0..4 {
            made.write(&download, piece);
            download.verify(piece).unwrap();
        }
    }
    for _ in 0..100 {
        for piece in download.have().iter() {
            let mut data = made.piece(piece);
            download.read(piece, 0, &mut data).unwrap();
            assert!(data == made.piece(piece), "piece {piece}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(download.have().count(), 4);
}

#[test]
fn only_bytes_of_the_piece_can_be_written_and_read() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let made = folder(&shapes(), Version::V2);
    let download = made.begin(&store, &dir.path().join("t"));
    let last = made.piece(3).len();
    assert_eq!(last, 100_000 - 3 * 32 * 1024, "the end of the first file");
    for (piece, begin, length) in [
        (3, 0, last + 1),
        (3, last as u64, 1),
        (0, PIECE, 1),
        (0, u64::MAX, 1),
        (made.pieces(), 0, 1),
        (u32::MAX, 0, 1),
    ] {
        let mut data = vec![0; length];
        let written = download.write(piece, begin, &data);
        assert!(
            matches!(written, Err(WriteError::BadRange)),
            "{piece} {begin}"
        );
        let read = download.read(piece, begin, &mut data);
        assert!(matches!(read, Err(ReadError::BadSpan)), "{piece} {begin}");
    }
    assert!(matches!(
        download.complete(made.pieces()),
        Err(WriteError::BadRange)
    ));
    assert!(matches!(
        download.read(3, 0, &mut [0]),
        Err(ReadError::NotHave)
    ));
}

#[test]
fn pieces_count_once_their_layers_are_known() {
    let dir = tempdir().unwrap();
    let made = folder(&shapes(), Version::V2);
    let dest = dir.path().join("t");
    let store = open(&dir.path().join("store"));
    let mut spec = made.spec(&dest);
    spec.metainfo = without_layers(&made);
    let download = store.begin_torrent(spec).unwrap();
    made.write(&download, 0);
    assert!(!download.verify(0).unwrap(), "nothing says what is right");
    let other = folder(&shapes()[..3], Version::V2);
    let refused = download.update_metainfo(Arc::clone(&other.metainfo));
    assert!(matches!(refused, Err(WriteError::BadRange)));
    download
        .update_metainfo(Arc::clone(&made.metainfo))
        .unwrap();
    assert!(download.verify(0).unwrap());
    drop((download, store));
    // They are known after a restart, also when the link is given again.
    let store = open(&dir.path().join("store"));
    let mut spec = made.spec(&dest);
    spec.metainfo = without_layers(&made);
    let download = store.begin_torrent(spec).unwrap();
    assert_eq!(download.have().count(), 1);
    assert!(download.metainfo().missing_layers().next().is_none());
}

#[test]
fn links_are_made_where_they_are_safe() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let data = bytes(1, 1000);
    let mut digester = PieceDigester::new(true, false);
    digester.push(&data);
    let hash = digester.finish(1000, PIECE).v1.unwrap();
    let link = |path: &str, to: &str| {
        let list = |path: &str| -> String {
            path.split('/')
                .map(|step| format!("{}:{step}", step.len()))
                .collect()
        };
        let (path, to) = (list(path), list(to));
        format!("d4:attr1:l6:lengthi0e4:pathl{path}e12:symlink pathl{to}ee")
    };
    let mut info = format!(
        "d5:filesld6:lengthi1000e4:pathl1:d4:fileee{}{}{}e4:name1:t12:piece lengthi{PIECE}e6:pieces20:",
        link("up/down/l", "d/file"),
        link("dir", "d"),
        link("out", "../../etc"),
    )
    .into_bytes();
    info.extend(hash);
    info.push(b'e');
    let info = potluck_bittorrent::Info::parse(&info).unwrap();
    let contents = vec![data.clone(), Vec::new(), Vec::new(), Vec::new()];
    let made = Made {
        metainfo: Arc::new(Metainfo::from_info(info)),
        contents,
    };
    let dest = dir.path().join("t");
    let download = made.begin(&store, &dest);
    made.fetch_wanted(&download);
    download.finish(true, 1).unwrap();
    let found = tree(&dest);
    let text = |path: &str| String::from_utf8(found[&PathBuf::from(path)].2.clone()).unwrap();
    assert_eq!(text("up/down/l"), "../../d/file");
    assert_eq!(text("dir"), "d");
    assert!(!found.contains_key(&PathBuf::from("out")));
    assert_eq!(std::fs::read(dest.join("up/down/l")).unwrap(), data);
    assert_eq!(std::fs::read(dest.join("dir/file")).unwrap(), data);
}

#[test]
fn a_link_in_the_part_leads_nowhere() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let made = folder(&shapes(), V1);
    let download = made.begin(&store, &dir.path().join("t"));
    let outside = dir.path().join("outside");
    put(&outside.join("file"), b"precious");
    std::os::unix::fs::symlink(&outside, download.part_path().join("a")).unwrap();
    assert!(download.write(0, 0, &made.piece(0)).is_err());
    assert_eq!(names(&outside), ["file"]);
    std::fs::remove_file(download.part_path().join("a")).unwrap();
    made.fetch(&download, [0]);
}

#[test]
fn keys_are_infohashes() {
    let (v1, v2) = (folder(&shapes(), V1), folder(&shapes(), Version::V2));
    let hybrid = folder(&shapes(), Version::Hybrid);
    let hashes = |made: &Made| made.metainfo.info().hashes();
    let v1_of = |made: &Made| *hashes(made).v1.unwrap().as_bytes();
    assert_eq!(*TorrentKey::of(&v1.metainfo).as_bytes(), v1_of(&v1));
    assert_eq!(*TorrentKey::of(&hybrid.metainfo).as_bytes(), v1_of(&hybrid));
    let truncated = hashes(&v2).v2.unwrap().truncated();
    assert_eq!(
        TorrentKey::of(&v2.metainfo).to_string(),
        truncated.to_string()
    );
}

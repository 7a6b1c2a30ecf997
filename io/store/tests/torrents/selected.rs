//! Torrents of which only some files are wanted.

use std::fs;

use potluck_bittorrent::Version;
use potluck_store::ReadError;
use tempfile::tempdir;

use crate::common::{names, open, tree};
use crate::made::{V1, folder, shapes};

fn files(
    found: &std::collections::BTreeMap<std::path::PathBuf, (char, bool, Vec<u8>)>,
) -> Vec<String> {
    let files = found.iter().filter(|(_, (kind, _, _))| *kind == 'f');
    files.map(|(path, _)| path.display().to_string()).collect()
}

#[test]
fn only_wanted_files_arrive() {
    for version in [V1, Version::Hybrid, Version::V2] {
        let dir = tempdir().unwrap();
        let store = open(&dir.path().join("store"));
        let made = folder(&shapes(), version);
        let dest = dir.path().join("t");
        let download = made.begin_some(&store, &dest, &["b/tool", "hollow/empty too"]);
        assert!(download.wants_file(made.file("b/tool") as usize));
        assert!(!download.wants_file(made.file("big") as usize));
        let wanted = download.wanted();
        assert!(!wanted.is_full());
        made.fetch_wanted(&download);
        assert_eq!(download.have(), wanted);
        let info = store.torrent(&download.key()).unwrap().unwrap();
        assert_eq!(
            (info.wanted_bytes, info.have_bytes, info.selected),
            (40_000, 40_000, true)
        );
        // Bytes of other files in these pieces can be given to peers until then.
        let first = wanted.first_present(0).unwrap();
        let mut data = made.piece(first);
        download.read(first, 0, &mut data).unwrap();
        assert_eq!(data, made.piece(first));
        download.finish(true, 9).unwrap();
        assert_eq!(files(&tree(&dest)), ["b/tool", "hollow/empty too"]);
        assert_eq!(names(&dest), ["b", "hollow"]);
        assert_eq!(fs::read(dest.join("b/tool")).unwrap(), shapes()[3].1);
        assert_eq!(names(dir.path()), ["store", "t"]);

        let reader = store.open_torrent(&download.key()).unwrap().unwrap();
        let kept = reader.have();
        let whole = |piece: &u32| {
            let layout = made.metainfo.info().layout();
            let mut files = layout.spans((*piece).into()).filter_map(|span| span.file);
            files.all(|file| file == made.file("b/tool") as usize)
        };
        let expected: Vec<u32> = (0..made.pieces()).filter(whole).collect();
        assert_eq!(kept.iter().collect::<Vec<_>>(), expected);
        assert!(!kept.is_empty() || version == V1);
        for piece in 0..made.pieces() {
            let mut data = made.piece(piece);
            let read = reader.read(piece, 0, &mut data);
            if kept.contains(piece) {
                read.unwrap();
                assert_eq!(data, made.piece(piece));
            } else {
                assert!(matches!(read, Err(ReadError::NotHave)));
            }
        }
    }
}

#[test]
fn a_selection_can_grow() {
    let dir = tempdir().unwrap();
    let made = folder(&shapes(), V1);
    let dest = dir.path().join("t");
    let store = open(&dir.path().join("store"));
    let download = made.begin_some(&store, &dest, &["b/piece"]);
    made.fetch_wanted(&download);
    let had = download.have();
    download.checkpoint().unwrap();
    drop((download, store));
    let store = open(&dir.path().join("store"));
    let download = made.begin_some(&store, &dest, &["b/piece", "a/one", "a/deep/er/file"]);
    assert_eq!(download.have(), had);
    made.fetch_wanted(&download);
    drop(download);
    let download = made.begin(&store, &dest);
    assert!(download.wanted().is_full() && had.is_subset(&download.have()));
    made.fetch_wanted(&download);
    download.finish(true, 9).unwrap();
    for (path, data, _) in shapes() {
        assert_eq!(fs::read(dest.join(path)).unwrap(), data, "{path}");
    }
    assert!(
        store
            .open_torrent(&download.key())
            .unwrap()
            .unwrap()
            .have()
            .is_full()
    );
}

#[test]
fn a_selection_can_shrink() {
    let dir = tempdir().unwrap();
    let made = folder(&shapes(), V1);
    let dest = dir.path().join("t");
    let store = open(&dir.path().join("store"));
    let download = made.begin(&store, &dest);
    made.fetch(&download, 0..made.pieces() - 1);
    let had = download.have();
    drop(download);
    // Its pieces stay where others straddle into them; its file does not.
    let download = made.begin_some(&store, &dest, &["a/one", "b/piece"]);
    assert_eq!(download.have(), had);
    assert!(download.wanted().is_subset(&had));
    download.finish(true, 9).unwrap();
    assert_eq!(files(&tree(&dest)), ["a/one", "b/piece"]);
    assert_eq!(names(&dest.join("a")), ["one"]);
    assert_eq!(fs::read(dest.join("a/one")).unwrap(), shapes()[1].1);
}

#[test]
fn a_selection_can_change_after_a_try_to_finish() {
    let dir = tempdir().unwrap();
    let made = folder(&shapes(), V1);
    let dest = dir.path().join("t");
    let store = open(&dir.path().join("store"));
    let download = made.begin_some(&store, &dest, &["b/piece", "hollow/empty too", "empty"]);
    made.fetch_wanted(&download);
    fs::create_dir(&dest).unwrap();
    assert!(download.finish(true, 9).is_err());
    fs::remove_dir(&dest).unwrap();
    // As if the name had been taken only after the empty files were made.
    fs::create_dir(download.part_path().join("hollow")).unwrap();
    fs::write(download.part_path().join("hollow/empty too"), b"").unwrap();
    drop(download);
    let download = made.begin_some(&store, &dest, &["b/piece", "z"]);
    made.fetch_wanted(&download);
    download.finish(true, 9).unwrap();
    assert_eq!(names(&dest), ["b", "z"]);
}

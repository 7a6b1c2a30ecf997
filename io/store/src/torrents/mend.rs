//! What a crash left between the final rename and its record.

use std::fs;
use std::path::Path;

use redb::ReadableTable;

use super::settle::settle;
use super::types::TorrentKey;
use crate::db::DbError;
use crate::errors::Fault;
use crate::open::Inner;
use crate::partial::{DATA, remove_part};
use crate::records::{TorrentRecord, TorrentStage};
use crate::sys;
use crate::tables;

/// Completes torrents that got their final name and were not recorded yet, and removes directories of
/// torrents that are no more.
pub(crate) fn mend(inner: &Inner) -> Result<(), Fault> {
    let records = inner.db.read(|transaction| {
        let mut found = Vec::new();
        for item in transaction.open_table(tables::TORRENTS)?.iter()? {
            let (key, value) = item?;
            let record = TorrentRecord::decode(value.value());
            let record = record.map_err(|error| DbError::record("torrents", error))?;
            found.push((TorrentKey::from_bytes(*key.value()), record));
        }
        Ok(found)
    })?;
    for (key, record) in &records {
        if let TorrentStage::Finishing { seed } = record.stage
            && let Err(error) = mend_one(inner, key, record, seed)
        {
            // The store works without it; it is tried again at the next start.
            tracing::warn!(path = %record.dest.display(), %error, "cannot record a finished torrent");
        }
    }
    remove_unknown(inner, &records)
}

pub(super) fn mend_one(
    inner: &Inner,
    key: &TorrentKey,
    record: &TorrentRecord,
    seed: bool,
) -> Result<(), Fault> {
    let inode = |path: &Path| {
        let metadata = fs::symlink_metadata(path).ok()?;
        Some(sys::facts_of(&metadata).stamp.inode)
    };
    if inode(&record.dest) == Some(record.inode)
        && let Some(metainfo) = inner.torrent_metainfo(key)?
    {
        return settle(inner, key, &metainfo, record, seed);
    }
    if inode(&record.part.join(DATA)) == Some(record.inode) {
        let record = TorrentRecord {
            stage: TorrentStage::Running,
            completed_unix: None,
            ..record.clone()
        };
        return inner.put_torrent_record(key, &record);
    }
    // It got its name, and someone moved or removed it since: nothing to go on with.
    remove_part(&record.part)?;
    inner.forget_torrent(key, record)
}

fn remove_unknown(inner: &Inner, records: &[(TorrentKey, TorrentRecord)]) -> Result<(), Fault> {
    let dir = inner.dir.join("torrents");
    let io = |error| Fault::io("list", &dir, error);
    for entry in fs::read_dir(&dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let known = records
            .iter()
            .any(|(_, record)| inner.torrent_dir(record) == path);
        if !known && let Err(error) = fs::remove_dir_all(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot remove a directory");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use potluck_bittorrent::{Builder, NewFile, PieceDigester, Version};
    use potluck_content::EntryPath;

    use super::super::{TorrentDownload, TorrentSpec};
    use crate::partial::lock;
    use crate::records::{TorrentRecord, TorrentStage};
    use crate::{Store, StoreOptions};

    fn open(dir: &Path) -> Store {
        Store::open(&dir.join("store"), StoreOptions::default()).unwrap()
    }

    /// A torrent of two files, of which one is wanted, that is whole and not finished.
    fn whole(dir: &Path, store: &Store) -> TorrentDownload {
        let file = |path: &str| NewFile {
            path: EntryPath::new(path).unwrap(),
            size: 20_000,
            executable: false,
            root: None,
            layer: Vec::new(),
        };
        let data = [7; 40_000];
        let version = Version::V1 { aligned: false };
        let builder = Builder::folder("t", vec![file("a"), file("b")], 16_384, version).unwrap();
        let mut digester = PieceDigester::new(true, false);
        let pieces: Vec<_> = data
            .chunks(16_384)
            .map(|piece| {
                digester.push(piece);
                digester.finish(0, 16_384)
            })
            .collect();
        let download = store.begin_torrent(TorrentSpec {
            metainfo: Arc::new(builder.finish_with(&pieces).unwrap()),
            dest: dir.join("out"),
            wanted: Some(vec![0]),
            now_unix: 5,
        });
        let download = download.unwrap();
        for piece in 0..2 {
            download.write(piece, 0, &data[..16_384]).unwrap();
            assert!(download.verify(piece).unwrap());
        }
        download
    }

    /// Does what finishing does up to its record, `renamed` or not.
    fn half_finish(download: &TorrentDownload, seed: bool, renamed: bool) {
        let running = &download.running;
        running.make_shape().unwrap();
        let finishing = TorrentRecord {
            stage: TorrentStage::Finishing { seed },
            completed_unix: Some(9),
            ..lock(&running.record).clone()
        };
        running.checkpoint_locked(Some(&finishing)).unwrap();
        if renamed {
            running.rename().unwrap();
        }
    }

    fn count(dir: &Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn a_crash_after_the_rename_is_mended() {
        for seed in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let store = open(dir.path());
            let download = whole(dir.path(), &store);
            let key = download.key();
            half_finish(&download, seed, true);
            drop((download, store));
            for _ in 0..2 {
                let store = open(dir.path());
                assert_eq!(store.torrent(&key).unwrap().is_some(), seed);
                let reader = store.open_torrent(&key).unwrap();
                assert_eq!(reader.is_some(), seed);
                if let Some(reader) = reader {
                    let mut data = vec![0; 16_384];
                    reader.read(0, 0, &mut data).unwrap();
                    assert_eq!(data, [7; 16_384]);
                    assert_eq!(reader.have().count(), 1);
                    let info = store.torrent(&key).unwrap().unwrap();
                    assert_eq!((info.created_unix, info.completed_unix), (5, Some(9)));
                }
                assert_eq!(
                    std::fs::read(dir.path().join("out/a")).unwrap(),
                    [7; 20_000]
                );
                assert_eq!((count(dir.path()), count(&dir.path().join("out"))), (2, 1));
                assert_eq!(count(&dir.path().join("store/torrents")), 0);
            }
        }
    }

    #[test]
    fn a_crash_before_the_rename_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let download = whole(dir.path(), &store);
        let key = download.key();
        half_finish(&download, true, false);
        drop((download, store));
        let store = open(dir.path());
        assert!(!store.torrent(&key).unwrap().unwrap().complete);
        let download = store.resume_torrent(&key).unwrap();
        assert!(download.wanted().is_subset(&download.have()));
        download.finish(true, 9).unwrap();
        assert_eq!(count(&dir.path().join("out")), 1);
    }

    #[test]
    fn what_was_moved_away_after_the_rename_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let download = whole(dir.path(), &store);
        half_finish(&download, true, true);
        drop((download, store));
        std::fs::rename(dir.path().join("out"), dir.path().join("moved")).unwrap();
        let store = open(dir.path());
        assert!(store.torrents().unwrap().is_empty());
        assert_eq!(count(dir.path()), 2);
        assert!(dir.path().join("moved/a").exists());
    }

    #[test]
    fn directories_of_no_torrent_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let download = whole(dir.path(), &store);
        drop((download, store));
        std::fs::create_dir(dir.path().join("store/torrents/0123")).unwrap();
        let _store = open(dir.path());
        assert_eq!(count(&dir.path().join("store/torrents")), 1);
    }
}

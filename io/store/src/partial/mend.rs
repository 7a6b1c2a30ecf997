//! What a crash left between the final rename and its record.

use std::fs;

use potluck_content::Address;
use redb::ReadableTable;

use super::settle::Settling;
use super::trees::PartialTrees;
use crate::db::DbError;
use crate::errors::Fault;
use crate::open::Inner;
use crate::records::{PartialRecord, Purpose, Stage};
use crate::sys;
use crate::tables;

/// Completes downloads that got their final name and were not recorded yet, and removes directories
/// of downloads that are no more.
pub(crate) fn mend(inner: &Inner) -> Result<(), Fault> {
    let records = inner.db.read(|transaction| {
        let mut found = Vec::new();
        for item in transaction.open_table(tables::PARTIALS)?.iter()? {
            let (key, value) = item?;
            let record = PartialRecord::decode(value.value());
            let record = record.map_err(|error| DbError::record("partials", error))?;
            found.push((tables::address_of(key.value())?, record));
        }
        Ok(found)
    })?;
    for (address, record) in &records {
        let Stage::Finishing { serve } = record.stage else {
            continue;
        };
        if let Err(error) = mend_one(inner, address, record, serve) {
            // The store works without it; it is tried again at the next start.
            tracing::warn!(path = %record.dest.display(), %error, "cannot record a finished download");
        }
    }
    remove_unknown(inner, &records)
}

fn mend_one(
    inner: &Inner,
    address: &Address,
    record: &PartialRecord,
    serve: bool,
) -> Result<(), Fault> {
    if record.purpose == Purpose::Repair {
        return Ok(());
    }
    let inode = |path: &std::path::Path| {
        let metadata = fs::symlink_metadata(path).ok()?;
        Some(sys::facts_of(&metadata).stamp.inode)
    };
    if inode(&record.dest) != Some(record.inode) {
        if inode(&record.part.join(super::parts::DATA)) == Some(record.inode) {
            let record = PartialRecord {
                stage: Stage::Running,
                ..record.clone()
            };
            return inner.put_partial_record(address, &record);
        }
        // It got its name, and someone moved or removed it since: nothing to go on with.
        return inner.drop_partial_record(address, record);
    }
    let Some(described) = inner.describe(address)? else {
        return Ok(());
    };
    let trees = PartialTrees::open(&inner.partial_dir(record).join("trees"), &described.layout)?;
    let settling = Settling {
        inner,
        address,
        described: &described,
        record,
        trees: &trees,
        created_unix: record.created_unix,
    };
    settling.settle(serve)
}

fn remove_unknown(inner: &Inner, records: &[(Address, PartialRecord)]) -> Result<(), Fault> {
    let dir = inner.dir.join("partial");
    let io = |error| Fault::io("list", &dir, error);
    for entry in fs::read_dir(&dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let known = records
            .iter()
            .any(|(_, record)| inner.partial_dir(record) == path);
        if !known && let Err(error) = fs::remove_dir_all(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot remove a directory");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use potluck_content::tree::check;
    use potluck_content::{Hash, Manifest};

    use super::super::Download;
    use super::super::running::lock;
    use crate::records::{PartialRecord, Stage};
    use crate::types::{DownloadSpec, Origin, Selection};
    use crate::{ShareRequest, SpanBuf, Store, StoreOptions};

    fn open(dir: &Path) -> Store {
        Store::open(dir, StoreOptions::default()).unwrap()
    }

    /// A download of a folder that is whole and not finished.
    fn whole(dir: &Path, from: &Store, to: &Store) -> Download {
        let source = dir.join("src");
        std::fs::create_dir_all(source.join("sub")).unwrap();
        std::fs::write(source.join("sub/a"), vec![7; 3_000_000]).unwrap();
        std::fs::write(source.join("b"), b"b").unwrap();
        let request = ShareRequest::path(&source, 1);
        let shared = from
            .share(&request, &mut |_| std::ops::ControlFlow::Continue(()))
            .unwrap();
        let address = shared.root.address;
        let manifest = from.manifest(&address).unwrap();
        let spec = DownloadSpec {
            address,
            name: "x".into(),
            manifest,
            size: 0,
            head: None,
            dest: dir.join("out"),
            selection: Selection::All,
            now_unix: 5,
        };
        let download = to.begin(spec).unwrap();
        let layout = download.layout();
        let mut buffer = SpanBuf::new();
        for number in 0..layout.pieces() {
            let piece = layout.piece(number);
            let hash = layout.blobs()[usize::try_from(piece.blob).unwrap()].hash;
            from.read_span(&hash, piece.groups.clone(), &mut buffer)
                .unwrap();
            let geometry = layout.geometry(piece.blob);
            let verified = check(&hash, geometry, piece.groups.clone(), buffer.proof()).unwrap();
            download
                .write_parents(piece.blob, verified.parents())
                .unwrap();
            download
                .write(piece.blob, piece.groups.start, buffer.data())
                .unwrap();
            download.complete(&[number]).unwrap();
        }
        download
    }

    /// Does what finishing does up to its record, `renamed` or not.
    fn half_finish(download: &Download, serve: bool, renamed: bool) {
        let running = &download.running;
        let record = lock(&running.record).clone();
        running.shape(&record).unwrap();
        running.sync_written().unwrap();
        let finishing = PartialRecord {
            stage: Stage::Finishing { serve },
            ..record
        };
        running
            .inner
            .put_partial_record(&running.address, &finishing)
            .unwrap();
        if renamed {
            running.rename().unwrap();
        }
    }

    #[test]
    fn a_crash_after_the_rename_is_mended() {
        for serve in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let from = open(&dir.path().join("from"));
            let to = open(&dir.path().join("to"));
            let download = whole(dir.path(), &from, &to);
            let address = download.address();
            half_finish(&download, serve, true);
            drop((download, to));
            for _ in 0..2 {
                let to = open(&dir.path().join("to"));
                assert!(to.partials().unwrap().is_empty());
                let root = to.root(&address).unwrap();
                assert_eq!(root.is_some(), serve);
                if let Some(root) = root {
                    assert!(matches!(root.origin, Origin::Fetched { .. }));
                    let mut buffer = SpanBuf::new();
                    let hash = Hash::of(&vec![7; 3_000_000]);
                    to.read_span(&hash, 0..100, &mut buffer).unwrap();
                    let manifest = to.manifest(&address).unwrap();
                    assert!(manifest.is_some_and(|manifest| Manifest::files(&manifest) == 2));
                } else {
                    assert!(!to.has_blob(&address.hash).unwrap());
                }
            }
            let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
            assert_eq!(names.len(), 4, "{names:?}");
        }
    }

    #[test]
    fn a_crash_before_the_rename_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let from = open(&dir.path().join("from"));
        let to = open(&dir.path().join("to"));
        let download = whole(dir.path(), &from, &to);
        let address = download.address();
        half_finish(&download, true, false);
        drop((download, to));
        let to = open(&dir.path().join("to"));
        assert!(!dir.path().join("out").exists());
        let download = to.resume(&address).unwrap();
        assert_eq!(download.have(), download.wanted());
        download.finish(true, 9).unwrap();
        assert_eq!(std::fs::read(dir.path().join("out/b")).unwrap(), b"b");
    }

    #[test]
    fn what_was_moved_away_after_the_rename_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let from = open(&dir.path().join("from"));
        let to = open(&dir.path().join("to"));
        let download = whole(dir.path(), &from, &to);
        let address = download.address();
        half_finish(&download, true, true);
        drop((download, to));
        std::fs::rename(dir.path().join("out"), dir.path().join("moved")).unwrap();
        let to = open(&dir.path().join("to"));
        assert!(to.partials().unwrap().is_empty());
        assert!(to.root(&address).unwrap().is_none());
        assert!(dir.path().join("moved/b").exists());
    }
}

//! Beginning torrents, or going on with them.

use std::path::Path;
use std::sync::Arc;

use potluck_bittorrent::Metainfo;
use potluck_content::PieceSet;

use super::TorrentDownload;
use super::errors::TorrentBeginError;
use super::files::Files;
use super::opening::Opening;
use super::rows::{remove_files, remove_rows};
use super::running::Reserved;
use super::shape;
use super::types::{TorrentKey, TorrentSpec};
use crate::errors::Fault;
use crate::open::{Inner, Store};
use crate::partial::{
    DATA, check_free, make_part, open_part, part_name, random_id, remove_part, resolve_dest, split,
};
use crate::records::{TorrentRecord, TorrentStage};
use crate::sys::Dir;
use crate::tables;

impl Store {
    /// Begins to fetch a torrent, or goes on with an earlier run for the same place. Then other files
    /// may be wanted; pieces that are here stay.
    ///
    /// # Errors
    /// Refuses a place that is taken, a torrent that is complete or runs, and one that was begun for
    /// another place.
    pub fn begin_torrent(&self, spec: TorrentSpec) -> Result<TorrentDownload, TorrentBeginError> {
        let inner = &self.inner;
        let key = TorrentKey::of(&spec.metainfo);
        let selection = selection(&spec)?;
        let dest = resolve_dest(&spec.dest)?;
        let reserved = inner.torrents.reserve(key).ok_or(TorrentBeginError::Busy)?;
        let (metainfo, record) = match inner.mended(&key)? {
            Some(old) if inner.goes_on(&old, &dest)? => {
                check_free(&dest)?;
                inner.adopt_torrent(&key, &old, &spec, selection)?
            }
            old => {
                check_free(&dest)?;
                if let Some(old) = old {
                    inner.forget_torrent(&key, &old)?;
                }
                let record = inner.record_new_torrent(&key, &spec, &dest, selection)?;
                (spec.metainfo, record)
            }
        };
        open(inner, key, metainfo, record, reserved)
    }

    /// Goes on with a torrent as it was begun.
    ///
    /// # Errors
    /// As [`Self::begin_torrent`], and [`TorrentBeginError::NotHave`].
    pub fn resume_torrent(&self, key: &TorrentKey) -> Result<TorrentDownload, TorrentBeginError> {
        let inner = &self.inner;
        let reserved = inner
            .torrents
            .reserve(*key)
            .ok_or(TorrentBeginError::Busy)?;
        let record = inner.mended(key)?.ok_or(TorrentBeginError::NotHave)?;
        if let TorrentStage::Complete { .. } = record.stage {
            return Err(TorrentBeginError::Complete { place: record.dest });
        }
        check_free(&record.dest)?;
        let metainfo = inner.torrent_metainfo(key)?;
        let metainfo = metainfo.ok_or_else(|| Fault::corrupt("a torrent without its file"))?;
        open(inner, *key, Arc::new(metainfo), record, reserved)
    }
}

/// The positions that are wanted, or none for all of them.
fn selection(spec: &TorrentSpec) -> Result<Option<PieceSet>, TorrentBeginError> {
    let Some(wanted) = &spec.wanted else {
        return Ok(None);
    };
    let info = spec.metainfo.info();
    let count = u32::try_from(info.files().len()).unwrap_or(u32::MAX);
    let mut set = PieceSet::new(count);
    for file in wanted {
        if *file >= count {
            return Err(TorrentBeginError::BadSelection(
                "the torrent has no such file",
            ));
        }
        set.insert(*file);
    }
    if shape::stored(info).all(|(file, _)| set.contains(file)) {
        return Ok(None);
    }
    if !shape::stored(info).any(|(file, _)| set.contains(file)) {
        return Err(TorrentBeginError::BadSelection("no file is wanted"));
    }
    Ok(Some(set))
}

impl Inner {
    /// The record of a torrent. What was cut short between its final name and its record is completed.
    fn mended(&self, key: &TorrentKey) -> Result<Option<TorrentRecord>, Fault> {
        let record = self.torrent_record(key)?;
        if let Some(record) = &record
            && let TorrentStage::Finishing { seed } = record.stage
        {
            super::mend::mend_one(self, key, record, seed)?;
            return self.torrent_record(key);
        }
        Ok(record)
    }

    /// Whether an earlier run is one to go on with. If not, nothing of it is left.
    fn goes_on(&self, old: &TorrentRecord, dest: &Path) -> Result<bool, TorrentBeginError> {
        if let TorrentStage::Complete { .. } = old.stage {
            return match std::fs::symlink_metadata(&old.dest) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
                _ => Err(TorrentBeginError::Complete {
                    place: old.dest.clone(),
                }),
            };
        }
        if old.dest == dest {
            return Ok(true);
        }
        if open_part(&old.part, old.inode).is_some() {
            return Err(TorrentBeginError::OtherDest {
                dest: old.dest.clone(),
            });
        }
        Ok(false)
    }

    fn adopt_torrent(
        &self,
        key: &TorrentKey,
        old: &TorrentRecord,
        spec: &TorrentSpec,
        selection: Option<PieceSet>,
    ) -> Result<(Arc<Metainfo>, TorrentRecord), TorrentBeginError> {
        let metainfo = match self.torrent_metainfo(key)? {
            Some(known) if known.info() != spec.metainfo.info() => {
                return Err(TorrentBeginError::OtherContent);
            }
            Some(known) => {
                let all = merged(&spec.metainfo, known.clone());
                if all != known {
                    self.put_torrent_metainfo(key, &all)?;
                }
                Arc::new(all)
            }
            None => {
                self.put_torrent_metainfo(key, &spec.metainfo)?;
                Arc::clone(&spec.metainfo)
            }
        };
        let record = TorrentRecord {
            wanted_bytes: shape::wanted_bytes(metainfo.info(), selection.as_ref()),
            wanted: selection,
            stage: TorrentStage::Running,
            completed_unix: None,
            ..old.clone()
        };
        self.put_torrent_record(key, &record)?;
        Ok((metainfo, record))
    }

    /// Records a new torrent before anything of it is made, so that nothing is left lying about.
    fn record_new_torrent(
        &self,
        key: &TorrentKey,
        spec: &TorrentSpec,
        dest: &Path,
        selection: Option<PieceSet>,
    ) -> Result<TorrentRecord, Fault> {
        let info = spec.metainfo.info();
        let id = random_id();
        let record = TorrentRecord {
            id,
            name: name_of(&spec.metainfo),
            hashes: info.hashes(),
            dest: dest.to_path_buf(),
            part: dest.with_file_name(part_name(dest.file_name().unwrap_or_default(), id)),
            inode: 0,
            created_unix: spec.now_unix,
            completed_unix: None,
            wanted_bytes: shape::wanted_bytes(info, selection.as_ref()),
            wanted: selection,
            stage: TorrentStage::Running,
        };
        let metainfo = spec.metainfo.encode();
        self.db.write(|transaction| {
            remove_rows(transaction, key)?;
            let mut metainfos = transaction.open_table(tables::METAINFOS)?;
            metainfos.insert(key.as_bytes(), metainfo.as_slice())?;
            let mut torrents = transaction.open_table(tables::TORRENTS)?;
            torrents.insert(key.as_bytes(), record.encode().as_slice())?;
            Ok(())
        })?;
        Ok(record)
    }

    /// Forgets what was fetched of a torrent whose part is gone.
    fn start_torrent_over(&self, key: &TorrentKey, record: &TorrentRecord) -> Result<(), Fault> {
        self.db.write(|transaction| {
            let mut bitmaps = transaction.open_table(tables::TORRENT_BITMAPS)?;
            bitmaps.remove(key.as_bytes())?;
            remove_files(transaction, key)
        })?;
        self.remove_torrent_dir(record);
        remove_part(&record.part)
    }
}

/// The name of a torrent, no longer than a record takes.
pub(super) fn name_of(metainfo: &Metainfo) -> String {
    let mut name = metainfo.info().name().to_owned();
    while name.len() > crate::records::MAX_NAME {
        name.pop();
    }
    name
}

/// The same torrent as two know it: piece layers of both, and the trackers of the newer one if it has
/// any.
fn merged(new: &Metainfo, old: Metainfo) -> Metainfo {
    let trackers = newer(&new.trackers, &old.trackers);
    let web_seeds = newer(&new.web_seeds, &old.web_seeds);
    let nodes = newer(&new.nodes, &old.nodes);
    // Whoever knows all layers is the one to start from: one by one they take long to check.
    let (mut all, other) = if new.missing_layers().next().is_none() {
        (new.clone(), old)
    } else {
        (old, new.clone())
    };
    let missing: Vec<[u8; 32]> = all.missing_layers().collect();
    for root in missing {
        if let Some(layer) = other.layer(&root) {
            // It was checked when it came, so it is not refused now.
            let _ = all.add_layer(root, layer.to_vec());
        }
    }
    all.trackers = trackers;
    all.web_seeds = web_seeds;
    all.nodes = nodes;
    all
}

fn newer<T: Clone>(new: &[T], old: &[T]) -> Vec<T> {
    if new.is_empty() { old } else { new }.to_vec()
}

/// Opens the part of a torrent, anew if it is not there (any more).
fn open(
    inner: &Arc<Inner>,
    key: TorrentKey,
    metainfo: Arc<Metainfo>,
    mut record: TorrentRecord,
    reserved: Reserved<'_>,
) -> Result<TorrentDownload, TorrentBeginError> {
    let part = match open_part(&record.part, record.inode) {
        Some(part) => part,
        None => {
            // A disk that is not there just now may have all of it.
            let (parent, _) = split(&record.part);
            Dir::open(parent).map_err(|error| Fault::io("open", parent, error))?;
            inner.start_torrent_over(&key, &record)?;
            let (part, inode) = make_part(&record.part, !metainfo.info().is_single())?;
            record.inode = inode;
            inner.put_torrent_record(&key, &record)?;
            part
        }
    };
    let part_path = record.part.join(DATA);
    let files = Files::new(
        Arc::clone(&metainfo),
        record.wanted.clone(),
        part,
        &part_path,
    )?;
    files.arrange()?;
    let opening = Opening {
        inner,
        key,
        metainfo,
        record,
        files,
        part_path,
    };
    let running = opening.open()?;
    reserved.fill(&running);
    Ok(TorrentDownload { running })
}

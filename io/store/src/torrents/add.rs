//! Torrents whose files are here from the start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use potluck_bittorrent::{FileKind, Info, Metainfo};

use super::begin::name_of;
use super::errors::TorrentAddError;
use super::settle::put_complete;
use super::shape;
use super::types::{TorrentInfo, TorrentKey};
use crate::errors::Fault;
use crate::open::Store;
use crate::partial::random_id;
use crate::records::{TorrentFileRecord, TorrentRecord, TorrentStage};
use crate::sys::{self, EntryKind};
use crate::tables;
use crate::types::What;

impl Store {
    /// Records a torrent whose files lie complete at `place` (the file, or the folder), to be seeded
    /// from there; they are never modified. The caller has verified them, or made the torrent of them.
    /// A torrent that is here already is seeded from the new place. `now_unix` is in seconds.
    ///
    /// # Errors
    /// Refuses a torrent that is being fetched, and a file that is missing, has another size, or is
    /// reached through a link in its place.
    pub fn add_torrent(
        &self,
        metainfo: &Metainfo,
        place: &Path,
        now_unix: u64,
    ) -> Result<TorrentInfo, TorrentAddError> {
        let inner = &self.inner;
        let key = TorrentKey::of(metainfo);
        let reserved = inner.torrents.reserve(key).ok_or(TorrentAddError::Busy)?;
        let old = inner.torrent_record(&key)?;
        if let Some(old) = &old
            && !matches!(old.stage, TorrentStage::Complete { .. })
        {
            return Err(TorrentAddError::Unfinished {
                dest: old.dest.clone(),
            });
        }
        let info = metainfo.info();
        let place = resolved(place)?;
        let files = looks(info, &place)?;
        let record = TorrentRecord {
            id: random_id(),
            name: name_of(metainfo),
            hashes: info.hashes(),
            dest: place,
            part: PathBuf::new(),
            inode: 0,
            created_unix: old.map_or(now_unix, |old| old.created_unix),
            completed_unix: Some(now_unix),
            wanted: None,
            wanted_bytes: shape::wanted_bytes(info, None),
            stage: TorrentStage::Complete { seed: true },
        };
        let kept = shape::kept_pieces(&info.layout(), None);
        let encoded = metainfo.encode();
        inner.db.write(|transaction| {
            transaction
                .open_table(tables::METAINFOS)?
                .insert(key.as_bytes(), encoded.as_slice())?;
            put_complete(transaction, &key, &record, &kept, &files)
        })?;
        drop(reserved);
        let added = self.torrent(&key)?;
        Ok(added.ok_or_else(|| Fault::corrupt("a torrent that was just added"))?)
    }
}

/// The place without links on the way to it, so that it stays the same whoever asks.
fn resolved(place: &Path) -> Result<PathBuf, TorrentAddError> {
    fs::canonicalize(place).map_err(|error| bad(place, error))
}

fn bad(path: &Path, error: io::Error) -> TorrentAddError {
    if error.kind() == io::ErrorKind::NotFound {
        return TorrentAddError::BadFile {
            path: path.to_path_buf(),
            what: What::Missing,
        };
    }
    TorrentAddError::Fault(Fault::io("find", path, error))
}

/// How the files look that have any bytes.
fn looks(info: &Info, place: &Path) -> Result<Vec<(u32, TorrentFileRecord)>, TorrentAddError> {
    let mut looks = Vec::new();
    for (index, file) in shape::stored(info) {
        if file.kind != FileKind::Regular || file.size == 0 {
            continue;
        }
        let path = shape::path_at(info, place, file);
        let metadata = fs::symlink_metadata(&path).map_err(|error| bad(&path, error))?;
        let facts = sys::facts_of(&metadata);
        if facts.kind != EntryKind::File || facts.stamp.size != file.size {
            return Err(TorrentAddError::BadFile {
                path,
                what: What::Changed,
            });
        }
        looks.push((index, TorrentFileRecord::of(&facts.stamp)));
    }
    Ok(looks)
}

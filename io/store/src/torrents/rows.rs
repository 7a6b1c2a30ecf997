//! The records of torrents, and what callers see of them.

use std::path::PathBuf;

use potluck_bittorrent::Metainfo;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::running::Running;
use super::types::{TorrentInfo, TorrentKey};
use crate::db::DbError;
use crate::errors::{DropError, Fault};
use crate::open::{Inner, Store};
use crate::partial::remove_part;
use crate::records::{TorrentOwnerRecord, TorrentRecord, TorrentStage};
use crate::tables::{self, Totals};

impl Store {
    /// All torrents, finished or not, in the order of their keys.
    pub fn torrents(&self) -> Result<Vec<TorrentInfo>, Fault> {
        let rows = self.inner.db.read(|transaction| {
            let mut rows = Vec::new();
            for item in transaction.open_table(tables::TORRENTS)?.iter()? {
                let (key, value) = item?;
                let key = TorrentKey::from_bytes(*key.value());
                let record = TorrentRecord::decode(value.value());
                let record = record.map_err(|error| DbError::record("torrents", error))?;
                rows.push((key, record, aside(transaction, &key)?));
            }
            Ok(rows)
        })?;
        let shown = rows.into_iter();
        Ok(shown
            .map(|(key, record, aside)| self.shown(key, record, aside))
            .collect())
    }

    /// One torrent, if it is here.
    pub fn torrent(&self, key: &TorrentKey) -> Result<Option<TorrentInfo>, Fault> {
        let row = self.inner.db.read(|transaction| {
            let torrents = transaction.open_table(tables::TORRENTS)?;
            let record = tables::torrent(&torrents, key.as_bytes())?;
            Ok((record, aside(transaction, key)?))
        })?;
        let (record, aside) = row;
        Ok(record.map(|record| self.shown(*key, record, aside)))
    }

    fn shown(
        &self,
        key: TorrentKey,
        record: TorrentRecord,
        (totals, owner): (Totals, TorrentOwnerRecord),
    ) -> TorrentInfo {
        let running = self.inner.torrents.get(&key);
        let (uploaded_bytes, fetched_bytes, have) = totals;
        let (complete, seed) = match record.stage {
            TorrentStage::Complete { seed } => (true, seed),
            TorrentStage::Running | TorrentStage::Finishing { .. } => (false, false),
        };
        TorrentInfo {
            key,
            hashes: record.hashes,
            name: record.name,
            place: record.dest,
            selected: record.wanted.is_some(),
            wanted_bytes: record.wanted_bytes,
            have_bytes: running.as_deref().map_or(have, Running::have_bytes),
            complete,
            running: running.is_some(),
            seed,
            created_unix: record.created_unix,
            completed_unix: record.completed_unix,
            uploaded_bytes,
            fetched_bytes,
            owner,
        }
    }

    /// The torrent file of a torrent that is here.
    pub fn torrent_metainfo(&self, key: &TorrentKey) -> Result<Option<Metainfo>, Fault> {
        self.inner.torrent_metainfo(key)
    }

    /// Says whether a complete torrent is meant to be seeded. Whether there is such a torrent.
    pub fn seed_torrent(&self, key: &TorrentKey, seed: bool) -> Result<bool, Fault> {
        self.inner.db.write(|transaction| {
            let mut torrents = transaction.open_table(tables::TORRENTS)?;
            let record = tables::torrent(&torrents, key.as_bytes())?;
            let Some(mut record) = record else {
                return Ok(false);
            };
            let TorrentStage::Complete { .. } = record.stage else {
                return Ok(false);
            };
            record.stage = TorrentStage::Complete { seed };
            torrents.insert(key.as_bytes(), record.encode().as_slice())?;
            Ok(true)
        })
    }

    /// Forgets a torrent. Of one that is not finished, what was fetched goes too; finished files are
    /// their owner's and stay. Whether there was one.
    ///
    /// # Errors
    /// [`DropError::Busy`] while it is being fetched.
    pub fn remove_torrent(&self, key: &TorrentKey) -> Result<bool, DropError> {
        let Some(_reserved) = self.inner.torrents.reserve(*key) else {
            return Err(DropError::Busy);
        };
        let Some(record) = self.inner.torrent_record(key)? else {
            return Ok(false);
        };
        if !record.part.as_os_str().is_empty() {
            remove_part(&record.part)?;
        }
        self.inner.forget_torrent(key, &record)?;
        Ok(true)
    }
}

/// What is kept of a torrent beside its record.
fn aside(
    transaction: &ReadTransaction,
    key: &TorrentKey,
) -> Result<(Totals, TorrentOwnerRecord), DbError> {
    let totals = transaction.open_table(tables::TORRENT_TOTALS)?;
    let totals = totals.get(key.as_bytes())?.map(|totals| totals.value());
    let owners = transaction.open_table(tables::TORRENT_OWNERS)?;
    let owner = tables::torrent_owner(&owners, key.as_bytes())?;
    Ok((totals.unwrap_or_default(), owner.unwrap_or_default()))
}

/// Puts other totals in the place of those of a torrent.
pub(super) fn change_totals(
    transaction: &WriteTransaction,
    key: &TorrentKey,
    change: impl FnOnce(Totals) -> Totals,
) -> Result<(), DbError> {
    let mut totals = transaction.open_table(tables::TORRENT_TOTALS)?;
    let old = totals.get(key.as_bytes())?.map(|totals| totals.value());
    totals.insert(key.as_bytes(), change(old.unwrap_or_default()))?;
    Ok(())
}

/// Removes what is known of the files of a complete torrent.
pub(super) fn remove_files(
    transaction: &WriteTransaction,
    key: &TorrentKey,
) -> Result<(), DbError> {
    let first = tables::torrent_file_key(key.as_bytes(), 0);
    let last = tables::torrent_file_key(key.as_bytes(), u32::MAX);
    let mut files = transaction.open_table(tables::TORRENT_FILES)?;
    files.retain_in::<&tables::TorrentFileKey, _>(&first..=&last, |_, _| false)?;
    Ok(())
}

/// Removes all records of a torrent.
pub(super) fn remove_rows(transaction: &WriteTransaction, key: &TorrentKey) -> Result<(), DbError> {
    transaction
        .open_table(tables::TORRENTS)?
        .remove(key.as_bytes())?;
    transaction
        .open_table(tables::METAINFOS)?
        .remove(key.as_bytes())?;
    transaction
        .open_table(tables::TORRENT_BITMAPS)?
        .remove(key.as_bytes())?;
    transaction
        .open_table(tables::TORRENT_TOTALS)?
        .remove(key.as_bytes())?;
    transaction
        .open_table(tables::TORRENT_OWNERS)?
        .remove(key.as_bytes())?;
    remove_files(transaction, key)
}

impl Inner {
    pub(super) fn torrent_record(&self, key: &TorrentKey) -> Result<Option<TorrentRecord>, Fault> {
        self.db.read(|transaction| {
            let torrents = transaction.open_table(tables::TORRENTS)?;
            tables::torrent(&torrents, key.as_bytes())
        })
    }

    pub(super) fn put_torrent_record(
        &self,
        key: &TorrentKey,
        record: &TorrentRecord,
    ) -> Result<(), Fault> {
        self.db.write(|transaction| {
            let mut torrents = transaction.open_table(tables::TORRENTS)?;
            torrents.insert(key.as_bytes(), record.encode().as_slice())?;
            Ok(())
        })
    }

    pub(super) fn torrent_metainfo(&self, key: &TorrentKey) -> Result<Option<Metainfo>, Fault> {
        let bytes = self.db.read(|transaction| {
            let metainfos = transaction.open_table(tables::METAINFOS)?;
            Ok(metainfos
                .get(key.as_bytes())?
                .map(|value| value.value().to_vec()))
        })?;
        let Some(bytes) = bytes else { return Ok(None) };
        let metainfo = Metainfo::parse(&bytes);
        metainfo
            .map(Some)
            .map_err(|error| Fault::corrupt(format!("the torrent file of {key}: {error}")))
    }

    pub(super) fn put_torrent_metainfo(
        &self,
        key: &TorrentKey,
        metainfo: &Metainfo,
    ) -> Result<(), Fault> {
        let bytes = metainfo.encode();
        self.db.write(|transaction| {
            let mut metainfos = transaction.open_table(tables::METAINFOS)?;
            metainfos.insert(key.as_bytes(), bytes.as_slice())?;
            Ok(())
        })
    }

    /// The directory of an unfinished torrent in the data directory.
    pub(super) fn torrent_dir(&self, record: &TorrentRecord) -> PathBuf {
        self.dir
            .join("torrents")
            .join(format!("{:016x}", record.id))
    }

    pub(super) fn remove_torrent_dir(&self, record: &TorrentRecord) {
        let dir = self.torrent_dir(record);
        if let Err(error) = std::fs::remove_dir_all(&dir)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %dir.display(), %error, "cannot remove a directory");
        }
    }

    /// Removes all that the store knows of a torrent; its files stay.
    pub(super) fn forget_torrent(
        &self,
        key: &TorrentKey,
        record: &TorrentRecord,
    ) -> Result<(), Fault> {
        self.db.write(|transaction| remove_rows(transaction, key))?;
        self.remove_torrent_dir(record);
        Ok(())
    }
}

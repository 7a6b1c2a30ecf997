//! What the owner wants of torrents, and what was done for them.

use redb::{ReadableTable, WriteTransaction};

use super::rows::change_totals;
use super::types::{TorrentCount, TorrentKey};
use crate::db::DbError;
use crate::errors::Fault;
use crate::open::Store;
use crate::records::TorrentOwnerRecord;
use crate::tables;

impl Store {
    /// Adds to what was done for torrents, all in one step. Those that are not here are left out.
    pub fn count_torrents(&self, counts: &[(TorrentKey, TorrentCount)]) -> Result<(), Fault> {
        self.inner.db.write(|transaction| {
            for (key, count) in counts {
                if !is_here(transaction, key)? {
                    continue;
                }
                change_totals(transaction, key, |(up, down, have)| {
                    (
                        up.saturating_add(count.uploaded_bytes),
                        down.saturating_add(count.fetched_bytes),
                        have,
                    )
                })?;
                if count.seeded_seconds > 0 {
                    change_owner(transaction, key, |owner| {
                        let seconds = owner.seeded_seconds;
                        owner.seeded_seconds = seconds.saturating_add(count.seeded_seconds);
                    })?;
                }
            }
            Ok(())
        })
    }

    /// Changes what the owner wants of a torrent. Whether it is here.
    pub fn change_torrent_owner(
        &self,
        key: &TorrentKey,
        change: impl Fn(&mut TorrentOwnerRecord),
    ) -> Result<bool, Fault> {
        self.inner.db.write(|transaction| {
            if !is_here(transaction, key)? {
                return Ok(false);
            }
            change_owner(transaction, key, &change)?;
            Ok(true)
        })
    }

    /// Remembers that a torrent of the watched folder was fetched, also when it is removed later.
    pub fn note_watched(&self, key: &TorrentKey, now_unix: u64) -> Result<(), Fault> {
        self.inner.db.write(|transaction| {
            let mut watched = transaction.open_table(tables::WATCHED)?;
            watched.insert(key.as_bytes(), now_unix)?;
            Ok(())
        })
    }

    /// Whether [`Self::note_watched`] was called for a torrent.
    pub fn was_watched(&self, key: &TorrentKey) -> Result<bool, Fault> {
        self.inner.db.read(|transaction| {
            let watched = transaction.open_table(tables::WATCHED)?;
            Ok(watched.get(key.as_bytes())?.is_some())
        })
    }

    /// Counts towards its goals only what is given, and how long it is seeded, from now on.
    pub fn restart_torrent_goals(&self, key: &TorrentKey) -> Result<bool, Fault> {
        self.inner.db.write(|transaction| {
            if !is_here(transaction, key)? {
                return Ok(false);
            }
            let totals = transaction.open_table(tables::TORRENT_TOTALS)?;
            let uploaded = totals.get(key.as_bytes())?.map_or(0, |row| row.value().0);
            drop(totals);
            change_owner(transaction, key, |owner| {
                owner.seeded_seconds = 0;
                owner.uploaded_before = uploaded;
            })?;
            Ok(true)
        })
    }
}

fn is_here(transaction: &WriteTransaction, key: &TorrentKey) -> Result<bool, DbError> {
    let torrents = transaction.open_table(tables::TORRENTS)?;
    Ok(torrents.get(key.as_bytes())?.is_some())
}

fn change_owner(
    transaction: &WriteTransaction,
    key: &TorrentKey,
    change: impl FnOnce(&mut TorrentOwnerRecord),
) -> Result<(), DbError> {
    let mut owners = transaction.open_table(tables::TORRENT_OWNERS)?;
    let mut owner = tables::torrent_owner(&owners, key.as_bytes())?.unwrap_or_default();
    change(&mut owner);
    owners.insert(key.as_bytes(), owner.encode().as_slice())?;
    Ok(())
}

//! Recording a torrent whose files stand under their final names.

use std::path::{Path, PathBuf};

use potluck_bittorrent::{FileKind, Info, Metainfo};
use potluck_content::PieceSet;
use redb::WriteTransaction;

use super::rows::{change_totals, remove_files};
use super::shape;
use super::types::TorrentKey;
use crate::db::DbError;
use crate::errors::Fault;
use crate::open::Inner;
use crate::partial::remove_part;
use crate::records::{TorrentFileRecord, TorrentRecord, TorrentStage};
use crate::sys;
use crate::tables;

/// Records the torrent as complete, when `seed`; else forgets it. May be done again after a crash.
pub(super) fn settle(
    inner: &Inner,
    key: &TorrentKey,
    metainfo: &Metainfo,
    record: &TorrentRecord,
    seed: bool,
) -> Result<(), Fault> {
    // First of all, since nothing will know of it afterwards. What is wanted is not in it any more.
    if let Err(error) = remove_part(&record.part) {
        tracing::warn!(%error, "cannot remove a part");
    }
    if !seed {
        return inner.forget_torrent(key, record);
    }
    let info = metainfo.info();
    let files = looks(info, &record.dest, record.wanted.as_ref());
    let kept = shape::kept_pieces(&info.layout(), record.wanted.as_ref());
    let complete = TorrentRecord {
        part: PathBuf::new(),
        inode: 0,
        stage: TorrentStage::Complete { seed },
        ..record.clone()
    };
    inner
        .db
        .write(|transaction| put_complete(transaction, key, &complete, &kept, &files))?;
    inner.remove_torrent_dir(record);
    Ok(())
}

/// Puts all rows of a complete torrent but its torrent file.
pub(super) fn put_complete(
    transaction: &WriteTransaction,
    key: &TorrentKey,
    record: &TorrentRecord,
    kept: &PieceSet,
    files: &[(u32, TorrentFileRecord)],
) -> Result<(), DbError> {
    remove_files(transaction, key)?;
    let mut rows = transaction.open_table(tables::TORRENT_FILES)?;
    for (file, look) in files {
        let row = tables::torrent_file_key(key.as_bytes(), *file);
        rows.insert(&row, look.encode().as_slice())?;
    }
    transaction
        .open_table(tables::TORRENT_BITMAPS)?
        .insert(key.as_bytes(), kept.to_bytes().as_slice())?;
    transaction
        .open_table(tables::TORRENTS)?
        .insert(key.as_bytes(), record.encode().as_slice())?;
    change_totals(transaction, key, |(up, down, _)| {
        (up, down, record.wanted_bytes)
    })
}

/// How the kept files look that have any bytes. One that went meanwhile is recorded all the same, and
/// is found missing once it is read.
fn looks(info: &Info, place: &Path, selection: Option<&PieceSet>) -> Vec<(u32, TorrentFileRecord)> {
    let kept = shape::stored(info).filter(|(index, file)| {
        let wanted = selection.is_none_or(|selection| selection.contains(*index));
        wanted && file.kind == FileKind::Regular && file.size > 0
    });
    kept.map(|(index, file)| {
        let metadata = std::fs::symlink_metadata(shape::path_at(info, place, file));
        let stamp = metadata.map(|metadata| sys::facts_of(&metadata).stamp);
        (index, TorrentFileRecord::of(&stamp.unwrap_or_default()))
    })
    .collect()
}

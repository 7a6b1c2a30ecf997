//! Torrents: those that are fetched, and those whose files are here to be seeded.
//!
//! As with other downloads the bytes of an unfinished torrent are in a part beside the destination,
//! under the name `data`, until all that is wanted is there; then one rename gives them their final
//! name. The pieces of a torrent don't end where its files do, so bytes of files that are not wanted
//! come along: they go to `rest/<position>` in the part, and are gone with it.
//!
//! A journal in `torrents/<id>/` of the data directory and a bitmap in the database say which pieces
//! are here: a piece of the journal was right when the process ended and is hashed again, one of the
//! bitmap was synced to the disk. A complete torrent keeps its torrent file, and of each file how it
//! looked, so that no changed bytes go out under its name.

mod add;
mod arrange;
mod begin;
mod checkpoint;
mod errors;
mod files;
mod finish;
mod link;
mod mend;
mod opening;
mod owner;
mod read;
mod reader;
mod rows;
mod running;
mod settle;
mod shape;
mod types;
mod write;

use std::path::Path;
use std::sync::Arc;

use potluck_bittorrent::{Layout, Metainfo};
use potluck_content::PieceSet;

use crate::errors::{FinishError, ReadError, WriteError};

pub use errors::{TorrentAddError, TorrentBeginError};
pub(crate) use mend::mend;
pub use reader::TorrentReader;
pub(crate) use running::RunningTorrents;
pub use types::{TorrentCount, TorrentInfo, TorrentKey, TorrentSpec};

use running::Running;

/// A torrent that is being fetched: keep it in an `Arc` to use it from several threads. Dropping it
/// without [`Self::finish`] keeps everything for the next time.
#[derive(Debug)]
pub struct TorrentDownload {
    running: Arc<Running>,
}

impl TorrentDownload {
    /// Names it in the store.
    #[must_use]
    pub fn key(&self) -> TorrentKey {
        self.running.key
    }

    /// The torrent file, with what [`Self::update_metainfo`] added.
    #[must_use]
    pub fn metainfo(&self) -> Arc<Metainfo> {
        self.running.metainfo()
    }

    /// Which bytes of which files the pieces are.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.running.layout
    }

    /// The pieces that are here.
    #[must_use]
    pub fn have(&self) -> PieceSet {
        self.running.have()
    }

    /// The pieces that any wanted file has bytes of.
    #[must_use]
    pub fn wanted(&self) -> PieceSet {
        self.running.wanted.clone()
    }

    /// Whether the file at this position of the torrent is wanted.
    #[must_use]
    pub fn wants_file(&self, file: usize) -> bool {
        self.running.files.wants(file)
    }

    /// The final name.
    #[must_use]
    pub fn dest(&self) -> &Path {
        &self.running.dest
    }

    /// Where the bytes are until they get their final name.
    #[must_use]
    pub fn part_path(&self) -> &Path {
        &self.running.part_path
    }

    /// Keeps the same torrent with more known of it: piece layers that peers sent, other trackers.
    ///
    /// # Errors
    /// [`WriteError::BadRange`] when it is another torrent.
    pub fn update_metainfo(&self, metainfo: Arc<Metainfo>) -> Result<(), WriteError> {
        self.running.update_metainfo(metainfo)
    }

    /// Writes bytes of a piece, `begin` bytes into it, to the files that they are of; padding is
    /// dropped. Bytes of a piece that is here are ignored, whatever they are: they can't harm it.
    ///
    /// # Errors
    /// [`WriteError::BadRange`] when the piece has no such bytes. In version 2 alone a piece ends with
    /// its file.
    pub fn write(&self, piece: u32, begin: u64, data: &[u8]) -> Result<(), WriteError> {
        self.running.write(piece, begin, data)
    }

    /// Reads bytes of a piece, verified or not; padding reads as zeros, and so may what was never
    /// written.
    ///
    /// # Errors
    /// [`ReadError::NotHave`] when not all of it was written, [`ReadError::BadSpan`] when the piece has
    /// no such bytes, [`ReadError::Changed`] when a file lost bytes of a piece that is here.
    pub fn read(&self, piece: u32, begin: u64, out: &mut [u8]) -> Result<(), ReadError> {
        self.running.read(piece, begin, out)
    }

    /// Hashes a piece that was written in full, and notes that it is here when it is what the torrent
    /// says. Nobody writes to it meanwhile, so what was hashed is what stays. Whether it is right.
    ///
    /// # Errors
    /// As [`Self::complete`].
    pub fn verify(&self, piece: u32) -> Result<bool, WriteError> {
        self.running.verify(piece)
    }

    /// Notes that a piece is here, which the caller verified after the last write to it. From here on a
    /// killed process does not lose it. Where others may still write to the piece, use
    /// [`Self::verify`].
    ///
    /// # Errors
    /// [`WriteError::BadRange`] when there is no such piece.
    pub fn complete(&self, piece: u32) -> Result<(), WriteError> {
        self.running.complete(piece)
    }

    /// Syncs what was written to the disk and records it. From here on a power cut does not lose it.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub fn checkpoint(&self) -> Result<(), WriteError> {
        self.running.checkpoint()
    }

    /// Gives all wanted files their final names, and keeps the torrent to be seeded from there when
    /// `seed`; else the store forgets it. Gives the final name. `now_unix` is in seconds.
    ///
    /// # Errors
    /// After an error the download stays as it was and can be finished later. After
    /// [`FinishError::Tampered`] some pieces are wanted again.
    pub fn finish(&self, seed: bool, now_unix: u64) -> Result<std::path::PathBuf, FinishError> {
        self.running.finish(seed, now_unix)
    }
}

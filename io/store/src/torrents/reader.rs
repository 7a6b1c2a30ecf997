//! Reading complete torrents where their files are.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use lru::LruCache;
use potluck_bittorrent::{Layout, Metainfo};
use potluck_content::PieceSet;

use super::shape;
use super::types::TorrentKey;
use crate::db::DbError;
use crate::errors::{Fault, ReadError};
use crate::open::{Inner, Store};
use crate::partial::lock;
use crate::records::{TorrentFileRecord, TorrentStage};
use crate::sys::{self, EntryKind};
use crate::tables;
use crate::types::What;

/// Files of one torrent that stay open.
const OPEN: NonZeroUsize = match NonZeroUsize::new(32) {
    Some(open) => open,
    None => NonZeroUsize::MIN,
};

/// A complete torrent, open for reading; keep it in an `Arc` to use it from several threads.
///
/// A file that looks otherwise than when the torrent became complete is not read: its bytes may be
/// others.
#[derive(Debug)]
pub struct TorrentReader {
    inner: Arc<Inner>,
    key: TorrentKey,
    metainfo: Arc<Metainfo>,
    layout: Layout,
    place: PathBuf,
    have: PieceSet,
    files: Mutex<LruCache<u32, Arc<OpenFile>>>,
}

/// A file that looked as it should when it was opened.
#[derive(Debug)]
struct OpenFile {
    file: File,
    path: PathBuf,
    look: TorrentFileRecord,
}

impl Store {
    /// Opens a torrent that is complete. `None` when there is no such torrent, or it is not complete.
    pub fn open_torrent(&self, key: &TorrentKey) -> Result<Option<TorrentReader>, Fault> {
        let inner = &self.inner;
        let Some(record) = inner.torrent_record(key)? else {
            return Ok(None);
        };
        let (TorrentStage::Complete { .. }, Some(metainfo)) =
            (record.stage, inner.torrent_metainfo(key)?)
        else {
            return Ok(None);
        };
        let layout = metainfo.info().layout();
        let bytes = inner.db.read(|transaction| {
            let bitmaps = transaction.open_table(tables::TORRENT_BITMAPS)?;
            Ok(bitmaps
                .get(key.as_bytes())?
                .map(|value| value.value().to_vec()))
        })?;
        let pieces = shape::pieces(&layout);
        let have = PieceSet::from_bytes(pieces, &bytes.unwrap_or_default())
            .map_err(|error| Fault::corrupt(format!("the pieces of {key}: {error}")))?;
        Ok(Some(TorrentReader {
            inner: Arc::clone(inner),
            key: *key,
            metainfo: Arc::new(metainfo),
            layout,
            place: record.dest,
            have,
            files: Mutex::new(LruCache::new(OPEN)),
        }))
    }
}

impl TorrentReader {
    /// Names it in the store.
    #[must_use]
    pub fn key(&self) -> TorrentKey {
        self.key
    }

    /// The torrent file.
    #[must_use]
    pub fn metainfo(&self) -> Arc<Metainfo> {
        Arc::clone(&self.metainfo)
    }

    /// Which bytes of which files the pieces are.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where its file or folder is.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// The pieces of which every byte is in a file that was kept.
    #[must_use]
    pub fn have(&self) -> PieceSet {
        self.have.clone()
    }

    /// Reads bytes of a piece, `begin` bytes into it; padding reads as zeros.
    ///
    /// # Errors
    /// [`ReadError::Changed`] when a file is gone or looks otherwise than it did,
    /// [`ReadError::NotHave`] when the piece is not one of [`Self::have`], [`ReadError::BadSpan`] when
    /// it has no such bytes.
    pub fn read(&self, piece: u32, begin: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let parts = shape::parts(&self.layout, piece, begin, out.len());
        let parts = parts.ok_or(ReadError::BadSpan)?;
        if !self.have.contains(piece) {
            return Err(ReadError::NotHave);
        }
        for part in parts {
            let place = out.get_mut(part.at).unwrap_or_default();
            match part.file {
                Some(file) => self.read_file(file, part.offset, place)?,
                None => place.fill(0),
            }
        }
        Ok(())
    }

    /// Reads bytes of a file that was kept, by its position in the torrent. Unlike [`Self::read`] it has
    /// the ends of files whose last piece goes on in one that was not kept.
    ///
    /// # Errors
    /// [`ReadError::Changed`] when the file is gone or looks otherwise than it did,
    /// [`ReadError::NotHave`] when it was not kept, [`ReadError::BadSpan`] when it has no such bytes.
    pub fn read_in_file(&self, file: usize, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let entry = self.metainfo.info().files().get(file);
        let entry = entry.ok_or(ReadError::NotHave)?;
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > entry.size) {
            return Err(ReadError::BadSpan);
        }
        let file = u32::try_from(file).map_err(|_| ReadError::NotHave)?;
        self.read_file(file, offset, out)
    }

    fn read_file(&self, file: u32, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let open = self.open(file)?;
        let read = sys::read_exact_at(&open.file, out, offset);
        // Asked after the bytes were read: whoever changed them before that left a mark.
        if let Err(error) = open.check() {
            lock(&self.files).pop(&file);
            return Err(error);
        }
        read.map_err(|error| failed(&open.path, error))
    }

    fn open(&self, file: u32) -> Result<Arc<OpenFile>, ReadError> {
        if let Some(open) = lock(&self.files).get(&file) {
            return Ok(Arc::clone(open));
        }
        let info = self.metainfo.info();
        let entry = usize::try_from(file)
            .ok()
            .and_then(|at| info.files().get(at));
        let entry = entry.ok_or(ReadError::NotHave)?;
        let look = self.look(file)?.ok_or(ReadError::NotHave)?;
        let path = shape::path_at(info, &self.place, entry);
        let found = sys::open_source(&path).map_err(|error| failed(&path, error))?;
        let metadata = found.metadata().map_err(|error| failed(&path, error))?;
        let open = OpenFile {
            file: found,
            path,
            look,
        };
        if TorrentFileRecord::of(&sys::facts_of(&metadata).stamp) != open.look {
            return Err(open.changed());
        }
        let open = Arc::new(open);
        lock(&self.files).put(file, Arc::clone(&open));
        Ok(open)
    }

    /// How a file looked when the torrent became complete.
    fn look(&self, file: u32) -> Result<Option<TorrentFileRecord>, Fault> {
        let row = tables::torrent_file_key(self.key.as_bytes(), file);
        self.inner.db.read(|transaction| {
            let files = transaction.open_table(tables::TORRENT_FILES)?;
            let Some(value) = files.get(&row)? else {
                return Ok(None);
            };
            let look = TorrentFileRecord::decode(value.value());
            look.map(Some)
                .map_err(|error| DbError::record("torrent_files", error))
        })
    }
}

impl OpenFile {
    /// Whether the file under the path still looks as it did.
    fn check(&self) -> Result<(), ReadError> {
        let metadata =
            fs::symlink_metadata(&self.path).map_err(|error| failed(&self.path, error))?;
        let facts = sys::facts_of(&metadata);
        if facts.kind == EntryKind::File && TorrentFileRecord::of(&facts.stamp) == self.look {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    fn changed(&self) -> ReadError {
        ReadError::Changed {
            path: self.path.clone(),
            what: What::Changed,
        }
    }
}

/// What an error says of a file.
fn failed(path: &Path, error: io::Error) -> ReadError {
    let what = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => What::Missing,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => What::Changed,
        io::ErrorKind::PermissionDenied => What::Unreadable,
        _ => return ReadError::Fault(Fault::io("read", path, error)),
    };
    ReadError::Changed {
        path: path.to_path_buf(),
        what,
    }
}

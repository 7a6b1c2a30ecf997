//! A torrent that is known: what it is, where its bytes are, which pieces are here. Shared by all of its
//! connections.

use super::PeerKey;
use super::assembly::{Assemblies, Full, Place, Shape, Taken, Verdict};
use super::readers::Readers;
use potluck_bittorrent::wire::{Block, Geometry};
use potluck_bittorrent::{Layout, Metainfo, PieceDigester};
use potluck_content::PieceSet;
use potluck_store::{ReadError, TorrentDownload, TorrentReader, WriteError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::sync::broadcast;

/// Pieces that came to be here and of which a connection may not know yet.
const ARRIVALS: usize = 1024;

/// A torrent that is known.
pub(super) struct Content {
    pub(super) metainfo: Arc<Metainfo>,
    pub(super) layout: Layout,
    pub(super) geometry: Geometry,
    place: RwLock<Files>,
    have: Mutex<PieceSet>,
    assemblies: Assemblies,
    /// Pieces that came to be here.
    pub(super) arrivals: broadcast::Sender<u32>,
    /// Who reads from it.
    pub(super) readers: Arc<Readers>,
}

/// Where the bytes are.
#[derive(Clone)]
pub(super) enum Files {
    /// On their way.
    Coming(Arc<TorrentDownload>),
    /// All that is wanted is under its final name.
    Here(Arc<TorrentReader>),
    /// Nothing is kept: its peers are asked on behalf of another torrent.
    Nowhere,
}

/// Bytes could not be kept or had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl FilesError {
    /// Whether a disk is full.
    pub(super) fn is_no_space(&self) -> bool {
        matches!(self, Self::Write(WriteError::NoSpace { .. }))
    }
}

impl Place for TorrentDownload {
    type Error = FilesError;

    fn write(&self, piece: u32, begin: u64, data: &[u8]) -> Result<(), FilesError> {
        Ok(Self::write(self, piece, begin, data)?)
    }

    fn read(&self, piece: u32, begin: u64, out: &mut [u8]) -> Result<(), FilesError> {
        Ok(Self::read(self, piece, begin, out)?)
    }

    fn verify(&self, piece: u32) -> Result<bool, FilesError> {
        Ok(Self::verify(self, piece)?)
    }
}

impl Content {
    pub(super) fn new(metainfo: Arc<Metainfo>, files: Files) -> Self {
        let have = match &files {
            Files::Coming(download) => download.have(),
            Files::Here(reader) => reader.have(),
            Files::Nowhere => PieceSet::new(metainfo.info().pieces()),
        };
        Self {
            layout: metainfo.info().layout(),
            geometry: Geometry::of(metainfo.info()),
            metainfo,
            place: RwLock::new(files),
            have: Mutex::new(have),
            assemblies: Assemblies::default(),
            arrivals: broadcast::channel(ARRIVALS).0,
            readers: Arc::default(),
        }
    }

    fn lock_have(&self) -> MutexGuard<'_, PieceSet> {
        self.have.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pieces that are here.
    pub(super) fn have(&self) -> PieceSet {
        self.lock_have().clone()
    }

    pub(super) fn has(&self, piece: u32) -> bool {
        self.lock_have().contains(piece)
    }

    fn files(&self) -> Files {
        let files = self.place.read().unwrap_or_else(PoisonError::into_inner);
        files.clone()
    }

    /// Serves the bytes from elsewhere from now on.
    pub(super) fn move_to(&self, files: Files) {
        if let Files::Here(reader) = &files {
            *self.lock_have() = reader.have();
        }
        *self.place.write().unwrap_or_else(PoisonError::into_inner) = files;
    }

    /// The pieces that are meant to be here once all is fetched.
    pub(super) fn wanted(&self) -> PieceSet {
        match self.files() {
            Files::Coming(download) => download.wanted(),
            Files::Here(reader) => reader.have(),
            Files::Nowhere => PieceSet::new(self.geometry.pieces()),
        }
    }

    /// Whether all that is wanted is under its final name.
    pub(super) fn is_finished(&self) -> bool {
        matches!(self.files(), Files::Here(_))
    }

    /// Reads bytes of a piece that is here, `begin` bytes into it. Does file work.
    pub(super) fn read_at(&self, piece: u32, begin: u64, out: &mut [u8]) -> Result<(), FilesError> {
        if !self.has(piece) {
            return Err(ReadError::NotHave.into());
        }
        match self.files() {
            Files::Coming(download) => Ok(download.read(piece, begin, out)?),
            Files::Here(reader) => Ok(reader.read(piece, begin, out)?),
            Files::Nowhere => Err(ReadError::NotHave.into()),
        }
    }

    /// Whether a piece of the files that `read` gives is right. Does file work.
    pub(super) fn is_right(
        &self,
        piece: u32,
        mut read: impl FnMut(usize, u64, &mut [u8]) -> Result<(), String>,
    ) -> Result<bool, String> {
        const STEP: u64 = 256 * 1024;
        // Those of version 2 decide when they are known.
        let v2 = self.metainfo.has_v2_piece(&self.layout, piece);
        let mut digester = PieceDigester::new(!v2, v2);
        let mut buffer = Vec::new();
        for span in self.layout.spans(piece.into()) {
            let Some(file) = span.file else {
                digester.push_padding(span.bytes);
                continue;
            };
            let mut done = 0;
            while done < span.bytes {
                let step = STEP.min(span.bytes - done);
                buffer.resize(usize::try_from(step).unwrap_or_default(), 0);
                read(file, span.offset + done, &mut buffer)?;
                digester.push(&buffer);
                done += step;
            }
        }
        let owner = self.layout.owner(piece.into());
        let file_bytes = owner.map_or(0, |(_, size, _)| size);
        let found = digester.finish(file_bytes, self.layout.piece_bytes());
        Ok(self.metainfo.is_piece(&self.layout, piece, &found))
    }

    /// Bytes of a piece.
    pub(super) fn piece_bytes(&self, piece: u32) -> u64 {
        self.shape(piece).bytes()
    }

    fn shape(&self, piece: u32) -> Shape<'_> {
        Shape {
            layout: &self.layout,
            piece,
        }
    }

    /// Whether a block is still to come.
    pub(super) fn is_missing(&self, block: Block) -> bool {
        !self.has(block.piece)
            && !self.shape(block.piece).is_padding_block(block.begin)
            && self.assemblies.is_missing(block)
    }

    /// Whether all of a piece came and is being checked.
    pub(super) fn is_checking(&self, piece: u32) -> bool {
        self.assemblies.is_checking(piece)
    }

    /// Takes a block that a peer sent. Does file work.
    pub(super) fn take(
        &self,
        block: Block,
        data: &[u8],
        from: PeerKey,
    ) -> Result<Taken, FilesError> {
        let Files::Coming(download) = self.files() else {
            return Ok(Taken::Needless);
        };
        let piece = block.piece;
        let given = (block.begin, data);
        let here = || self.has(piece);
        let shape = self.shape(piece);
        self.assemblies.take(&shape, &*download, given, from, here)
    }

    /// Checks a piece that is full: reads all of it and hashes it. None when the torrent is here by
    /// now, and the piece with it.
    pub(super) fn check(&self, piece: u32, full: &Full) -> Result<Option<Verdict>, FilesError> {
        let Files::Coming(download) = self.files() else {
            return Ok(None);
        };
        let shape = self.shape(piece);
        let verdict = self.assemblies.check(&shape, &*download, full)?;
        if matches!(verdict, Verdict::Right { .. }) && self.lock_have().insert(piece) {
            let _ = self.arrivals.send(piece);
        }
        Ok(Some(verdict))
    }

    /// Reads a block of a piece that is here. Does file work.
    pub(super) fn read(&self, block: Block, out: &mut [u8]) -> Result<(), FilesError> {
        // In version 2 alone a piece ends with its file, and what is asked for beyond is zeros.
        let there = self
            .piece_bytes(block.piece)
            .saturating_sub(block.begin.into());
        let there = usize::try_from(there).unwrap_or(out.len());
        let (out, beyond) = out.split_at_mut(there.min(out.len()));
        beyond.fill(0);
        if out.is_empty() {
            return Ok(());
        }
        match self.files() {
            Files::Coming(download) => Ok(download.read(block.piece, block.begin.into(), out)?),
            Files::Here(reader) => Ok(reader.read(block.piece, block.begin.into(), out)?),
            Files::Nowhere => Err(ReadError::NotHave.into()),
        }
    }
}

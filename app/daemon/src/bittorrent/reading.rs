//! Reading files of a torrent that is here, or comes while they are read. Nothing is fetched for readers
//! alone: a torrent that nobody asked this node to fetch is not there.

use super::content::Content;
use super::readers::{Ahead, Place, Reader};
use super::{get, names};
use crate::context::Context;
use crate::errors;
use bytes::Bytes;
use futures::Stream;
use potluck_api::ErrorBody;
use potluck_bittorrent::{FileEntry, FileKind, InfoHashes, Layout, Metainfo};
use potluck_content::PieceSet;
use potluck_store::TorrentReader;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Bytes handed out at once.
const CHUNK: u64 = 256 * 1024;
/// How long a reader waits while nothing comes.
const STALL: Duration = Duration::from_secs(60);
/// How often the place of the bytes may change before any of them come.
const MAX_TURNS: u32 = 8;
/// Pause before looking again.
const AGAIN: Duration = Duration::from_millis(100);

/// A torrent that can be read from.
#[derive(Clone)]
pub(crate) struct Torrent {
    pub(crate) metainfo: Arc<Metainfo>,
    layout: Layout,
    from: From,
}

/// Where the bytes come from.
#[derive(Clone)]
enum From {
    Here(Arc<TorrentReader>),
    Coming(Arc<Content>, CancellationToken),
}

impl Torrent {
    fn new(metainfo: Arc<Metainfo>, from: From) -> Self {
        Self {
            layout: metainfo.info().layout(),
            metainfo,
            from,
        }
    }

    /// Its files with their positions and their paths in it, without padding. Of a single file the path
    /// is its name.
    pub(crate) fn files(&self) -> impl Iterator<Item = (usize, &str, &FileEntry)> {
        let files = self.metainfo.info().files().iter().enumerate();
        let real = files.filter(|(_, file)| file.kind != FileKind::Padding);
        real.map(|(index, file)| {
            let path = get::inner(&self.metainfo, file.path.as_str());
            (index, path, file)
        })
    }

    /// The pieces that are here.
    pub(crate) fn have(&self) -> PieceSet {
        match &self.from {
            From::Here(reader) => reader.have(),
            From::Coming(content, _) => content.have(),
        }
    }

    /// Bytes of files that are here.
    pub(crate) fn have_bytes(&self) -> u64 {
        let have = self.have();
        let spans = have
            .iter()
            .flat_map(|piece| self.layout.spans(piece.into()));
        let real = spans.filter(|span| span.file.is_some());
        real.map(|span| span.bytes).sum()
    }

    /// The place of a byte of a file.
    fn place(&self, file: &FileEntry, at: u64) -> (u32, u64) {
        let (at, piece) = (file.offset.saturating_add(at), self.layout.piece_bytes());
        (u32::try_from(at / piece).unwrap_or(u32::MAX), at % piece)
    }
}

/// A torrent that is here or is being fetched. One that is being asked for, and of which nothing is
/// known yet, is waited for.
pub(crate) async fn find(
    ctx: &Arc<Context>,
    hashes: &InfoHashes,
    patience: Duration,
) -> Result<Torrent, ErrorBody> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some((content, ended)) = ctx.torrents.fetching.find(hashes) {
            let metainfo = Arc::clone(&content.metainfo);
            return Ok(Torrent::new(metainfo, From::Coming(content, ended)));
        }
        if let Some(reader) = held(ctx, hashes).await? {
            let metainfo = reader.metainfo();
            return Ok(Torrent::new(metainfo, From::Here(Arc::new(reader))));
        }
        if !ctx.torrents.is_active(hashes) || Instant::now() >= deadline {
            return Err(errors::not_found(
                "this torrent is neither here nor being fetched",
                "fetch it first, with 'potluck get' or in the browser; it can be watched while it comes",
            ));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn held(ctx: &Arc<Context>, hashes: &InfoHashes) -> Result<Option<TorrentReader>, ErrorBody> {
    let wanted: Vec<_> = names(hashes).collect();
    let found = ctx.blocking(move |store| {
        let torrents = store.torrents()?;
        let known = torrents
            .iter()
            .find(|info| info.complete && names(&info.hashes).any(|name| wanted.contains(&name)));
        known.map_or(Ok(None), |info| store.open_torrent(&info.key))
    });
    let found = found.await.ok_or_else(errors::stopping)?;
    found.map_err(|fault| errors::fault(&fault))
}

struct Reading {
    ctx: Arc<Context>,
    hashes: InfoHashes,
    torrent: Torrent,
    index: usize,
    file: FileEntry,
    at: u64,
    end: u64,
    reader: Option<Reader>,
    turns: u32,
}

/// Bytes of a file in order, by its position in the torrent; waits for what is not here yet, which is
/// fetched before all else. Dropping the stream ends that.
pub(crate) fn read(
    ctx: &Arc<Context>,
    torrent: &Torrent,
    file_index: usize,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, ErrorBody>> + Send + 'static {
    let file = torrent.metainfo.info().files().get(file_index);
    let reading = file.map(|file| Reading {
        ctx: Arc::clone(ctx),
        hashes: torrent.metainfo.info().hashes(),
        torrent: torrent.clone(),
        index: file_index,
        file: file.clone(),
        at: range.start,
        end: range.end.min(file.size),
        reader: None,
        turns: 0,
    });
    futures::stream::unfold(reading, |reading| async {
        let mut reading = reading?;
        if reading.at >= reading.end {
            return None;
        }
        match reading.next().await {
            Ok(bytes) => Some((Ok(bytes), Some(reading))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

impl Reading {
    async fn next(&mut self) -> Result<Bytes, ErrorBody> {
        self.turns = 0;
        loop {
            let place = self.torrent.place(&self.file, self.at);
            let from = self.torrent.from.clone();
            if let From::Coming(content, ended) = &from
                && !self.wait(content, ended, place).await?
            {
                self.look().await?;
                continue;
            }
            match self.chunk(from, place).await {
                Ok(bytes) => {
                    self.passed(bytes.len() as u64);
                    return Ok(bytes);
                }
                // It may just have been given its final name.
                Err(error) if self.turns >= MAX_TURNS => {
                    return Err(errors::failed(
                        format!("cannot read what is here of the torrent: {error}"),
                        "check its files with 'potluck verify'",
                    ));
                }
                Err(_) => {
                    tokio::time::sleep(AGAIN).await;
                    self.look().await?;
                }
            }
        }
    }

    /// Finds out anew where the bytes are.
    async fn look(&mut self) -> Result<(), ErrorBody> {
        self.turns += 1;
        self.reader = None;
        self.torrent = find(&self.ctx, &self.hashes, Duration::ZERO).await?;
        Ok(())
    }

    /// Waits until a piece is here. False when the download has ended without it.
    async fn wait(
        &mut self,
        content: &Arc<Content>,
        ended: &CancellationToken,
        place: Place,
    ) -> Result<bool, ErrorBody> {
        let mut arrivals = content.arrivals.subscribe();
        loop {
            if content.has(place.0) {
                return Ok(true);
            }
            if ended.is_cancelled() {
                return Ok(false);
            }
            self.ask(content, place)?;
            let next = async {
                tokio::select! {
                    _ = arrivals.recv() => {}
                    () = ended.cancelled() => {}
                }
            };
            if timeout(STALL, next).await.is_err() {
                return Err(errors::not_found(
                    format!("nothing came from any peer for {} s", STALL.as_secs()),
                    "'potluck status' shows who has it; read on later",
                ));
            }
        }
    }

    /// Has what is read asked for before all else.
    fn ask(&mut self, content: &Arc<Content>, place: Place) -> Result<(), ErrorBody> {
        if self.reader.is_some() {
            return Ok(());
        }
        if !content.wanted().contains(place.0) {
            return Err(errors::failed(
                "other files of this torrent are being fetched, and not this one",
                "fetch it without --files, or with this one among them",
            ));
        }
        let (piece, begin) = self.torrent.place(&self.file, self.end - 1);
        let ahead = Ahead {
            at: place,
            end: (piece, begin + 1),
        };
        let reader = content.readers.begin(ahead);
        let too_many = || errors::failed("this torrent is read by too many at once", "close some");
        self.reader = Some(reader.ok_or_else(too_many)?);
        Ok(())
    }

    async fn chunk(&self, from: From, (piece, begin): Place) -> Result<Bytes, String> {
        let (index, at) = (self.index, self.at);
        let in_piece = match &from {
            From::Here(_) => CHUNK,
            From::Coming(..) => self.torrent.layout.piece_bytes() - begin,
        };
        let length = (self.end - at).min(in_piece).min(CHUNK);
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
            match from {
                From::Here(reader) => reader
                    .read_in_file(index, at, &mut bytes)
                    .map_err(|error| error.to_string())?,
                From::Coming(content, _) => content
                    .read_at(piece, begin, &mut bytes)
                    .map_err(|error| error.to_string())?,
            }
            Ok(Bytes::from(bytes))
        });
        read.await.map_err(|error| error.to_string())?
    }

    fn passed(&mut self, bytes: u64) {
        self.at += bytes;
        if let Some(reader) = &self.reader {
            reader.moved(self.torrent.place(&self.file, self.at));
        }
    }
}

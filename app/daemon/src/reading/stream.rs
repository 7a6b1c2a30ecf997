//! The bytes of a file in order, from this node's disk, or from a download as its pieces come.

use super::OpenFile;
use super::buffers::Buffer;
use super::live::Reader;
use super::registry::attach;
use crate::context::Context;
use crate::errors;
use bytes::Bytes;
use futures::Stream;
use potluck_api::ErrorBody;
use potluck_content::{GROUP_BYTES, Hash};
use potluck_store::{ReadError, Store};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Bytes handed out at once.
const CHUNK: u64 = 128 * 1024;
/// Bytes that are fetched ahead of a reader.
const WINDOW: u64 = 8 * 1024 * 1024;
/// How long a reader waits while nothing comes.
const STALL: Duration = Duration::from_secs(60);
/// How often the place of the bytes may change before any of them come.
const MAX_TURNS: u32 = 8;

/// Where the bytes come from.
enum From {
    /// Not looked up yet.
    Nowhere,
    Disk,
    Download(Reader),
}

struct Reading {
    ctx: Arc<Context>,
    file: OpenFile,
    at: u64,
    end: u64,
    from: From,
    /// The disk did not have what it should.
    disk_failed: bool,
    turns: u32,
}

/// Verified bytes of the file in order; see [`super::read`].
pub(super) fn read(
    ctx: &Arc<Context>,
    file: &OpenFile,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, ErrorBody>> + Send + 'static {
    let reading = Reading {
        ctx: Arc::clone(ctx),
        file: file.clone(),
        at: range.start,
        end: range.end.min(file.bytes),
        from: From::Nowhere,
        disk_failed: false,
        turns: 0,
    };
    futures::stream::unfold(Some(reading), |reading| async {
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
            match &self.from {
                From::Nowhere => self.look().await?,
                From::Disk => match self.chunk(self.end).await {
                    Ok(bytes) => return Ok(self.passed(bytes)),
                    Err(error) => {
                        tracing::debug!(hash = %self.file.hash, %error, "not read from the disk");
                        self.disk_failed = true;
                        self.from = From::Nowhere;
                    }
                },
                From::Download(reader) => {
                    let Some(ready) = self.wait(reader).await? else {
                        self.disk_failed = false;
                        self.from = From::Nowhere;
                        continue;
                    };
                    match self.chunk(ready).await {
                        Ok(bytes) => return Ok(self.passed(bytes)),
                        Err(error) => self.lost(&error).await?,
                    }
                }
            }
        }
    }

    /// What was here a moment ago is not: the download may just have given it its final name.
    async fn lost(&mut self, error: &ReadError) -> Result<(), ErrorBody> {
        self.turns += 1;
        if self.turns > MAX_TURNS {
            return Err(errors::failed(
                format!("cannot read what was fetched: {error}"),
                "check the disk, then read it again",
            ));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.disk_failed = false;
        self.from = From::Nowhere;
        Ok(())
    }

    /// Finds out where the bytes are.
    async fn look(&mut self) -> Result<(), ErrorBody> {
        self.turns += 1;
        if self.turns > MAX_TURNS {
            return Err(errors::failed(
                "the content moves all the time",
                "read it again",
            ));
        }
        if !self.disk_failed && is_here(&self.ctx, self.file.hash).await? {
            self.from = From::Disk;
            return Ok(());
        }
        let live = attach(&self.ctx, &self.file.link, STALL).await?;
        let blob = (live.layout.find_blob(&self.file.hash))
            .filter(|blob| live.fetches(*blob))
            .ok_or_else(|| {
                errors::failed(
                    "other files of this folder are being fetched now, and not this one",
                    "wait until that has ended; 'potluck status' shows how far it is",
                )
            })?;
        let reader = live.read(blob, self.at..self.end, WINDOW);
        self.from = From::Download(reader.ok_or_else(|| {
            errors::failed(
                "this content is read by too many at once",
                "close some of them",
            )
        })?);
        Ok(())
    }

    /// Waits for the next piece; how far can be read then. `None` when the download ended.
    async fn wait(&self, reader: &Reader) -> Result<Option<u64>, ErrorBody> {
        let live = &reader.live;
        let mut changes = live.changes();
        loop {
            changes.borrow_and_update();
            if let Some(ready) = live.ready(reader.blob, self.at..self.end) {
                return Ok(Some(ready));
            }
            match live.ended() {
                Some(Some(error)) => return Err(error),
                Some(None) => return Ok(None),
                None => {}
            }
            let waited = timeout(STALL, changes.changed()).await;
            if waited.is_err() && live.quiet() >= STALL {
                return Err(errors::not_found(
                    format!(
                        "nothing came from any provider of {} for {} s",
                        self.file.link.address,
                        STALL.as_secs()
                    ),
                    "is the sharer's node still running? what came is kept; read on later",
                ));
            }
        }
    }

    async fn chunk(&self, ready: u64) -> Result<Bytes, ReadError> {
        let first = self.at / GROUP_BYTES;
        let most = first * GROUP_BYTES + CHUNK;
        let (range, hash) = (self.at..ready.min(most), self.file.hash);
        let mut buffer = self.ctx.readings.buffers.take();
        let groups = groups(&range);
        // Going to another thread and back costs more than copying what is in memory.
        if (self.ctx.store).read_span_cached(&hash, groups.clone(), &mut buffer.span) {
            return buffer.within(&range, &groups).ok_or(ReadError::BadSpan);
        }
        let read = (self.ctx).blocking(move |store| read_range(store, &hash, range, buffer));
        read.await.unwrap_or(Err(ReadError::NotHave))
    }

    fn passed(&mut self, bytes: Bytes) -> Bytes {
        self.at += bytes.len() as u64;
        if let From::Download(reader) = &self.from {
            reader.moved(self.at);
        }
        bytes
    }
}

fn read_range(
    store: &Store,
    hash: &Hash,
    range: Range<u64>,
    mut buffer: Buffer,
) -> Result<Bytes, ReadError> {
    let groups = groups(&range);
    store.read_span(hash, groups.clone(), &mut buffer.span)?;
    buffer.within(&range, &groups).ok_or(ReadError::BadSpan)
}

/// The groups that hold a range of bytes.
fn groups(range: &Range<u64>) -> Range<u64> {
    range.start / GROUP_BYTES..range.end.div_ceil(GROUP_BYTES)
}

/// Whether this node holds a whole file.
pub(super) async fn is_here(ctx: &Arc<Context>, hash: Hash) -> Result<bool, ErrorBody> {
    let held = ctx.blocking(move |store| store.has_blob(&hash)).await;
    held.ok_or_else(errors::stopping)?
        .map_err(|fault| errors::fault(&fault))
}

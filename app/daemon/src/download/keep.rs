//! Keeps what a download has: hands verified bytes to the store, makes checkpoints, and tells the
//! swarm what can be had here.

use crate::context::Context;
use crate::source::{Sink, SinkError};
use crate::swarms::Update;
use potluck_content::tree::Parent;
use potluck_content::{Address, PieceSet};
use potluck_store::{Download, WriteError};
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A checkpoint is made when this much time has passed, or this many bytes came, since the last. It
/// waits for the disk beside the transfer, so that not much is left to wait for at the end: a system
/// that is not asked begins to write back only after many seconds.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(2);
const CHECKPOINT_BYTES: u64 = 64 * 1024 * 1024;

/// The store as a sink.
pub(super) struct StoreSink(pub(super) Arc<Download>);

fn sink_error(error: WriteError) -> SinkError {
    match error {
        WriteError::NoSpace { dir, .. } => SinkError::NoSpace {
            place: dir.display().to_string(),
        },
        other => SinkError::Io(other.to_string()),
    }
}

impl Sink for StoreSink {
    fn write_vectored(
        &self,
        blob: u32,
        first_group: u64,
        parts: &[IoSlice<'_>],
    ) -> Result<(), SinkError> {
        self.0
            .write_vectored(blob, first_group, parts)
            .map_err(sink_error)
    }

    fn write_parents(&self, blob: u32, parents: &[(u64, Parent)]) -> Result<(), SinkError> {
        self.0.write_parents(blob, parents).map_err(sink_error)
    }

    fn complete(&self, pieces: &[u32]) -> Result<(), SinkError> {
        self.0.complete(pieces).map_err(sink_error)
    }
}

/// Looks after one download while it runs.
pub(super) struct Keeper {
    ctx: Arc<Context>,
    root: Address,
    download: Arc<Download>,
    serve: bool,
    announced: bool,
    unsynced: Arc<AtomicU64>,
    last: Instant,
    running: Option<JoinHandle<Result<(), WriteError>>>,
}

impl Keeper {
    pub(super) fn new(
        ctx: &Arc<Context>,
        root: Address,
        download: &Arc<Download>,
        serve: bool,
    ) -> Self {
        Self {
            ctx: Arc::clone(ctx),
            root,
            download: Arc::clone(download),
            serve,
            announced: false,
            unsynced: Arc::default(),
            last: Instant::now(),
            running: None,
        }
    }

    /// Tells the swarm what an earlier run left.
    pub(super) fn resumed(&mut self, have: &PieceSet) {
        for range in have.ranges() {
            self.tell(range);
        }
    }

    /// A piece was verified and written.
    pub(super) fn kept(&mut self, piece: u32, bytes: u64) {
        self.unsynced.fetch_add(bytes, Ordering::Relaxed);
        self.begin_checkpoint_if_due();
        self.tell(piece..piece + 1);
    }

    fn tell(&mut self, pieces: Range<u32>) {
        if self.serve {
            self.ctx.swarms.tell(&self.root, &Update::Have(pieces));
            if !self.announced {
                self.announced = true;
                let (ctx, root) = (Arc::clone(&self.ctx), self.root);
                tokio::spawn(async move { ctx.provide(&root).await });
            }
        }
    }

    /// Makes a checkpoint when it is time, beside the transfer; tells when one failed.
    pub(super) async fn tick(&mut self) -> Result<(), WriteError> {
        if let Some(running) = self.running.take_if(|running| running.is_finished()) {
            running.await.unwrap_or(Ok(()))?;
        }
        self.begin_checkpoint_if_due();
        Ok(())
    }

    fn begin_checkpoint_if_due(&mut self) {
        let waiting = self.unsynced.load(Ordering::Relaxed);
        let due = self.last.elapsed() >= CHECKPOINT_EVERY || waiting >= CHECKPOINT_BYTES;
        if due && waiting > 0 && self.running.is_none() {
            self.last = Instant::now();
            let (download, unsynced) = (Arc::clone(&self.download), Arc::clone(&self.unsynced));
            self.running = Some(tokio::task::spawn_blocking(move || {
                // What came meanwhile follows at once if it is much.
                loop {
                    unsynced.store(0, Ordering::Relaxed);
                    download.checkpoint()?;
                    if unsynced.load(Ordering::Relaxed) < CHECKPOINT_BYTES {
                        return Ok(());
                    }
                }
            }));
        }
    }

    /// Waits for a running checkpoint and makes a last one.
    pub(super) async fn close(mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.await;
        }
        let download = Arc::clone(&self.download);
        let last = tokio::task::spawn_blocking(move || download.checkpoint());
        if let Ok(Err(error)) = last.await {
            tracing::warn!(%error, "no checkpoint of a stopped download");
        }
    }
}

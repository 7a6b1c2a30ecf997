//! Sharing: index in place, announce, give the link.

use crate::clock::unix_now;
use crate::context::Context;
use crate::{bittorrent, errors, roots};
use potluck_api::{ErrorBody, ShareEvent, ShareRequest, SharedTorrent, TorrentWish};
use potluck_store::{ShareProgress, Shared};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Shares paths; the last event is returned.
pub(crate) async fn run(
    ctx: &Arc<Context>,
    request: ShareRequest,
    events: &mpsc::Sender<ShareEvent>,
    stop: &CancellationToken,
) -> Result<ShareEvent, ErrorBody> {
    let started = Instant::now();
    if let Some(relative) = request.paths.iter().find(|path| !path.starts_with('/')) {
        let message = format!("'{}' is not an absolute path", errors::clip(relative));
        return Err(errors::usage(message, "the API takes absolute paths"));
    }
    let torrent = torrent_of(&request)?;
    let ask = potluck_store::ShareRequest {
        paths: request.paths.iter().map(PathBuf::from).collect(),
        name: request.name,
        copy: request.copy,
        threads: ctx.config().share.threads as usize,
        skip_unreadable: request.skip_unreadable,
        now_unix: unix_now(),
    };
    let tell = Teller {
        events: events.clone(),
        stop: stop.clone(),
        told: None,
        started,
    };
    let shared = ctx
        .blocking(move |store| {
            let mut tell = tell;
            store.share(&ask, &mut |progress| tell.progress(progress))
        })
        .await
        .ok_or_else(errors::stopping)?
        .map_err(|error| errors::share(&error))?;
    let torrents = match torrent {
        Some((path, wish)) => bittorrent::share(ctx, &path, &wish, stop).await?,
        None => Vec::new(),
    };
    announce_and_link(ctx, shared, torrents, events, started).await
}

/// What is to be shared as torrents too.
fn torrent_of(request: &ShareRequest) -> Result<Option<(PathBuf, TorrentWish)>, ErrorBody> {
    let Some(wish) = &request.torrent else {
        return Ok(None);
    };
    match request.paths.as_slice() {
        [path] if !request.copy => Ok(Some((path.into(), wish.clone()))),
        [_] => Err(errors::usage(
            "a torrent is served from where its files are, not from a copy",
            "leave out --copy or --torrent",
        )),
        _ => Err(errors::usage(
            "a torrent is of one file or folder",
            "share them one by one, or put them in one folder",
        )),
    }
}

async fn announce_and_link(
    ctx: &Arc<Context>,
    shared: Shared,
    torrents: Vec<SharedTorrent>,
    events: &mpsc::Sender<ShareEvent>,
    started: Instant,
) -> Result<ShareEvent, ErrorBody> {
    for skipped in &shared.skipped {
        let path = skipped.path.display().to_string();
        let _ = events
            .send(ShareEvent::Skipped {
                path,
                reason: skipped.reason.clone(),
            })
            .await;
    }
    let more = shared
        .skipped_count
        .saturating_sub(shared.skipped.len() as u64);
    if more > 0 {
        let path = format!("{more} more");
        let reason = "not listed one by one".to_owned();
        let _ = events.send(ShareEvent::Skipped { path, reason }).await;
    }
    let root = shared.root;
    ctx.provide(&root.address).await;
    Ok(ShareEvent::Shared {
        link: roots::link(ctx, &root).to_string(),
        cid: root.address.to_string(),
        name: root.name,
        bytes: root.bytes,
        files: root.files,
        seconds: started.elapsed().as_secs_f64(),
        torrents,
    })
}

/// Passes progress on, not too often, and asks whether to go on.
struct Teller {
    events: mpsc::Sender<ShareEvent>,
    stop: CancellationToken,
    told: Option<Instant>,
    started: Instant,
}

impl Teller {
    fn progress(&mut self, progress: &ShareProgress) -> ControlFlow<()> {
        if self.stop.is_cancelled() {
            return ControlFlow::Break(());
        }
        if self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return ControlFlow::Continue(());
        }
        self.told = Some(Instant::now());
        let event = if progress.walking {
            ShareEvent::Scanning {
                files: progress.files,
                bytes: progress.bytes,
            }
        } else {
            ShareEvent::Hashing {
                done_bytes: progress.bytes_done,
                total_bytes: progress.bytes,
                done_files: progress.files_done,
                total_files: progress.files,
                rate: per_second(progress.bytes_done, self.started.elapsed()),
            }
        };
        // A reader that is slow misses a step; the next one tells more.
        let _ = self.events.try_send(event);
        ControlFlow::Continue(())
    }
}

/// Bytes per second over a time.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // not negative, and far below 2^64
fn per_second(bytes: u64, time: Duration) -> u64 {
    let seconds = time.as_secs_f64();
    if seconds <= 0.0 {
        0
    } else {
        (bytes as f64 / seconds) as u64
    }
}

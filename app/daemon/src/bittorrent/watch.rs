//! The watched folder: torrent files that appear there are fetched.
//!
//! It is looked at again and again rather than asking the system to tell of changes, which not every file
//! system does.

mod looks;

use super::{get, lock, source};
use crate::clock::unix_now;
use crate::context::Context;
use crate::{errors, torrent};
use looks::{Look, Looks};
use potluck_api::{ErrorBody, GetEvent, GetRequest, WatchStatus, WatchTrouble};
use potluck_bittorrent::Metainfo;
use potluck_store::TorrentKey;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What could not be fetched is tried again after this time.
const AGAIN: Duration = Duration::from_secs(5 * 60);
/// Files of the folder that are looked at, at most.
const MAX_FILES: usize = 10_000;
/// Files that are told of as of no use, at most.
const MAX_TOLD: usize = 100;
/// Events of a fetch that may wait.
const EVENTS: usize = 64;
/// Where what was fetched is put unless the owner says so, in the data directory.
const FOLDER: &str = "downloads";

/// What is wrong with files of the folder, or with the folder itself.
#[derive(Default)]
pub(super) struct Watched {
    troubles: Mutex<BTreeMap<PathBuf, String>>,
}

impl Watched {
    /// Tells of a trouble, unless that was told.
    fn tell(&self, path: &Path, what: &str) {
        let mut troubles = lock(&self.troubles);
        if troubles.get(path).is_some_and(|told| told == what) {
            return;
        }
        tracing::warn!(path = %path.display(), %what, "not fetched from the watched folder");
        if troubles.len() < MAX_TOLD || troubles.contains_key(path) {
            troubles.insert(path.to_path_buf(), what.to_owned());
        }
    }

    fn clear(&self, path: &Path) {
        lock(&self.troubles).remove(path);
    }

    /// Forgets what was told of files that are gone.
    fn keep(&self, folder: &Path, found: &BTreeMap<PathBuf, Look>) {
        lock(&self.troubles).retain(|path, _| path == folder || found.contains_key(path));
    }
}

/// What came of a file.
type Ended = (PathBuf, Option<Duration>);

/// Fetches what appears in the folder that the settings name, until the node shuts down.
pub(crate) async fn watch(ctx: Arc<Context>) {
    let mut rules = ctx.torrents.rules.subscribe();
    let started = Instant::now();
    let (mut folder, mut looks) = (None, Looks::default());
    let mut running: JoinSet<Ended> = JoinSet::new();
    loop {
        let wanted = ctx.config().bittorrent.rules.watch;
        let wanted = wanted.filter(|_| ctx.torrents.settings().enabled);
        if folder != wanted {
            looks = Looks::default();
            lock(&ctx.torrents.watched.troubles).clear();
            folder = wanted;
        }
        if let Some(folder) = &folder {
            for path in look(&ctx, folder, &mut looks, started.elapsed()).await {
                running.spawn(take(Arc::clone(&ctx), path, started));
            }
        }
        tokio::select! {
            () = ctx.shutdown.cancelled() => break,
            changed = rules.changed() => if changed.is_err() { break },
            Some(ended) = running.join_next() => if let Ok((path, later)) = ended {
                looks.ended(&path, later);
            },
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    // They see the shutdown themselves, and make a last checkpoint.
    while running.join_next().await.is_some() {}
}

/// What `status` tells; nothing without a folder.
pub(crate) fn watch_status(ctx: &Context) -> Option<WatchStatus> {
    let folder = ctx.config().bittorrent.rules.watch?;
    let troubles = lock(&ctx.torrents.watched.troubles).clone();
    let troubles = troubles.into_iter().map(|(path, what)| WatchTrouble {
        path: path.display().to_string(),
        what,
    });
    Some(WatchStatus {
        folder: folder.display().to_string(),
        dest: dest(ctx).display().to_string(),
        troubles: troubles.collect(),
    })
}

fn dest(ctx: &Context) -> PathBuf {
    let chosen = ctx.config().bittorrent.rules.watch_dest;
    chosen.unwrap_or_else(|| ctx.data.join(FOLDER))
}

/// Looks at the folder; gives the files to take.
async fn look(ctx: &Context, folder: &Path, looks: &mut Looks, now: Duration) -> Vec<PathBuf> {
    let watched = &ctx.torrents.watched;
    let listed = tokio::task::spawn_blocking({
        let folder = folder.to_path_buf();
        move || list(&folder)
    });
    match listed.await {
        Ok(Ok(found)) => {
            watched.clear(folder);
            watched.keep(folder, &found);
            looks.compare(now, &found)
        }
        Ok(Err(error)) => {
            watched.tell(folder, &error.to_string());
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

fn list(folder: &Path) -> std::io::Result<BTreeMap<PathBuf, Look>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)?.take(MAX_FILES) {
        let path = entry?.path();
        let ending = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
        if ending.is_none_or(|ending| ending != "torrent") {
            continue;
        }
        // One that is gone already is none.
        if let Ok(metadata) = std::fs::metadata(&path)
            && metadata.is_file()
        {
            let look = (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
            found.insert(path, look);
        }
    }
    Ok(found)
}

/// Fetches the torrent of a file, unless that was done before.
async fn take(ctx: Arc<Context>, path: PathBuf, started: Instant) -> Ended {
    let watched = &ctx.torrents.watched;
    let metainfo = match read(&path).await {
        Ok(metainfo) => metainfo,
        Err(error) => {
            watched.tell(&path, &error.message);
            return (path, None);
        }
    };
    watched.clear(&path);
    match fetch(&ctx, &path, &metainfo).await {
        Ok(()) => (path, None),
        Err(_) if ctx.shutdown.is_cancelled() => (path, None),
        Err(error) => {
            watched.tell(&path, &error.message);
            let later = started.elapsed() + AGAIN;
            (path, Some(later))
        }
    }
}

async fn read(path: &Path) -> Result<Arc<Metainfo>, ErrorBody> {
    let file = path.to_path_buf();
    let bytes = tokio::task::spawn_blocking(move || torrent::load(&file)).await;
    let bytes = bytes.map_err(|_| errors::stopping())??;
    source::understand(&bytes, &errors::clip(&path.display().to_string()))
}

async fn fetch(ctx: &Arc<Context>, path: &Path, metainfo: &Metainfo) -> Result<(), ErrorBody> {
    let key = TorrentKey::of(metainfo);
    if is_done(ctx, key, path).await? {
        return Ok(());
    }
    let dest = dest(ctx);
    std::fs::create_dir_all(&dest).map_err(|error| {
        errors::failed(
            format!("cannot make {}: {error}", dest.display()),
            "choose another folder with 'potluck config set bittorrent.watch_dest'",
        )
    })?;
    let text = |path: &Path| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| errors::usage("its path is not UTF-8", "rename it"))
    };
    let request = GetRequest {
        also: Vec::new(),
        link: text(path)?,
        dest: format!("{}/", text(&dest)?),
        files: Vec::new(),
        timeout: None,
        serve: true,
        sequential: false,
    };
    let (events, mut told) = mpsc::channel(EVENTS);
    let stop = CancellationToken::new();
    let getting = async {
        let done = Box::pin(get::get(ctx, request, &events, &stop)).await;
        drop(events);
        done
    };
    let listening = async {
        let mut is_begun = false;
        while let Some(event) = told.recv().await {
            is_begun |= matches!(event, GetEvent::Found { .. });
        }
        is_begun
    };
    let (done, is_begun) = tokio::join!(getting, listening);
    if let Err(error) = done
        && !(is_begun && is_gone(ctx, key).await)
    {
        return Err(error);
    }
    note(ctx, key).await
}

/// Whether a torrent was fetched before, or is here otherwise. A file that is itself what a torrent was
/// fetched to is none of the owner's.
async fn is_done(ctx: &Arc<Context>, key: TorrentKey, path: &Path) -> Result<bool, ErrorBody> {
    let path = path.to_path_buf();
    let found = ctx.blocking(move |store| {
        let is_complete = store.torrent(&key)?.is_some_and(|info| info.complete);
        let is_product = store.torrents()?.iter().any(|info| info.place == path);
        if is_complete {
            store.note_watched(&key, unix_now())?;
        }
        Ok(is_complete || is_product || store.was_watched(&key)?)
    });
    let found = found.await.ok_or_else(errors::stopping)?;
    found.map_err(|fault| errors::fault(&fault))
}

/// Whether the owner removed a torrent while it was fetched: that is the end of it.
async fn is_gone(ctx: &Arc<Context>, key: TorrentKey) -> bool {
    let info = ctx.blocking(move |store| store.torrent(&key)).await;
    matches!(info, Some(Ok(None)))
}

async fn note(ctx: &Arc<Context>, key: TorrentKey) -> Result<(), ErrorBody> {
    let noted = ctx.blocking(move |store| store.note_watched(&key, unix_now()));
    let noted = noted.await.ok_or_else(errors::stopping)?;
    noted.map_err(|fault| errors::fault(&fault))
}

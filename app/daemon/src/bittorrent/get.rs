//! `get` of a torrent: find out what it is, fetch it from its peers, put it under its final name.

mod also;
mod events;
mod named;

use super::content::{Content, Files};
use super::swarm::{NewDownload, Request, Snapshot};
use super::users::Use;
use super::{copies, listen, lock, queue};
use crate::clock::unix_now;
use crate::context::Context;
use crate::download::{compile, destination, patience};
use crate::errors;
pub(super) use events::Events;
use named::{hint, named};
use potluck_api::{ErrorBody, GetEvent, GetRequest, Phase};
use potluck_bittorrent::{FileKind, InfoHashes, Magnet, Metainfo};
use potluck_store::{
    TorrentBeginError, TorrentDownload, TorrentInfo, TorrentKey, TorrentReader, TorrentSpec,
};
use potluck_transfer::Order;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What is said before the first torrent.
const PRIVACY: &str = "BitTorrent is public: its trackers, DHT and peers see this machine's address and which \
                       torrents it fetches or serves; 'potluck config set bittorrent.enabled false' switches it off";
/// How often the user is told how things stand.
const TICK: Duration = Duration::from_millis(250);

/// Fetches a torrent; the last event is returned.
pub(crate) async fn get(
    ctx: &Arc<Context>,
    request: GetRequest,
    events: &mpsc::Sender<GetEvent>,
    stop: &CancellationToken,
) -> Result<GetEvent, ErrorBody> {
    if !ctx.torrents.settings().enabled {
        return Err(super::switched_off());
    }
    compile(&request.files)?;
    let patience = patience(request.timeout)?;
    let (hashes, metainfo, magnet) = named(&request.link).await?;
    let events = Events::new(events.clone(), hashes, patience);
    let name = metainfo
        .as_ref()
        .map(|known| known.info().name().to_owned());
    let name = name.or(magnet.as_ref().and_then(|magnet| magnet.name.clone()));
    events.resolving(name.clone()).await;
    if is_first(ctx).await {
        events.notice(PRIVACY);
    }
    let is_queued = !ctx.torrents.settings().in_command && !is_complete(ctx, &hashes).await;
    let _turn = if is_queued {
        let turn = Box::pin(queue::turn(ctx, (&hashes, name), &events, stop)).await?;
        events.begin();
        Some(turn)
    } else {
        None
    };
    listen::begin(ctx).await?;
    let swarm = ctx.torrents.join(ctx, hashes);
    hint(&swarm, metainfo.as_ref(), magnet.as_deref()).await;
    let get = Get {
        ctx,
        request: &request,
        swarm,
        events,
        stop,
        started: Instant::now(),
        fetches: AtomicBool::new(false),
    };
    let done = get.run(metainfo, magnet.as_deref()).await;
    if done.is_err() && get.fetches.load(Ordering::Relaxed) {
        // What it seeded before is not whole any more.
        get.swarm.keep_no_more();
        get.swarm.ask(Request::StopDownload).await;
    }
    done
}

/// Whether this node never had to do with a torrent.
async fn is_first(ctx: &Arc<Context>) -> bool {
    let torrents = ctx.blocking(|store| store.torrents()).await;
    matches!(torrents, Some(Ok(torrents)) if torrents.is_empty())
}

/// Whether all of a torrent is here already, so that nothing is to be fetched.
async fn is_complete(ctx: &Arc<Context>, hashes: &InfoHashes) -> bool {
    let Some(key) = TorrentKey::of_hashes(hashes) else {
        return false;
    };
    let info = ctx.blocking(move |store| store.torrent(&key)).await;
    matches!(info, Some(Ok(Some(info))) if info.complete)
}

/// A torrent that is being fetched for somebody.
struct Get<'a> {
    ctx: &'a Arc<Context>,
    request: &'a GetRequest,
    swarm: Use,
    events: Events,
    stop: &'a CancellationToken,
    started: Instant,
    /// The swarm fetches for this one, and for no other.
    fetches: AtomicBool,
}

impl Get<'_> {
    async fn run(
        &self,
        known: Option<Arc<Metainfo>>,
        magnet: Option<&Magnet>,
    ) -> Result<GetEvent, ErrorBody> {
        let names = self.names().await?;
        let metainfo = match known {
            Some(known) => known,
            None => self.learn().await?,
        };
        let name = metainfo.info().name().to_owned();
        let held = self.held(&metainfo).await?;
        let place = held.as_ref().map(|(info, _)| info.place.as_path());
        let dest = destination(&self.request.dest, &name, place)?;
        if let Some((_, Some(reader))) = held.filter(|(info, _)| info.place == dest)
            && reader.have().is_full()
        {
            self.swarm.keep();
            self.swarm.ask(Request::Serve(Arc::new(reader))).await;
            return Ok(self.events.already_here(&metainfo, &dest));
        }
        let wanted = self.wanted(&metainfo, magnet)?;
        let download = self.begin(Arc::clone(&metainfo), dest, wanted).await?;
        self.limit(download.key()).await;
        let before = download.have().intersection(&download.wanted());
        self.events.found(&download, &before).await;
        let order = if self.request.sequential {
            Order::Sequential
        } else {
            Order::RarestFirst
        };
        let content = self.download(&download, order).await?;
        let asking = self.ask_also(&names, &content);
        let last = self.fetch().await?;
        drop(asking);
        let done = self.finish(download, &last).await?;
        if let (GetEvent::Done { path, .. }, true) = (&done, content.metainfo.info().is_single()) {
            self.check_also(&names, Path::new(path)).await?;
        }
        Ok(done)
    }

    /// Waits until peers have told what the torrent is.
    async fn learn(&self) -> Result<Arc<Metainfo>, ErrorBody> {
        let mut status = self.swarm.status.clone();
        loop {
            let snapshot = Arc::clone(&status.borrow_and_update());
            if let Some(metainfo) = &snapshot.metainfo {
                return Ok(Arc::clone(metainfo));
            }
            if let Some(reason) = &snapshot.refused {
                return Err(errors::failed(
                    reason.clone(),
                    "this torrent cannot be fetched by anybody; ask for another",
                ));
            }
            self.events.learning(&snapshot)?;
            self.pause(&mut status).await?;
        }
    }

    /// Waits for news, for the next time to tell how things stand, or for the end.
    async fn pause(
        &self,
        status: &mut tokio::sync::watch::Receiver<Arc<Snapshot>>,
    ) -> Result<(), ErrorBody> {
        tokio::select! {
            () = self.stop.cancelled() => Err(errors::interrupted("run the same command again to go on where it stopped")),
            () = self.ctx.shutdown.cancelled() => Err(errors::stopping()),
            changed = tokio::time::timeout(TICK, status.changed()) => match changed {
                Ok(Err(_)) => Err(errors::failed("the torrent was removed", "run the same command again")),
                _ => Ok(()),
            },
        }
    }

    /// Which files are wanted, by their positions.
    fn wanted(
        &self,
        metainfo: &Metainfo,
        magnet: Option<&Magnet>,
    ) -> Result<Option<Vec<u32>>, ErrorBody> {
        let files = metainfo.info().files();
        let real = (0u32..).zip(files);
        let real = real.filter(|(_, file)| file.kind != FileKind::Padding);
        if self.request.files.is_empty() {
            let Some(magnet) = magnet.filter(|magnet| !magnet.select.is_empty()) else {
                return Ok(None);
            };
            let chosen = real.filter(|(index, _)| magnet.wants(*index));
            return Ok(Some(chosen.map(|(index, _)| index).collect()));
        }
        let globs = compile(&self.request.files)?;
        let chosen = real.filter(|(_, file)| globs.is_match(inner(metainfo, file.path.as_str())));
        let chosen: Vec<u32> = chosen.map(|(index, _)| index).collect();
        if chosen.is_empty() {
            let first = files
                .first()
                .map_or("nothing", |file| inner(metainfo, file.path.as_str()));
            return Err(errors::not_found(
                format!(
                    "no file of the torrent matches {}",
                    errors::clip(&self.request.files.join(" "))
                ),
                &format!("patterns match paths inside the torrent, such as '{first}'"),
            ));
        }
        Ok(Some(chosen))
    }

    /// What the store knows of the torrent, open for reading when it is complete.
    async fn held(
        &self,
        metainfo: &Arc<Metainfo>,
    ) -> Result<Option<(TorrentInfo, Option<TorrentReader>)>, ErrorBody> {
        let key = TorrentKey::of(metainfo);
        let found = self.ctx.blocking(move |store| {
            let Some(info) = store.torrent(&key)? else {
                return Ok(None);
            };
            let reader = match info.complete {
                true => store.open_torrent(&key)?,
                false => None,
            };
            Ok(Some((info, reader)))
        });
        let found = found.await.ok_or_else(errors::stopping)?;
        found.map_err(|fault| errors::fault(&fault))
    }

    async fn begin(
        &self,
        metainfo: Arc<Metainfo>,
        dest: PathBuf,
        wanted: Option<Vec<u32>>,
    ) -> Result<Arc<TorrentDownload>, ErrorBody> {
        let spec = TorrentSpec {
            metainfo,
            dest,
            wanted,
            now_unix: unix_now(),
        };
        let begun = self.ctx.blocking(move |store| store.begin_torrent(spec));
        let begun = begun.await.ok_or_else(errors::stopping)?;
        Ok(Arc::new(begun.map_err(|error| begin_error(&error))?))
    }

    /// Tells the swarm to fetch what is neither here nor being fetched for another torrent.
    async fn download(
        &self,
        download: &Arc<TorrentDownload>,
        order: Order,
    ) -> Result<Arc<Content>, ErrorBody> {
        let files = Files::Coming(Arc::clone(download));
        let content = Arc::new(Content::new(download.metainfo(), files));
        let requests = self.swarm.requests.clone();
        let (fetching, new) = (
            Arc::clone(&self.ctx.torrents.fetching),
            Arc::clone(&content),
        );
        // Comparing torrents of very many files takes a while.
        let begun = tokio::task::spawn_blocking(move || fetching.begin(&new, requests)).await;
        let (registered, siblings) = begun.map_err(|_| errors::stopping())?;
        let copies = copies::find(self.ctx, &content, &siblings).await;
        let borrowers = siblings.into_iter().map(|sibling| sibling.borrower);
        let new = NewDownload {
            download: Arc::clone(download),
            content: Arc::clone(&content),
            order,
            copies,
            borrowers: borrowers.collect(),
            registered,
        };
        self.fetches.store(true, Ordering::Relaxed);
        self.swarm.ask(Request::Download(Box::new(new))).await;
        Ok(content)
    }

    /// Puts the owner's limits for the torrent in force, which an earlier run may have left.
    async fn limit(&self, key: TorrentKey) {
        let info = self.ctx.blocking(move |store| store.torrent(&key)).await;
        if let Some(Ok(Some(info))) = info {
            self.swarm.allowances.set(&info.owner);
        }
    }

    /// Waits until all that is wanted is here.
    async fn fetch(&self) -> Result<Arc<Snapshot>, ErrorBody> {
        let mut status = self.swarm.status.clone();
        let mut told_banned = 0;
        loop {
            let snapshot = Arc::clone(&status.borrow_and_update());
            if let Some((message, no_space)) = &snapshot.failure {
                return Err(if *no_space {
                    errors::no_space(message.clone())
                } else {
                    errors::failed(
                        message.clone(),
                        "check the disk, then run the same command again",
                    )
                });
            }
            if snapshot.is_complete {
                return Ok(snapshot);
            }
            if snapshot.is_fetching {
                self.events.banned(&snapshot, &mut told_banned);
                self.events.fetching(&snapshot)?;
            }
            self.pause(&mut status).await?;
        }
    }

    async fn finish(
        &self,
        download: Arc<TorrentDownload>,
        last: &Snapshot,
    ) -> Result<GetEvent, ErrorBody> {
        self.events.phase(Phase::Finishing, last);
        let extent = events::extent(&download);
        let serve = self.request.serve;
        let metainfo = download.metainfo();
        let key = TorrentKey::of(&metainfo);
        let store = self.ctx.store.clone();
        let finished = tokio::task::spawn_blocking(move || {
            let path = download.finish(serve, unix_now());
            let path = path.map_err(|error| errors::finish(&error))?;
            let reader = match serve {
                true => store
                    .open_torrent(&key)
                    .map_err(|fault| errors::fault(&fault))?,
                false => None,
            };
            Ok((path, reader))
        });
        let (path, reader) = finished.await.map_err(|_| errors::stopping())??;
        match reader {
            Some(reader) => {
                self.swarm.keep();
                self.swarm.ask(Request::Serve(Arc::new(reader))).await;
            }
            None => self.swarm.ask(Request::StopDownload).await,
        }
        self.fetches.store(false, Ordering::Relaxed);
        Ok(self.events.done(extent, &path, last, self.started, serve))
    }
}

/// The path of a file without the name of the torrent's folder.
pub(super) fn inner<'a>(metainfo: &Metainfo, path: &'a str) -> &'a str {
    if metainfo.info().is_single() {
        return path;
    }
    let below = path.strip_prefix(metainfo.info().name());
    let below = below.and_then(|below| below.strip_prefix('/'));
    below.unwrap_or(path)
}

fn begin_error(error: &TorrentBeginError) -> ErrorBody {
    let hint = match error {
        TorrentBeginError::DestExists { .. } => {
            "choose another destination with -o, or move that away"
        }
        TorrentBeginError::Busy => "wait for it; 'potluck status' shows how far it is",
        TorrentBeginError::OtherDest { .. } => {
            "use the same -o as before to resume, or drop it with 'potluck rm'"
        }
        TorrentBeginError::Complete { .. } => {
            "take it from there, or forget it with 'potluck rm' and fetch it again"
        }
        TorrentBeginError::BadDest { .. } => "choose another destination with -o",
        TorrentBeginError::BadSelection(_) => "choose files with --files",
        TorrentBeginError::OtherContent => "'potluck rm' forgets the other one",
        TorrentBeginError::NotHave => "'potluck ls' lists what this node holds",
        TorrentBeginError::Fault(inner) => return errors::fault(inner),
    };
    errors::failed(error.to_string(), hint)
}

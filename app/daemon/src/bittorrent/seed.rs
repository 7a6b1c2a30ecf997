//! Torrents whose files are here already: served from where they lie.

use super::swarm::Request;
use super::{goals, listen};
use crate::clock::unix_now;
use crate::context::Context;
use crate::{errors, torrent};
use potluck_api::{ErrorBody, ExitCode, SeedEvent, SeedRequest};
use potluck_bittorrent::{InfoHashes, Metainfo};
use potluck_store::{TorrentInfo, TorrentKey};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Serves what is to be seeded and is not: when the node starts, and when the owner changes goals.
pub(crate) async fn resume(ctx: Arc<Context>) {
    if !ctx.torrents.settings().enabled {
        return;
    }
    let torrents = ctx.blocking(|store| store.torrents()).await;
    let torrents = match torrents {
        Some(Ok(torrents)) => torrents,
        Some(Err(error)) => return tracing::warn!(%error, "the torrents can't be read"),
        None => return,
    };
    for info in torrents {
        resume_one(&ctx, &info).await;
    }
}

/// Serves a torrent again, unless it is served, is not to be seeded, or has reached a goal.
pub(super) async fn resume_one(ctx: &Arc<Context>, info: &TorrentInfo) {
    let rules = ctx.config().bittorrent.rules;
    let is_wanted = info.complete && info.seed && goals::reached(&rules, info).is_none();
    if is_wanted && !ctx.torrents.is_active(&info.hashes) {
        serve(ctx, info).await;
    }
}

/// Serves a torrent that is complete.
pub(super) async fn serve(ctx: &Arc<Context>, info: &TorrentInfo) {
    let key = info.key;
    let opened = ctx.blocking(move |store| store.open_torrent(&key)).await;
    let reader = match opened {
        Some(Ok(Some(reader))) => reader,
        Some(Err(error)) => {
            return tracing::warn!(name = %info.name, %error, "a torrent is not served");
        }
        _ => return,
    };
    if let Err(error) = listen::begin(ctx).await {
        return tracing::warn!(message = %error.message, "torrents are not served");
    }
    let metainfo = reader.metainfo();
    let swarm = ctx.torrents.join(ctx, metainfo.info().hashes());
    swarm.allowances.set(&info.owner);
    swarm.ask(Request::Know(Arc::clone(&metainfo))).await;
    swarm.keep();
    swarm.ask(Request::Serve(Arc::new(reader))).await;
    swarm
        .ask(Request::Trackers(metainfo.trackers.clone()))
        .await;
    if !metainfo.info().is_private() {
        swarm.ask(Request::Public).await;
    }
}

/// Holds files against a torrent and serves them from where they lie; the last event is returned.
pub(crate) async fn seed(
    ctx: &Arc<Context>,
    request: SeedRequest,
    events: &mpsc::Sender<SeedEvent>,
    stop: &CancellationToken,
) -> Result<SeedEvent, ErrorBody> {
    if !ctx.torrents.settings().enabled {
        return Err(super::switched_off());
    }
    let torrent_file = PathBuf::from(&request.torrent);
    let metainfo = {
        let path = torrent_file.clone();
        let read = tokio::task::spawn_blocking(move || torrent::read_file(&path)).await;
        Arc::new(read.map_err(|_| errors::stopping())??)
    };
    let place = check(&torrent_file, &request.place, events, stop).await?;
    let info = add(ctx, Arc::clone(&metainfo), place).await?;
    serve(ctx, &info).await;
    Ok(SeedEvent::Seeding {
        name: info.name.clone(),
        place: info.place.display().to_string(),
        bytes: metainfo.info().layout().file_bytes(),
        magnet: torrent::magnet(&metainfo).to_string(),
        port: ctx.torrents.port().unwrap_or_default(),
    })
}

/// Reads all files; gives the file or folder that is the torrent's.
async fn check(
    torrent_file: &std::path::Path,
    place: &str,
    events: &mpsc::Sender<SeedEvent>,
    stop: &CancellationToken,
) -> Result<PathBuf, ErrorBody> {
    let (torrent_file, place) = (torrent_file.to_path_buf(), PathBuf::from(place));
    let (events, stop) = (events.clone(), stop.clone());
    let verdict = tokio::task::spawn_blocking(move || {
        torrent::check(&torrent_file, &place, &mut |done_bytes, total_bytes| {
            let _ = events.try_send(SeedEvent::Checking {
                done_bytes,
                total_bytes,
            });
            match stop.is_cancelled() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    });
    let verdict = verdict.await.map_err(|_| errors::stopping())??;
    if verdict.complete {
        return Ok(PathBuf::from(verdict.place));
    }
    Err(ErrorBody::new(
        ExitCode::Verification,
        format!(
            "the files are not all there and good: {} of {} pieces are",
            verdict.good_pieces, verdict.pieces
        ),
        "'potluck torrent check' says which are not; 'potluck get' fetches the torrent anew",
    ))
}

/// Remembers a torrent whose files are complete.
pub(super) async fn add(
    ctx: &Arc<Context>,
    metainfo: Arc<Metainfo>,
    place: PathBuf,
) -> Result<TorrentInfo, ErrorBody> {
    let added = ctx.blocking(move |store| store.add_torrent(&metainfo, &place, unix_now()));
    let added = added.await.ok_or_else(errors::stopping)?;
    let info = added
        .map_err(|error| errors::failed(error.to_string(), "'potluck ls' shows what is here"))?;
    start_over(ctx, &info).await?;
    Ok(info)
}

/// Who asks for a torrent to be seeded whose goal was reached wants it to be reached once more.
async fn start_over(ctx: &Arc<Context>, info: &TorrentInfo) -> Result<(), ErrorBody> {
    if goals::reached(&ctx.config().bittorrent.rules, info).is_none() {
        return Ok(());
    }
    let key = info.key;
    let begun = ctx.blocking(move |store| store.restart_torrent_goals(&key));
    let begun = begun.await.ok_or_else(errors::stopping)?;
    begun.map_err(|fault| errors::fault(&fault))?;
    ctx.torrents.ledger.changed(&key).await;
    Ok(())
}

/// Forgets a torrent; files that are complete stay where they are.
pub(super) async fn forget(
    ctx: &Arc<Context>,
    key: TorrentKey,
    hashes: &InfoHashes,
) -> Result<bool, ErrorBody> {
    if let Some(swarm) = super::hello::name(hashes).and_then(|name| ctx.torrents.find(&name)) {
        swarm.end();
    }
    let removed = ctx.blocking(move |store| store.remove_torrent(&key)).await;
    let removed = removed.ok_or_else(errors::stopping)?;
    removed.map_err(|error| errors::failed(error.to_string(), "try again"))
}

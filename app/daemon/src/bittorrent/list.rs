//! The torrents of a node, as `ls` and `status` show them.

use super::swarm::{Snapshot, SwarmHandle};
use super::{goals, lock, seed, watch};
use crate::context::Context;
use crate::{errors, torrent};
use potluck_api::{
    ErrorBody, Origin, Phase, RemoveResponse, RootSummary, TorrentNote, TorrentsStatus,
    TrackerTrouble, TransferStatus,
};
use potluck_bittorrent::InfoHashes;
use potluck_store::{TorrentInfo, TorrentKey};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Torrents that one list of a status names, at most.
const MAX_NOTES: usize = 100;

/// How a torrent is named where native content has its address.
pub(crate) fn address(hashes: &InfoHashes) -> String {
    match (hashes.v1, hashes.v2) {
        (Some(v1), _) => format!("btih:{v1}"),
        (None, Some(v2)) => format!("btmh:1220{v2}"),
        (None, None) => String::new(),
    }
}

async fn all(ctx: &Arc<Context>) -> Result<Vec<TorrentInfo>, ErrorBody> {
    let all = ctx.blocking(|store| store.torrents()).await;
    let all = all.ok_or_else(errors::stopping)?;
    all.map_err(|fault| errors::fault(&fault))
}

/// Torrents that are here, and those that were begun.
pub(crate) async fn list(
    ctx: &Arc<Context>,
) -> Result<(Vec<RootSummary>, Vec<TransferStatus>), ErrorBody> {
    let (mut here, mut begun) = (Vec::new(), Vec::new());
    for info in all(ctx).await? {
        if info.complete {
            here.push(summary(ctx, info).await);
        } else if !info.running {
            begun.push(TransferStatus {
                direction: "partial".to_owned(),
                cid: address(&info.hashes),
                name: info.name,
                done_bytes: info.have_bytes,
                total_bytes: info.wanted_bytes,
                rate: 0,
                peers: Vec::new(),
                phase: None,
                path: Some(info.place.display().to_string()),
            });
        }
    }
    Ok((here, begun))
}

async fn summary(ctx: &Arc<Context>, info: TorrentInfo) -> RootSummary {
    let note = stopped(ctx, &info);
    let key = info.key;
    let metainfo = ctx
        .blocking(move |store| store.torrent_metainfo(&key))
        .await;
    let metainfo = metainfo.and_then(Result::ok).flatten();
    let files = metainfo.as_ref().map_or(0, |metainfo| {
        let report = metainfo.info().files().iter();
        report
            .filter(|file| file.kind != potluck_bittorrent::FileKind::Padding)
            .count() as u64
    });
    RootSummary {
        cid: address(&info.hashes),
        link: metainfo.map_or_else(String::new, |metainfo| {
            torrent::magnet(&metainfo).to_string()
        }),
        name: info.name,
        bytes: info.wanted_bytes,
        available_bytes: info.have_bytes,
        files,
        pinned: false,
        origin: Origin::Fetched {
            path: info.place.display().to_string(),
        },
        created: info.created_unix,
        problems: Vec::new(),
        note,
    }
}

/// How each torrent stands now.
fn snapshots(ctx: &Context) -> BTreeMap<InfoHashes, Arc<Snapshot>> {
    let swarms = lock(&ctx.torrents.swarms);
    let snapshot = |handle: &SwarmHandle| Arc::clone(&handle.status.borrow());
    let all = swarms.values();
    all.map(|handle| (handle.hashes, snapshot(handle)))
        .collect()
}

fn name(snapshot: &Snapshot) -> String {
    let known = snapshot.metainfo.as_ref();
    known.map_or_else(String::new, |known| known.info().name().to_owned())
}

/// What is wrong with trackers, of all torrents, `most` at most.
pub(crate) fn tracker_troubles(ctx: &Context, most: usize) -> Vec<TrackerTrouble> {
    let mut troubles = Vec::new();
    for (hashes, snapshot) in snapshots(ctx) {
        let of_one = snapshot.troubles.iter().map(|trouble| TrackerTrouble {
            cid: address(&hashes),
            name: name(&snapshot),
            tracker: trouble.tracker.clone(),
            what: trouble.what.clone(),
        });
        troubles.extend(of_one);
    }
    troubles.truncate(most);
    troubles
}

/// What moves now.
pub(crate) fn transfers(ctx: &Context) -> Vec<TransferStatus> {
    let mut transfers = Vec::new();
    for (hashes, snapshot) in snapshots(ctx) {
        let base = TransferStatus {
            direction: "down".to_owned(),
            cid: address(&hashes),
            name: name(&snapshot),
            done_bytes: snapshot.have_bytes,
            total_bytes: snapshot.wanted_bytes,
            rate: snapshot.rate,
            peers: Vec::new(),
            phase: None,
            path: None,
        };
        if snapshot.is_fetching || snapshot.metainfo.is_none() {
            let phase = match (&snapshot.metainfo, snapshot.rate) {
                (None, _) => Phase::Finding,
                (Some(_), 0) => Phase::Stalled,
                (Some(_), _) => Phase::Fetching,
            };
            let from = snapshot.peers.iter().filter(|peer| peer.rate > 0);
            transfers.push(TransferStatus {
                peers: from.map(|peer| peer.address.clone()).collect(),
                phase: Some(phase),
                ..base.clone()
            });
        }
        if snapshot.up_rate > 0 || snapshot.sent > 0 {
            let to = snapshot.peers.iter().filter(|peer| peer.sent > 0);
            transfers.push(TransferStatus {
                direction: "up".to_owned(),
                done_bytes: snapshot.sent,
                total_bytes: snapshot.total_bytes,
                rate: snapshot.up_rate,
                peers: to.map(|peer| peer.address.clone()).collect(),
                ..base
            });
        }
    }
    transfers
}

/// The torrent that is meant by an infohash, a magnet link or an unambiguous name, if there is one.
pub(super) async fn meant(
    ctx: &Arc<Context>,
    target: &str,
) -> Result<Option<TorrentInfo>, ErrorBody> {
    let is_meant = |info: &TorrentInfo| {
        let hex = |text: String| target.eq_ignore_ascii_case(&text);
        let v1 = info.hashes.v1.is_some_and(|hash| hex(hash.to_string()));
        let v2 = info.hashes.v2.is_some_and(|hash| hex(hash.to_string()));
        let linked = target.parse::<potluck_bittorrent::Magnet>();
        let linked =
            linked.is_ok_and(|magnet| TorrentKey::of_hashes(&magnet.hashes) == Some(info.key));
        v1 || v2 || linked || address(&info.hashes) == target || info.name == target
    };
    let mut meant = all(ctx).await?.into_iter().filter(is_meant);
    let Some(info) = meant.next() else {
        return Ok(None);
    };
    if meant.next().is_some() {
        return Err(errors::usage(
            format!("'{}' names several torrents", errors::clip(target)),
            "name it by its infohash; 'potluck ls' shows it",
        ));
    }
    Ok(Some(info))
}

/// Forgets the torrent that is meant, if there is one.
pub(crate) async fn remove(
    ctx: &Arc<Context>,
    target: &str,
) -> Result<Option<RemoveResponse>, ErrorBody> {
    let Some(info) = meant(ctx, target).await? else {
        return Ok(None);
    };
    seed::forget(ctx, info.key, &info.hashes).await?;
    Ok(Some(RemoveResponse {
        cid: address(&info.hashes),
        name: info.name,
        freed_bytes: 0,
    }))
}

/// Why a torrent that is complete is not seeded, if a goal is why.
fn stopped(ctx: &Context, info: &TorrentInfo) -> Option<String> {
    let is_idle = info.complete && info.seed && !ctx.torrents.is_active(&info.hashes);
    let rules = ctx.config().bittorrent.rules;
    is_idle.then(|| goals::reached(&rules, info)).flatten()
}

/// What the owner's rules keep from moving.
pub(crate) async fn status(ctx: &Arc<Context>) -> TorrentsStatus {
    let all = all(ctx).await.unwrap_or_default();
    let stopped = all.iter().filter_map(|info| {
        Some(TorrentNote {
            cid: address(&info.hashes),
            name: info.name.clone(),
            reason: stopped(ctx, info)?,
        })
    });
    let list = ctx.config().bittorrent.rules.blocklist;
    TorrentsStatus {
        stopped: stopped.take(MAX_NOTES).collect(),
        waiting: ctx.torrents.queue.waiting(MAX_NOTES),
        watch: watch::watch_status(ctx),
        port_mapping: ctx.torrents.mapping_status(),
        blocklist: ctx.torrents.blocked.status(list.as_deref()),
    }
}

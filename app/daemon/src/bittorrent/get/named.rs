//! What the user named, and where its peers may be.

use super::super::addresses::From;
use super::super::source::{self, Source};
use super::super::swarm::{Request, SwarmHandle};
use crate::{errors, torrent};
use potluck_api::ErrorBody;
use potluck_bittorrent::{InfoHashes, MAX_METAINFO_BYTES, Magnet, Metainfo};
use potluck_bittorrent_net::web;
use std::sync::Arc;

pub(super) type Named = (InfoHashes, Option<Arc<Metainfo>>, Option<Box<Magnet>>);

/// Reads what the user named.
pub(super) async fn named(link: &str) -> Result<Named, ErrorBody> {
    let known = |metainfo: Arc<Metainfo>| (metainfo.info().hashes(), Some(metainfo), None);
    match Source::of(link)? {
        Source::Magnet(magnet) => Ok((magnet.hashes, None, Some(magnet))),
        Source::File(path) => {
            let shown = errors::clip(&path.display().to_string());
            let read = tokio::task::spawn_blocking(move || torrent::load(&path)).await;
            let bytes = read.map_err(|_| errors::stopping())??;
            source::understand(&bytes, &shown).map(known)
        }
        Source::Url(url) => {
            let shown = errors::clip(&url);
            let bytes = web::fetch(&url, MAX_METAINFO_BYTES).await;
            let bytes = bytes.map_err(|error| {
                errors::failed(
                    format!("cannot fetch {shown}: {error}"),
                    "download the .torrent file by other means and name it",
                )
            })?;
            source::understand(&bytes, &shown).map(known)
        }
    }
}

/// Tells the swarm where peers may be.
pub(super) async fn hint(
    swarm: &SwarmHandle,
    metainfo: Option<&Arc<Metainfo>>,
    magnet: Option<&Magnet>,
) {
    if let Some(metainfo) = metainfo {
        swarm.ask(Request::Know(Arc::clone(metainfo))).await;
        swarm
            .ask(Request::Trackers(metainfo.trackers.clone()))
            .await;
        swarm
            .ask(Request::WebSeeds(metainfo.web_seeds.clone()))
            .await;
    }
    if metainfo.is_none_or(|metainfo| !metainfo.info().is_private()) {
        swarm.ask(Request::Public).await;
    }
    let Some(magnet) = magnet else { return };
    let tiers = magnet.trackers.iter().map(|url| vec![url.clone()]);
    swarm.ask(Request::Trackers(tiers.collect())).await;
    swarm.ask(Request::WebSeeds(magnet.web_seeds.clone())).await;
    let mut found = Vec::new();
    for peer in magnet.peers.iter().take(64) {
        if let Ok(resolved) = tokio::net::lookup_host((peer.host(), peer.port())).await {
            found.extend(resolved.take(4));
        }
    }
    swarm.ask(Request::Addresses(found, From::Link)).await;
}

//! Peers in the DHT: searched for again and again, and told that this node is one.

use super::super::super::addresses::From;
use super::super::super::names;
use super::{Facts, Found};
use crate::context::Context;
use futures::future::join_all;
use potluck_bittorrent::{InfoHashV1, InfoHashes};
use potluck_bittorrent_net::dht::DhtHandle;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often the DHT is searched: it forgets after half an hour (BEP 5).
const EVERY: Duration = Duration::from_secs(15 * 60);
/// And while peers are wanting.
const SOON: Duration = Duration::from_secs(20);

/// Searches again and again: soon while peers are wanting, else as often as the DHT forgets.
pub(super) async fn search(
    ctx: Arc<Context>,
    hashes: InfoHashes,
    told: mpsc::Sender<Found>,
    facts: Arc<Facts>,
) {
    let Some(dht) = ctx.torrents.dht(&ctx).await else {
        return;
    };
    loop {
        let announced = ctx.torrents.announced_port();
        let all = names(&hashes).map(|name| once(&dht, name, announced, &told));
        if join_all(all).await.into_iter().any(|heard| heard.is_err()) {
            return;
        }
        let begun = Instant::now();
        while begun.elapsed() < EVERY {
            tokio::time::sleep(SOON).await;
            if facts.is_wanting() || announced != ctx.torrents.announced_port() {
                break;
            }
        }
    }
}

/// Searches for one name, and announces it, at the same time: where one network of IPv4 and IPv6 has no
/// nodes, that shows only after a while, which the other does not wait for.
async fn once(
    dht: &DhtHandle,
    name: InfoHashV1,
    port: Option<u16>,
    told: &mpsc::Sender<Found>,
) -> Result<(), SwarmGone> {
    let searching = async {
        let mut peers = dht.get_peers(name);
        while let Some(addresses) = peers.recv().await {
            let found = Found {
                addresses,
                from: From::Dht,
            };
            told.send(found).await.map_err(|_| SwarmGone)?;
        }
        Ok(())
    };
    let announcing = async {
        if let Err(error) = dht.announce(name, port).await {
            tracing::debug!(%error, "not announced in the DHT");
        }
    };
    let (searched, ()) = tokio::join!(searching, announcing);
    searched
}

/// Nobody wants to know of peers any more.
struct SwarmGone;

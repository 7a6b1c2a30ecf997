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

/// Searches again and again: soon while peers are wanting or no node would tell others of this one, else as
/// often as the DHT forgets. Where no node ever does, ever more seldom.
pub(super) async fn search(
    ctx: Arc<Context>,
    hashes: InfoHashes,
    told: mpsc::Sender<Found>,
    facts: Arc<Facts>,
) {
    let Some(dht) = ctx.torrents.dht(&ctx).await else {
        return;
    };
    let mut in_vain = SOON;
    loop {
        let announced = ctx.torrents.announced_port();
        let all = names(&hashes).map(|name| once(&dht, name, announced, &told));
        let Ok(all) = join_all(all)
            .await
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
        else {
            return;
        };
        let pause = if all.into_iter().all(|is_announced| is_announced) {
            in_vain = SOON;
            EVERY
        } else {
            // Nodes that begin know few others, and datagrams are lost.
            let pause = in_vain;
            in_vain = (in_vain * 2).min(EVERY);
            pause
        };
        let begun = Instant::now();
        while begun.elapsed() < pause {
            tokio::time::sleep(SOON).await;
            if facts.is_wanting() || announced != ctx.torrents.announced_port() {
                break;
            }
        }
    }
}

/// Searches for one name, and announces it, at the same time: where one network of IPv4 and IPv6 has no
/// nodes, that shows only after a while, which the other does not wait for. Whether nodes took the announce.
async fn once(
    dht: &DhtHandle,
    name: InfoHashV1,
    port: Option<u16>,
    told: &mpsc::Sender<Found>,
) -> Result<bool, SwarmGone> {
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
        let announced = dht.announce(name, port).await;
        if let Err(error) = &announced {
            tracing::debug!(%error, "not announced in the DHT");
        }
        announced.is_ok()
    };
    let (searched, is_announced) = tokio::join!(searching, announcing);
    searched.map(|()| is_announced)
}

/// Nobody wants to know of peers any more.
struct SwarmGone;

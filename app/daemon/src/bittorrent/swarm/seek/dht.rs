//! Peers in the DHT: searched for again and again, and told that this node is one.

use super::super::super::addresses::From;
use super::super::super::names;
use super::{Facts, Found};
use crate::context::Context;
use potluck_bittorrent::InfoHashes;
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
    let mut announced;
    loop {
        announced = None;
        for name in names(&hashes) {
            let mut peers = dht.get_peers(name);
            while let Some(peers) = peers.recv().await {
                let found = Found {
                    addresses: peers,
                    from: From::Dht,
                };
                if told.send(found).await.is_err() {
                    return;
                }
            }
            announced = ctx.torrents.announced_port();
            if let Err(error) = dht.announce(name, announced).await {
                tracing::debug!(%error, "not announced in the DHT");
            }
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

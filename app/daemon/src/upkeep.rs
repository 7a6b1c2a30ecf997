//! What a node does by itself: meet peers, remember them, announce what it holds, sample rates.

use crate::clock::unix_now;
use crate::context::Context;
use potluck_identity::PeerId;
use potluck_net::{Multiaddr, NetEvent};
use potluck_store::KnownPeer;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// Peers of an earlier run that are tried at the start.
const RECONNECT: usize = 8;
/// Peers are written to disk this often.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// While no peer is connected, the configured ones are tried this often.
const LONELY_RETRY: Duration = Duration::from_secs(15);

/// Passes on what the network reports, and remembers who was met.
pub(crate) async fn listen(ctx: Arc<Context>, mut events: mpsc::Receiver<NetEvent>) {
    loop {
        let event = tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            event = events.recv() => event,
        };
        let Some(event) = event else { return };
        if let NetEvent::Identified { peer, addrs, .. } = &event {
            ctx.book.saw(
                *peer,
                addrs.iter().take(8).map(ToString::to_string).collect(),
            );
        }
        // Nobody listening is no failure.
        let _ = ctx.net_events.send(event);
    }
}

/// Connects to the configured peers and to some of an earlier run, again while nobody is there.
pub(crate) async fn meet(ctx: Arc<Context>, named: Vec<Multiaddr>) {
    let known = ctx
        .blocking(|store| store.peers().unwrap_or_default())
        .await
        .unwrap_or_default();
    let mut known: Vec<KnownPeer> = known;
    known.sort_by_key(|peer| std::cmp::Reverse(peer.last_seen_unix));
    known.truncate(RECONNECT);
    let mut first = true;
    loop {
        let lonely = ctx.net.peers().await.is_empty();
        if first || lonely {
            for address in &named {
                dial(&ctx, address.clone());
            }
            for peer in &known {
                if let Some((peer, addresses)) = readable(peer) {
                    let net = ctx.net.clone();
                    tokio::spawn(async move {
                        let _ = net.connect(peer, addresses).await;
                    });
                }
            }
        }
        first = false;
        tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            () = tokio::time::sleep(LONELY_RETRY) => {}
        }
    }
}

fn dial(ctx: &Arc<Context>, address: Multiaddr) {
    let net = ctx.net.clone();
    tokio::spawn(async move {
        if let Err(error) = net.dial(address.clone()).await {
            tracing::warn!(%address, %error, "a configured peer did not answer");
        }
    });
}

fn readable(known: &KnownPeer) -> Option<(PeerId, Vec<Multiaddr>)> {
    let peer = PeerId::from_bytes(&known.peer).ok()?;
    let addresses: Vec<Multiaddr> = known.addrs.iter().filter_map(|a| a.parse().ok()).collect();
    (!addresses.is_empty()).then_some((peer, addresses))
}

/// Writes down who was met, now and then, and lifts old bans.
pub(crate) async fn remember(ctx: Arc<Context>) {
    let mut ticks = interval(SAVE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        save(&ctx).await;
        for peer in ctx.book.lift_expired() {
            ctx.net.unban(peer).await;
        }
    }
}

/// Writes down who was met.
pub(crate) async fn save(ctx: &Arc<Context>) {
    let known: Vec<KnownPeer> = (ctx.book.known().into_iter())
        .map(|(peer, known)| KnownPeer {
            peer: peer.to_bytes(),
            addrs: known.addresses,
            last_seen_unix: known.last_seen,
        })
        .collect();
    if known.is_empty() {
        return;
    }
    let saved = ctx.blocking(move |store| store.save_peers(&known)).await;
    if let Some(Err(error)) = saved {
        tracing::warn!(%error, "peers were not written down");
    }
}

/// Announces every root once the node is up. The network repeats it while the node runs.
pub(crate) async fn announce(ctx: Arc<Context>) {
    let roots = ctx
        .blocking(|store| store.roots().unwrap_or_default())
        .await
        .unwrap_or_default();
    for root in roots {
        if ctx.shutdown.is_cancelled() {
            return;
        }
        ctx.provide(&root.address).await;
    }
    tracing::debug!(at = unix_now(), "announced what this node holds");
}

/// Samples byte counters while anything is connected.
pub(crate) async fn sample(ctx: Arc<Context>) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    loop {
        tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let total = ctx.net.traffic();
        // Two idle seconds in a row tell nothing new; asking for every peer would cost something.
        let idle = before == Some(total);
        before = Some(total);
        let peers = if idle {
            Vec::new()
        } else {
            ctx.net.peers().await
        };
        ctx.rates
            .sample(total, peers.iter().map(|info| (info.peer, info.traffic)));
    }
}

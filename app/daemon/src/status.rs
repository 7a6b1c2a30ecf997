//! `status`: who this node is, whom it knows, what moves.

use crate::bittorrent;
use crate::context::Context;
use crate::dial::path_kind;
use crate::reading::cache;
use crate::roots;
use crate::schedule;
use potluck_api::{Limits, PeerStatus, Problem, Rates, Status, TransferStatus};
use potluck_net::PeerInfo;
use potluck_store::Root;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Problems listed in all; the list of roots tells more.
const MAX_PROBLEMS: usize = 100;

/// Everything `potluck status` shows.
pub(crate) async fn report(ctx: &Arc<Context>) -> Status {
    let connected = ctx.net.peers().await;
    let of = Arc::clone(ctx);
    let held = ctx
        .blocking(move |store| {
            let roots = store.roots().unwrap_or_default();
            let owned = store.usage().unwrap_or_default().owned_bytes;
            (
                roots,
                owned + cache::kept_bytes(&of, store).unwrap_or_default(),
            )
        })
        .await
        .unwrap_or_default();
    let (held, stored_bytes) = held;
    let names: BTreeMap<_, _> = held
        .iter()
        .map(|root| (root.address, (root.name.clone(), root.bytes)))
        .collect();
    let mut transfers = ctx.downloads.report();
    transfers.extend(uploads(ctx, &names));
    transfers.extend(bittorrent::transfers(ctx));
    Status {
        peer_id: ctx.net.peer_id().to_string(),
        addresses: ctx.addresses(),
        reachability: ctx.net.reachability().as_str().to_owned(),
        peers: peers(ctx, &connected),
        transfers,
        tracker_troubles: bittorrent::tracker_troubles(ctx, MAX_PROBLEMS),
        limits: limits(ctx),
        rates: ctx.rates.total(ctx.net.traffic()),
        roots: held.len() as u64,
        provided_bytes: held.iter().map(|root| root.bytes).sum(),
        stored_bytes,
        uptime: ctx.clock.uptime().as_secs_f64(),
        memory_bytes: resident_memory(),
        data: ctx.data.display().to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        problems: problems(&held),
        private_network: ctx.private_network.clone(),
        torrents: bittorrent::status(ctx).await,
    }
}

fn problems(held: &[Root]) -> Vec<Problem> {
    held.iter()
        .flat_map(|root| {
            let of_root = root.problems.iter();
            of_root.map(|found| roots::problem(found, &root.origin))
        })
        .take(MAX_PROBLEMS)
        .collect()
}

fn limits(ctx: &Context) -> Limits {
    let config = ctx.config();
    Limits {
        up: ctx.up.rate(),
        down: ctx.down.rate(),
        max_connections: config.limits.max_connections,
        max_memory_bytes: config.limits.max_memory_bytes,
        storage_bytes: config.limits.storage_bytes,
        schedule: schedule::status(&config),
    }
}

fn peers(ctx: &Context, connected: &[PeerInfo]) -> Vec<PeerStatus> {
    let mut bans: BTreeMap<_, _> = ctx.book.bans().into_iter().collect();
    let mut notes = ctx.book.notes();
    let mut peers: Vec<PeerStatus> = connected
        .iter()
        .map(|info| {
            let ban = bans.remove(&info.peer);
            PeerStatus {
                id: info.peer.to_string(),
                address: info.addresses.first().map(ToString::to_string),
                path: Some(path_kind(info.path)),
                connected: true,
                lanes: info.lanes,
                rates: ctx.rates.peer(&info.peer, info.traffic),
                rtt_ms: info.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
                agent: info.agent.clone(),
                banned: ban.is_some(),
                reason: ban.or_else(|| notes.remove(&info.peer)),
            }
        })
        .collect();
    peers.extend(bans.into_iter().map(|(peer, reason)| PeerStatus {
        id: peer.to_string(),
        address: None,
        path: None,
        connected: false,
        lanes: 0,
        rates: Rates::default(),
        rtt_ms: None,
        agent: None,
        banned: true,
        reason: Some(reason),
    }));
    peers
}

fn uploads(
    ctx: &Context,
    names: &BTreeMap<potluck_content::Address, (String, u64)>,
) -> Vec<TransferStatus> {
    let mut by_root: BTreeMap<_, TransferStatus> = BTreeMap::new();
    for member in ctx.swarms.members() {
        let (name, bytes) = names.get(&member.root).cloned().unwrap_or_default();
        let entry = by_root
            .entry(member.root)
            .or_insert_with(|| TransferStatus {
                direction: "up".to_owned(),
                cid: member.root.to_string(),
                name,
                done_bytes: 0,
                total_bytes: bytes,
                rate: 0,
                peers: Vec::new(),
                phase: None,
                path: None,
            });
        entry.done_bytes += member.sent_bytes;
        entry.rate += member.rate;
        entry.peers.push(member.peer.to_string());
    }
    by_root.into_values().collect()
}

/// Resident memory of this process in bytes; 0 where the system does not tell.
pub(crate) fn resident_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or_default();
    let kib = line
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

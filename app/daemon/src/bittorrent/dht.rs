//! The node of the `BitTorrent` DHT, which is started for the first torrent that may be asked for there.

use super::Torrents;
use crate::context::Context;
use potluck_bittorrent_net::dht::{DhtHandle, DhtOptions, DhtRole};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

/// In the data directory: nodes that answered the last time.
const NODES_FILE: &str = "dht-nodes";

impl Torrents {
    /// The node, unless the owner wants none or there can be none.
    pub(super) async fn dht(&self, ctx: &Arc<Context>) -> Option<DhtHandle> {
        let settings = self.settings();
        if !settings.dht {
            return None;
        }
        let mut running = self.dht.lock().await;
        if let Some(dht) = running.as_ref() {
            return Some(dht.clone());
        }
        let nodes = settings.dht_nodes;
        // Who finds into a DHT of this machine alone is reached nowhere else.
        let is_local = !nodes.is_empty() && nodes.iter().all(|node| is_loopback(node));
        let ip = if is_local {
            Ipv4Addr::LOCALHOST
        } else {
            Ipv4Addr::UNSPECIFIED
        };
        let options = |port| DhtOptions {
            listen: Some(SocketAddrV4::new(ip, port)),
            bootstrap: (!nodes.is_empty()).then(|| nodes.clone()),
            role: if settings.in_command {
                DhtRole::ReadOnly
            } else {
                DhtRole::WhenReachable
            },
            nodes_file: (!is_local).then(|| ctx.data.join(NODES_FILE)),
        };
        // The same number as for connections, if it is free there too; uTP has that, so the next one then.
        let port = self.port().unwrap_or_default();
        let port = match self.utp() {
            Some(_) if port > 0 => port.saturating_add(1),
            _ => port,
        };
        let started = match DhtHandle::start(options(port)).await {
            Err(_) if port > 0 => DhtHandle::start(options(0)).await,
            started => started,
        };
        match started {
            Ok(dht) => {
                if let Ok(info) = dht.info().await {
                    self.map_dht(info.local);
                }
                *running = Some(dht.clone());
                Some(dht)
            }
            Err(error) => {
                tracing::warn!(%error, "no part in the BitTorrent DHT");
                None
            }
        }
    }

    /// Ends the node and keeps what it knows.
    pub(super) async fn end_dht(&self) {
        if let Some(dht) = self.dht.lock().await.take() {
            dht.shutdown().await;
        }
    }
}

fn is_loopback(node: &str) -> bool {
    let host = node.rsplit_once(':').map_or(node, |(host, _)| host);
    host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

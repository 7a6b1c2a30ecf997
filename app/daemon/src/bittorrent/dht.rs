//! The node of the `BitTorrent` DHT, which is started for the first torrent that may be asked for there.

use super::Torrents;
use crate::context::Context;
use potluck_bittorrent_net::dht::{DhtHandle, DhtOptions, DhtRole, SixOptions, global_ipv6};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::sync::Arc;

/// In the data directory: nodes that answered the last time.
const NODES_FILE: &str = "dht-nodes";
/// The same, of those of IPv6.
const NODES_FILE_V6: &str = "dht-nodes-ipv6";

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
        // Over IPv6, only who is on the internet by it is worth being there.
        let ip_v6 = match is_local {
            true => nodes
                .iter()
                .any(|node| is_v6(node))
                .then_some(Ipv6Addr::LOCALHOST),
            false => global_ipv6().map(|_| Ipv6Addr::UNSPECIFIED),
        };
        let six = |port| {
            ip_v6.map(|ip| SixOptions {
                listen: SocketAddrV6::new(ip, port, 0, 0),
                bootstrap: (!nodes.is_empty()).then(|| nodes.clone()),
                read_only: settings.in_command,
                nodes_file: (!is_local).then(|| ctx.data.join(NODES_FILE_V6)),
            })
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
            six: six(port),
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

/// The address of a node that is not told by a name.
fn ip(node: &str) -> Option<IpAddr> {
    let host = node.rsplit_once(':').map_or(node, |(host, _)| host);
    host.trim_matches(['[', ']']).parse().ok()
}

fn is_loopback(node: &str) -> bool {
    ip(node).is_some_and(|ip| ip.is_loopback())
}

fn is_v6(node: &str) -> bool {
    ip(node).is_some_and(|ip| ip.is_ipv6())
}

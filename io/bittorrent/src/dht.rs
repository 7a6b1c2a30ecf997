//! The DHT, in which peers find each other without a tracker (BEP 5, 42, 43).
//!
//! A [`DhtHandle`] is one node of it, or two: those of IPv4 and of IPv6 are networks apart (BEP 32). The
//! protocol over IPv4 is that of the crate `mainline`, which knows nothing else and runs a thread of its
//! own: one that looks around twenty times a second, even when nothing happens. Over IPv6 it is
//! [`Six`].
//!
//! `mainline` takes nodes to begin with when it starts, and none later. Those that are told later
//! ([`DhtHandle::add_node`]) are kept until it is needed that they help: when no node answers, it is
//! started again with them.

mod file;
mod filter;
mod keeper;
mod lookup;
mod seeds;
mod six;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use potluck_bittorrent::InfoHashV1;
use tokio::sync::mpsc;

use keeper::Inner;
pub use six::{Six, SixOptions, global_ipv6};

/// Most addresses of nodes that are kept for the next time.
pub const MAX_SAVED_NODES: usize = 64;
/// Most peers of a torrent that one search gives.
pub const MAX_FOUND_PEERS: usize = 2000;

/// Messages of found peers that wait for their reader.
const FOUND_QUEUE: usize = 16;
/// A question to the thread of `mainline` takes no longer.
const ASK_TIME: Duration = Duration::from_secs(10);

/// What a node does for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DhtRole {
    /// Nothing: it only asks, and says so (BEP 43).
    ReadOnly,
    /// It answers once it has been there for 15 minutes and seems to be reachable.
    #[default]
    WhenReachable,
    /// It answers from the start.
    Server,
}

/// What a node of the DHT is started with.
#[derive(Clone, Debug, Default)]
pub struct DhtOptions {
    /// Where it listens; port 0 is any free one. None is port 6881 of all addresses, or a free one if
    /// that is taken.
    pub listen: Option<SocketAddrV4>,
    /// The nodes that are asked first, as `host:port`. None are those of the public DHT. Without any,
    /// others have to be told with [`DhtHandle::add_node`], or to come by themselves.
    pub bootstrap: Option<Vec<String>>,
    /// What it does for others.
    pub role: DhtRole,
    /// Where nodes that answered are kept for the next time: a text of addresses, one a line, at most
    /// [`MAX_SAVED_NODES`].
    pub nodes_file: Option<PathBuf>,
    /// The node for IPv6, if there is to be one.
    pub six: Option<SixOptions>,
}

/// What can go wrong with the DHT.
#[derive(Debug, thiserror::Error)]
pub enum DhtError {
    /// The socket can't be had.
    #[error("cannot listen for the DHT: {0}")]
    Listen(#[from] std::io::Error),
    /// It was shut down, or is being started again.
    #[error("the DHT is not running")]
    Stopped,
    /// No node is known that could be asked.
    #[error("no node of the DHT answers")]
    NoNodes,
    /// Nodes answered, but none took it in time.
    #[error("no node of the DHT took the announce")]
    NotTaken,
    /// It took too long.
    #[error("the DHT did not answer in time")]
    Timeout,
}

/// How a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DhtInfo {
    /// Nodes that it knows and that answered lately.
    pub nodes: usize,
    /// Where it listens.
    pub local: SocketAddrV4,
    /// Where others see it, if they agree.
    pub public: Option<SocketAddrV4>,
    /// Whether it could not reach itself under that address.
    pub is_firewalled: bool,
    /// Whether it answers others.
    pub is_server: bool,
    /// How many nodes there seem to be in all.
    pub estimate: usize,
}

/// A node of the DHT, which is there until it is shut down or the last handle is gone.
#[derive(Clone, Debug)]
pub struct DhtHandle {
    inner: Arc<Inner>,
    six: Option<Six>,
}

impl DhtHandle {
    /// Starts a node. Names of nodes are looked up first, for a few seconds at most.
    ///
    /// # Errors
    /// When the port is taken. That of IPv6 can be another one, and is left out if there can be none.
    pub async fn start(mut options: DhtOptions) -> Result<Self, DhtError> {
        let wanted = options.six.take();
        let inner = keeper::start(options).await?;
        let six = match wanted {
            Some(options) => match Six::start(options).await {
                Ok(six) => Some(six),
                Err(error) => {
                    tracing::warn!(%error, "no part in the DHT over IPv6");
                    None
                }
            },
            None => None,
        };
        Ok(Self { inner, six })
    }

    /// The node for IPv6, if there is one.
    #[must_use]
    pub fn six(&self) -> Option<&Six> {
        self.six.as_ref()
    }

    /// Looks for peers of a torrent. They come as nodes tell them, each once and of each family at most
    /// [`MAX_FOUND_PEERS`]; the end of the channel is the end of the search, after a minute at most.
    /// Addresses are whatever strangers claim, but no address of this machine and none that can't be.
    /// To drop the receiver ends it.
    #[must_use]
    pub fn get_peers(&self, torrent: InfoHashV1) -> mpsc::Receiver<Vec<SocketAddr>> {
        let (found, receiver) = mpsc::channel(FOUND_QUEUE);
        if let Some(six) = self.six.clone() {
            tokio::spawn(six.search(torrent, found.clone()));
        }
        tokio::spawn(lookup::search(self.inner.clone(), torrent, found));
        receiver
    }

    /// Tells the nodes in charge of a torrent that we are a peer of it, which they forget after half an
    /// hour or so. Connections are taken on `port`; None is the port that nodes see our questions
    /// come from (`implied_port`), which is the one of a uTP socket only if it is shared.
    ///
    /// # Errors
    /// When no node takes it within two minutes; where there are two families, no node of one of them, whose
    /// reason is told.
    pub async fn announce(&self, torrent: InfoHashV1, port: Option<u16>) -> Result<(), DhtError> {
        let over_v4 = lookup::announce(&self.inner, torrent, port);
        let Some(six) = &self.six else {
            return over_v4.await;
        };
        let (over_v4, over_v6) = tokio::join!(over_v4, six.announce(torrent, port));
        over_v6.and(over_v4)
    }

    /// Tells of a node: one that a peer named (`PORT`), or a torrent.
    pub fn add_node(&self, node: SocketAddr) {
        match (node, &self.six) {
            (SocketAddr::V4(node), _) => self.inner.add_node(node),
            (SocketAddr::V6(node), Some(six)) => six.add_node(node),
            (SocketAddr::V6(_), None) => {}
        }
    }

    /// Waits until the node knows others, or all it could ask were asked. Whether it knows any.
    pub async fn ready(&self) -> bool {
        let Some(dht) = self.inner.dht() else {
            return false;
        };
        let ready = self.inner.ask(async move { dht.bootstrapped().await });
        ready.await.unwrap_or(false)
    }

    /// Nodes that answered lately, or if there are none those of the last time: at most
    /// [`MAX_SAVED_NODES`].
    pub async fn nodes_to_save(&self) -> Vec<SocketAddrV4> {
        self.inner.nodes_to_save().await
    }

    /// How the node is doing.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn info(&self) -> Result<DhtInfo, DhtError> {
        let dht = self.inner.dht().ok_or(DhtError::Stopped)?;
        let asked = self.inner.ask(async move {
            let nodes = dht.to_bootstrap().await.len();
            (nodes, dht.info().await)
        });
        let (nodes, info) = asked.await?;
        Ok(DhtInfo {
            nodes,
            local: info.local_addr(),
            public: info.public_address(),
            is_firewalled: info.firewalled(),
            is_server: info.server_mode(),
            estimate: info.dht_size_estimate().0,
        })
    }

    /// Ends the node for all handles, and keeps the nodes it knows for the next time.
    pub async fn shutdown(&self) {
        let six = async {
            if let Some(six) = &self.six {
                six.shutdown().await;
            }
        };
        tokio::join!(self.inner.shutdown(), six);
    }
}

/// Whether something can be at an address. This machine is nobody's peer but its own, so its
/// addresses count only for those who listen nowhere else.
fn is_usable(address: SocketAddrV4, is_local: bool) -> bool {
    let ip = address.ip();
    let is_nowhere = ip.is_unspecified() || ip.is_multicast() || *ip == Ipv4Addr::BROADCAST;
    address.port() > 0 && !is_nowhere && (is_local || !(ip.is_loopback() || ip.octets()[0] == 0))
}

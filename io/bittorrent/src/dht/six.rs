//! The node for IPv6 (BEP 32): the machine of [`potluck_bittorrent::dht`] on a socket.

mod keeper;

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket as StdSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use if_addrs::get_if_addrs;
use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::dht::{Node, NodeId, NodeOptions};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{DhtError, FOUND_QUEUE};
use keeper::Keeper;

/// Orders that may wait.
const ORDERS: usize = 32;
/// Searches at the same time; those with which the node itself finds in are more. Others wait.
const MAX_LOOKUPS: usize = 12;
/// To wait for others that search, and for all of a search.
const ANNOUNCE_TIME: Duration = Duration::from_secs(120);
/// A search ends then, also if its turn never came.
const SEARCH_TIME: Duration = Duration::from_secs(60);
/// What a node of the DHT over IPv6 is started with.
#[derive(Clone, Debug)]
pub struct SixOptions {
    /// Where it listens; port 0 is any free one. When a port is taken, another is.
    pub listen: SocketAddrV6,
    /// The nodes that are asked first, as `host:port`. None are those of the public DHT.
    pub bootstrap: Option<Vec<String>>,
    /// It only asks, and says so (BEP 43).
    pub read_only: bool,
    /// Where nodes that answered are kept for the next time.
    pub nodes_file: Option<PathBuf>,
}

enum Order {
    Search {
        torrent: InfoHashV1,
        /// At which port to announce too.
        announce: Option<Option<u16>>,
        found: mpsc::Sender<Vec<SocketAddr>>,
        done: oneshot::Sender<Ended>,
    },
    Add(SocketAddrV6),
    Nodes(oneshot::Sender<Vec<SocketAddrV6>>),
}

/// What came of a search.
#[derive(Clone, Copy, Debug)]
struct Ended {
    answered: usize,
    told: usize,
}

/// A node of the DHT over IPv6, which is there until it is shut down or the last handle is gone.
#[derive(Clone, Debug)]
pub struct Six {
    orders: mpsc::Sender<Order>,
    lookups: Arc<Semaphore>,
    local: SocketAddrV6,
    cancel: CancellationToken,
    _guard: Arc<DropGuard>,
}

/// This machine's own address on the internet over IPv6, if it has one.
#[must_use]
pub fn global_ipv6() -> Option<Ipv6Addr> {
    let interfaces = get_if_addrs().unwrap_or_default().into_iter();
    let mut all = interfaces.filter_map(|interface| match interface.ip() {
        // What is given to networks of the internet so far (RFC 4291), without examples (RFC 3849).
        IpAddr::V6(ip) if ip.octets()[0] >> 5 == 1 && ip.segments()[..2] != [0x2001, 0xdb8] => {
            Some(ip)
        }
        _ => None,
    });
    all.next()
}

impl Six {
    /// Starts a node. Nodes are looked up by name meanwhile.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(options: SixOptions) -> Result<Self, DhtError> {
        let socket = match bind(options.listen) {
            Err(_) if options.listen.port() > 0 => {
                bind(SocketAddrV6::new(*options.listen.ip(), 0, 0, 0))
            }
            bound => bound,
        }?;
        let socket = UdpSocket::from_std(socket)?;
        let SocketAddr::V6(local) = socket.local_addr()? else {
            return Err(DhtError::Stopped);
        };
        let ip = global_ipv6().unwrap_or(*local.ip());
        let node = Node::new(NodeOptions {
            id: NodeId::for_address(ip.into(), rand::random()),
            read_only: options.read_only,
            secret: rand::random(),
        });
        let (orders, received) = mpsc::channel(ORDERS);
        let cancel = CancellationToken::new();
        let keeper = Keeper::new(options, socket, node);
        tokio::spawn(keeper.run(received, cancel.clone()));
        Ok(Self {
            orders,
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            local,
            _guard: Arc::new(cancel.clone().drop_guard()),
            cancel,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local(&self) -> SocketAddrV6 {
        self.local
    }

    /// Nodes that answered lately, [`super::MAX_SAVED_NODES`] at most.
    pub async fn nodes(&self) -> Vec<SocketAddrV6> {
        let (told, nodes) = oneshot::channel();
        let _ = self.orders.send(Order::Nodes(told)).await;
        nodes.await.unwrap_or_default()
    }

    /// As [`super::DhtHandle::add_node`].
    pub(super) fn add_node(&self, node: SocketAddrV6) {
        // One that is not taken now comes again.
        let _ = self.orders.try_send(Order::Add(node));
    }

    /// Looks for peers until all are found, or nobody wants to know.
    pub(super) async fn search(self, torrent: InfoHashV1, found: mpsc::Sender<Vec<SocketAddr>>) {
        let closed = found.clone();
        tokio::select! {
            _ = timeout(SEARCH_TIME, self.look(torrent, None, found)) => {}
            () = closed.closed() => {}
        }
    }

    /// As [`super::DhtHandle::announce`].
    pub(super) async fn announce(
        &self,
        torrent: InfoHashV1,
        port: Option<u16>,
    ) -> Result<(), DhtError> {
        // What is found meanwhile was found before.
        let (found, mut ignored) = mpsc::channel(FOUND_QUEUE);
        let ignoring = async {
            while ignored.recv().await.is_some() {}
            std::future::pending::<()>().await;
        };
        let announcing = timeout(ANNOUNCE_TIME, self.look(torrent, Some(port), found));
        let ended = tokio::select! {
            ended = announcing => ended.map_err(|_| DhtError::Timeout)??,
            () = ignoring => return Err(DhtError::Stopped),
        };
        match ended {
            Ended { told: 1.., .. } => Ok(()),
            Ended { answered: 0, .. } => Err(DhtError::NoNodes),
            Ended { .. } => Err(DhtError::NotTaken),
        }
    }

    async fn look(
        &self,
        torrent: InfoHashV1,
        announce: Option<Option<u16>>,
        found: mpsc::Sender<Vec<SocketAddr>>,
    ) -> Result<Ended, DhtError> {
        let _turn = self
            .lookups
            .acquire()
            .await
            .map_err(|_| DhtError::Stopped)?;
        let (done, ended) = oneshot::channel();
        let order = Order::Search {
            torrent,
            announce,
            found,
            done,
        };
        let sent = self.orders.send(order).await;
        sent.map_err(|_| DhtError::Stopped)?;
        ended.await.map_err(|_| DhtError::Stopped)
    }

    /// Ends it, and keeps the nodes it knows for the next time.
    pub(super) async fn shutdown(&self) {
        self.cancel.cancel();
        self.orders.closed().await;
    }
}

fn bind(address: SocketAddrV6) -> Result<StdSocket, DhtError> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
    // The same port of IPv4 is another node's.
    socket.set_only_v6(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

//! The task that has the socket and the machine.

use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use potluck_bittorrent::dht::{Event, MAX_DATAGRAM_BYTES, Node, SearchId};
use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::super::{MAX_SAVED_NODES, file};
use super::{Ended, Order, SixOptions};

/// Nodes that are looked up by name.
const MAX_NAMES: usize = 32;
/// To look up all names.
const NAMES_TIME: Duration = Duration::from_secs(5);
/// Nodes that were told and not needed so far, at most.
const MAX_TOLD: usize = 64;
/// How often nodes are written to the file.
const SAVE_TIME: Duration = Duration::from_secs(10 * 60);
/// The nodes by whom everybody finds in. Not all have an address of IPv6 always.
const BEGIN: [&str; 3] = [
    "dht.libtorrent.org:25401",
    "dht.transmissionbt.com:6881",
    "router.bittorrent.com:6881",
];

struct Running {
    found: mpsc::Sender<Vec<SocketAddr>>,
    done: oneshot::Sender<Ended>,
}

/// See the module.
pub(super) struct Keeper {
    options: SixOptions,
    is_local: bool,
    socket: UdpSocket,
    node: Node,
    started: Instant,
    running: BTreeMap<SearchId, Running>,
    /// Nodes that torrents and peers told of.
    told: Vec<SocketAddrV6>,
    /// Nodes to begin with are being looked up.
    finding: JoinSet<Vec<SocketAddrV6>>,
    saved: Instant,
}

impl Keeper {
    pub(super) fn new(options: SixOptions, socket: UdpSocket, node: Node) -> Self {
        Self {
            is_local: options.listen.ip().is_loopback(),
            options,
            socket,
            node,
            started: Instant::now(),
            running: BTreeMap::new(),
            told: Vec::new(),
            finding: JoinSet::new(),
            saved: Instant::now(),
        }
    }

    fn now(&self) -> Duration {
        // The machine takes the zero of its clock for the far past.
        self.started.elapsed() + Duration::from_secs(1)
    }

    /// Runs it until it is cancelled, or nobody can order anything.
    pub(super) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        cancel: CancellationToken,
    ) {
        let mut buffer = [0; MAX_DATAGRAM_BYTES];
        self.node.handle_timeout(self.now());
        loop {
            self.flush();
            self.tell();
            let due = self.node.poll_timeout();
            let due = self.started + due.saturating_sub(Duration::from_secs(1));
            tokio::select! {
                () = cancel.cancelled() => break,
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => break,
                },
                received = self.socket.recv_from(&mut buffer) => {
                    // An error is about a datagram that was sent, to nobody.
                    if let Ok((length, SocketAddr::V6(from))) = received {
                        let datagram = buffer.get(..length).unwrap_or_default();
                        self.node.handle_datagram(self.now(), from, datagram);
                    }
                }
                Some(nodes) = self.finding.join_next() => {
                    let nodes: Vec<_> = nodes.unwrap_or_default();
                    let usable = nodes.into_iter().filter(|node| is_usable(node, self.is_local));
                    let usable: Vec<_> = usable.chain(self.told.drain(..)).collect();
                    if !usable.is_empty() {
                        self.node.begin(self.now(), &usable);
                    }
                }
                () = sleep_until(due) => {
                    self.forget();
                    self.node.handle_timeout(self.now());
                    self.save_in_time();
                }
            }
        }
        self.save().await;
        drop(orders);
    }

    /// Sends what there is to send. What the system does not take is lost, as on the way.
    fn flush(&mut self) {
        while let Some((to, datagram)) = self.node.poll_transmit() {
            let _ = self.socket.try_send_to(&datagram, to.into());
        }
    }

    /// Passes on what was found.
    fn tell(&mut self) {
        while let Some(event) = self.node.poll_event() {
            match event {
                Event::Found { search, peers } => {
                    let usable = peers.iter().filter(|peer| is_usable(peer, self.is_local));
                    let usable: Vec<SocketAddr> = usable.map(|peer| (*peer).into()).collect();
                    if let Some(running) = self.running.get(&search)
                        && !usable.is_empty()
                        && running.found.try_send(usable).is_err()
                    {
                        tracing::debug!("peers of the DHT are left out");
                    }
                }
                Event::Done {
                    search,
                    answered,
                    told,
                } => {
                    if let Some(running) = self.running.remove(&search) {
                        let _ = running.done.send(Ended { answered, told });
                    }
                }
                Event::Lonely => self.find(),
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Search {
                torrent,
                announce,
                found,
                done,
            } => {
                let now = self.now();
                let search = match announce {
                    Some(port) => self.node.announce(now, torrent, port),
                    None => self.node.search(now, torrent),
                };
                // Without a place for it, nobody hears of it any more.
                if let Some(search) = search {
                    self.running.insert(search, Running { found, done });
                }
            }
            Order::Add(node) => {
                let is_known = self.told.contains(&node) || self.told.len() >= MAX_TOLD;
                if !is_known && is_usable(&node, self.is_local) {
                    self.told.push(node);
                    if self.node.nodes().is_empty() {
                        let told = std::mem::take(&mut self.told);
                        self.node.begin(self.now(), &told);
                    }
                }
            }
            Order::Nodes(told) => {
                let _ = told.send(self.known());
            }
        }
    }

    fn known(&self) -> Vec<SocketAddrV6> {
        let nodes = self.node.nodes().into_iter();
        nodes
            .map(|node| node.address)
            .take(MAX_SAVED_NODES)
            .collect()
    }

    /// Ends searches of which nobody wants to know.
    fn forget(&mut self) {
        let node = &mut self.node;
        self.running.retain(|search, running| {
            let is_wanted = !running.done.is_closed();
            if !is_wanted {
                node.cancel(*search);
            }
            is_wanted
        });
    }

    /// Looks for nodes to begin with, unless that is being done.
    fn find(&mut self) {
        if !self.finding.is_empty() {
            return;
        }
        let names = match &self.options.bootstrap {
            Some(names) => names.clone(),
            None => BEGIN.map(str::to_owned).to_vec(),
        };
        let path = self.options.nodes_file.clone();
        self.finding.spawn(async move {
            let names = names.into_iter().take(MAX_NAMES);
            let lookups = names.map(|name| async move {
                let found = timeout(NAMES_TIME, lookup_host(name)).await;
                let found = found.ok().and_then(Result::ok)?;
                found.into_iter().find_map(|address| match address {
                    SocketAddr::V6(address) => Some(address),
                    SocketAddr::V4(_) => None,
                })
            });
            let mut nodes: Vec<_> = join_all(lookups).await.into_iter().flatten().collect();
            if let Some(path) = path {
                let loaded = spawn_blocking(move || file::load::<SocketAddrV6>(&path)).await;
                nodes.extend(loaded.ok().and_then(Result::ok).unwrap_or_default());
            }
            nodes
        });
    }

    fn save_in_time(&mut self) {
        if self.saved.elapsed() >= SAVE_TIME && self.options.nodes_file.is_some() {
            self.saved = Instant::now();
            let (path, nodes) = (self.options.nodes_file.clone(), self.known());
            tokio::spawn(write(path, nodes));
        }
    }

    async fn save(&self) {
        write(self.options.nodes_file.clone(), self.known()).await;
    }
}

/// Keeps nodes for the next time; none are no reason to forget the old ones.
async fn write(path: Option<PathBuf>, nodes: Vec<SocketAddrV6>) {
    let Some(path) = path.filter(|_| !nodes.is_empty()) else {
        return;
    };
    let saved = spawn_blocking(move || file::save(&path, &nodes)).await;
    if let Ok(Err(error)) = saved {
        tracing::warn!(%error, "cannot keep the nodes of the DHT over IPv6");
    }
}

/// As for IPv4: nobody strange is on this machine, or known by a name of the link alone.
fn is_usable(address: &SocketAddrV6, is_local: bool) -> bool {
    let ip = address.ip();
    let is_nowhere = ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local();
    let is_v4 = ip.to_ipv4_mapped().is_some();
    address.port() > 0 && !is_nowhere && !is_v4 && (is_local || !ip.is_loopback())
}

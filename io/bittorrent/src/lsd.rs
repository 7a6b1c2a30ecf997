//! Local service discovery (BEP 14): peers on the same network, found by multicast.
//!
//! Searches go out on all interfaces, over IPv4 and IPv6, and no further than the local network. They
//! tell everyone there which torrents this node has, so private ones (BEP 27) must not be added.

mod socket;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::lsd::{LSD_PORT, MAX_RECEIVED_BYTES, Schedule, Search};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use socket::Group;

/// Peers that wait for their reader. More are forgotten; they announce themselves again.
const EVENTS: usize = 64;
/// Searches of others that are read in a second.
const MAX_SEARCHES: u32 = 50;
/// A peer is told again after so long.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// Most peers that are kept in mind for that.
const MAX_TOLD: usize = 1024;
/// Interfaces come and go. They are looked at so often.
const INTERFACES_TIME: Duration = Duration::from_secs(60);

/// What local service discovery is started with.
#[derive(Clone, Debug)]
pub struct LsdOptions {
    /// Where this node takes connections of peers.
    pub port: u16,
    /// The port of the groups. All that are to find each other have the same one.
    pub group_port: u16,
    /// The addresses of the interfaces that are used. None are all there are at the time.
    pub interfaces: Option<Vec<IpAddr>>,
}

impl LsdOptions {
    /// The groups of everyone, on all interfaces.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self {
            port,
            group_port: LSD_PORT,
            interfaces: None,
        }
    }
}

/// Why there is no local service discovery.
#[derive(Debug, thiserror::Error)]
pub enum LsdError {
    /// Neither IPv4 nor IPv6 has a socket for it.
    #[error("cannot listen for peers on the local network: {0}")]
    Socket(io::Error),
}

/// A peer of a torrent, and where it takes connections.
pub type LocalPeer = (InfoHashV1, SocketAddr);

/// Finds peers on the local network, and is found by them, until it is dropped.
#[derive(Debug)]
pub struct Lsd {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    schedule: Mutex<Schedule>,
    changed: Notify,
    start: Instant,
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // Nothing that is done under it can fail half-way.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

impl Lsd {
    /// Starts it, within a runtime. Peers of the torrents that were added come out of the channel; one
    /// that nobody reads loses some.
    ///
    /// # Errors
    /// When the port can be had neither on IPv4 nor on IPv6.
    pub fn start(options: LsdOptions) -> Result<(Self, mpsc::Receiver<LocalPeer>), LsdError> {
        let v4 = Group::v4(options.group_port);
        let v6 = Group::v6(options.group_port);
        let groups = match (v4, v6) {
            (Err(error), Err(_)) => return Err(LsdError::Socket(error)),
            (v4, v6) => [v4.ok(), v6.ok()],
        };
        let shared = Arc::new(Shared {
            schedule: Mutex::default(),
            changed: Notify::new(),
            start: Instant::now(),
        });
        let (events, receiver) = mpsc::channel(EVENTS);
        let mut worker = Worker {
            // Only this node has to know it again.
            cookie: format!("{:016x}", rand::random::<u64>()),
            options,
            shared: shared.clone(),
            events,
            told: BTreeMap::new(),
            joined: None,
            second: (Instant::now(), 0),
        };
        worker.join(&groups);
        let task = tokio::spawn(worker.run(groups));
        Ok((Self { shared, task }, receiver))
    }

    /// Announces a torrent now and every five minutes, and tells its peers. Never add a private one.
    /// False if there are too many already.
    pub fn add(&self, torrent: InfoHashV1) -> bool {
        let now = self.shared.now();
        let is_added = self.shared.schedule().add(torrent, now);
        self.shared.changed.notify_one();
        is_added
    }

    /// Neither announces a torrent nor tells its peers from now on.
    pub fn remove(&self, torrent: InfoHashV1) {
        self.shared.schedule().remove(&torrent);
    }
}

impl Drop for Lsd {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task that has the sockets.
struct Worker {
    options: LsdOptions,
    cookie: String,
    shared: Arc<Shared>,
    events: mpsc::Sender<LocalPeer>,
    /// When peers were told last.
    told: BTreeMap<LocalPeer, Instant>,
    /// When interfaces were looked at last.
    joined: Option<Instant>,
    /// A second, and the searches that were read in it.
    second: (Instant, u32),
}

impl Worker {
    async fn run(mut self, groups: [Option<Group>; 2]) {
        let mut buffers = [[0; MAX_RECEIVED_BYTES + 1]; 2];
        let [buffer_v4, buffer_v6] = &mut buffers;
        loop {
            let next = self.shared.schedule().next();
            let due = next.map(|next| self.shared.start + next);
            let pause = self.pause();
            let is_free = pause <= Instant::now();
            tokio::select! {
                () = self.events.closed() => return,
                () = sleep_until(due.unwrap_or(pause)), if due.is_some() => {
                    self.search(&groups).await;
                }
                () = sleep_until(pause), if !is_free => {}
                () = self.shared.changed.notified() => {}
                found = receive(groups[0].as_ref(), buffer_v4), if is_free => {
                    self.read(&found, buffer_v4);
                }
                found = receive(groups[1].as_ref(), buffer_v6), if is_free => {
                    self.read(&found, buffer_v6);
                }
            }
        }
    }

    /// Until when nothing is read: a flood must not keep the machine busy.
    fn pause(&mut self) -> Instant {
        let (start, searches) = self.second;
        let end = start + Duration::from_secs(1);
        if Instant::now() >= end {
            self.second = (Instant::now(), 0);
            return start;
        }
        if searches < MAX_SEARCHES { start } else { end }
    }

    /// Joins the groups on all interfaces, once in a while.
    fn join(&mut self, groups: &[Option<Group>]) {
        let is_recent = |joined: Instant| joined.elapsed() < INTERFACES_TIME;
        if self.joined.is_some_and(is_recent) {
            return;
        }
        self.joined = Some(Instant::now());
        for group in groups.iter().flatten() {
            group.join(self.options.interfaces.as_deref());
        }
    }

    /// Announces what is due.
    async fn search(&mut self, groups: &[Option<Group>]) {
        self.join(groups);
        let now = self.shared.now();
        let torrents = self.shared.schedule().take(now);
        if torrents.is_empty() {
            return;
        }
        let search = Search {
            port: self.options.port,
            torrents,
            cookie: Some(self.cookie.clone()),
        };
        for group in groups.iter().flatten() {
            let datagram = search.encode(group.address());
            group
                .send(&datagram, self.options.interfaces.as_deref())
                .await;
        }
    }

    /// Reads a search of someone, and tells of what is wanted.
    fn read(&mut self, found: &io::Result<(usize, SocketAddr)>, buffer: &[u8]) {
        self.second.1 += 1;
        let Ok((length, from)) = *found else {
            return;
        };
        let datagram = buffer.get(..length).unwrap_or_default();
        let Ok(search) = Search::parse(datagram) else {
            return;
        };
        if search.cookie.as_ref() == Some(&self.cookie) {
            return;
        }
        // Of an address of IPv6 its interface stays.
        let mut peer = from;
        peer.set_port(search.port);
        for torrent in search.torrents {
            let is_wanted = self.shared.schedule().contains(&torrent);
            if is_wanted && self.is_new((torrent, peer)) {
                // Full is as good as lost: it comes again.
                let _ = self.events.try_send((torrent, peer));
            }
        }
    }

    /// Whether a peer was not told lately.
    fn is_new(&mut self, peer: LocalPeer) -> bool {
        if self.told.len() >= MAX_TOLD {
            self.told.retain(|_, told| told.elapsed() < TELL_AGAIN);
        }
        let is_old = |told: &Instant| told.elapsed() < TELL_AGAIN;
        if self.told.get(&peer).is_some_and(is_old) || self.told.len() >= MAX_TOLD {
            return false;
        }
        self.told.insert(peer, Instant::now());
        true
    }
}

/// The next datagram of a group; nothing ever comes of one that is not there.
async fn receive(group: Option<&Group>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match group {
        Some(group) => group.receive(buffer).await,
        None => std::future::pending().await,
    }
}

//! Starts `mainline`, starts it again when that may help, and keeps the nodes it knows.

use std::future::Future;
use std::io;
use std::net::{SocketAddrV4, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures::future::join_all;
use mainline::async_dht::AsyncDht;
use mainline::{DEFAULT_BOOTSTRAP_NODES, Dht, ServerSettings};
use tokio::net::lookup_host;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::filter::Budget;
use super::seeds::{Seeds, spread};
use super::{ASK_TIME, DhtError, DhtOptions, DhtRole, MAX_SAVED_NODES, file, is_usable};

/// Searches at the same time. Others wait for their turn.
const MAX_LOOKUPS: usize = 16;
/// Nodes that are looked up by name.
const MAX_NAMES: usize = 32;
/// To look up all names.
const NAMES_TIME: Duration = Duration::from_secs(5);
/// How often the node is looked after.
const CHECK_TIME: Duration = Duration::from_secs(60);
/// Several nodes are told at once; they are waited for.
const TELL_TIME: Duration = Duration::from_millis(100);
/// A node with somebody to ask has so long to begin before it is started again.
const BEGIN_TIME: Duration = Duration::from_secs(10);
/// How often nodes are written to the file.
const SAVE_TIME: Duration = Duration::from_secs(10 * 60);
/// The old thread leaves the port soon after nobody holds it.
const PORT_TIME: Duration = Duration::from_secs(2);

/// Most torrents whose peers are kept for others, and most peers of each.
const MAX_TORRENTS: usize = 1000;
const MAX_PEERS: usize = 100;
/// Most values of BEP 44 that are kept for others, of each kind.
const MAX_VALUES: usize = 100;

/// What handles share.
#[derive(Debug)]
pub(super) struct Inner {
    options: DhtOptions,
    /// Whether it listens on this machine only.
    pub(super) is_local: bool,
    state: Mutex<State>,
    /// Whose turn it is to search.
    pub(super) lookups: Semaphore,
    /// Counts the starts.
    pub(super) restarts: watch::Sender<u64>,
    /// Tells the keeper to look now; that it is gone ends the keeper.
    wake: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    dht: Option<AsyncDht>,
    /// Where it listens, also after it was started again.
    listen: Option<SocketAddrV4>,
    is_shut: bool,
    /// Whether any node answered when it was looked at last.
    has_nodes: bool,
    started: Option<Instant>,
    saved: Option<Instant>,
    seeds: Seeds,
}

/// Starts a node and its keeper.
pub(super) async fn start(options: DhtOptions) -> Result<Arc<Inner>, DhtError> {
    let (wake, woken) = watch::channel(());
    let listen = options.listen;
    let inner = Arc::new(Inner {
        is_local: listen.is_some_and(|listen| listen.ip().is_loopback()),
        options,
        state: Mutex::new(State {
            listen,
            saved: Some(Instant::now()),
            ..State::default()
        }),
        lookups: Semaphore::new(MAX_LOOKUPS),
        restarts: watch::Sender::new(0),
        wake,
    });
    let known = inner.load().await;
    inner.state().seeds.known = known;
    inner.look_up().await;
    inner.build().await?;
    tokio::spawn(keep(Arc::downgrade(&inner), woken));
    Ok(inner)
}

/// Looks after a node until it is gone.
async fn keep(inner: Weak<Inner>, mut woken: watch::Receiver<()>) {
    let mut wait = CHECK_TIME;
    loop {
        match timeout(wait, woken.changed()).await {
            Ok(Err(_)) => return,
            Ok(Ok(())) => sleep(TELL_TIME).await,
            Err(_) => {}
        }
        woken.borrow_and_update();
        let Some(inner) = inner.upgrade() else {
            return;
        };
        wait = inner.check().await;
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under it can fail half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What runs now, if anything.
    pub(super) fn dht(&self) -> Option<AsyncDht> {
        self.state().dht.clone()
    }

    /// Whether nobody could be asked so far, and that is about to change.
    pub(super) fn is_waiting(&self) -> bool {
        let state = self.state();
        !state.is_shut && state.seeds.is_waiting()
    }

    pub(super) fn add_node(&self, node: SocketAddrV4) {
        if !is_usable(node, self.is_local) {
            return;
        }
        let has_nodes = {
            let mut state = self.state();
            state.seeds.tell(node);
            state.has_nodes
        };
        if !has_nodes {
            self.wake.send_replace(());
        }
    }

    /// Asks `mainline` something that takes no time.
    pub(super) async fn ask<F>(&self, question: F) -> Result<F::Output, DhtError>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.ask_for(ASK_TIME, question).await
    }

    /// Asks `mainline` something. It goes away with what it is asked of, so that the port is free for
    /// the next start.
    pub(super) async fn ask_for<F>(
        &self,
        time: Duration,
        question: F,
    ) -> Result<F::Output, DhtError>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let mut restarts = self.restarts.subscribe();
        let work = async move {
            tokio::select! {
                answer = question => Ok(answer),
                _ = restarts.changed() => Err(DhtError::Stopped),
                () = sleep(time) => Err(DhtError::Timeout),
            }
        };
        // Handles of `mainline` panic when its thread is gone: let that be the end of a task only.
        let task = tokio::spawn(work).await;
        task.unwrap_or(Err(DhtError::Stopped))
    }

    /// The nodes that answered lately. Empty if it does not run.
    async fn table(&self) -> Vec<SocketAddrV4> {
        let Some(dht) = self.dht() else {
            return Vec::new();
        };
        let texts = self.ask(async move { dht.to_bootstrap().await }).await;
        let nodes = texts.unwrap_or_default();
        let nodes = nodes.iter().filter_map(|text| text.parse().ok());
        let nodes: Vec<SocketAddrV4> = nodes.collect();
        spread(&nodes, MAX_SAVED_NODES)
    }

    pub(super) async fn nodes_to_save(&self) -> Vec<SocketAddrV4> {
        let nodes = self.table().await;
        let mut state = self.state();
        if !nodes.is_empty() {
            state.seeds.known = nodes;
        }
        state.seeds.known.clone()
    }

    /// Looks after the node. How long until the next time.
    async fn check(&self) -> Duration {
        let nodes = self.table().await;
        {
            let mut state = self.state();
            state.has_nodes = !nodes.is_empty();
            if state.is_shut {
                return CHECK_TIME;
            }
        }
        if nodes.is_empty() {
            return self.begin_again().await;
        }
        let is_time = {
            let mut state = self.state();
            state.seeds.known = nodes;
            let is_time = state.saved.is_none_or(|saved| saved.elapsed() >= SAVE_TIME);
            if is_time {
                state.saved = Some(Instant::now());
            }
            is_time
        };
        if is_time {
            self.save().await;
        }
        if self.options.role == DhtRole::ReadOnly && self.is_server().await {
            // It decides by itself to answer others. Only a new one does not.
            self.rebuild().await;
        }
        CHECK_TIME
    }

    /// Nobody answers: starts with others, if there are any.
    async fn begin_again(&self) -> Duration {
        let (is_down, is_waiting, age) = {
            let state = self.state();
            let age = state.started.map_or(Duration::MAX, |at| at.elapsed());
            (state.dht.is_none(), state.seeds.is_waiting(), age)
        };
        if !is_waiting {
            if age < BEGIN_TIME {
                return BEGIN_TIME.saturating_sub(age);
            }
            self.look_up().await;
        }
        if is_down || self.state().seeds.has_new() {
            self.rebuild().await;
        }
        CHECK_TIME
    }

    async fn is_server(&self) -> bool {
        let Some(dht) = self.dht() else {
            return false;
        };
        let mode = self.ask(async move { dht.info().await.server_mode() });
        mode.await.unwrap_or(false)
    }

    async fn rebuild(&self) {
        self.state().dht = None;
        self.restarts.send_modify(|count| *count += 1);
        if let Err(error) = self.build().await {
            tracing::warn!(%error, "the DHT could not be started again");
        }
    }

    /// Starts `mainline` with the nodes that are known.
    async fn build(&self) -> Result<(), DhtError> {
        let (listen, seeds) = {
            let state = self.state();
            (state.listen, state.seeds.choose())
        };
        let role = self.options.role;
        let used = seeds.clone();
        let built = spawn_blocking(move || launch(listen, &seeds, role)).await;
        // It panics when the port is taken between our look and its own.
        let built = built.unwrap_or_else(|_| Err(io::ErrorKind::AddrInUse.into()));
        {
            let mut state = self.state();
            state.started = Some(Instant::now());
            state.seeds.used = used;
            if !state.is_shut {
                let (dht, local) = built?;
                state.dht = Some(dht);
                state.listen = Some(local);
            }
        }
        self.restarts.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Looks up the names of nodes to begin with. Those that can't be now may be later.
    async fn look_up(&self) {
        let names = match &self.options.bootstrap {
            Some(names) => names.clone(),
            None => DEFAULT_BOOTSTRAP_NODES.map(str::to_owned).to_vec(),
        };
        let names = names.into_iter().take(MAX_NAMES);
        let lookups = names.map(|name| async move {
            let found = timeout(NAMES_TIME, lookup_host(name)).await;
            let found = found.ok().and_then(Result::ok)?;
            found.into_iter().find_map(|address| match address {
                std::net::SocketAddr::V4(address) => Some(address),
                std::net::SocketAddr::V6(_) => None,
            })
        });
        let found = join_all(lookups).await;
        let found = found.into_iter().flatten();
        let found: Vec<_> = found
            .filter(|node| is_usable(*node, self.is_local))
            .collect();
        if !found.is_empty() {
            self.state().seeds.named = found;
        }
    }

    async fn load(&self) -> Vec<SocketAddrV4> {
        let Some(path) = self.options.nodes_file.clone() else {
            return Vec::new();
        };
        let loaded = spawn_blocking(move || file::load(&path)).await;
        let nodes = match loaded {
            Ok(Ok(nodes)) => nodes,
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot read the nodes of the DHT");
                Vec::new()
            }
            Err(_) => Vec::new(),
        };
        let nodes = nodes.into_iter();
        nodes
            .filter(|node| is_usable(*node, self.is_local))
            .collect()
    }

    async fn save(&self) {
        let Some(path) = self.options.nodes_file.clone() else {
            return;
        };
        let nodes = self.state().seeds.known.clone();
        let saved = spawn_blocking(move || file::save(&path, &nodes)).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!(%error, "cannot keep the nodes of the DHT");
        }
    }

    pub(super) async fn shutdown(&self) {
        self.nodes_to_save().await;
        {
            let mut state = self.state();
            if state.is_shut {
                return;
            }
            state.is_shut = true;
            state.dht = None;
        }
        self.restarts.send_modify(|count| *count += 1);
        self.save().await;
    }
}

/// Starts `mainline`, once the port is free. Blocks.
fn launch(
    listen: Option<SocketAddrV4>,
    seeds: &[SocketAddrV4],
    role: DhtRole,
) -> io::Result<(AsyncDht, SocketAddrV4)> {
    let mut builder = Dht::builder();
    if let Some(listen) = listen {
        // It does not say why it can't have a port, so that is found out before.
        let start = Instant::now();
        while let Err(error) = UdpSocket::bind(listen) {
            if start.elapsed() >= PORT_TIME {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        builder.bind_address(*listen.ip()).port(listen.port());
    }
    builder.bootstrap(seeds).server_settings(ServerSettings {
        max_info_hashes: MAX_TORRENTS,
        max_peers_per_info_hash: MAX_PEERS,
        max_immutable_values: MAX_VALUES,
        max_mutable_values: MAX_VALUES,
        filter: Box::new(Budget::new(Instant::now())),
    });
    if role == DhtRole::Server {
        builder.server_mode();
    }
    let dht = builder.build()?;
    // Asked without waiting for a runtime: this thread may block.
    let dht = dht.as_async();
    let local = futures::executor::block_on(dht.info()).local_addr();
    Ok((dht, local))
}

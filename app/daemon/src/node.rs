//! Starting and stopping a node.

use crate::bittorrent::{self, Settings, Torrents};
use crate::clock::Clock;
use crate::config::{self, Config, Dht};
use crate::context::{Context, FixedLimits};
use crate::disk::Disk;
use crate::downloads::Downloads;
use crate::peer_book::PeerBook;
use crate::rates::RateBook;
use crate::reading::Readings;
use crate::swarms::Swarms;
use crate::upload_gate::UploadGate;
use crate::{dial, errors, keys, open_files, schedule, serve, upkeep, web};
use potluck_api::{API_FILE, ApiFile, ErrorBody, Rate, ReadyEvent};
use potluck_identity::{NetworkKey, NodeKey};
use potluck_net::{
    DhtMode, Limiter, Multiaddr, NetConfig, NetEvent, NetHandle, NetLimits, Pipe, StartError,
};
use potluck_store::{Store, StoreOptions};
use potluck_transfer::UploaderConfig;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Network events kept for a listener that is slow.
const NET_EVENTS: usize = 256;

/// What a node is started with; everything else stands in the config file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Data directory; it is made when it is not there.
    pub data: PathBuf,
    /// Multiaddrs to listen on; empty: as configured.
    pub listen: Vec<String>,
    /// Multiaddrs of peers to connect to, besides the configured ones.
    pub peers: Vec<String>,
    /// No mDNS and no UPnP.
    pub no_lan: bool,
    /// `HOST:PORT` for the API; `None`: as configured.
    pub api: Option<String>,
    /// Upload limit, above the configured one.
    pub up_limit: Option<Rate>,
    /// Download limit, above the configured one.
    pub down_limit: Option<Rate>,
    /// Key file of a private network.
    pub private: Option<PathBuf>,
    /// The node lives inside another command: it listens on a free port rather than on the default
    /// one, which is the daemon's.
    pub in_command: bool,
}

/// A running node.
pub struct Node {
    ctx: Arc<Context>,
    ready: ReadyEvent,
    api: ApiFile,
    tasks: JoinSet<()>,
}

impl Node {
    /// What `potluck up` prints first.
    #[must_use]
    pub fn ready(&self) -> &ReadyEvent {
        &self.ready
    }

    /// How to reach its API.
    #[must_use]
    pub fn api(&self) -> &ApiFile {
        &self.api
    }

    #[cfg(test)]
    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.ctx
    }

    /// Waits until the node is asked to stop through its API.
    pub async fn stopped(&self) {
        self.ctx.shutdown.cancelled().await;
    }

    /// Stops the node: transfers make a last checkpoint, connections close, files are closed.
    pub async fn shutdown(mut self) {
        bittorrent::open_all(&self.ctx).await;
        self.ctx.shutdown.cancel();
        let _ = std::fs::remove_file(self.ctx.data.join(API_FILE));
        self.ctx.torrents.end().await;
        bittorrent::settle(&self.ctx).await;
        upkeep::save(&self.ctx).await;
        self.ctx.net.shutdown().await;
        let ending = async { while self.tasks.join_next().await.is_some() {} };
        // A client that keeps its connection open must not keep the node from ending.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(3), ending).await;
        self.tasks.abort_all();
    }
}

/// Starts a node; returns once it accepts peers and its API answers.
///
/// # Errors
/// Says what is wrong with the data directory, the settings or the addresses, and what to do.
pub async fn start(options: Options) -> Result<Node, ErrorBody> {
    open_files::raise_limit();
    let data = options.data.clone();
    std::fs::create_dir_all(&data).map_err(|error| {
        errors::failed(
            format!("cannot make the data directory {}: {error}", data.display()),
            "choose another with --data",
        )
    })?;
    let config = config::load(&data)?;
    let store = open_store(&data, &config).await?;
    let key = keys::load_or_make(&data)?;
    let private = private_key(&data, &options, &config)?;
    let private_network = private.as_ref().map(NetworkKey::fingerprint);
    let named = named_peers(&options, &config)?;
    let ears = web::listen(options.api.as_deref(), &config, &data, options.in_command).await?;
    let (net, events, incoming) = start_net(&options, &config, key, private).await?;
    let ctx = context(data, store, net, &options, &config, private_network);
    let mut tasks = JoinSet::new();
    let (api, (page, outside)) = start_services(
        &ctx,
        &mut tasks,
        Incoming {
            events,
            incoming,
            ears,
        },
        named,
        options.in_command,
    )?;
    let ready = ReadyEvent {
        peer_id: ctx.net.peer_id().to_string(),
        addresses: ctx.addresses(),
        api: api.url.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data: ctx.data.display().to_string(),
        page,
        outside,
    };
    Ok(Node {
        ctx,
        ready,
        api,
        tasks,
    })
}

async fn open_store(data: &Path, config: &Config) -> Result<Store, ErrorBody> {
    let dir = data.to_path_buf();
    let options = StoreOptions {
        quota_bytes: config.limits.storage_bytes,
        ..StoreOptions::default()
    };
    tokio::task::spawn_blocking(move || Store::open(&dir, options))
        .await
        .map_err(|_| errors::stopping())?
        .map_err(|error| errors::open(&error))
}

fn private_key(
    data: &Path,
    options: &Options,
    config: &Config,
) -> Result<Option<NetworkKey>, ErrorBody> {
    let configured = config
        .net
        .private_key_file
        .as_ref()
        .map(|file| data.join(file));
    options
        .private
        .clone()
        .or(configured)
        .map(|file| keys::network_key(&file))
        .transpose()
}

fn named_peers(options: &Options, config: &Config) -> Result<Vec<Multiaddr>, ErrorBody> {
    options
        .peers
        .iter()
        .chain(&config.net.peers)
        .map(|text| dial::parse(text))
        .collect()
}

type Started = (NetHandle, mpsc::Receiver<NetEvent>, mpsc::Receiver<Pipe>);

async fn start_net(
    options: &Options,
    config: &Config,
    key: NodeKey,
    private: Option<NetworkKey>,
) -> Result<Started, ErrorBody> {
    let (configured, chosen) = config.net.listen_addresses();
    let (texts, chosen) = if options.listen.is_empty() {
        (configured, chosen)
    } else {
        (options.listen.clone(), true)
    };
    let mut listen: Vec<Multiaddr> = texts
        .iter()
        .map(|text| dial::parse(text))
        .collect::<Result<_, _>>()?;
    if options.in_command && !chosen {
        listen = any_port(&listen);
    }
    let net = |listen: Vec<Multiaddr>| -> Result<NetConfig, ErrorBody> {
        let external = config
            .net
            .external
            .iter()
            .map(|text| dial::parse(text))
            .collect::<Result<_, _>>()?;
        let key = NodeKey::from_bytes(&key.to_bytes())
            .map_err(|error| errors::failed(error.to_string(), "restore the key from a backup"))?;
        let private = private
            .as_ref()
            .map(|key| NetworkKey::from_seed(*key.bytes()));
        let mut net = NetConfig::new(key);
        net.listen = listen;
        net.external = external;
        net.lan = config.net.lan && !options.no_lan;
        net.private = private;
        net.relay_server = config.net.relay;
        net.limits = NetLimits {
            max_connections: config.limits.max_connections,
            max_memory_bytes: Some(config.limits.max_memory_bytes),
            ..NetLimits::default()
        };
        net.dht_server = match config.net.dht {
            Dht::Auto => DhtMode::Auto,
            Dht::Server => DhtMode::Server,
            Dht::Client => DhtMode::Client,
        };
        Ok(net)
    };
    let started = Box::pin(potluck_net::start(net(listen.clone())?)).await;
    let (again, why) = match started {
        Err(StartError::AddressInUse { addr }) if !chosen => {
            tracing::warn!(%addr, "the default port is taken; listening on a free one");
            (any_port(&listen), StartError::AddressInUse { addr })
        }
        // Not every machine has IPv6, and nobody asked for it by name.
        Err(error) if !chosen && listen.iter().any(is_ip6) => (without_ip6(&listen), error),
        started => return started.map_err(|error| start_error(&error)),
    };
    tracing::debug!(%why, "listening otherwise");
    let started = Box::pin(potluck_net::start(net(again)?)).await;
    started.map_err(|error| start_error(&error))
}

fn is_ip6(address: &Multiaddr) -> bool {
    address.to_string().starts_with("/ip6/")
}

fn without_ip6(listen: &[Multiaddr]) -> Vec<Multiaddr> {
    listen
        .iter()
        .filter(|address| !is_ip6(address))
        .cloned()
        .collect()
}

fn any_port(listen: &[Multiaddr]) -> Vec<Multiaddr> {
    let free = |address: &Multiaddr| address.to_string().replace("/4771", "/0").parse().ok();
    listen.iter().filter_map(free).collect()
}

fn start_error(error: &StartError) -> ErrorBody {
    let hint = match error {
        StartError::Key(_) => "restore the file 'key' in the data directory from a backup",
        StartError::AddressInUse { .. } => {
            "another program listens there: choose another port with --listen, or 0 for any free one"
        }
        StartError::PermissionDenied { .. } => "choose a port above 1023",
        StartError::AddressNotAvailable { .. } => {
            "use an address of this machine, or 0.0.0.0 for all"
        }
        StartError::AddressNotSupported { .. } => {
            "use /ip4/…/tcp/PORT or /ip4/…/udp/PORT/quic-v1; a private network has TCP only"
        }
        StartError::Listen { .. } => "choose another address with --listen",
        StartError::Transport(_) => "'potluck doctor' may say more",
    };
    errors::failed(error.to_string(), hint)
}

fn context(
    data: PathBuf,
    store: Store,
    net: NetHandle,
    options: &Options,
    config: &Config,
    private_network: Option<String>,
) -> Arc<Context> {
    let clock = Clock::start();
    let ctx = Context {
        data,
        store,
        net,
        clock,
        disk: Disk::default(),
        up: Limiter::new(None),
        down: Limiter::new(None),
        gate: UploadGate::new(upload_config(), clock),
        swarms: Swarms::default(),
        book: PeerBook::default(),
        rates: RateBook::default(),
        downloads: Downloads::default(),
        readings: Readings::default(),
        torrents: Torrents::new(Settings::of(config, options.in_command, options.no_lan)),
        net_events: broadcast::channel(NET_EVENTS).0,
        shutdown: CancellationToken::new(),
        fixed_limits: FixedLimits {
            up: options.up_limit,
            down: options.down_limit,
        },
        config: Mutex::new(config.clone()),
        schedule_changed: Notify::new(),
        private_network,
    };
    ctx.apply_limits(config);
    Arc::new(ctx)
}

/// A lane sends one reply at a time, and holds its turn until the system took it.
fn upload_config() -> UploaderConfig {
    UploaderConfig {
        slots_per_peer: 1,
        ..UploaderConfig::default()
    }
}

struct Incoming {
    events: mpsc::Receiver<NetEvent>,
    incoming: mpsc::Receiver<Pipe>,
    ears: web::Ears,
}

fn start_services(
    ctx: &Arc<Context>,
    tasks: &mut JoinSet<()>,
    from: Incoming,
    named: Vec<Multiaddr>,
    in_command: bool,
) -> Result<(ApiFile, (String, Option<String>)), ErrorBody> {
    let token = keys::api_token()?;
    let api = ApiFile {
        url: format!("http://{}", from.ears.address),
        token: token.clone(),
        pid: std::process::id(),
    };
    tasks.spawn(upkeep::listen(Arc::clone(ctx), from.events));
    tasks.spawn(serve::run(Arc::clone(ctx), from.incoming));
    tasks.spawn(upkeep::meet(Arc::clone(ctx), named));
    tasks.spawn(upkeep::remember(Arc::clone(ctx)));
    tasks.spawn(upkeep::sample(Arc::clone(ctx)));
    tasks.spawn(schedule::keep(Arc::clone(ctx)));
    tasks.spawn(upkeep::announce(Arc::clone(ctx)));
    tasks.spawn(bittorrent::keep(Arc::clone(ctx)));
    tasks.spawn(bittorrent::keep_blocklist(Arc::clone(ctx)));
    if !in_command {
        tasks.spawn(bittorrent::resume(Arc::clone(ctx)));
        tasks.spawn(bittorrent::watch(Arc::clone(ctx)));
    }
    let pages = web::start(ctx, tasks, from.ears, &token);
    keys::write_private(
        &ctx.data.join(API_FILE),
        &serde_json::to_vec(&api).unwrap_or_default(),
    )?;
    Ok((api, pages))
}

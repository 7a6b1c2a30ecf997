//! What every service of a node shares.

use crate::bittorrent::Torrents;
use crate::clock::Clock;
use crate::config::Config;
use crate::disk::Disk;
use crate::downloads::Downloads;
use crate::peer_book::PeerBook;
use crate::rates::RateBook;
use crate::reading::Readings;
use crate::schedule;
use crate::swarms::Swarms;
use crate::upload_gate::UploadGate;
use potluck_content::{Address, PieceSet};
use potluck_identity::PeerId;
use potluck_net::{Limiter, NetEvent, NetHandle};
use potluck_store::Store;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

/// One for each node; services hold it in an `Arc`.
pub(crate) struct Context {
    pub(crate) data: PathBuf,
    pub(crate) store: Store,
    pub(crate) net: NetHandle,
    pub(crate) clock: Clock,
    pub(crate) disk: Disk,
    pub(crate) up: Limiter,
    pub(crate) down: Limiter,
    pub(crate) gate: UploadGate,
    pub(crate) swarms: Swarms,
    pub(crate) book: PeerBook,
    pub(crate) rates: RateBook,
    pub(crate) downloads: Downloads,
    /// Downloads that can be read from while they run.
    pub(crate) readings: Readings,
    pub(crate) torrents: Torrents,
    /// What the network reports, for whoever listens.
    pub(crate) net_events: broadcast::Sender<NetEvent>,
    pub(crate) shutdown: CancellationToken,
    /// Limits given on the command line stand above the config file.
    pub(crate) fixed_limits: FixedLimits,
    pub(crate) config: Mutex<Config>,
    /// Told when the rules about rates may be others.
    pub(crate) schedule_changed: Notify,
    pub(crate) private_network: Option<String>,
}

/// Limits that were given when the node was started.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FixedLimits {
    pub(crate) up: Option<potluck_api::Rate>,
    pub(crate) down: Option<potluck_api::Rate>,
}

impl Context {
    /// Addresses to give to others, each ending in `/p2p/<peer id>`.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.net
            .listen_addresses()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Refuses a peer from now on and says why in `status`.
    pub(crate) fn ban(&self, peer: PeerId, reason: String) {
        tracing::warn!(%peer, %reason, "banned");
        self.book.ban(peer, reason);
        let net = self.net.clone();
        tokio::spawn(async move { net.ban(peer).await });
    }

    /// Announces a root in the DHT. A failure only makes it harder to find, so it is told in the
    /// log; the announcer tries again.
    pub(crate) async fn provide(&self, root: &Address) {
        if let Err(error) = self.net.provide(root.multihash_bytes()).await {
            tracing::warn!(%root, %error, "not announced");
        }
    }

    /// Whether others may fetch a root from this node now.
    pub(crate) fn may_serve(&self, root: &Address) -> bool {
        !self.downloads.is_private(root)
    }

    /// The pieces of a root that this node has.
    pub(crate) async fn available(&self, root: Address) -> Option<PieceSet> {
        let store = self.store.clone();
        let found = tokio::task::spawn_blocking(move || store.available(&root).ok().flatten());
        found.await.unwrap_or(None)
    }

    /// Puts the limits of a config in force.
    pub(crate) fn apply_limits(&self, config: &Config) {
        self.apply_rates(config);
        self.gate
            .set_contacts(config.share.contacts.iter().copied().collect());
        self.store.set_quota(config.limits.storage_bytes);
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config.clone();
        self.schedule_changed.notify_one();
        self.torrents.follow_rules();
    }

    /// Puts the rates in force that a config comes to now.
    pub(crate) fn apply_rates(&self, config: &Config) {
        let (up, down) = schedule::now(config);
        let up = self.fixed_limits.up.or(up).unwrap_or(config.limits.up);
        let down = self.fixed_limits.down.or(down);
        let down = down.unwrap_or(config.limits.down);
        for (limiter, rate) in [(&self.up, up), (&self.down, down)] {
            // A limiter that is set begins anew with a full bucket.
            if limiter.rate() != rate.0 {
                limiter.set(rate.0);
            }
        }
    }

    /// The config in force.
    pub(crate) fn config(&self) -> Config {
        self.config
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Runs blocking work of the store; `None` when the node is stopping.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Option<T> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || work(&store)).await.ok()
    }
}

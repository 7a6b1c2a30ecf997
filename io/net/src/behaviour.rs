//! Everything that the swarm does, put together.

mod dial_backs;
mod places;

pub(crate) use self::{
    dial_backs::{DialBackEvent, DialBacks},
    places::{NoPlace, Places},
};

use std::{num::NonZeroUsize, time::Duration};

use libp2p::{
    PeerId, StreamProtocol, allow_block_list as block_list, autonat, connection_limits, dcutr,
    identify,
    identity::Keypair,
    kad, mdns, memory_connection_limits as memory_limits, ping, relay,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    upnp,
};

use crate::{DhtMode, NetConfig, routes::RouteBehaviour};

/// The protocol of Potluck's own distributed hash table.
pub(crate) const KAD_PROTOCOL: StreamProtocol = StreamProtocol::new("/potluck/kad/1");

const IDENTIFY_PROTOCOL: &str = "/potluck/id/1";

/// Longest message of the distributed hash table. Records carry addresses only.
const KAD_MAX_PACKET: usize = 64 * 1024;

/// Keys that the record store holds in all, the node's own included.
pub(crate) const MAX_STORED_KEYS: usize = 65_536;

/// The behaviours of a node. Those that may refuse a connection come first, so that the others
/// never hear of it.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) places: Places,
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) memory: Toggle<memory_limits::Behaviour>,
    pub(crate) banned: block_list::Behaviour<block_list::BlockedPeers>,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) kad: kad::Behaviour<kad::store::MemoryStore>,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(crate) upnp: Toggle<upnp::tokio::Behaviour>,
    pub(crate) autonat_client: autonat::v2::client::Behaviour,
    pub(crate) dial_backs: DialBacks,
    pub(crate) relay_client: relay::client::Behaviour,
    pub(crate) relay_server: Toggle<relay::Behaviour>,
    pub(crate) dcutr: dcutr::Behaviour,
    pub(crate) routes: RouteBehaviour,
}

impl Behaviour {
    pub(crate) fn new(
        config: &NetConfig,
        keypair: &Keypair,
        relay_client: relay::client::Behaviour,
        routes: RouteBehaviour,
    ) -> Self {
        let peer = keypair.public().to_peer_id();
        let memory = config.limits.max_memory_bytes;
        let memory = memory.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
        let places = Places::new(&config.limits);
        let dial_backs = DialBacks::new(places.for_background());
        Self {
            places,
            limits: connection_limits::Behaviour::new(connection_limits(config)),
            memory: memory.map(memory_limits::Behaviour::with_max_bytes).into(),
            banned: block_list::Behaviour::default(),
            identify: identify::Behaviour::new(identify_config(config, keypair)),
            ping: ping::Behaviour::new(
                ping::Config::new()
                    .with_interval(Duration::from_secs(20))
                    .with_timeout(Duration::from_secs(15)),
            ),
            kad: kad(config, peer),
            mdns: mdns(config, peer).into(),
            upnp: config.lan.then(upnp::tokio::Behaviour::default).into(),
            autonat_client: autonat::v2::client::Behaviour::default(),
            dial_backs,
            relay_client,
            relay_server: config
                .relay_server
                .then(|| relay::Behaviour::new(peer, relay_config()))
                .into(),
            dcutr: dcutr::Behaviour::new(peer),
            routes,
        }
    }
}

/// Limits that [`Places`] does not look after.
fn connection_limits(config: &NetConfig) -> connection_limits::ConnectionLimits {
    let limits = &config.limits;
    connection_limits::ConnectionLimits::default()
        .with_max_established_per_peer(Some(limits.max_per_peer))
        .with_max_pending_incoming(Some(limits.max_pending))
        .with_max_pending_outgoing(Some(limits.max_pending))
}

fn identify_config(config: &NetConfig, keypair: &Keypair) -> identify::Config {
    identify::Config::new(IDENTIFY_PROTOCOL.to_owned(), keypair.public())
        .with_agent_version(config.agent_version.clone())
        .with_push_listen_addr_updates(true)
        .with_interval(Duration::from_secs(3600))
}

fn kad(config: &NetConfig, peer: PeerId) -> kad::Behaviour<kad::store::MemoryStore> {
    let store = kad::store::MemoryStoreConfig {
        max_records: 0,
        max_provided_keys: MAX_STORED_KEYS,
        ..kad::store::MemoryStoreConfig::default()
    };
    let store = kad::store::MemoryStore::with_config(peer, store);
    let mut settings = kad::Config::new(KAD_PROTOCOL);
    settings
        .set_query_timeout(Duration::from_secs(20))
        .set_substreams_timeout(Duration::from_secs(5))
        .set_max_packet_size(KAD_MAX_PACKET)
        // The node keeps accounts of what others store with it, and announces by itself.
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_provider_record_ttl(Some(config.records.ttl))
        .set_provider_publication_interval(None)
        .set_publication_interval(None)
        .set_replication_interval(None)
        .set_periodic_bootstrap_interval(Some(Duration::from_secs(600)));
    if let Some(parallelism) = NonZeroUsize::new(6) {
        settings.set_parallelism(parallelism);
    }
    let mut kad = kad::Behaviour::with_config(peer, store, settings);
    kad.set_mode(Some(match config.dht_server {
        DhtMode::Auto | DhtMode::Server => kad::Mode::Server,
        DhtMode::Client => kad::Mode::Client,
    }));
    kad
}

fn mdns(config: &NetConfig, peer: PeerId) -> Option<mdns::tokio::Behaviour> {
    if !config.lan {
        return None;
    }
    match mdns::tokio::Behaviour::new(mdns::Config::default(), peer) {
        Ok(mdns) => Some(mdns),
        Err(error) => {
            tracing::warn!(%error, "peers on the local network are not looked for");
            None
        }
    }
}

fn relay_config() -> relay::Config {
    relay::Config {
        max_reservations: 64,
        max_reservations_per_peer: 2,
        max_circuits: 16,
        max_circuits_per_peer: 4,
        max_circuit_duration: Duration::from_secs(10 * 60),
        max_circuit_bytes: 16 * 1024 * 1024,
        ..relay::Config::default()
    }
}

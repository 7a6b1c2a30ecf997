//! From a configuration to a listening node.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt as _;
use libp2p::{
    Multiaddr, Swarm, TransportError,
    core::{multiaddr::Protocol, transport::ListenerId, upgrade::Version},
    swarm,
};
use socket2::{Domain, Socket, Type};
use tokio::{sync::mpsc, time::timeout};

use super::{
    Actor, announce::Announcer, dial::Dials, find::Finds, lan::Lan, peers::Peers, reach::Reach,
    records::Records, scope::is_circuit,
};
use crate::{
    NetConfig, NetEvent, NetHandle, Pipe, StartError,
    behaviour::Behaviour,
    bulk::{Gate, Identity, accept},
    handle::Shared,
    routes::{RouteBehaviour, is_udp},
    transport,
};

/// Commands that may wait for the actor.
const COMMAND_QUEUE: usize = 256;

/// Events that may wait to be read.
const EVENT_QUEUE: usize = 1024;

/// Pipes of peers that may wait to be taken.
const PIPE_QUEUE: usize = 256;

/// Pipes that one peer may have open.
const MAX_PIPES_PER_PEER: u32 = 32;

/// How long it may take until the system tells the addresses of a listener.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection on which nothing at all happened for so long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Listeners that were asked for and have not told an address yet.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    waiting: HashMap<ListenerId, Multiaddr>,
    failed: Option<StartError>,
}

impl Listeners {
    pub(super) fn opened(&mut self, id: ListenerId) {
        self.waiting.remove(&id);
    }

    pub(super) fn failed(&mut self, id: ListenerId, error: &io::Error) {
        if let Some(addr) = self.waiting.remove(&id) {
            self.failed.get_or_insert(listen_error(addr, error));
        }
    }
}

pub(crate) async fn start(
    config: NetConfig,
) -> Result<(NetHandle, mpsc::Receiver<NetEvent>, mpsc::Receiver<Pipe>), StartError> {
    let keypair = config.key.keypair().clone();
    let peer = keypair.public().to_peer_id();
    let shared = Arc::new(Shared::new(peer));
    let (commands, commands_rx) = mpsc::channel(COMMAND_QUEUE);
    let (events, events_rx) = mpsc::channel(EVENT_QUEUE);
    let (pipes, pipes_rx) = mpsc::channel(PIPE_QUEUE);

    let identity = Identity::new(&keypair)?;
    let (gate, sockets) = Gate::new();
    let routes = RouteBehaviour::new(pipes.clone(), Arc::clone(&shared.total), MAX_PIPES_PER_PEER);
    let control = routes.control();
    let (transport, relay_client) = transport::build(&keypair, config.private.as_ref(), &gate)?;
    drop(gate);
    let behaviour = Behaviour::new(&config, &keypair, relay_client, routes);
    // A stream's first bytes go out with the name of its protocol: waiting until that is agreed on costs a
    // round trip for each stream.
    let settings = swarm::Config::with_tokio_executor()
        .with_substream_upgrade_protocol_override(Version::V1Lazy)
        .with_idle_connection_timeout(IDLE_TIMEOUT)
        .with_max_negotiating_inbound_streams(64);
    let mut actor = Box::new(Actor {
        swarm: Swarm::new(transport, behaviour, peer, settings),
        shared: Arc::clone(&shared),
        routes: control.clone(),
        events,
        limits: config.limits.clone(),
        peers: Peers::default(),
        dials: Dials::default(),
        finds: Finds::default(),
        announcer: Announcer::new(config.records.republish),
        records: Records::default(),
        reach: Reach::new(config.dht_server, config.relay_server),
        lan: Lan::default(),
        listeners: Listeners::default(),
        ticks: 0,
    });
    actor.listen(&config)?;
    actor.until_listening().await?;
    for address in &config.external {
        actor.swarm.add_external_address(address.clone());
    }
    actor.addresses_changed();
    tokio::spawn(async move { Box::pin(actor.run(commands_rx)).await });
    // Ends with the transport, which holds the gate.
    tokio::spawn(accept(identity.clone(), control.clone(), pipes, sockets));
    Ok((
        NetHandle::new(commands, control, identity, shared),
        events_rx,
        pipes_rx,
    ))
}

impl Actor {
    fn listen(&mut self, config: &NetConfig) -> Result<(), StartError> {
        for address in &config.listen {
            if config.private.is_some() && is_udp(address) {
                tracing::info!(%address, "not used: private networks run over TCP only");
                continue;
            }
            check_free(address).map_err(|error| listen_error(address.clone(), &error))?;
            let id = self
                .swarm
                .listen_on(address.clone())
                .map_err(|error| match error {
                    TransportError::MultiaddrNotSupported(addr) => {
                        StartError::AddressNotSupported { addr }
                    }
                    TransportError::Other(error) => listen_error(address.clone(), &error),
                })?;
            // A circuit waits for its relay, which may take long and fail: the start does not.
            if !is_circuit(address) {
                self.listeners.waiting.insert(id, address.clone());
            }
        }
        Ok(())
    }

    async fn until_listening(&mut self) -> Result<(), StartError> {
        let all_listen = async {
            while !self.listeners.waiting.is_empty() {
                let event = self.swarm.select_next_some().await;
                self.on_swarm_event(event);
            }
        };
        let in_time = timeout(LISTEN_TIMEOUT, all_listen).await.is_ok();
        if let Some(error) = self.listeners.failed.take() {
            return Err(error);
        }
        let Some(addr) = self.listeners.waiting.values().next() else {
            return Ok(());
        };
        if !in_time && self.swarm.listeners().next().is_none() {
            let reason = "the system gives no address".to_owned();
            return Err(StartError::Listen {
                addr: addr.clone(),
                reason,
            });
        }
        tracing::warn!(%addr, "no interface has this kind of address");
        Ok(())
    }
}

/// The TCP transport shares its port, so that it can dial from it, and the system then lets a
/// second process of the same user listen there as well. Binding without sharing finds out.
fn check_free(address: &Multiaddr) -> io::Result<()> {
    if is_circuit(address) {
        return Ok(());
    }
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) if port != 0 => bind_alone(SocketAddr::new(ip, port)),
        _ => Ok(()),
    }
}

/// An IPv6 listener takes IPv6 alone, as the transport's does: otherwise this node's own IPv4
/// listener on the same port would stand in its way.
fn bind_alone(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier run that linger do not count as somebody listening.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}

fn listen_error(addr: Multiaddr, error: &io::Error) -> StartError {
    let error = transport::innermost(error);
    match error.kind() {
        io::ErrorKind::AddrInUse => StartError::AddressInUse { addr },
        io::ErrorKind::AddrNotAvailable => StartError::AddressNotAvailable { addr },
        io::ErrorKind::PermissionDenied => StartError::PermissionDenied { addr },
        _ => StartError::Listen {
            addr,
            reason: error.to_string(),
        },
    }
}

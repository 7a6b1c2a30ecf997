//! What the tests share.

use std::{future::Future, time::Duration};

use potluck_identity::NodeKey;
use potluck_net::{Multiaddr, NetConfig, NetEvent, NetHandle, PeerId, Pipe, StartError, start};
use tokio::sync::mpsc;

pub(crate) const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub(crate) const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// A node with everything that it tells.
pub(crate) struct Node {
    pub(crate) handle: NetHandle,
    pub(crate) events: mpsc::Receiver<NetEvent>,
    pub(crate) pipes: mpsc::Receiver<Pipe>,
}

impl Node {
    pub(crate) async fn start(config: NetConfig) -> Self {
        Self::try_start(config).await.expect("the node starts")
    }

    pub(crate) async fn try_start(config: NetConfig) -> Result<Self, StartError> {
        let (handle, events, pipes) = start(config).await?;
        Ok(Self {
            handle,
            events,
            pipes,
        })
    }

    pub(crate) fn id(&self) -> PeerId {
        self.handle.peer_id()
    }

    /// The address of the node that has this text in it.
    pub(crate) fn address(&self, part: &str) -> Multiaddr {
        let addresses = self.handle.listen_addresses();
        let found = addresses
            .iter()
            .find(|address| address.to_string().contains(part));
        found
            .unwrap_or_else(|| panic!("no {part} in {addresses:?}"))
            .clone()
    }

    /// The address without the peer at its end.
    pub(crate) fn bare_address(&self, part: &str) -> Multiaddr {
        let mut address = self.address(part);
        address.pop();
        address
    }

    pub(crate) async fn dials(&self, other: &Node) {
        let dialed = within(self.handle.dial(other.address("/tcp/"))).await;
        assert_eq!(dialed, Ok(other.id()));
    }

    /// Waits for an event, passing over others.
    pub(crate) async fn event<T>(&mut self, wanted: impl Fn(&NetEvent) -> Option<T>) -> T {
        within(async {
            loop {
                let event = self.events.recv().await.expect("the node lives");
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        })
        .await
    }

    pub(crate) async fn connected_to(&mut self, other: PeerId) {
        self.event(|event| {
            matches!(event, NetEvent::Connected { peer, .. } if *peer == other).then_some(())
        })
        .await;
    }

    pub(crate) async fn disconnected_from(&mut self, other: PeerId) {
        self.event(|event| (*event == NetEvent::Disconnected { peer: other }).then_some(()))
            .await;
    }
}

/// A node that listens on TCP on loopback. The number is its identity.
pub(crate) fn config(seed: u8) -> NetConfig {
    let mut config = NetConfig::new(NodeKey::from_seed([seed; 32]));
    config.listen = vec![TCP.parse().unwrap()];
    config.lan = false;
    config
}

pub(crate) fn config_with(seed: u8, listen: &[&str]) -> NetConfig {
    let mut config = config(seed);
    config.listen = listen
        .iter()
        .map(|address| address.parse().unwrap())
        .collect();
    config
}

pub(crate) async fn node(seed: u8) -> Node {
    Node::start(config(seed)).await
}

/// Fails the test when it takes too long.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("in time")
}

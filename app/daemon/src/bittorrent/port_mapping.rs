//! The router is asked to have the port of torrents lead here, and that of the DHT.

use super::{Torrents, lock};
use potluck_api::{MappedPort, PortMappingStatus};
use potluck_bittorrent_net::port_mapping::{Mapping, MappingOptions, PortMapper, Protocol, Wish};
use std::net::{SocketAddr, SocketAddrV4};

impl Torrents {
    /// The port where peers come in is asked for, if the owner allows that.
    pub(super) fn map_port(&self, port: u16, tcp: bool, utp: bool) {
        let tcp = tcp.then_some(Protocol::Tcp);
        let protocols = tcp.into_iter().chain(utp.then_some(Protocol::Udp));
        self.wish(Wish {
            port,
            protocols: protocols.collect(),
        });
    }

    /// And that of the node of the DHT, unless it is for this machine alone.
    pub(super) fn map_dht(&self, local: SocketAddrV4) {
        if !local.ip().is_loopback() {
            self.wish(Wish {
                port: local.port(),
                protocols: vec![Protocol::Udp],
            });
        }
    }

    fn wish(&self, wish: Wish) {
        if !self.settings().map_ports {
            return;
        }
        let mut mapper = lock(&self.mapper);
        let start = || PortMapper::start(MappingOptions::default());
        mapper.get_or_insert_with(start).add(wish);
    }

    fn mapping(&self) -> Option<Mapping> {
        let mapper = lock(&self.mapper);
        mapper
            .as_ref()
            .map(|mapper| mapper.state().borrow().clone())
    }

    /// The number of the port of uTP, which peers look for at the one of TCP.
    pub(super) fn utp_port(&self) -> Option<u16> {
        Some(self.utp()?.local_address().port())
    }

    /// Where others are told that this node is reached: the port outside, if the router has another
    /// number there.
    pub(super) fn announced_port(&self) -> Option<u16> {
        let port = self.port()?;
        let outside = self.mapping().and_then(|mapping| {
            let over = |protocol| mapping.outside(protocol, port);
            over(Protocol::Tcp).or(over(Protocol::Udp))
        });
        Some(outside.unwrap_or(port))
    }

    /// Where this node is reached outside, if the router said so.
    pub(super) fn external_address(&self) -> Option<SocketAddr> {
        let address = self.mapping()?.address?;
        Some(SocketAddr::from((address, self.announced_port()?)))
    }

    /// What came of it, if anything was asked.
    pub(super) fn mapping_status(&self) -> Option<PortMappingStatus> {
        let mapping = self.mapping()?;
        let ports = mapping.ports.iter().map(|port| MappedPort {
            protocol: port.protocol.name().to_owned(),
            port: port.inside,
            external_port: port.outside,
        });
        Some(PortMappingStatus {
            router: mapping.router.map(|router| router.to_string()),
            external_address: mapping.address.map(|address| address.to_string()),
            ports: ports.collect(),
            trouble: mapping.trouble,
        })
    }

    /// Gives the ports back to the router.
    pub(super) async fn end_mapping(&self) {
        let mapper = lock(&self.mapper).take();
        if let Some(mapper) = mapper {
            mapper.shutdown().await;
        }
    }
}

//! Where bulk lanes to a peer lead, and which are open.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Weak,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, core::multiaddr::Protocol};
use socket2::SockRef;
use tokio::net::TcpStream;

use super::is_udp;

/// Addresses that are tried for a lane.
const MAX_ADDRESSES: usize = 3;
/// Ports of a peer that are remembered.
const MAX_PORTS: usize = 4;
/// Lanes with one peer. Each side opens two, and may open them again before the old ones are gone.
const MAX_OPEN: usize = 8;
/// When no lane could be opened, none is tried for this long.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remote {
    ip: Option<IpAddr>,
    /// Where this node reached it over TCP.
    dialed: Option<SocketAddr>,
    pub(super) udp: bool,
}

impl Remote {
    pub(super) fn new(address: &Multiaddr, dialed: bool) -> Self {
        let place = tcp_place(address).filter(|_| dialed);
        Self {
            ip: ip_of(address),
            dialed: place,
            udp: is_udp(address),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct BulkRoutes {
    ports: Vec<u16>,
    failed_at: Option<Instant>,
    open: Vec<Weak<TcpStream>>,
}

impl BulkRoutes {
    /// What was dialed once can be dialed again. Besides, the peer is tried where it is, at the
    /// ports that it names; addresses that it names are not, as they may be another's.
    pub(super) fn addresses(&self, remotes: &[&Remote], now: Instant) -> Vec<SocketAddr> {
        let resting = |failed: Instant| now.duration_since(failed) < RETRY_AFTER;
        if self.failed_at.is_some_and(resting) {
            return Vec::new();
        }
        let dialed = remotes.iter().filter_map(|remote| remote.dialed);
        let told = remotes
            .iter()
            .filter_map(|remote| remote.ip)
            .flat_map(|ip| {
                self.ports
                    .iter()
                    .map(move |port| SocketAddr::new(ip, *port))
            });
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in dialed.chain(told) {
            if addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    pub(super) fn failed(&mut self, now: Instant) {
        self.failed_at = Some(now);
    }

    pub(super) fn listens(&mut self, addresses: &[Multiaddr]) {
        self.ports.clear();
        for place in addresses.iter().filter_map(tcp_place) {
            if self.ports.len() < MAX_PORTS && !self.ports.contains(&place.port()) {
                self.ports.push(place.port());
            }
        }
    }

    /// Notes a lane; `false` when there are too many already.
    pub(super) fn opened(&mut self, socket: Weak<TcpStream>) -> bool {
        self.open.retain(|socket| socket.strong_count() > 0);
        if self.open.len() >= MAX_OPEN {
            return false;
        }
        self.open.push(socket);
        self.failed_at = None;
        true
    }

    /// How many lanes are open.
    pub(super) fn count(&self) -> usize {
        let open = self.open.iter();
        open.filter(|socket| socket.strong_count() > 0).count()
    }

    /// Ends all lanes: their peer is not connected any more.
    pub(super) fn close(&mut self) {
        for socket in self.open.drain(..).filter_map(|socket| socket.upgrade()) {
            // Fails when the other side was faster.
            let _ = SockRef::from(&*socket).shutdown(std::net::Shutdown::Both);
        }
    }
}

fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    if address.iter().any(|part| part == Protocol::P2pCircuit) {
        return None;
    }
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

/// `/ip4/…/tcp/…` and nothing in between or after it but a peer id.
fn tcp_place(address: &Multiaddr) -> Option<SocketAddr> {
    let ip = ip_of(address)?;
    let mut rest = address.iter().skip(1);
    match (rest.next(), rest.next()) {
        (Some(Protocol::Tcp(port)), None | Some(Protocol::P2p(_))) if port != 0 => {
            Some(SocketAddr::new(ip, port))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(text: &str, dialed: bool) -> Remote {
        Remote::new(&text.parse().unwrap(), dialed)
    }

    fn places(routes: &BulkRoutes, remotes: &[Remote]) -> Vec<String> {
        let remotes: Vec<&Remote> = remotes.iter().collect();
        let addresses = routes.addresses(&remotes, Instant::now());
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_lane_goes_where_the_peer_is() {
        let mut routes = BulkRoutes::default();
        let dialed = remote("/ip4/10.0.0.2/tcp/4001", true);
        assert_eq!(places(&routes, &[dialed]), ["10.0.0.2:4001"]);
        let told = ["/ip4/192.0.2.1/tcp/4002", "/ip4/10.0.0.2/udp/4003/quic-v1"];
        routes.listens(&told.map(|text| text.parse().unwrap()));
        // The port counts, the other machine does not.
        let inbound = remote("/ip4/10.0.0.2/tcp/53211", false);
        assert_eq!(places(&routes, &[inbound]), ["10.0.0.2:4002"]);
        let quic = remote("/ip4/10.0.0.2/udp/4001/quic-v1", true);
        assert_eq!(
            places(&routes, &[quic, dialed]),
            ["10.0.0.2:4001", "10.0.0.2:4002"]
        );
    }

    #[test]
    fn no_lane_goes_through_a_relay_or_soon_after_a_failure() {
        let mut routes = BulkRoutes::default();
        let relayed = remote(
            "/ip4/10.0.0.2/tcp/1/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X/p2p-circuit",
            true,
        );
        assert_eq!(places(&routes, &[relayed]), [""; 0]);
        routes.failed(Instant::now());
        let dialed = remote("/ip4/10.0.0.2/tcp/4001", true);
        assert_eq!(places(&routes, &[dialed]), [""; 0]);
    }
}

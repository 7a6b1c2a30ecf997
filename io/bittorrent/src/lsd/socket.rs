//! The multicast socket of a group.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use if_addrs::{Interface, get_if_addrs};
use potluck_bittorrent::lsd::{LSD_V4, LSD_V6};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

/// Most interfaces that are used.
const MAX_INTERFACES: usize = 32;

/// A group that is listened to and spoken to.
#[derive(Debug)]
pub(super) struct Group {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Group {
    pub(super) fn v4(port: u16) -> io::Result<Self> {
        let socket = shared(Domain::IPV4)?;
        socket.set_multicast_loop_v4(true)?;
        socket.set_multicast_ttl_v4(1)?;
        Self::bound(&socket, SocketAddr::from((LSD_V4, port)))?;
        Self::of(socket, SocketAddr::from((LSD_V4, port)))
    }

    pub(super) fn v6(port: u16) -> io::Result<Self> {
        let socket = shared(Domain::IPV6)?;
        socket.set_only_v6(true)?;
        socket.set_multicast_loop_v6(true)?;
        socket.set_multicast_hops_v6(1)?;
        Self::bound(&socket, SocketAddr::from((LSD_V6, port)))?;
        Self::of(socket, SocketAddr::from((LSD_V6, port)))
    }

    /// Binds to the group where that can be: then nothing that strangers send to this machine itself
    /// is taken for a search of a neighbour.
    fn bound(socket: &Socket, group: SocketAddr) -> io::Result<()> {
        if cfg!(unix) && socket.bind(&group.into()).is_ok() {
            return Ok(());
        }
        let all: IpAddr = match group {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        socket.bind(&SocketAddr::new(all, group.port()).into())
    }

    fn of(socket: Socket, address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::from_std(socket.into())?;
        Ok(Self { socket, address })
    }

    /// The address that searches are sent to.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buffer).await
    }

    /// Joins the group on interfaces; those that can't, or did already, are left as they are.
    pub(super) fn join(&self, only: Option<&[IpAddr]>) {
        let socket = SockRef::from(&self.socket);
        for outlet in self.outlets(only) {
            let joined = match outlet {
                Outlet::V4(ip) => socket.join_multicast_v4(&LSD_V4, &ip),
                Outlet::V6(index) => socket.join_multicast_v6(&LSD_V6, index),
            };
            if let Err(error) = joined {
                tracing::trace!(?outlet, %error, "the group is not joined");
            }
        }
    }

    /// Sends a datagram out of interfaces; those that can't are skipped.
    pub(super) async fn send(&self, datagram: &[u8], only: Option<&[IpAddr]>) {
        for outlet in self.outlets(only) {
            let socket = SockRef::from(&self.socket);
            let chosen = match outlet {
                Outlet::V4(ip) => socket.set_multicast_if_v4(&ip),
                Outlet::V6(index) => socket.set_multicast_if_v6(index),
            };
            let sent = match chosen {
                Ok(()) => self.socket.send_to(datagram, self.address).await.map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                tracing::trace!(?outlet, %error, "the search is not sent");
            }
        }
    }

    fn outlets(&self, only: Option<&[IpAddr]>) -> Vec<Outlet> {
        let interfaces = get_if_addrs().unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot list the interfaces");
            Vec::new()
        });
        let is_chosen = |ip: IpAddr| only.is_none_or(|only| only.contains(&ip));
        let mut outlets = Vec::new();
        for interface in interfaces {
            let outlet = self.outlet(&interface);
            let outlet =
                outlet.filter(|outlet| is_chosen(interface.ip()) && !outlets.contains(outlet));
            outlets.extend(outlet);
        }
        outlets.truncate(MAX_INTERFACES);
        outlets
    }

    fn outlet(&self, interface: &Interface) -> Option<Outlet> {
        match (self.address, interface.ip()) {
            (SocketAddr::V4(_), IpAddr::V4(ip)) => Some(Outlet::V4(ip)),
            (SocketAddr::V6(_), IpAddr::V6(_)) => interface.index.map(Outlet::V6),
            _ => None,
        }
    }
}

/// How the system names an interface: by an address, or by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlet {
    V4(Ipv4Addr),
    V6(u32),
}

/// A socket whose port others may have too: all clients on a machine listen to the same groups.
fn shared(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

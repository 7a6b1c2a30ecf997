//! Addresses in as few bytes as they take.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address in 4 or 16 bytes.
pub(crate) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// The bytes of an address.
pub(crate) fn ip_bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// An IPv4 address and a port.
pub(crate) fn v4(bytes: &[u8; 6]) -> SocketAddr {
    let [a, b, c, d, high, low] = *bytes;
    let port = u16::from_be_bytes([high, low]);
    SocketAddr::from((Ipv4Addr::new(a, b, c, d), port))
}

/// An IPv6 address and a port.
pub(crate) fn v6(bytes: &[u8; 18]) -> SocketAddr {
    let (ip, port) = bytes.split_at(16);
    let ip = <[u8; 16]>::try_from(ip).unwrap_or_default();
    let port = <[u8; 2]>::try_from(port).unwrap_or_default();
    SocketAddr::from((Ipv6Addr::from(ip), u16::from_be_bytes(port)))
}

/// The bytes of an address and a port.
pub(crate) fn socket_bytes(addr: SocketAddr) -> Vec<u8> {
    let mut bytes = ip_bytes(addr.ip());
    bytes.extend_from_slice(&addr.port().to_be_bytes());
    bytes
}

/// Whether a peer may be there at all. Whether it is somewhere we go to is for others to say.
pub(crate) fn can_be_peer(addr: &SocketAddr) -> bool {
    let ip = addr.ip();
    let is_broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    addr.port() > 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

//! Addresses of peers in magnet links.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Most bytes of the name of a host.
const MAX_HOST_BYTES: usize = 253;

/// Where a peer can be reached: a name or an IP address, and a port that is not 0. Written as
/// `host:port`, with brackets around an IPv6 address (BEP 9).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerAddress {
    host: String,
    port: u16,
}

/// A text is not `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a peer")]
pub struct PeerAddressError;

impl PeerAddress {
    /// The name of the host or its IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for PeerAddress {
    type Err = PeerAddressError;

    fn from_str(text: &str) -> Result<Self, PeerAddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(PeerAddressError)?;
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let port: Option<u16> = port.parse().ok().filter(|port| is_number && *port > 0);
        let port = port.ok_or(PeerAddressError)?;
        let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host = match inner {
            Some(ip) => ip.parse::<Ipv6Addr>().map(|ip| ip.to_string()).ok(),
            None => name(host),
        };
        let host = host.ok_or(PeerAddressError)?;
        Ok(Self { host, port })
    }
}

/// A name of a host, or an IPv4 address.
fn name(host: &str) -> Option<String> {
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Some(ip.to_string());
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_valid = !host.is_empty() && host.len() <= MAX_HOST_BYTES && host.bytes().all(is_name);
    is_valid.then(|| host.to_ascii_lowercase())
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

//! Asking the router to have ports lead to this machine (UPnP Internet Gateway Device).
//!
//! A [`PortMapper`] is a task that searches for a router, asks for the ports it is told of, asks again
//! before their lease ends, and takes them back when it is shut down. Nobody waits for it: what there
//! is to know is in [`PortMapper::state`].

mod keeper;
mod router;
mod xml;

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use keeper::Keeper;

/// Ports that are mapped, at most.
const MAX_PORTS: usize = 8;

/// A protocol above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// As routers and people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// A port of this machine, in one or both protocols, under one number outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Its number here.
    pub port: u16,
    /// In which protocols.
    pub protocols: Vec<Protocol>,
}

/// A port outside that leads here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedPort {
    /// The protocol.
    pub protocol: Protocol,
    /// The number here.
    pub inside: u16,
    /// The number outside.
    pub outside: u16,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The router that answered last.
    pub router: Option<IpAddr>,
    /// The address that it says it has outside.
    pub address: Option<Ipv4Addr>,
    /// What leads here.
    pub ports: Vec<MappedPort>,
    /// Why not all is as it should be, in words.
    pub trouble: Option<String>,
}

impl Mapping {
    /// The number outside of a port, if the router is where peers can reach it.
    #[must_use]
    pub fn outside(&self, protocol: Protocol, inside: u16) -> Option<u16> {
        self.address.filter(|address| is_public(*address))?;
        let mut ports = self.ports.iter();
        let port = ports.find(|port| port.protocol == protocol && port.inside == inside)?;
        Some(port.outside)
    }
}

/// How a router is searched and asked.
#[derive(Clone, Debug)]
pub struct MappingOptions {
    /// Where it is searched: a group, or one device.
    pub search: SocketAddrV4,
    /// An answer to a search takes no longer.
    pub patience: Duration,
    /// How long the router keeps a port. It is asked again after half of it.
    pub lease: Duration,
    /// When it is searched again after it was not found, or refused.
    pub again: Duration,
    /// To take all back in the end takes no longer.
    pub farewell: Duration,
}

impl Default for MappingOptions {
    fn default() -> Self {
        Self {
            search: router::SEARCH,
            patience: Duration::from_secs(4),
            lease: Duration::from_secs(3600),
            again: Duration::from_secs(600),
            farewell: Duration::from_secs(2),
        }
    }
}

/// Why a port does not lead here.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// Nobody answered who maps ports.
    #[error("no router that maps ports answered")]
    NoRouter,
    /// Sockets or interfaces can't be had.
    #[error("cannot search for a router: {0}")]
    Search(#[from] std::io::Error),
    /// The connection failed.
    #[error("the router can't be asked: {0}")]
    Http(String),
    /// An answer that is too long.
    #[error("the router's answer is too long")]
    TooLong,
    /// An answer that makes no sense.
    #[error("the router's answer makes no sense")]
    Nonsense,
    /// The device does other things.
    #[error("the device maps no ports")]
    NoService,
    /// A device that speaks for another.
    #[error("the device sends us to another one")]
    Elsewhere,
    /// It says no, without a reason.
    #[error("the router answered {0}")]
    Status(u16),
    /// It says no, with a code of UPnP.
    #[error("the router refused (UPnP error {0})")]
    Refused(u16),
    /// All ports that were tried are those of others.
    #[error("the router has no free port for it")]
    NoPort,
}

/// See the module. Dropping it without [`PortMapper::shutdown`] leaves the ports until their leases end.
#[derive(Debug)]
pub struct PortMapper {
    wishes: watch::Sender<Vec<Wish>>,
    state: watch::Receiver<Mapping>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl PortMapper {
    /// Starts it; it does nothing before it is told of ports.
    #[must_use]
    pub fn start(options: MappingOptions) -> Self {
        let (wishes, wished) = watch::channel(Vec::new());
        let (told, state) = watch::channel(Mapping::default());
        let cancel = CancellationToken::new();
        let keeper = Keeper::new(options, wished, told);
        let task = tokio::spawn(keeper.run(cancel.clone()));
        Self {
            wishes,
            state,
            cancel,
            task,
        }
    }

    /// One more port that is to lead here.
    pub fn add(&self, wish: Wish) {
        self.wishes.send_if_modified(|wishes| {
            let is_new = wishes.iter().all(|known| known.port != wish.port);
            let taken = is_new && wishes.len() < MAX_PORTS;
            if taken {
                wishes.push(wish);
            }
            taken
        });
    }

    /// How things stand, and when that changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<Mapping> {
        self.state.clone()
    }

    /// Takes all ports back, for a little while at most.
    pub async fn shutdown(self) {
        self.cancel.cancel();
        let _ = self.task.await;
    }
}

/// Whether strangers can reach an address: not one behind another router (RFC 1918, RFC 6598).
fn is_public(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || first == 0
        || first >= 240
        || is_shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_counts_where_strangers_reach_it() {
        let mapping = |address: [u8; 4]| Mapping {
            address: Some(address.into()),
            ports: vec![MappedPort {
                protocol: Protocol::Udp,
                inside: 1,
                outside: 2,
            }],
            ..Mapping::default()
        };
        let public = mapping([203, 0, 113, 5]);
        assert_eq!(public.outside(Protocol::Udp, 1), Some(2));
        assert_eq!(public.outside(Protocol::Tcp, 1), None);
        assert_eq!(public.outside(Protocol::Udp, 2), None);
        for address in [
            [10, 0, 0, 1],
            [100, 64, 0, 1],
            [192, 168, 0, 1],
            [0; 4],
            [255; 4],
        ] {
            assert_eq!(mapping(address).outside(Protocol::Udp, 1), None);
        }
        assert_eq!(Mapping::default().outside(Protocol::Udp, 1), None);
    }
}

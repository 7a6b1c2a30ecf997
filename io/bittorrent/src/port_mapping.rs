//! Asking the router to have ports lead to this machine (UPnP Internet Gateway Device).
//!
//! A [`PortMapper`] is a task that searches for a router, asks for the ports it is told of, asks again
//! before their lease ends, and takes them back when it is shut down. Nobody waits for it: what there
//! is to know is in [`PortMapper::state`].

mod router;
mod xml;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use router::Router;

/// Ports outside that are tried when another machine has the one that was wished.
const MAX_TRIES: usize = 6;
/// Ports that are mapped, at most.
const MAX_PORTS: usize = 8;
/// The router takes only mappings that last (UPnP error 725).
const PERMANENT_ONLY: u16 = 725;
/// The port outside is another machine's, or the router's own (718, and 727 and 729 of some).
const IN_USE: [u16; 3] = [718, 727, 729];

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
        let keeper = Keeper {
            options,
            wished,
            told,
            router: None,
            asked: BTreeSet::new(),
        };
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

/// What the task has.
struct Keeper {
    options: MappingOptions,
    wished: watch::Receiver<Vec<Wish>>,
    told: watch::Sender<Mapping>,
    router: Option<Router>,
    /// What it was asked for and may have granted, as it knows it.
    asked: BTreeSet<(Protocol, u16)>,
}

impl Keeper {
    async fn run(mut self, cancel: CancellationToken) {
        loop {
            let work = async {
                let wishes = self.wished.borrow_and_update().clone();
                let pause = if wishes.is_empty() {
                    Duration::MAX
                } else {
                    self.keep(&wishes).await
                };
                tokio::select! {
                    changed = self.wished.changed() => changed.is_ok(),
                    () = sleep(pause) => true,
                }
            };
            if cancel.run_until_cancelled(work).await != Some(true) {
                break;
            }
        }
        let mapped: Vec<_> = self.asked.iter().copied().collect();
        if let Some(router) = &self.router {
            let _ = timeout(self.options.farewell, router.unmap_all(&mapped)).await;
        }
    }

    /// Asks for all ports, of another router if the known one is gone. Gives when to do so again.
    async fn keep(&mut self, wishes: &[Wish]) -> Duration {
        let was_known = self.router.is_some();
        let mut result = self.ask(wishes).await;
        if result.is_err() && was_known {
            self.router = None;
            result = self.ask(wishes).await;
        }
        match result {
            Ok(()) if self.told.borrow().trouble.is_none() => self.options.lease / 2,
            Ok(()) => self.options.again.min(self.options.lease / 2),
            Err(error) => {
                tracing::debug!(%error, "no port leads here");
                self.router = None;
                self.told.send_replace(Mapping {
                    trouble: Some(error.to_string()),
                    ..Mapping::default()
                });
                self.options.again
            }
        }
    }

    async fn ask(&mut self, wishes: &[Wish]) -> Result<(), MappingError> {
        let router = match &self.router {
            Some(router) => router.clone(),
            None => router::find(self.options.search, self.options.patience).await?,
        };
        self.router = Some(router.clone());
        let address = router.external_address().await?;
        let mut trouble = (!is_public(address)).then(|| {
            format!(
                "the router's own address outside, {address}, can't be reached from the internet"
            )
        });
        for wish in wishes {
            self.told.send_modify(|state| {
                state.router = Some(router.ip);
                state.address = Some(address);
            });
            if let Err(error) = self.map(&router, wish).await {
                if !matches!(error, MappingError::NoPort | MappingError::Refused(_)) {
                    return Err(error);
                }
                trouble.get_or_insert(format!("port {}: {error}", wish.port));
            }
        }
        self.told.send_modify(|state| state.trouble = trouble);
        Ok(())
    }

    /// Asks for one port: under the number it has outside, its own, or any.
    async fn map(&mut self, router: &Router, wish: &Wish) -> Result<(), MappingError> {
        let known = {
            let state = self.told.borrow();
            let mut ports = state.ports.iter();
            ports
                .find(|port| port.inside == wish.port)
                .map(|port| port.outside)
        };
        let mut outside = known.unwrap_or(wish.port);
        for _ in 0..MAX_TRIES {
            match self.map_as(router, wish, outside).await {
                Err(MappingError::Refused(code)) if IN_USE.contains(&code) => {
                    outside = rand::random_range(20_000..60_000);
                }
                result => return result,
            }
        }
        Err(MappingError::NoPort)
    }

    /// Asks for one port in all its protocols, or in none.
    async fn map_as(
        &mut self,
        router: &Router,
        wish: &Wish,
        outside: u16,
    ) -> Result<(), MappingError> {
        for protocol in &wish.protocols {
            let seconds = u32::try_from(self.options.lease.as_secs()).unwrap_or(u32::MAX);
            let numbers = (outside, wish.port);
            let is_new = self.asked.insert((*protocol, outside));
            let mut result = router.map(*protocol, numbers, seconds).await;
            if let Err(MappingError::Refused(PERMANENT_ONLY)) = result {
                result = router.map(*protocol, numbers, 0).await;
            }
            if let Err(error) = result {
                if is_new && matches!(error, MappingError::Refused(_)) {
                    self.asked.remove(&(*protocol, outside));
                }
                self.take_back(router, wish.port).await;
                return Err(error);
            }
            let mapped = MappedPort {
                protocol: *protocol,
                inside: wish.port,
                outside,
            };
            self.told.send_if_modified(|state| {
                let is_new = !state.ports.contains(&mapped);
                if is_new {
                    state.ports.push(mapped);
                }
                is_new
            });
        }
        Ok(())
    }

    async fn take_back(&mut self, router: &Router, inside: u16) {
        let mut gone = Vec::new();
        self.told.send_modify(|state| {
            gone = state.ports.clone();
            gone.retain(|port| port.inside == inside);
            state.ports.retain(|port| port.inside != inside);
        });
        let gone: Vec<_> = gone.iter().map(key).collect();
        router.unmap_all(&gone).await;
        for port in &gone {
            self.asked.remove(port);
        }
    }
}

/// How the router knows a port.
fn key(port: &MappedPort) -> (Protocol, u16) {
    (port.protocol, port.outside)
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

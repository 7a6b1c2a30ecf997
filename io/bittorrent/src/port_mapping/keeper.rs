//! The task that asks for ports, and keeps them.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::router::{self, Router};
use super::{MappedPort, Mapping, MappingError, MappingOptions, Protocol, Wish, is_public};

/// Ports outside that are tried when another machine has the one that was wished.
const MAX_TRIES: usize = 6;
/// Half of the first pause after a search that came to nothing; it doubles each time.
const SOON: Duration = Duration::from_secs(15);
/// The router takes only mappings that last (UPnP error 725).
const PERMANENT_ONLY: u16 = 725;
/// The port outside is another machine's, or the router's own (718, and 727 and 729 of some).
const IN_USE: [u16; 3] = [718, 727, 729];

/// What the task has.
pub(super) struct Keeper {
    options: MappingOptions,
    wished: watch::Receiver<Vec<Wish>>,
    told: watch::Sender<Mapping>,
    router: Option<Router>,
    /// What it was asked for and may have granted, as it knows it.
    asked: BTreeSet<(Protocol, u16)>,
    /// Searches in a row that came to nothing.
    failures: u32,
}

impl Keeper {
    pub(super) fn new(
        options: MappingOptions,
        wished: watch::Receiver<Vec<Wish>>,
        told: watch::Sender<Mapping>,
    ) -> Self {
        Self {
            options,
            wished,
            told,
            router: None,
            asked: BTreeSet::new(),
            failures: 0,
        }
    }

    /// Keeps ports until it is cancelled, and takes them back.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
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
        self.failures = match result {
            Ok(()) => 0,
            Err(_) => self.failures.saturating_add(1),
        };
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
                // It may be about to start, or have been busy.
                let soon = SOON * 2u32.pow(self.failures.min(8));
                self.options.again.min(soon)
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

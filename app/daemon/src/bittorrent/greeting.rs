//! Connections that have not shaken hands yet.
//!
//! Whoever opens many and says nothing would keep others out. So a new one is always let in, and when
//! there are too many, one goes that is of the network with the most of them: its oldest.

use std::collections::BTreeMap;
use std::net::IpAddr;
use tokio::task::{AbortHandle, JoinSet};

/// Connections that have not shaken hands yet, at most.
const MAX_GREETING: usize = 64;

/// See the module.
#[derive(Default)]
pub(super) struct Greeting {
    tasks: JoinSet<()>,
    /// The oldest first.
    waiting: Vec<(Network, AbortHandle)>,
}

/// What one owner commonly has: 256 addresses of IPv4, a /64 of IPv6.
type Network = [u8; 8];

fn network(ip: IpAddr) -> Network {
    let mut network = [0; 8];
    match ip.to_canonical() {
        IpAddr::V4(ip) => network[..3].copy_from_slice(&ip.octets()[..3]),
        IpAddr::V6(ip) => network.copy_from_slice(&ip.octets()[..8]),
    }
    network
}

/// Who goes: the first of those that there are most of.
fn surplus(waiting: impl Iterator<Item = Network>) -> Option<usize> {
    let mut counts: BTreeMap<Network, (usize, usize)> = BTreeMap::new();
    for (at, network) in waiting.enumerate() {
        counts.entry(network).or_insert((0, at)).0 += 1;
    }
    let most = counts.values().max_by_key(|(count, _)| *count);
    most.map(|(_, first)| *first)
}

impl Greeting {
    /// Shakes hands with one more.
    pub(super) fn begin(&mut self, ip: IpAddr, greet: impl Future<Output = ()> + Send + 'static) {
        if self.waiting.len() >= MAX_GREETING {
            let networks = self.waiting.iter().map(|(network, _)| *network);
            if let Some(at) = surplus(networks) {
                self.waiting.remove(at).1.abort();
            }
        }
        let task = self.tasks.spawn(greet);
        self.waiting.push((network(ip), task));
    }

    /// Waits until one has shaken hands, or gone without. Never ends while there is none.
    pub(super) async fn ended(&mut self) {
        if self.tasks.join_next().await.is_none() {
            return std::future::pending().await;
        }
        self.waiting.retain(|(_, task)| !task.is_finished());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[test]
    fn the_oldest_of_the_largest_network_goes() {
        let ips = [
            "10.0.0.1",
            "10.0.1.1",
            "10.0.1.2",
            "2001:db8::1",
            "10.0.1.3",
        ];
        let of = |ips: &[&str]| {
            let networks = ips.iter().map(|ip| network(ip.parse().unwrap()));
            surplus(networks)
        };
        assert_eq!(of(&ips), Some(1));
        assert_eq!(of(&["2001:db8::1", "2001:db8::2", "10.0.0.1"]), Some(0));
        assert_eq!(of(&["::ffff:10.0.0.1", "10.1.0.1", "10.0.0.2"]), Some(0));
        assert_eq!(of(&[]), None);
    }

    #[tokio::test]
    async fn many_who_say_nothing_keep_nobody_out() {
        let mut greeting = Greeting::default();
        for _ in 0..500 {
            greeting.begin([10, 0, 0, 1].into(), std::future::pending());
        }
        assert_eq!(greeting.waiting.len(), MAX_GREETING);
        let (sender, greeted) = oneshot::channel();
        greeting.begin([10, 9, 9, 9].into(), async {
            let _ = sender.send(());
        });
        for _ in 0..500 {
            greeting.begin([10, 0, 0, 1].into(), std::future::pending());
        }
        greeted.await.unwrap();
        while greeting.waiting.len() >= MAX_GREETING {
            greeting.ended().await;
        }
    }
}

//! The nodes that `mainline` is started with.

use std::collections::VecDeque;
use std::net::SocketAddrV4;

/// Most nodes it is started with. With more than it keeps in a bucket, 20, it would ask all of them
/// in each search.
pub(super) const MAX_SEEDS: usize = 16;
/// Most nodes that were told and not needed so far.
const MAX_TOLD: usize = 64;

/// Nodes that may answer, by where they are from.
#[derive(Debug, Default)]
pub(super) struct Seeds {
    /// Told by torrents and peers, the newest last.
    told: VecDeque<SocketAddrV4>,
    /// Those that answered, this time or the last.
    pub(super) known: Vec<SocketAddrV4>,
    /// What the names of the options led to.
    pub(super) named: Vec<SocketAddrV4>,
    /// What `mainline` was started with.
    pub(super) used: Vec<SocketAddrV4>,
}

impl Seeds {
    /// Keeps a node. The oldest one gives way.
    pub(super) fn tell(&mut self, node: SocketAddrV4) {
        self.told.retain(|known| *known != node);
        if self.told.len() >= MAX_TOLD {
            self.told.pop_front();
        }
        self.told.push_back(node);
    }

    /// The nodes to start with: of each kind some.
    pub(super) fn choose(&self) -> Vec<SocketAddrV4> {
        let told = self.told.iter().rev().take(MAX_SEEDS / 2);
        let named = self.named.iter().take(MAX_SEEDS / 4);
        let known = spread(&self.known, MAX_SEEDS);
        let mut chosen = Vec::with_capacity(MAX_SEEDS);
        for node in told.chain(named).chain(&known) {
            if chosen.len() < MAX_SEEDS && !chosen.contains(node) {
                chosen.push(*node);
            }
        }
        chosen
    }

    /// Whether there are nodes to start with that were not tried.
    pub(super) fn has_new(&self) -> bool {
        let chosen = self.choose();
        chosen.iter().any(|node| !self.used.contains(node))
    }

    /// Whether `mainline` was started with nobody, and somebody is known now.
    pub(super) fn is_waiting(&self) -> bool {
        self.used.is_empty() && self.has_new()
    }
}

/// Some of a list, from all parts of it: a table of nodes is sorted by distance.
pub(super) fn spread(nodes: &[SocketAddrV4], most: usize) -> Vec<SocketAddrV4> {
    let step = nodes.len().div_ceil(most.max(1)).max(1);
    nodes.iter().step_by(step).take(most).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(port: u16) -> SocketAddrV4 {
        SocketAddrV4::new([1, 2, 3, 4].into(), port)
    }

    #[test]
    fn some_of_each_kind() {
        let mut seeds = Seeds {
            known: (100..200).map(node).collect(),
            named: (200..220).map(node).collect(),
            ..Seeds::default()
        };
        for port in 1..=100 {
            seeds.tell(node(port));
        }
        assert_eq!(seeds.told.len(), MAX_TOLD);
        let chosen = seeds.choose();
        assert_eq!(chosen.len(), MAX_SEEDS);
        let from = |ports: std::ops::Range<u16>| {
            let ports = chosen.iter().filter(|node| ports.contains(&node.port()));
            ports.count()
        };
        assert_eq!((from(93..101), from(200..220), from(101..200)), (8, 4, 4));
        assert!(seeds.is_waiting());
        seeds.used = chosen;
        assert!(!seeds.has_new());
        seeds.tell(node(7));
        assert!(seeds.has_new() && !seeds.is_waiting());
    }

    #[test]
    fn parts_of_a_list() {
        let all: Vec<_> = (1..=10).map(node).collect();
        let ports = |most| spread(&all, most).iter().map(SocketAddrV4::port).collect();
        let some: Vec<u16> = ports(3);
        assert_eq!(some, [1, 5, 9]);
        let every: Vec<u16> = ports(10);
        assert_eq!(every.len(), 10);
        assert_eq!(spread(&[], 3), []);
    }
}

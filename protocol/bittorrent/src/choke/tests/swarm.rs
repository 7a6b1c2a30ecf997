//! A swarm in which all want everything of all: what each gets for what it gives.

use super::*;

struct Node {
    choker: Choker<u32>,
    /// Bytes a second.
    upload: u64,
    got: u64,
    is_free_rider: bool,
}

struct Swarm {
    nodes: Vec<Node>,
    random: u64,
}

impl Swarm {
    fn new(uploads: &[u64]) -> Self {
        let count = u32::try_from(uploads.len()).unwrap();
        let node = |(at, upload): (u32, &u64)| {
            let mut choker = choker();
            // Nobody meets the others in the same order.
            let others = (1..count).map(|step| (at + step * 5) % count);
            let others: std::collections::BTreeSet<u32> = others.filter(|id| *id != at).collect();
            join(&mut choker, START, others);
            Node {
                choker,
                upload: *upload,
                got: 0,
                is_free_rider: *upload == 0,
            }
        };
        Self {
            nodes: (0..).zip(uploads).map(node).collect(),
            random: 42,
        }
    }

    fn run(&mut self, time: u64) {
        for at in 1..=time {
            let now = START + seconds(at);
            for node in &mut self.nodes {
                node.choker.handle_timeout(now, next(&mut self.random));
                let served = node.choker.unchoked();
                assert!(served <= 5);
                while node.choker.poll().is_some() {}
            }
            let count = u32::try_from(self.nodes.len()).unwrap();
            for from in 0..count {
                let node = &self.nodes[from as usize];
                if node.is_free_rider {
                    continue;
                }
                let served = unchoked(&node.choker, 0..count);
                let each = node.upload / (served.len() as u64).max(1);
                for to in served {
                    self.nodes[from as usize].choker.sent(to, each);
                    let to = &mut self.nodes[to as usize];
                    to.got += each;
                    to.choker.received(now, from, each);
                }
            }
        }
    }

    fn mean(&self, nodes: std::ops::Range<usize>) -> u64 {
        let count = nodes.len() as u64;
        self.nodes[nodes].iter().map(|node| node.got).sum::<u64>() / count
    }
}

#[test]
fn who_gives_nothing_gets_little() {
    let mut uploads = [100_000; 24];
    uploads[23] = 0;
    let mut swarm = Swarm::new(&uploads);
    swarm.run(1800);
    let (free, others) = (swarm.mean(23..24), swarm.mean(0..23));
    assert!(free * 3 < others, "{free} of {others}");
    let least = swarm.nodes[..23].iter().map(|node| node.got).min();
    assert!(least.unwrap() * 2 > others);
}

#[test]
fn who_gives_more_gets_more() {
    let mut uploads = [20_000; 24];
    uploads[..8].fill(200_000);
    let mut swarm = Swarm::new(&uploads);
    swarm.run(1800);
    let (fast, slow) = (swarm.mean(0..8), swarm.mean(8..24));
    assert!(fast > 3 * slow, "{fast} to {slow}");
    // And nobody starves.
    let least = swarm.nodes.iter().map(|node| node.got).min();
    assert!(least.unwrap() > 1800 * 5_000);
}

#[test]
fn a_better_peer_is_found() {
    let mut choker = choker();
    join(&mut choker, START, 0..12);
    let mut random = 1;
    let mut found = None;
    // 11 sends ten times as much as others while it is served.
    for at in 1..=600 {
        let now = START + seconds(at);
        choker.handle_timeout(now, next(&mut random));
        for peer in unchoked(&choker, 0..12) {
            choker.received(now, peer, if peer == 11 { 10_000 } else { 1000 });
        }
        if choker.is_unchoked(11) {
            found = found.or(Some(at));
        } else {
            assert_eq!(found, None, "lost at {at}");
        }
    }
    assert!(found.is_some());
}

#[test]
fn two_alone_serve_each_other_at_once() {
    let mut swarm = Swarm::new(&[1000, 1000]);
    swarm.run(100);
    assert_eq!((swarm.nodes[0].got, swarm.nodes[1].got), (100_000, 100_000));
}

//! The model of the network: which packet arrives when. It is told the time and does no I/O.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::packet;

/// Frames that are kept for reuse.
const POOL: usize = 16_384;

/// The line of one node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Bits a second that it can send; `None` for no limit.
    pub up_bits: Option<u64>,
    /// Bits a second that it can receive; `None` for no limit.
    pub down_bits: Option<u64>,
    /// How long what it sends is under way.
    pub delay: Duration,
    /// The share of packets that it sends which get lost, from 0 to 1.
    pub loss: f64,
    /// The longest that a packet waits ahead of the line, in each direction; what would wait longer is dropped.
    pub queue: Duration,
}

impl Link {
    /// A line without limits, delay or loss, for what is not part of the measured network.
    pub const UNSHAPED: Self = Self {
        up_bits: None,
        down_bits: None,
        delay: Duration::ZERO,
        loss: 0.0,
        queue: Duration::from_secs(1),
    };
}

/// What went over the line of a node so far, in bytes of Ethernet frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that it sent and that its queue took.
    pub sent: u64,
    /// Bytes that reached it.
    pub received: u64,
    /// Packets to or from it that found a full queue.
    pub overflowed: u64,
    /// Packets to or from it that were lost at random or in the dark.
    pub lost: u64,
}

#[derive(Clone, Copy)]
struct Node {
    link: Link,
    up_free: u64,
    down_free: u64,
    dark_until: u64,
    traffic: Traffic,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It comes to the downlink of its receiver.
    Arriving,
    /// It has passed the downlink.
    Through,
}

/// Ordered by time, then by who was first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: u64,
    order: u64,
    stage: Stage,
    to: usize,
    wire_bytes: usize,
    frame: Vec<u8>,
}

/// All lines and every packet under way. Times are nanoseconds on one clock.
pub(crate) struct Fabric {
    nodes: Vec<Node>,
    events: BinaryHeap<Reverse<Event>>,
    order: u64,
    random: ChaCha8Rng,
    pool: Vec<Vec<u8>>,
    /// Of the first node; the others follow it.
    base_address: u16,
}

impl Fabric {
    pub(crate) fn new(links: &[Link], base_address: u16, seed: u64) -> Self {
        let node = |link: &Link| Node {
            link: *link,
            up_free: 0,
            down_free: 0,
            dark_until: 0,
            traffic: Traffic::default(),
        };
        Self {
            nodes: links.iter().map(node).collect(),
            events: BinaryHeap::new(),
            order: 0,
            random: ChaCha8Rng::seed_from_u64(seed),
            pool: Vec::new(),
            base_address,
        }
    }

    /// Takes a packet that a node sends, with its prefix.
    pub(crate) fn offer(&mut self, now: u64, from: usize, bytes: &[u8]) {
        let Some(packet) = packet::parse(bytes) else {
            return;
        };
        let to = usize::from(packet.to.wrapping_sub(self.base_address));
        if to >= self.nodes.len() || to == from {
            return;
        }
        let Some(node) = self.nodes.get_mut(from) else {
            return;
        };
        let Link {
            up_bits,
            delay,
            loss,
            queue,
            ..
        } = node.link;
        let Some(sent_at) = pass(&mut node.up_free, now, up_bits, queue, packet.wire_bytes) else {
            node.traffic.overflowed += 1;
            return;
        };
        node.traffic.sent += packet.wire_bytes as u64;
        if now < node.dark_until || (loss > 0.0 && self.random.random_bool(loss)) {
            node.traffic.lost += 1;
            return;
        }
        let mut frame = self.pool.pop().unwrap_or_default();
        frame.clear();
        frame.extend_from_slice(bytes);
        self.push(Event {
            at: sent_at + nanoseconds(delay),
            order: 0,
            stage: Stage::Arriving,
            to,
            wire_bytes: packet.wire_bytes,
            frame,
        });
    }

    /// The next packet that has arrived by now, and its receiver.
    pub(crate) fn next_arrived(&mut self, now: u64) -> Option<(usize, Vec<u8>)> {
        loop {
            if self.events.peek()?.0.at > now {
                return None;
            }
            let Reverse(event) = self.events.pop()?;
            let node = self.nodes.get_mut(event.to)?;
            if event.stage == Stage::Through {
                node.traffic.received += event.wire_bytes as u64;
                return Some((event.to, event.frame));
            }
            if event.at < node.dark_until {
                node.traffic.lost += 1;
                self.recycle(event.frame);
                continue;
            }
            let Link {
                down_bits, queue, ..
            } = node.link;
            let through = pass(
                &mut node.down_free,
                event.at,
                down_bits,
                queue,
                event.wire_bytes,
            );
            match through {
                Some(at) => self.push(Event {
                    at,
                    stage: Stage::Through,
                    ..event
                }),
                None => {
                    node.traffic.overflowed += 1;
                    self.recycle(event.frame);
                }
            }
        }
    }

    /// When something happens next.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.events.peek().map(|event| event.0.at)
    }

    /// Gives a delivered frame's memory back.
    pub(crate) fn recycle(&mut self, frame: Vec<u8>) {
        if self.pool.len() < POOL {
            self.pool.push(frame);
        }
    }

    /// From now to then, nothing reaches the node or leaves it.
    pub(crate) fn darken(&mut self, node: usize, until: u64) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.dark_until = until;
        }
    }

    pub(crate) fn traffic(&self, node: usize) -> Option<Traffic> {
        self.nodes.get(node).map(|node| node.traffic)
    }

    fn push(&mut self, mut event: Event) {
        self.order += 1;
        event.order = self.order;
        self.events.push(Reverse(event));
    }
}

pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// When a packet that comes at `at` has passed a line that is busy until `free`; `None` if it is dropped.
fn pass(
    free: &mut u64,
    at: u64,
    bits_per_second: Option<u64>,
    queue: Duration,
    wire_bytes: usize,
) -> Option<u64> {
    let Some(rate) = bits_per_second else {
        return Some(at);
    };
    let start = at.max(*free);
    if start - at > nanoseconds(queue) {
        return None;
    }
    *free = start + (wire_bytes as u64 * 8).saturating_mul(1_000_000_000) / rate.max(1);
    Some(*free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::packet;

    const MS: u64 = 1_000_000;

    fn link(up: u64, down: u64, delay_ms: u64) -> Link {
        Link {
            up_bits: Some(up),
            down_bits: Some(down),
            delay: Duration::from_millis(delay_ms),
            loss: 0.0,
            queue: Duration::from_millis(50),
        }
    }

    fn arrivals(fabric: &mut Fabric, until: u64) -> Vec<(u64, usize)> {
        let mut found = Vec::new();
        while let Some(at) = fabric.next_at().filter(|at| *at <= until) {
            while let Some((to, frame)) = fabric.next_arrived(at) {
                found.push((at, to));
                fabric.recycle(frame);
            }
        }
        found
    }

    #[test]
    fn one_packet_takes_both_lines_and_the_delay() {
        // 1,250 bytes of frame: 1 ms at 10 Mbit/s, half of that at 20.
        let mut fabric = Fabric::new(&[link(10_000_000, 1, 10), link(1, 20_000_000, 0)], 1, 1);
        fabric.offer(0, 0, &packet(2, 1_236));
        assert_eq!(arrivals(&mut fabric, 1_000 * MS), [(11 * MS + MS / 2, 1)]);
        assert_eq!(fabric.traffic(0).unwrap().sent, 1_250);
        assert_eq!(fabric.traffic(1).unwrap().received, 1_250);
    }

    #[test]
    fn a_line_keeps_its_rate_and_drops_what_would_wait_too_long() {
        let mut fabric = Fabric::new(&[link(10_000_000, 1, 0), Link::UNSHAPED], 1, 1);
        for _ in 0..100 {
            fabric.offer(0, 0, &packet(2, 1_236));
        }
        let found = arrivals(&mut fabric, 1_000 * MS);
        // One is on the line at each moment from 0 to 50 ms.
        assert_eq!(found.len(), 51);
        assert_eq!(found.last(), Some(&(51 * MS, 1)));
        assert_eq!(fabric.traffic(0).unwrap().overflowed, 49);
    }

    #[test]
    fn two_senders_share_one_downlink_in_order_of_arrival() {
        let lines = [
            link(100_000_000, 1, 5),
            link(100_000_000, 1, 6),
            link(1, 10_000_000, 0),
        ];
        let mut fabric = Fabric::new(&lines, 1, 1);
        fabric.offer(0, 1, &packet(3, 1_236));
        fabric.offer(0, 0, &packet(3, 1_236));
        let found = arrivals(&mut fabric, 1_000 * MS);
        assert_eq!(
            found,
            [(5 * MS + MS / 10 + MS, 2), (5 * MS + MS / 10 + 2 * MS, 2)]
        );
    }

    #[test]
    fn loss_is_as_asked_and_the_same_for_one_seed() {
        let lossy = Link {
            loss: 0.1,
            up_bits: None,
            ..link(1, 1, 0)
        };
        let lost = |seed| {
            let mut fabric = Fabric::new(&[lossy, Link::UNSHAPED], 1, seed);
            for at in 0..10_000 {
                fabric.offer(at, 0, &packet(2, 100));
            }
            let arrived = arrivals(&mut fabric, 1_000 * MS).len() as u64;
            let lost = fabric.traffic(0).unwrap().lost;
            assert_eq!(arrived + lost, 10_000);
            lost
        };
        assert!((900..1_100).contains(&lost(1)), "{}", lost(1));
        assert_eq!(lost(1), lost(1));
        assert_ne!(lost(1), lost(2));
    }

    #[test]
    fn nothing_passes_in_the_dark() {
        let mut fabric = Fabric::new(&[Link::UNSHAPED, Link::UNSHAPED], 1, 1);
        fabric.darken(0, 10 * MS);
        fabric.offer(MS, 0, &packet(2, 100));
        fabric.offer(MS, 1, &packet(1, 100));
        fabric.offer(11 * MS, 0, &packet(2, 100));
        fabric.offer(11 * MS, 1, &packet(1, 100));
        assert_eq!(
            arrivals(&mut fabric, 1_000 * MS),
            [(11 * MS, 1), (11 * MS, 0)]
        );
        assert_eq!(fabric.traffic(0).unwrap().lost, 2);
    }

    #[test]
    fn packets_to_nobody_vanish() {
        let mut fabric = Fabric::new(&[Link::UNSHAPED, Link::UNSHAPED], 1, 1);
        fabric.offer(0, 0, &packet(0, 100));
        fabric.offer(0, 0, &packet(1, 100));
        fabric.offer(0, 0, &packet(3, 100));
        assert_eq!(fabric.next_at(), None);
    }
}

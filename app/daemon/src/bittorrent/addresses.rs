//! Where peers of one torrent may be, and when to try them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

/// Addresses that are remembered, at most.
const MAX_KNOWN: usize = 2000;
/// Addresses of the local network among them: they come first, and anybody there can make up many.
const MAX_LSD: usize = 100;
/// Hosts that are refused, at most.
const MAX_BANNED: usize = 4096;
/// Pauses after a failure: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(1800));
/// Pause after a connection that worked.
const AGAIN: Duration = Duration::from_secs(5);

/// Who told of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum From {
    /// The link, or the user.
    Link,
    /// The local network.
    Lsd,
    Tracker,
    Dht,
    Pex,
    /// A peer that connected to us and says where it listens.
    Itself,
}

#[derive(Debug)]
struct Known {
    from: From,
    failures: u32,
    not_before: Instant,
    /// A connection to it is being made, or is there.
    busy: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    known: BTreeMap<SocketAddr, Known>,
    banned: BTreeSet<IpAddr>,
}

impl Addresses {
    /// Adds an address. False when it is known, refused, or one where nobody can be.
    pub(super) fn add(&mut self, address: SocketAddr, from: From, now: Instant) -> bool {
        let address = canonical(address);
        let ip = address.ip();
        let nowhere = address.port() == 0 || ip.is_unspecified() || ip.is_multicast();
        if nowhere || self.banned.contains(&ip) || self.known.contains_key(&address) {
            return false;
        }
        let of_lsd = |known: &&Known| known.from == From::Lsd;
        if from == From::Lsd && self.known.values().filter(of_lsd).count() >= MAX_LSD {
            return false;
        }
        if self.known.len() >= MAX_KNOWN && !self.make_room(from) {
            return false;
        }
        let known = Known {
            from,
            failures: 0,
            not_before: now,
            busy: false,
        };
        self.known.insert(address, known);
        true
    }

    /// Forgets one that failed, or one of a worse origin.
    fn make_room(&mut self, from: From) -> bool {
        let idle = self.known.iter().filter(|(_, known)| !known.busy);
        let worst = idle.max_by_key(|(_, known)| (known.failures, known.from));
        let worst = worst.filter(|(_, known)| known.failures > 0 || known.from > from);
        let Some(address) = worst.map(|(address, _)| *address) else {
            return false;
        };
        self.known.remove(&address);
        true
    }

    /// The address to try next, which is busy from now on.
    pub(super) fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        let ready = self.known.iter_mut();
        let ready = ready.filter(|(_, known)| !known.busy && known.not_before <= now);
        let (address, known) = ready.min_by_key(|(_, known)| (known.failures, known.from))?;
        known.busy = true;
        Some(*address)
    }

    /// A connection from there is there: none is made to it.
    pub(super) fn connected(&mut self, address: &SocketAddr) {
        if let Some(known) = self.known.get_mut(&canonical(*address)) {
            known.busy = true;
        }
    }

    /// The connection to it could not be made, or is gone.
    pub(super) fn ended(&mut self, address: &SocketAddr, worked: bool, now: Instant) {
        let Some(known) = self.known.get_mut(&canonical(*address)) else {
            return;
        };
        known.busy = false;
        if worked {
            known.failures = 0;
            known.not_before = now + AGAIN;
        } else {
            let pause = PAUSES.0 * 2u32.pow(known.failures.min(8));
            known.not_before = now + pause.min(PAUSES.1);
            known.failures += 1;
        }
    }

    /// This address is this node itself, or of no use: it is not tried again.
    pub(super) fn forget(&mut self, address: &SocketAddr) {
        if let Some(known) = self.known.get_mut(address) {
            known.busy = true;
        }
    }

    /// Refuses a host from now on.
    pub(super) fn ban(&mut self, ip: IpAddr) {
        let ip = ip.to_canonical();
        if ip.is_loopback() {
            // All peers of a test, and of programs on this machine, have it.
            return;
        }
        if self.banned.len() >= MAX_BANNED {
            self.banned.pop_first();
        }
        self.banned.insert(ip);
        self.known.retain(|address, _| address.ip() != ip);
    }

    pub(super) fn is_banned(&self, ip: IpAddr) -> bool {
        self.banned.contains(&ip.to_canonical())
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

/// One address for each place. Of a link-local address its interface stays, without which nobody is
/// reached there.
fn canonical(address: SocketAddr) -> SocketAddr {
    match (address, address.ip().to_canonical()) {
        (SocketAddr::V6(v6), IpAddr::V6(ip)) => {
            SocketAddrV6::new(ip, v6.port(), 0, v6.scope_id()).into()
        }
        (_, ip) => SocketAddr::new(ip, address.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> SocketAddr {
        let [a, b, c, d] = n.to_be_bytes();
        SocketAddr::from(([a | 1, b, c, d], 6881))
    }

    #[test]
    fn addresses_are_bounded_and_better_ones_take_the_place_of_worse() {
        let (mut all, now) = (Addresses::default(), Instant::now());
        for n in 0..10_000 {
            all.add(address(n), From::Pex, now);
        }
        assert_eq!(all.len(), MAX_KNOWN);
        assert!(!all.add(address(20_000), From::Pex, now));
        assert!(all.add(address(20_000), From::Link, now));
        assert_eq!(all.next(now), Some(address(20_000)));
        assert_eq!(all.len(), MAX_KNOWN);
    }

    #[test]
    fn the_local_network_comes_first_and_fills_no_list() {
        let (mut all, now) = (Addresses::default(), Instant::now());
        all.add(address(1), From::Tracker, now);
        for port in 1..1000 {
            all.add(([10, 0, 0, 9], port).into(), From::Lsd, now);
        }
        assert_eq!(all.len(), 1 + MAX_LSD);
        assert_eq!(all.next(now), Some(([10, 0, 0, 9], 1).into()));
        let scoped = SocketAddrV6::new("fe80::1".parse().unwrap(), 5, 0, 3);
        let mut all = Addresses::default();
        assert!(all.add(scoped.into(), From::Lsd, now));
        assert_eq!(all.next(now), Some(scoped.into()), "with its interface");
    }

    #[test]
    fn what_fails_is_tried_ever_later() {
        let (mut all, mut now) = (Addresses::default(), Instant::now());
        all.add(address(1), From::Tracker, now);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            assert_eq!(all.next(now), Some(address(1)));
            assert_eq!(all.next(now), None, "it is busy");
            all.ended(&address(1), false, now);
            let begin = now;
            while all.known[&address(1)].not_before > now {
                now += Duration::from_secs(1);
            }
            pauses.push(now.duration_since(begin).as_secs());
        }
        assert_eq!(pauses[..3], [10, 20, 40]);
        assert_eq!(pauses[9], 1800);
        assert!(all.next(now).is_some());
        all.ended(&address(1), true, now);
        assert_eq!(all.next(now + AGAIN), Some(address(1)));
    }

    #[test]
    fn who_is_connected_is_not_dialed() {
        let (mut all, now) = (Addresses::default(), Instant::now());
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:5".parse().unwrap();
        all.add(mapped, From::Itself, now);
        all.connected(&mapped);
        assert_eq!(all.next(now), None);
        all.ended(&mapped, true, now);
        assert_eq!(all.next(now), None, "not at once");
        assert!(all.next(now + AGAIN).is_some());
    }

    #[test]
    fn refused_hosts_and_impossible_addresses_are_left_out() {
        let (mut all, now) = (Addresses::default(), Instant::now());
        for text in ["0.0.0.0:1", "10.0.0.1:0", "224.0.0.1:9", "[::]:7"] {
            assert!(
                !all.add(text.parse().unwrap(), From::Tracker, now),
                "{text}"
            );
        }
        all.add(address(5), From::Tracker, now);
        all.ban(address(5).ip());
        assert!(all.is_banned(address(5).ip()) && all.len() == 0);
        assert!(!all.add(address(5), From::Link, now));
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:5".parse().unwrap();
        assert!(all.add(mapped, From::Tracker, now));
        assert!(!all.add("10.0.0.1:5".parse().unwrap(), From::Tracker, now));
    }
}

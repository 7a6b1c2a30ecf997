use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::InfoHashV1;

/// A network without loss or time on the way.
struct World {
    nodes: BTreeMap<SocketAddrV6, Node>,
    now: Duration,
    /// Datagrams that were sent.
    sent: usize,
    events: Vec<(SocketAddrV6, Event)>,
}

fn place(number: u16) -> SocketAddrV6 {
    let ip = Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 1);
    SocketAddrV6::new(ip, 6881, 0, 0)
}

fn node(number: u16, read_only: bool) -> Node {
    let mut random = [0; 20];
    for (index, byte) in random.iter_mut().enumerate() {
        *byte = u8::try_from((usize::from(number) * 37 + index * 11) % 251).unwrap();
    }
    let mut secret = [0; 16];
    secret[..2].copy_from_slice(&number.to_be_bytes());
    Node::new(NodeOptions {
        id: NodeId::for_address((*place(number).ip()).into(), random),
        read_only,
        secret,
    })
}

fn torrent(number: u8) -> InfoHashV1 {
    InfoHashV1::from_bytes([number; 20])
}

impl World {
    /// So many nodes that all know the first, and by it each other.
    fn of(count: u16) -> Self {
        let mut world = Self {
            nodes: BTreeMap::new(),
            now: Duration::from_secs(1),
            sent: 0,
            events: Vec::new(),
        };
        for number in 0..count {
            world.add(number, node(number, false));
        }
        world
    }

    fn add(&mut self, number: u16, node: Node) {
        self.nodes.insert(place(number), node);
        if number > 0 {
            let now = self.now;
            self.node(number).begin(now, &[place(0)]);
        }
        self.settle();
    }

    fn node(&mut self, number: u16) -> &mut Node {
        self.nodes.get_mut(&place(number)).unwrap()
    }

    /// Carries datagrams until there are none.
    fn settle(&mut self) {
        loop {
            let mut under_way = Vec::new();
            for (from, node) in &mut self.nodes {
                while let Some((to, datagram)) = node.poll_transmit() {
                    under_way.push((*from, to, datagram));
                }
                while let Some(event) = node.poll_event() {
                    self.events.push((*from, event));
                }
            }
            if under_way.is_empty() {
                return;
            }
            self.sent += under_way.len();
            for (from, to, datagram) in under_way {
                if let Some(node) = self.nodes.get_mut(&to) {
                    node.handle_datagram(self.now, from, &datagram);
                }
            }
        }
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            let now = self.now;
            for node in self.nodes.values_mut() {
                if node.poll_timeout() <= now {
                    node.handle_timeout(now);
                }
            }
            self.settle();
        }
    }

    /// What one finds, and whether its search ended.
    fn found(&mut self, number: u16, torrent: InfoHashV1) -> Vec<SocketAddrV6> {
        let now = self.now;
        self.events.clear();
        let id = self.node(number).search(now, torrent).unwrap();
        self.settle();
        self.pass(20);
        let mut found = Vec::new();
        let mut is_done = false;
        for (at, event) in self.events.drain(..) {
            match event {
                Event::Found { search, peers } if search == id && at == place(number) => {
                    found.extend(peers);
                }
                Event::Done { search, .. } if search == id && at == place(number) => is_done = true,
                _ => {}
            }
        }
        assert!(is_done);
        found
    }

    fn announce(&mut self, number: u16, torrent: InfoHashV1, port: Option<u16>) -> usize {
        let now = self.now;
        self.events.clear();
        let id = self.node(number).announce(now, torrent, port).unwrap();
        self.settle();
        self.pass(20);
        let told = self.events.iter().find_map(|(at, event)| match event {
            Event::Done { search, told, .. } if *search == id && *at == place(number) => {
                Some(*told)
            }
            _ => None,
        });
        told.unwrap()
    }
}

#[test]
fn what_one_announces_others_find() {
    let mut world = World::of(60);
    assert_eq!(world.announce(7, torrent(1), Some(4772)), 8);
    assert_eq!(world.announce(9, torrent(1), None), 8);
    let mut seven = place(7);
    seven.set_port(4772);
    for number in [0, 20, 59] {
        let mut found = world.found(number, torrent(1));
        found.sort();
        assert_eq!(found, [seven, place(9)], "{number}");
        assert!(world.found(number, torrent(2)).is_empty());
    }
    // It is forgotten after half an hour.
    world.pass(32 * 60);
    assert!(world.found(20, torrent(1)).is_empty());
}

#[test]
fn who_only_asks_is_not_asked() {
    let mut world = World::of(20);
    world.add(99, node(99, true));
    assert_eq!(world.announce(99, torrent(3), Some(5)), 8);
    assert!(!world.node(99).nodes().is_empty());
    world.pass(600);
    for number in 0..20 {
        let known = world.node(number).nodes();
        assert!(
            known.iter().all(|known| known.address != place(99)),
            "{number}"
        );
    }
}

#[test]
fn those_that_are_gone_give_way() {
    let mut world = World::of(40);
    world.announce(1, torrent(4), Some(4772));
    for number in 20..40 {
        world.nodes.remove(&place(number));
    }
    world.pass(3600);
    world.announce(1, torrent(4), Some(4772));
    assert_eq!(world.found(10, torrent(4)).len(), 1);
    for number in 0..20 {
        let known = world.node(number).nodes();
        let gone = known.iter().filter(|known| known.address >= place(20));
        assert_eq!(gone.count(), 0, "{number}");
    }
}

#[test]
fn who_is_alone_says_so() {
    let mut world = World::of(1);
    world.pass(40);
    let lonely = world
        .events
        .iter()
        .filter(|(_, event)| *event == Event::Lonely);
    assert!((2..=3).contains(&lonely.count()));
    assert!(world.found(0, torrent(1)).is_empty());
}

/// Answers with nodes ever nearer, all in one network or each in its own, and with peers without end.
#[test]
fn a_liar_keeps_nobody_busy() {
    for is_one_network in [true, false] {
        let mut one = node(1, false);
        let mut now = Duration::from_secs(1);
        one.begin(now, &[place(1000)]);
        let target = NodeId::from(torrent(5));
        let id = one.search(now, torrent(5)).unwrap();
        let (mut asked, mut peers, mut made) = (0, 0, 0_u32);
        let mut names = BTreeMap::new();
        loop {
            let mut answers = Vec::new();
            while let Some((to, datagram)) = one.poll_transmit() {
                asked += 1;
                let message = Message::decode(&datagram).unwrap();
                answers.push((to, message));
            }
            for (to, question) in answers {
                let nodes = (0..8).map(|_| {
                    made += 1;
                    let mut id = target;
                    id.0[16..].copy_from_slice(&(u32::MAX - made).to_be_bytes());
                    let [high, low] =
                        [made >> 16, made & 0xffff].map(|half| u16::try_from(half).unwrap());
                    let network = if is_one_network { [0, 0] } else { [high, low] };
                    let ip = Ipv6Addr::new(0x2001, 0xdb8, network[0], network[1], 1, 1, high, low);
                    Contact {
                        id,
                        address: SocketAddrV6::new(ip, 7, 0, 0),
                    }
                });
                let nodes: Vec<Contact> = nodes.collect();
                names.extend(nodes.iter().map(|node| (node.address, node.id)));
                let own = names.get(&to).copied().unwrap_or(NodeId([1; 20]));
                let reply = Reply {
                    id: own,
                    peers: nodes.iter().map(|node| node.address).collect(),
                    nodes,
                    token: Some(vec![1; 8]),
                };
                let answer = Message {
                    transaction: question.transaction,
                    body: Body::Reply(reply),
                };
                one.handle_datagram(now, to, &answer.encode());
            }
            let mut is_done = false;
            while let Some(event) = one.poll_event() {
                match event {
                    Event::Found { peers: found, .. } => peers += found.len(),
                    Event::Done { search, .. } => is_done |= search == id,
                    Event::Lonely => {}
                }
            }
            if is_done {
                break;
            }
            now += Duration::from_secs(1);
            one.handle_timeout(now);
            assert!(now < Duration::from_secs(120));
        }
        assert!(asked < 400, "{asked}");
        assert!(peers <= 1000, "{peers}");
        assert!(one.nodes().len() <= MAX_NODES);
    }
}

fn ask(node: &mut Node, now: Duration, from: SocketAddrV6, query: Query) -> Option<Message> {
    let question = Message {
        transaction: b"aa".to_vec(),
        body: Body::Query {
            id: NodeId([9; 20]),
            read_only: true,
            query,
        },
    };
    node.handle_datagram(now, from, &question.encode());
    let (to, datagram) = node.poll_transmit()?;
    assert_eq!(to, from);
    assert!(datagram.len() < MAX_DATAGRAM_BYTES);
    let answer = Message::decode(&datagram).unwrap();
    assert_eq!(answer.transaction, b"aa");
    Some(answer)
}

#[test]
fn only_who_is_at_an_address_announces_it() {
    let (mut one, now) = (node(1, false), Duration::from_secs(1));
    let target = NodeId([3; 20]);
    let answer = ask(&mut one, now, place(2), Query::GetPeers(target)).unwrap();
    let Body::Reply(Reply { token, .. }) = answer.body else {
        panic!("no reply");
    };
    let announce = |token: &[u8]| Query::Announce {
        target,
        port: Some(80),
        token: token.to_vec(),
    };
    let token = token.unwrap();
    let refused = ask(&mut one, now, place(3), announce(&token)).unwrap();
    assert_eq!(refused.body, Body::Error(203));
    let refused = ask(&mut one, now, place(2), announce(b"12345678")).unwrap();
    assert_eq!(refused.body, Body::Error(203));
    let taken = ask(&mut one, now, place(2), announce(&token)).unwrap();
    assert!(matches!(taken.body, Body::Reply(_)));
    let unknown = ask(&mut one, now, place(4), Query::GetPeers(target)).unwrap();
    let Body::Reply(Reply { peers, .. }) = unknown.body else {
        panic!("no reply");
    };
    assert_eq!(peers, [SocketAddrV6::new(*place(2).ip(), 80, 0, 0)]);
}

#[test]
fn who_asks_too_much_gets_no_answers() {
    let (mut one, now) = (node(1, false), Duration::from_secs(1));
    let mut answered = |from| {
        let asked = (0..100).filter(|_| ask(&mut one, now, from, Query::Ping).is_some());
        asked.count()
    };
    assert_eq!(answered(place(2)), 20);
    let all: usize = (3..100).map(|at| answered(place(at))).sum();
    assert!(all <= 280, "{all}");
    let mut silent = node(2, true);
    assert_eq!(ask(&mut silent, now, place(3), Query::Ping), None);
}

/// Messages of other programs: of BEP 5, with nodes and peers of BEP 32.
#[test]
fn messages_of_others() {
    let ping = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
    let decoded = Message::decode(ping).unwrap();
    let body = Body::Query {
        id: NodeId(*b"abcdefghij0123456789"),
        read_only: false,
        query: Query::Ping,
    };
    assert_eq!(decoded.body, body);
    assert_eq!(decoded.encode(), ping);
    let mut reply = b"d1:rd2:id20:0123456789abcdefghij6:nodes638:".to_vec();
    reply.extend([7; 20]);
    reply.extend(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets());
    reply.extend([0x1a, 0xe1]);
    reply.extend(b"5:token8:aoeusnth6:valuesl18:");
    reply.extend(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2).octets());
    reply.extend([0x12, 0x34]);
    reply.extend(b"6:axje.uee1:t2:aa1:y1:re");
    let decoded = Message::decode(&reply).unwrap();
    let Body::Reply(Reply {
        nodes,
        peers,
        token,
        ..
    }) = decoded.body
    else {
        panic!("no reply");
    };
    assert_eq!(nodes[0].address, "[2001:db8::1]:6881".parse().unwrap());
    assert_eq!(peers, ["[2001:db8::2]:4660".parse().unwrap()]);
    assert_eq!(token.as_deref(), Some(&b"aoeusnth"[..]));
    let error = b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee";
    assert_eq!(Message::decode(error).unwrap().body, Body::Error(201));
    let long = format!("d1:t40:{}1:y1:qe", "x".repeat(40));
    for broken in [
        &b"d1:y1:qe"[..],
        b"le",
        b"",
        b"d1:t2:aa1:y1:qe",
        long.as_bytes(),
    ] {
        assert!(Message::decode(broken).is_err());
    }
}

proptest! {
    #[test]
    fn no_datagram_does_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut one = node(1, false);
        one.handle_datagram(Duration::from_secs(1), place(2), &bytes);
        while let Some((_, datagram)) = one.poll_transmit() {
            prop_assert!(Message::decode(&datagram).is_ok());
        }
    }
}

//! Datagrams of the DHT over IPv6, and a node that gets them.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::dht::{MAX_DATAGRAM_BYTES, MAX_NODES, Message, Node, NodeId, NodeOptions};

use crate::seeds::seed;

/// The bytes are a datagram: what is read of it is the same when it is written and read again. They are
/// also datagrams one after the other, each with its length in front, that a node gets which searches:
/// what it sends is sound, and no more than it was given cause for.
pub fn dht(data: &[u8]) {
    if let Ok(message) = Message::decode(data) {
        let written = message.encode();
        assert_eq!(
            Message::decode(&written).map(|again| again.encode()),
            Ok(written)
        );
    }
    node(data);
}

fn place(number: u16) -> SocketAddrV6 {
    let ip = Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 1);
    SocketAddrV6::new(ip, 6881, 0, 0)
}

fn node(mut data: &[u8]) {
    let mut node = Node::new(NodeOptions {
        id: NodeId([7; 20]),
        read_only: false,
        secret: [3; 16],
    });
    let mut now = Duration::from_secs(1);
    node.begin(now, &[place(1), place(2)]);
    let _ = node.announce(now, InfoHashV1::from_bytes([9; 20]), Some(1));
    let mut turns = 0;
    while let Some((&length, rest)) = data.split_first() {
        let (datagram, rest) = rest.split_at(rest.len().min(usize::from(length)));
        data = rest;
        turns += 1;
        now += Duration::from_millis(u64::from(length) * 40);
        let from = place(u16::from(length) % 5);
        node.handle_timeout(now);
        node.handle_datagram(now, from, datagram);
        let mut sent = 0;
        while let Some((_, datagram)) = node.poll_transmit() {
            sent += 1;
            assert!(datagram.len() <= MAX_DATAGRAM_BYTES);
            assert!(Message::decode(&datagram).is_ok());
        }
        assert!(sent <= 64, "{sent}");
        while node.poll_event().is_some() {}
        assert!(node.nodes().len() <= MAX_NODES.min(turns));
    }
}

/// Messages as clients send them, and some in a row.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let id = "2:id20:abcdefghij0123456789";
    let hash = "9:info_hash20:mnopqrstuvwxyz123456";
    let ping = format!("d1:ad{id}e1:q4:ping1:t2:aa1:y1:qe");
    let find = format!(
        "d1:ad{id}6:target20:mnopqrstuvwxyz1234564:wantl2:n6ee1:q9:find_node1:t2:aa1:y1:qe"
    );
    let get = format!("d1:ad{id}{hash}e1:q9:get_peers2:roi1e1:t2:aa1:y1:qe");
    let announce = format!(
        "d1:ad{id}12:implied_porti1e{hash}4:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe"
    );
    let node = "abcdefghij0123456789AAAAAAAAAAAAAAAABB";
    let reply = format!(
        "d1:rd{id}6:nodes638:{node}5:token8:aoeusnth6:valuesl18:CCCCCCCCCCCCCCCCDDee1:t2:aa1:y1:re"
    );
    let error = "d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee".to_owned();
    let mut row = Vec::new();
    for message in [&ping, &find, &get, &announce, &reply] {
        row.push(u8::try_from(message.len()).unwrap_or(u8::MAX));
        row.extend_from_slice(message.as_bytes());
    }
    vec![
        seed("ping", ping),
        seed("find", find),
        seed("get", get),
        seed("announce", announce),
        seed("reply", reply),
        seed("error", error),
        seed("row", row),
    ]
}

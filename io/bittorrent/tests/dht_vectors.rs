//! The crate that carries the DHT, held against the examples of the specifications: node ids of
//! BEP 42, items of BEP 44.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::Ipv4Addr;

use mainline::async_dht::AsyncDht;
use mainline::{Id, MutableItem, Testnet};

/// Addresses and ids of BEP 42. The first 21 bits of an id and its last byte are bound to each other
/// by the address.
const NODES: [(Ipv4Addr, &str); 5] = [
    (
        Ipv4Addr::new(124, 31, 75, 21),
        "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401",
    ),
    (
        Ipv4Addr::new(21, 75, 31, 124),
        "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256",
    ),
    (
        Ipv4Addr::new(65, 23, 51, 170),
        "a5d43220bc8f112a3d426c84764f8c2a1150e616",
    ),
    (
        Ipv4Addr::new(84, 124, 73, 14),
        "1b0321dd1bb1fe518101ceef99462b947a01ff41",
    ),
    (
        Ipv4Addr::new(43, 213, 53, 83),
        "e56f6cbf5b7c4be0237986d5243b87aa6d51305a",
    ),
];

/// The value of all examples of BEP 44, in which it is a string of bencode.
const VALUE: &[u8] = b"Hello World!";
const KEY: &str = "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548";

/// Items of BEP 44 that can change: salt, target and signature; the number is 1.
const MUTABLE: [(Option<&[u8]>, &str, &str); 2] = [
    (
        None,
        "4a533d47ec9c7d95b1ad75f576cffc641853b750",
        "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff\
         1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01",
    ),
    (
        Some(b"foobar"),
        "411eba73b6f087ca51a3795d9c8c938d365e32c1",
        "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d\
         df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08",
    ),
];

fn hex<const N: usize>(text: &str) -> [u8; N] {
    assert_eq!(text.len(), 2 * N);
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

fn id(text: &str) -> Id {
    hex::<20>(text).into()
}

#[test]
fn node_ids_of_bep_42() {
    for (ip, text) in NODES {
        assert!(id(text).is_valid_for_ip(ip), "{ip}");
        for bit in 0..160 {
            let mut bytes = hex::<20>(text);
            bytes[bit / 8] ^= 0x80 >> (bit % 8);
            // Of the last byte, three bits go into the rest.
            let is_bound = !(21..157).contains(&bit);
            assert_eq!(
                !Id::from(bytes).is_valid_for_ip(ip),
                is_bound,
                "{ip}: bit {bit}"
            );
        }
        for (other, _) in NODES.iter().filter(|(other, _)| *other != ip) {
            assert!(!id(text).is_valid_for_ip(*other), "{ip} as {other}");
        }
        for _ in 0..50 {
            assert!(Id::from_ipv4(ip).is_valid_for_ip(ip), "{ip}");
        }
    }
}

/// Two nodes of a DHT of this machine.
fn network() -> (Testnet, AsyncDht, AsyncDht) {
    let net = Testnet::builder(5).build().unwrap();
    let nodes = (net.nodes[1].clone(), net.nodes[3].clone());
    (net, nodes.0.as_async(), nodes.1.as_async())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cannot_change_of_bep_44() {
    let (_net, one, other) = tokio::task::block_in_place(network);
    let target = one.put_immutable(VALUE).await.unwrap();
    assert_eq!(target, id("e5f96f6f38320f0f33959cb4d3d656452117aadb"));
    assert_eq!(other.get_immutable(target).await.as_deref(), Some(VALUE));
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_can_change_of_bep_44() {
    let (_net, one, other) = tokio::task::block_in_place(network);
    let key = hex::<32>(KEY);
    for (salt, target, signature) in MUTABLE {
        assert_eq!(MutableItem::target_from_key(&key, salt), id(target));
        let signature = hex::<64>(signature);
        // Nodes check the signature before they take it: one of something else is refused.
        for (value, seq) in [(&b"Hello World?"[..], 1), (VALUE, 2)] {
            let wrong = MutableItem::new_signed_unchecked(key, signature, value, seq, salt);
            assert!(one.put_mutable(wrong, None).await.is_err(), "{target}");
        }
        assert!(other.get_mutable_most_recent(&key, salt).await.is_none());
        let item = MutableItem::new_signed_unchecked(key, signature, VALUE, 1, salt);
        let put = one.put_mutable(item.clone(), None).await.unwrap();
        assert_eq!(put.target, id(target));
        let found = other.get_mutable_most_recent(&key, salt).await;
        assert_eq!(found, Some(item));
    }
}

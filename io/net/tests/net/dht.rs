//! Finding providers through a third node.

use std::time::{Duration, Instant};

use potluck_net::{FindEvent, Multiaddr, PeerId, ProvideError};

use crate::support::{Node, config, node, within};

const KEY: &[u8] = b"a key of some content";

/// Asks until the search has ended: how many peers were asked, and who provides.
async fn find(node: &Node, key: &[u8]) -> (u32, Vec<(PeerId, Vec<Multiaddr>)>) {
    let mut events = node.handle.find_providers(key.to_vec()).await;
    let (mut asked, mut providers) = (0, Vec::new());
    within(async {
        loop {
            match events
                .recv()
                .await
                .expect("a search ends with its last event")
            {
                FindEvent::Asked(peers) => {
                    assert!(peers > asked, "progress only grows");
                    asked = peers;
                }
                FindEvent::Provider { peer, addrs } => providers.push((peer, addrs)),
                FindEvent::Finished => return,
            }
        }
    })
    .await;
    (asked, providers)
}

/// Asks again until the provider is found.
async fn find_until(node: &Node, provider: PeerId) -> Vec<Multiaddr> {
    within(async {
        loop {
            let (_, found) = find(node, KEY).await;
            if let Some((_, addrs)) = found.into_iter().find(|(peer, _)| *peer == provider) {
                return addrs;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_provider_is_found_through_a_third_node_quickly() {
    let (a, b, c) = (node(1).await, node(2).await, node(3).await);
    // Announced before anybody is known: it has to be announced again by itself.
    a.handle.provide(KEY.to_vec()).await.unwrap();
    a.dials(&c).await;
    b.dials(&c).await;
    let began = Instant::now();
    let addrs = find_until(&b, a.id()).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    println!("found after {took:?}");
    assert!(addrs.contains(&a.bare_address("/tcp/")), "{addrs:?}");
    assert_eq!(within(b.handle.connect(a.id(), addrs)).await, Ok(()));
}

#[tokio::test]
async fn who_keeps_the_record_hears_of_it_at_once() {
    let (a, b) = (node(1).await, node(2).await);
    let mut heard = b.handle.announcements(KEY.to_vec()).await;
    let mut other = b.handle.announcements(b"another key".to_vec()).await;
    a.dials(&b).await;
    a.handle.provide(KEY.to_vec()).await.unwrap();
    assert_eq!(within(heard.recv()).await, Some(a.id()));
    assert!(other.try_recv().is_err());
}

#[tokio::test]
async fn a_search_that_begins_before_anybody_is_known_waits_for_somebody() {
    let (a, b, c) = (node(1).await, node(2).await, node(3).await);
    a.dials(&c).await;
    a.handle.provide(KEY.to_vec()).await.unwrap();
    find_until(&c, a.id()).await;
    let mut events = b.handle.find_providers(KEY.to_vec()).await;
    b.dials(&c).await;
    let provider = within(async {
        while let Some(event) = events.recv().await {
            if let FindEvent::Provider { peer, .. } = event {
                return Some(peer);
            }
        }
        None
    });
    assert_eq!(provider.await, Some(a.id()));
}

#[tokio::test]
async fn who_does_not_serve_is_found_as_well() {
    let mut client = config(1);
    client.dht_server = potluck_net::DhtMode::Client;
    let (a, b, c) = (Node::start(client).await, node(2).await, node(3).await);
    a.handle.provide(KEY.to_vec()).await.unwrap();
    a.dials(&c).await;
    b.dials(&c).await;
    let addrs = find_until(&b, a.id()).await;
    assert!(addrs.contains(&a.bare_address("/tcp/")), "{addrs:?}");
}

#[tokio::test]
async fn a_peer_without_addresses_is_looked_up() {
    let (a, b, c) = (node(1).await, node(2).await, node(3).await);
    a.dials(&c).await;
    b.dials(&c).await;
    within(async { while b.handle.connect(a.id(), vec![]).await.is_err() {} }).await;
}

#[tokio::test]
async fn nothing_is_found_where_nothing_is() {
    let (b, c) = (node(2).await, node(3).await);
    b.dials(&c).await;
    let (asked, found) = find(&b, b"unknown").await;
    assert!(found.is_empty());
    assert!(asked >= 1);
}

#[tokio::test]
async fn a_record_comes_back_after_the_node_that_kept_it_restarts() {
    let (mut a, c) = (node(1).await, node(3).await);
    a.handle.provide(KEY.to_vec()).await.unwrap();
    a.dials(&c).await;
    find_until(&c, a.id()).await;
    let id = c.id();
    within(c.handle.shutdown()).await;
    a.disconnected_from(id).await;
    let c = node(3).await;
    a.dials(&c).await;
    find_until(&c, a.id()).await;
}

#[tokio::test]
async fn keys_taken_back_are_no_longer_answered_for() {
    let (a, b) = (node(1).await, node(2).await);
    a.handle.provide(KEY.to_vec()).await.unwrap();
    a.handle.stop_providing(KEY.to_vec()).await;
    b.dials(&a).await;
    let (_, found) = find(&b, KEY).await;
    assert!(found.is_empty(), "{found:?}");
    let long = a.handle.provide(vec![0; 1000]).await;
    assert_eq!(long, Err(ProvideError::KeyTooLong { limit: 64 }));
}

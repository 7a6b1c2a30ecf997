//! Starting, dialing, banning, stopping.

use potluck_identity::NetworkKey;
use potluck_net::{DialError, NetEvent, Path, PeerId, StartError};

use crate::support::{Node, QUIC, TCP, config, config_with, node, within};

#[tokio::test]
async fn dialing_an_address_gives_the_peer_and_both_sides_know() {
    let (mut a, mut b) = (node(1).await, node(2).await);
    assert_eq!(
        within(a.handle.dial(b.bare_address("/tcp/"))).await,
        Ok(b.id())
    );
    let (a_id, b_id) = (a.id(), b.id());
    let connected = |wanted| {
        move |event: &NetEvent| match event {
            NetEvent::Connected { peer, path, .. } if *peer == wanted => Some(*path),
            _ => None,
        }
    };
    assert_eq!(a.event(connected(b_id)).await, Path::Direct);
    assert_eq!(b.event(connected(a_id)).await, Path::Direct);
    let (addrs, agent) = a
        .event(|event| match event {
            NetEvent::Identified { addrs, agent, .. } => Some((addrs.clone(), agent.clone())),
            _ => None,
        })
        .await;
    assert!(addrs.contains(&b.bare_address("/tcp/")));
    assert!(agent.starts_with("potluck/"));
    let peers = within(b.handle.peers()).await;
    assert_eq!(peers.len(), 1);
    assert_eq!(
        (peers[0].peer, peers[0].path, peers[0].inbound),
        (a_id, Path::Direct, true)
    );
    // Asked again, it has nothing to do.
    assert_eq!(within(a.handle.dial(b.address("/tcp/"))).await, Ok(b_id));
    assert_eq!(within(a.handle.connect(b_id, vec![])).await, Ok(()));
    assert_eq!(within(b.handle.peers()).await[0].addresses.len(), 1);
}

#[tokio::test]
async fn dialing_over_quic_works() {
    let a = Node::start(config_with(1, &[QUIC])).await;
    let b = Node::start(config_with(2, &[QUIC])).await;
    assert_eq!(
        within(a.handle.dial(b.address("/quic-v1"))).await,
        Ok(b.id())
    );
}

#[tokio::test]
async fn tcp_is_preferred_when_a_peer_offers_both() {
    let a = Node::start(config_with(1, &[TCP, QUIC])).await;
    let b = Node::start(config_with(2, &[TCP, QUIC])).await;
    let both = vec![b.bare_address("/quic-v1"), b.bare_address("/tcp/")];
    assert_eq!(within(a.handle.connect(b.id(), both)).await, Ok(()));
    let peers = within(a.handle.peers()).await;
    assert!(
        peers[0].addresses[0].to_string().contains("/tcp/"),
        "{:?}",
        peers[0].addresses
    );
}

#[tokio::test]
async fn whoever_is_not_who_they_should_be_is_refused() {
    let (a, b) = (node(1).await, node(2).await);
    let expected = PeerId::random();
    let address = b.bare_address("/tcp/").with_p2p(expected).unwrap();
    let wrong = DialError::WrongPeer {
        expected,
        obtained: b.id(),
    };
    assert_eq!(within(a.handle.dial(address)).await, Err(wrong.clone()));
    let addresses = vec![b.bare_address("/tcp/")];
    assert_eq!(
        within(a.handle.connect(expected, addresses)).await,
        Err(wrong)
    );
    assert!(within(a.handle.peers()).await.is_empty());
}

#[tokio::test]
async fn failures_have_a_type() {
    let (a, b) = (node(1).await, node(2).await);
    let gone = b.address("/tcp/");
    within(b.handle.shutdown()).await;
    assert_eq!(within(a.handle.dial(gone)).await, Err(DialError::Refused));
    let own = [a.bare_address("/tcp/"), a.address("/tcp/")];
    for own in own {
        assert_eq!(within(a.handle.dial(own)).await, Err(DialError::OwnAddress));
    }
    let nobody = PeerId::random();
    assert_eq!(
        within(a.handle.connect(nobody, vec![])).await,
        Err(DialError::NoAddress)
    );
    let strange: potluck_net::Multiaddr = "/ip4/127.0.0.1/sctp/5".parse().unwrap();
    let unsupported = DialError::UnsupportedAddress(strange.clone());
    assert_eq!(within(a.handle.dial(strange)).await, Err(unsupported));
}

#[tokio::test]
async fn occupied_and_impossible_addresses_are_reported() {
    let a = Node::start(config_with(1, &[TCP, QUIC])).await;
    for part in ["/tcp/", "/quic-v1"] {
        let mut config = config(2);
        config.listen = vec![a.bare_address(part)];
        match Node::try_start(config).await.err() {
            Some(StartError::AddressInUse { addr }) => assert_eq!(addr, a.bare_address(part)),
            other => panic!("{part}: {other:?}"),
        }
    }
    let strange = Node::try_start(config_with(3, &["/ip4/127.0.0.1/sctp/5"]))
        .await
        .err();
    assert!(
        matches!(strange, Some(StartError::AddressNotSupported { .. })),
        "{strange:?}"
    );
    let foreign = Node::try_start(config_with(4, &["/ip4/203.0.113.77/tcp/0"]))
        .await
        .err();
    assert!(
        matches!(foreign, Some(StartError::AddressNotAvailable { .. })),
        "{foreign:?}"
    );
}

#[tokio::test]
async fn banned_peers_are_thrown_out_and_stay_out() {
    let (mut a, mut b) = (node(1).await, node(2).await);
    a.dials(&b).await;
    b.connected_to(a.id()).await;
    within(b.handle.ban(a.id())).await;
    a.disconnected_from(b.id()).await;
    b.disconnected_from(a.id()).await;
    assert_eq!(
        within(b.handle.dial(a.address("/tcp/"))).await,
        Err(DialError::Banned)
    );
    assert_eq!(
        within(b.handle.dial(a.bare_address("/tcp/"))).await,
        Err(DialError::Banned)
    );
    assert_eq!(
        within(b.handle.connect(a.id(), vec![])).await,
        Err(DialError::Banned)
    );
    // The other side may see the connection for a moment, but it does not last.
    if within(a.handle.dial(b.address("/tcp/"))).await.is_ok() {
        a.disconnected_from(b.id()).await;
    }
    assert!(within(b.handle.peers()).await.is_empty());
    within(b.handle.unban(a.id())).await;
    assert_eq!(within(b.handle.dial(a.address("/tcp/"))).await, Ok(a.id()));
}

#[tokio::test]
async fn private_networks_keep_outsiders_out() {
    let private = |seed, key| {
        // The address for QUIC is left out by itself.
        let mut config = config_with(seed, &[TCP, QUIC]);
        config.private = Some(NetworkKey::from_seed([key; 32]));
        config
    };
    let a = Node::start(private(1, 7)).await;
    let b = Node::start(private(2, 7)).await;
    let other = Node::start(private(3, 8)).await;
    let outsider = node(4).await;
    assert!(
        a.handle
            .listen_addresses()
            .iter()
            .all(|address| !address.to_string().contains("quic"))
    );
    assert_eq!(within(a.handle.dial(b.address("/tcp/"))).await, Ok(b.id()));
    // None of them answers the other, so each waits until its patience ends.
    let refused = within(futures::future::join_all([
        other.handle.dial(b.address("/tcp/")),
        b.handle.dial(other.address("/tcp/")),
        outsider.handle.dial(b.address("/tcp/")),
        b.handle.dial(outsider.address("/tcp/")),
    ]));
    assert!(refused.await.iter().all(Result::is_err));
    assert_eq!(within(b.handle.peers()).await.len(), 1);
}

#[tokio::test]
async fn shutdown_closes_everything() {
    let (mut a, mut b) = (node(1).await, node(2).await);
    a.dials(&b).await;
    let address = b.address("/tcp/");
    within(b.handle.shutdown()).await;
    a.disconnected_from(b.id()).await;
    within(async { while b.events.recv().await.is_some() {} }).await;
    assert!(within(b.pipes.recv()).await.is_none());
    assert_eq!(
        within(b.handle.dial(a.address("/tcp/"))).await,
        Err(DialError::Closed)
    );
    assert!(within(b.handle.peers()).await.is_empty());
    // The port is free again.
    let mut config = config(5);
    config.listen = vec![{
        let mut bare = address;
        bare.pop();
        bare
    }];
    drop(b);
    Node::start(config).await;
}

#[tokio::test]
async fn dropping_the_last_handle_stops_the_node() {
    let (mut a, b) = (node(1).await, node(2).await);
    a.dials(&b).await;
    let id = b.id();
    drop(b);
    a.disconnected_from(id).await;
}

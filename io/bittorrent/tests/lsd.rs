//! Peers that find each other by multicast, on the loopback interface alone.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::lsd::{LSD_V4, Search};
use potluck_bittorrent_net::lsd::{LocalPeer, Lsd, LsdOptions};
use socket2::SockRef;
use tokio::sync::mpsc;
use tokio::time::timeout;

fn torrent(number: u8) -> InfoHashV1 {
    InfoHashV1::from_bytes([number; 20])
}

/// A port that nobody has.
fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

fn start(port: u16, group_port: u16) -> (Lsd, mpsc::Receiver<LocalPeer>) {
    let options = LsdOptions {
        port,
        group_port,
        interfaces: Some(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]),
    };
    Lsd::start(options).unwrap()
}

async fn next(peers: &mut mpsc::Receiver<LocalPeer>) -> LocalPeer {
    let found = timeout(Duration::from_secs(20), peers.recv()).await;
    found.unwrap().unwrap()
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[tokio::test]
async fn two_find_each_other() {
    let group_port = free_port();
    let (a, mut of_a) = start(1111, group_port);
    let (b, mut of_b) = start(2222, group_port);
    assert!(b.add(torrent(1)));
    assert!(b.add(torrent(3)));
    assert!(a.add(torrent(1)));
    assert!(a.add(torrent(2)));
    assert_eq!(next(&mut of_b).await, (torrent(1), local(1111)));
    // What it said before the other one wanted to know is lost, so it is asked for by hand.
    a.add(torrent(4));
    b.add(torrent(4));
    let mut found = vec![next(&mut of_a).await];
    while found.last() != Some(&(torrent(4), local(2222))) {
        found.push(next(&mut of_a).await);
    }
    assert!(
        found.iter().all(|(_, peer)| *peer == local(2222)),
        "{found:?}"
    );
}

#[tokio::test]
async fn only_what_is_wanted_and_only_once() {
    let group_port = free_port();
    let (lsd, mut peers) = start(1111, group_port);
    for number in [1, 2, 9] {
        lsd.add(torrent(number));
    }
    lsd.remove(torrent(2));

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    SockRef::from(&socket)
        .set_multicast_if_v4(&Ipv4Addr::LOCALHOST)
        .unwrap();
    let group = SocketAddr::from((LSD_V4, group_port));
    let send = |bytes: &[u8]| socket.send_to(bytes, group).unwrap();
    let search = |port, numbers: &[u8]| Search {
        port,
        torrents: numbers.iter().map(|number| torrent(*number)).collect(),
        cookie: Some("other".to_owned()),
    };
    send(b"rubbish");
    send(&[b'x'; 3000]);
    let mut no_port = search(5, &[1]).encode(group);
    no_port.retain(|byte| *byte != b'5');
    send(&no_port);
    send(&search(7001, &[2, 3]).encode(group));
    send(&search(7002, &[1, 2, 3]).encode(group));
    send(&search(7002, &[1]).encode(group));
    send(&search(7003, &[1, 9]).encode(group));
    assert_eq!(next(&mut peers).await, (torrent(1), local(7002)));
    assert_eq!(next(&mut peers).await, (torrent(1), local(7003)));
    assert_eq!(next(&mut peers).await, (torrent(9), local(7003)));
    drop(lsd);
    assert_eq!(peers.recv().await, None);
}

/// Run it with `--ignored` in a network namespace of its own that has an interface with addresses of
/// both kinds, as `unshare -rn` and a `dummy` interface give.
#[tokio::test]
#[ignore = "speaks on all interfaces"]
async fn on_all_interfaces() {
    let (a, mut of_a) = Lsd::start(LsdOptions::new(1111)).unwrap();
    let (b, _of_b) = Lsd::start(LsdOptions::new(2222)).unwrap();
    a.add(torrent(1));
    b.add(torrent(1));
    let (mut v4, mut v6) = (false, false);
    while !(v4 && v6) {
        let (found, peer) = next(&mut of_a).await;
        println!("{peer}");
        assert_eq!((found, peer.port()), (torrent(1), 2222));
        v4 |= peer.is_ipv4();
        v6 |= peer.is_ipv6();
    }
}

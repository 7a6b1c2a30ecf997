//! A router is asked for ports, on the loopback interface alone.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, unreachable_pub)]

#[path = "../../../app/cli/tests/support/router.rs"]
mod router;

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::time::{Duration, Instant};

use potluck_bittorrent_net::port_mapping::{Mapping, MappingOptions, PortMapper, Protocol, Wish};
use router::{Asked, Router, Trick};
use tokio::time::timeout;

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const OUTSIDE: &str = "203.0.113.5";
const PORT: u16 = 4772;

fn router(trick: Trick) -> Router {
    Router::start(HERE, 0, OUTSIDE, trick)
}

/// Asks for a port in both protocols.
fn start(router: &Router, lease: Duration) -> PortMapper {
    let mapper = PortMapper::start(MappingOptions {
        search: router.search(),
        patience: Duration::from_secs(1),
        lease,
        again: Duration::from_millis(200),
        farewell: Duration::from_secs(2),
    });
    mapper.add(Wish {
        port: PORT,
        protocols: vec![Protocol::Tcp, Protocol::Udp],
    });
    mapper
}

/// Waits until things stand in some way.
async fn until(mapper: &PortMapper, is: impl FnMut(&Mapping) -> bool) -> Mapping {
    let mut state = mapper.state();
    let reached = timeout(Duration::from_secs(10), state.wait_for(is)).await;
    reached.unwrap().unwrap().clone()
}

async fn until_asked(router: &Router, is: impl Fn(&[Asked]) -> bool) -> Vec<Asked> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let asked = router.asked();
        if is(&asked) {
            return asked;
        }
        assert!(Instant::now() < end, "{asked:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn add(protocol: &str, outside: u16, seconds: u32) -> Asked {
    Asked::Add(protocol.into(), outside, HERE.to_string(), PORT, seconds)
}

#[tokio::test]
async fn ports_are_asked_for_and_renewed_and_given_back() {
    let router = router(Trick::None);
    let mapper = start(&router, Duration::from_secs(2));
    let mapping = until(&mapper, |mapping| mapping.ports.len() == 2).await;
    assert_eq!(mapping.outside(Protocol::Tcp, PORT), Some(PORT));
    assert_eq!(mapping.outside(Protocol::Udp, PORT), Some(PORT));
    assert_eq!(mapping.address.unwrap().to_string(), OUTSIDE);
    let both = [add("TCP", PORT, 2), add("UDP", PORT, 2)];
    assert_eq!(router.asked(), both);

    // One that is told later, and what a router lost comes again.
    mapper.add(Wish {
        port: 4773,
        protocols: vec![Protocol::Udp],
    });
    until(&mapper, |mapping| mapping.ports.len() == 3).await;
    router.forget();
    let before = router.asked().len();
    let asked = until_asked(&router, |asked| asked.len() >= before + 3).await;
    assert_eq!(asked[before..before + 2], both);
    assert_eq!(router.mapped().len(), 3);

    mapper.shutdown().await;
    assert!(router.mapped().is_empty(), "{:?}", router.mapped());
    for (protocol, port) in [("TCP", PORT), ("UDP", PORT), ("UDP", 4773)] {
        let gone = Asked::Delete(protocol.into(), port);
        assert!(router.asked().contains(&gone), "{:?}", router.asked());
    }
}

#[tokio::test]
async fn where_the_number_is_taken_there_is_another_for_both() {
    let router = router(Trick::Taken(vec![PORT]));
    let mapper = start(&router, Duration::from_secs(600));
    let mapping = until(&mapper, |mapping| mapping.ports.len() == 2).await;
    let outside = mapping.outside(Protocol::Tcp, PORT).unwrap();
    assert_ne!(outside, PORT);
    assert_eq!(mapping.outside(Protocol::Udp, PORT), Some(outside));
    mapper.shutdown().await;
    assert!(router.mapped().is_empty());
}

#[tokio::test]
async fn a_router_that_knows_no_leases_is_asked_without() {
    let router = router(Trick::Permanent);
    let mapper = start(&router, Duration::from_secs(600));
    until(&mapper, |mapping| mapping.ports.len() == 2).await;
    assert_eq!(
        router.asked()[..2],
        [add("TCP", PORT, 600), add("TCP", PORT, 0)]
    );
    mapper.shutdown().await;
    assert!(router.mapped().is_empty());
}

#[tokio::test]
async fn behind_another_router_a_port_is_of_no_use_to_strangers() {
    let router = Router::start(HERE, 0, "100.70.1.2", Trick::None);
    let mapper = start(&router, Duration::from_secs(600));
    let mapping = until(&mapper, |mapping| mapping.trouble.is_some()).await;
    assert_eq!(mapping.outside(Protocol::Tcp, PORT), None);
    assert!(mapping.trouble.unwrap().contains("100.70.1.2"));
    mapper.shutdown().await;
}

/// What a device says that is no router, or a bad one, does no harm.
#[tokio::test]
async fn bad_devices_are_left_alone() {
    let victim = TcpListener::bind((HERE, 0)).unwrap();
    victim.set_nonblocking(true).unwrap();
    let port = victim.local_addr().unwrap().port();
    let elsewhere = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 2), port);
    let redirected = SocketAddrV4::new(HERE, port);
    for trick in [
        Trick::Endless,
        Trick::Deep,
        Trick::Other,
        Trick::SendsTo(elsewhere),
        Trick::Redirects(redirected),
    ] {
        let router = router(trick.clone());
        let mapper = start(&router, Duration::from_secs(600));
        let mapping = until(&mapper, |mapping| mapping.trouble.is_some()).await;
        assert!(
            mapping.ports.is_empty() && mapping.router.is_none(),
            "{trick:?}"
        );
        assert_eq!(router.asked(), [], "{trick:?}");
        // Buffers of the system are filled too.
        assert!(router.sent_bytes() < 16 << 20, "{}", router.sent_bytes());
        mapper.shutdown().await;
    }
    assert!(victim.accept().is_err(), "another device was asked");
}

/// Nobody waits for a router that is not there.
#[tokio::test]
async fn without_a_router_the_end_comes_at_once() {
    let nobody = std::net::UdpSocket::bind((HERE, 0)).unwrap();
    let std::net::SocketAddr::V4(search) = nobody.local_addr().unwrap() else {
        panic!("not IPv4");
    };
    let mapper = PortMapper::start(MappingOptions {
        search,
        patience: Duration::from_secs(3600),
        ..MappingOptions::default()
    });
    mapper.add(Wish {
        port: PORT,
        protocols: vec![Protocol::Tcp],
    });
    let mut heard = [0; 2048];
    nobody
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let heard = tokio::task::spawn_blocking(move || nobody.recv(&mut heard).unwrap());
    assert!(heard.await.unwrap() > 0);
    timeout(Duration::from_secs(5), mapper.shutdown())
        .await
        .unwrap();
}

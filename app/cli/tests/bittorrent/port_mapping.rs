//! The router is asked for the port, and gets it back.

use crate::support::{Asked, Namespace, Router, Scratch, Tracker, Trick, wait_for, write_tree};
use crate::{create_with, seed_at, settle};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
const HERE: &str = "10.78.0.2";
const OUTSIDE: &str = "203.0.113.5";
const PATIENCE: Duration = Duration::from_secs(30);

/// A machine with a cable to a router, in whose network a tracker listens too. Another machine has the
/// port that the node would like to have outside.
#[test]
fn the_router_is_asked_and_trackers_are_told_its_port() {
    let (home, net) = (Namespace::new("ports"), Namespace::new("ports"));
    let Some((home, net)) = home.zip(net) else {
        return;
    };
    home.cable("10.78.0.2/24", &net, "10.78.0.1/24").unwrap();
    let (router, tracker) = net.enter(|| {
        let router = Router::start(ROUTER, 1900, OUTSIDE, Trick::Taken(vec![4772]));
        (router, Tracker::http(IpAddr::V4(ROUTER)))
    });
    let scratch = Scratch::new("torrent_ports");
    let folder = scratch.path("given/folder");
    write_tree(&folder, &[("a.bin", 70_000)], 11);
    let torrent = create_with(&scratch, &folder, "v1", "t.torrent", &[tracker.url()]);
    let settings = [("bittorrent.port", "4772"), ("bittorrent.lsd", "false")];
    settle(&scratch, "seed", &settings);
    let start = |lan: bool| {
        let spec = scratch.node("seed").under(&home.wrapper());
        let spec = if lan { spec.with_lan() } else { spec };
        spec.start()
    };

    // The same switch as that of the native port.
    let node = start(false);
    seed_at(&node, &torrent, &folder);
    assert_eq!(node.status().torrents.port_mapping, None);
    wait_for("the tracker", PATIENCE, || {
        tracker.ports().contains(&4772).then_some(())
    });
    assert_eq!(node.stop(), 0);
    assert!(router.asked().iter().all(|asked| !is_of(asked, 4772)));

    let node = start(true);
    let mapping = wait_for("both ports", PATIENCE, || {
        let mapping = node.status().torrents.port_mapping?;
        (mapping.ports.len() == 2).then_some(mapping)
    });
    assert_eq!(mapping.router, Some(ROUTER.to_string()));
    assert_eq!(mapping.external_address.as_deref(), Some(OUTSIDE));
    let outside = mapping.ports[0].external_port;
    assert_ne!(outside, 4772);
    for (port, protocol) in mapping.ports.iter().zip(["TCP", "UDP"]) {
        let seen = (port.protocol.as_str(), port.port, port.external_port);
        assert_eq!(seen, (protocol, 4772, outside));
        let key = (protocol.to_owned(), outside);
        assert_eq!(router.mapped().get(&key), Some(&4772));
    }
    let added = router.asked().into_iter().find_map(|asked| match asked {
        Asked::Add(_, port, client, 4772, _) if port == outside => Some(client),
        _ => None,
    });
    assert_eq!(added.as_deref(), Some(HERE));
    let told = || tracker.ports().contains(&outside).then_some(());
    wait_for("the tracker knows the port outside", PATIENCE, told);
    let shown = node.run(["status"]).ok().stdout;
    assert!(
        shown.contains(&format!("TCP {outside} (here 4772)")),
        "{shown}"
    );

    assert_eq!(node.stop(), 0);
    let left = router.mapped();
    assert!(left.values().all(|inside| *inside != 4772), "{left:?}");
}

/// Whether it is about a port of this machine.
fn is_of(asked: &Asked, port: u16) -> bool {
    matches!(asked, Asked::Add(_, _, _, inside, _) if *inside == port)
}

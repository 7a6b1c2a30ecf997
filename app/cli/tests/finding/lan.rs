//! On the same local network, without hints and without any acquaintance: mDNS.

use super::{fetch, folder};
use crate::support::{Namespace, Node, Scratch, strip_hints};

/// A node with the addresses that a node has by default.
fn node(namespace: &Namespace, scratch: &Scratch, name: &str, lan: bool) -> Node {
    let spec = scratch.node(name).listen(None);
    let spec = if lan { spec.with_lan() } else { spec };
    spec.under(&namespace.wrapper()).start()
}

#[test]
fn neighbours_find_each_other_by_mdns() {
    let Some((here, there)) = Namespace::new("mDNS").zip(Namespace::new("mDNS")) else {
        return;
    };
    here.cable("10.77.0.1/24", &there, "10.77.0.2/24").unwrap();
    let scratch = Scratch::new("mdns");
    let folder = folder(&scratch);
    let giver = node(&here, &scratch, "giver", true);
    let link = giver.share(&folder);
    assert!(link.contains("addr=/ip4/10.77.0.1/"), "{link}");
    let link = strip_hints(&link);

    // Without mDNS it is not found, so that what follows shows something.
    let deaf = node(&there, &scratch, "deaf", false);
    let out = scratch.path("out");
    let run = deaf.run(["get", &link, "--timeout", "4", "-o"]);
    run.arg(&out).fails(3);
    assert!(!out.exists());
    assert_eq!(deaf.stop(), 0);

    let taker = node(&there, &scratch, "taker", true);
    fetch(&taker, &link, &folder, &out, &giver);
    let peers = taker.status().peers;
    let found = peers.iter().find(|peer| peer.id == giver.peer_id());
    let path = found
        .and_then(|peer| peer.path)
        .map(|path| path.to_string());
    assert_eq!(path.as_deref(), Some("lan"), "{peers:?}");
    let address = found.and_then(|peer| peer.address.clone());
    assert!(
        address.is_some_and(|address| address.contains("10.77.0.1")),
        "{peers:?}"
    );
}

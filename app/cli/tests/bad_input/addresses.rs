//! Multiaddrs: those that are none (exit code 2) and those where nobody is (5).

use super::refused;
use crate::support::Scratch;

const MALFORMED: [&str; 9] = [
    "nonsense",
    "127.0.0.1:4771",
    "/",
    "/ip4/300.0.0.1/tcp/4771",
    "/ip4/127.0.0.1/tcp/99999",
    "/ip4/127.0.0.1/tcp",
    "/ip9/127.0.0.1/tcp/1",
    "/ip4/127.0.0.1/tcp/4771/p2p/QmNotAPeer",
    "/ip4/127.0.0.1/tcp/4771\n",
];

#[test]
fn malformed_multiaddrs() {
    let scratch = Scratch::new("multiaddrs");
    let node = scratch.node("node").start();
    for text in MALFORMED.into_iter().filter(|text| !text.ends_with('\n')) {
        let message = "is not a multiaddr";
        refused(
            text,
            || node.run(["connect", text]),
            2,
            message,
            "potluck id",
        );
        refused("", || node.run(["connect", ""]), 2, message, "potluck id");
        let run = || scratch.run("new", ["up", "--listen", text]);
        refused(text, run, 2, message, "/ip4/");
        let run = || scratch.run("new", ["up", "--peer", text]);
        refused(text, run, 2, message, "/ip4/");
        let get = [
            "get",
            "bafkr4iae4c5tt4yldi76xcpvg3etxykqkvec352im5fqbutolj2xo5yc5e",
        ];
        let run = || scratch.run("new", get).args(["--peer", text]);
        refused(text, run, 2, message, "/ip4/");
    }
}

/// An address, the exit code, a part of the message, a part of the hint.
#[test]
fn nobody_there() {
    let scratch = Scratch::new("nobody");
    let node = scratch.node("node").start();
    let other = scratch.node("other").start();
    let gone = scratch.node("gone").start();
    let dead = gone.address().to_owned();
    gone.kill();
    let (there, _) = other.address().split_once("/p2p/").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let no_node = format!(
        "/ip4/127.0.0.1/tcp/{}",
        listener.local_addr().unwrap().port()
    );
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            use std::io::Write;
            let _ = (&stream).write_all(b"220 mail.example.com ready\r\n");
        }
    });
    let table = [
        (dead.clone(), "connection refused", "is the peer running"),
        (format!("{there}/p2p/{}", node.peer_id()), "", ""),
        (
            format!("{there}/p2p/{}", peer_of(&dead)),
            "the peer there is",
            "'potluck id'",
        ),
        (node.address().to_owned(), "this node's own", "another node"),
        (
            format!("/p2p/{}", peer_of(&dead)),
            "not a supported kind of address",
            "/tcp/",
        ),
        (
            "/ip4/127.0.0.1/udp/9".to_owned(),
            "not a supported kind of address",
            "quic-v1",
        ),
        (
            "/unix/tmp".to_owned(),
            "not a supported kind of address",
            "quic-v1",
        ),
        (no_node, "handshake failed", "private network"),
    ];
    for (address, message, hint) in table {
        refused(
            &address,
            || node.run(["connect", &address]),
            5,
            message,
            hint,
        );
    }
}

fn peer_of(address: &str) -> &str {
    address.rsplit('/').next().unwrap()
}

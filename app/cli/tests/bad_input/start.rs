//! A node that cannot start: ports that are taken, a data directory that is in use, newer, damaged
//! or not to be written to.

use super::refused;
use crate::support::{Namespace, Node, Scratch, write_file};
use std::fs;
use std::net::TcpListener;

#[test]
fn ports_and_addresses() {
    let scratch = Scratch::new("ports");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let busy_udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp = busy_udp.local_addr().unwrap().port();
    let tcp = |port: u16| format!("/ip4/127.0.0.1/tcp/{port}");
    let quic = format!("/ip4/127.0.0.1/udp/{udp}/quic-v1");
    let api = format!("127.0.0.1:{port}");
    let table: [(&str, String, i32, &str, &str); 9] = [
        (
            "--listen",
            tcp(port),
            1,
            "is in use",
            "another port with --listen",
        ),
        ("--listen", quic, 1, "", "--listen"),
        (
            "--listen",
            "/ip4/192.0.2.7/tcp/0".into(),
            1,
            "not one of this machine",
            "0.0.0.0",
        ),
        (
            "--listen",
            "/ip4/127.0.0.1/udp/0".into(),
            1,
            "not a supported kind",
            "quic-v1",
        ),
        ("--api", api, 1, "for the API", "another port with --api"),
        (
            "--api",
            "nonsense".into(),
            2,
            "is not HOST:PORT",
            "127.0.0.1:4770",
        ),
        (
            "--api",
            "127.0.0.1:99999".into(),
            2,
            "is not HOST:PORT",
            "127.0.0.1:4770",
        ),
        ("--api", "0.0.0.0:0".into(), 2, "not loopback", "SSH tunnel"),
        (
            "--private",
            "/dev/null".into(),
            2,
            "/dev/null",
            "64 hex digits",
        ),
    ];
    for (flag, value, code, message, hint) in table {
        let case = format!("{flag} {value}");
        refused(
            &case,
            || scratch.run("data", ["up", flag, &value]),
            code,
            message,
            hint,
        );
    }
    let missing = scratch.path("missing.key");
    let run = || scratch.run("data", ["up", "--private"]).arg(&missing);
    refused("no key file", run, 2, "missing.key", "64 hex digits");
    // Nothing of that keeps a node from starting as it should.
    scratch.node("data").start();
}

/// The default port was chosen by nobody, so nobody is told off when it is taken.
#[test]
fn the_default_port_is_given_up_when_it_is_taken() {
    let Some(network) = Namespace::new("the default port") else {
        return;
    };
    let scratch = Scratch::new("default-port");
    let node = |name: &str| {
        let spec = scratch.node(name).listen(None);
        spec.under(&network.wrapper()).start()
    };
    let (first, second) = (node("first"), node("second"));
    let has_port = |node: &Node| node.ready().addresses.iter().any(|a| a.contains("/4771/"));
    assert!(has_port(&first), "{:?}", first.ready());
    assert!(!has_port(&second), "{:?}", second.ready());
    second.run(["connect", first.address()]).ok();
    first.run(["connect", second.address()]).ok();
}

#[test]
fn a_second_daemon_on_one_data_directory() {
    let scratch = Scratch::new("second");
    let node = scratch.node("data").start();
    let message = format!("is in use by process {}", node.pid());
    refused(
        "second",
        || scratch.run("data", ["up"]),
        1,
        &message,
        "its own with --data",
    );
    // The first one goes on, and commands go to it.
    assert_eq!(node.status().peer_id, node.peer_id());
    // After a crash the directory is free again, whatever the dead one left there.
    let id = node.peer_id().to_owned();
    node.kill();
    assert!(
        scratch.path("data/api.json").exists(),
        "nothing was left behind to stumble upon"
    );
    let value = scratch.run("data", ["ls"]).json().ok().value();
    assert_eq!(value["roots"].as_array().unwrap().len(), 0);
    assert_eq!(scratch.node("data").start().peer_id(), id);
}

/// What stands in the file `version`, a part of the message, a part of the hint.
const VERSIONS: [(&str, &str, &str); 5] = [
    (
        "2\n",
        "has format 2; this version reads up to 1",
        "newer version of potluck",
    ),
    (
        "4000000000\n",
        "has format 4000000000",
        "newer version of potluck",
    ),
    ("", "is not a version", ""),
    ("one", "is not a version", ""),
    ("-1", "is not a version", ""),
];

#[test]
fn a_data_directory_from_a_newer_version() {
    let scratch = Scratch::new("newer");
    let node = scratch.node("data").start();
    let id = node.peer_id().to_owned();
    assert_eq!(node.stop(), 0);
    let file = scratch.path("data/version");
    let right = fs::read(&file).unwrap();
    for (text, message, hint) in VERSIONS {
        fs::write(&file, text).unwrap();
        for command in ["up", "ls"] {
            refused(text, || scratch.run("data", [command]), 1, message, hint);
        }
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            text,
            "it was overwritten"
        );
    }
    fs::write(&file, right).unwrap();
    assert_eq!(scratch.node("data").start().peer_id(), id);
}

#[test]
fn a_damaged_data_directory() {
    let scratch = Scratch::new("damaged");
    let shared = scratch.path("file.bin");
    write_file(&shared, 100_000, 1);
    let node = scratch.node("data").start();
    node.share(&shared);
    assert_eq!(node.stop(), 0);
    let data = scratch.path("data");

    let key = fs::read(data.join("key")).unwrap();
    for bytes in [&b""[..], b"not a key", &key[..key.len() - 1], &[0xff; 5000]] {
        fs::write(data.join("key"), bytes).unwrap();
        refused(
            "key",
            || scratch.run("data", ["up"]),
            1,
            "is not a node key",
            "backup",
        );
    }
    fs::write(data.join("key"), key).unwrap();

    let meta = fs::read(data.join("meta.redb")).unwrap();
    let mut headless = meta.clone();
    headless[..4096].fill(0x5a);
    for bytes in [&b"not a database"[..], &headless, &meta[..meta.len() / 2]] {
        fs::write(data.join("meta.redb"), bytes).unwrap();
        refused(
            "meta",
            || scratch.run("data", ["up"]),
            1,
            "meta.redb",
            "another with --data",
        );
    }
    fs::write(data.join("meta.redb"), meta).unwrap();

    // What a dead node left for commands may be anything.
    for text in [
        "",
        "{",
        "{\"url\":\"http://127.0.0.1:1\",\"token\":\"x\",\"pid\":1}",
    ] {
        fs::write(data.join("api.json"), text).unwrap();
        let list = scratch.run("data", ["ls"]).json().ok().value();
        assert_eq!(list["roots"].as_array().unwrap().len(), 1, "{list}");
    }
    scratch.node("data").start();
}

#[test]
fn a_data_directory_that_is_none() {
    let scratch = Scratch::new("no-directory");
    let file = scratch.path("data");
    fs::write(&file, "a file").unwrap();
    for command in ["up", "ls", "id"] {
        let message = "cannot make the data directory";
        refused(
            command,
            || scratch.run("data", [command]),
            1,
            message,
            "--data",
        );
        let run = || scratch.run("data/below", [command]);
        refused(command, run, 1, message, "--data");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "a file");
}

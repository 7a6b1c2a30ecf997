//! Clients that are slow or large: none of them holds the node up.

use crate::http::{Door, parse};
use crate::support::{Scratch, cid, is_quick, memory, sockets, wait_for};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long until the other side closes; what it said before.
fn until_closed(stream: &mut TcpStream) -> (Duration, Vec<u8>) {
    let (began, mut said) = (Instant::now(), Vec::new());
    let _ = stream.read_to_end(&mut said);
    (began.elapsed(), said)
}

#[test]
fn heads_that_never_end() {
    let scratch = Scratch::new("slowloris");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let before = sockets(node.pid());
    let mut slow: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = door.connect();
            write!(
                stream,
                "GET / HTTP/1.1\r\nHost: localhost:{}\r\n",
                door.port
            )
            .unwrap();
            stream
        })
        .collect();
    // One that sends a little now and then is no better.
    let mut drip = door.connect();
    drip.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let dripping = std::thread::spawn(move || {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) && drip.write_all(b"X-A: b\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(500));
        }
        began.elapsed()
    });
    // Meanwhile others are served.
    assert_eq!(door.api("GET", "/status").send().status, 200);
    let (took, _) = until_closed(&mut slow[0]);
    assert!((8..14).contains(&took.as_secs()), "{took:?}");
    let took = dripping.join().unwrap();
    assert!(took < Duration::from_secs(15), "{took:?}");
    wait_for("the connections to go", Duration::from_secs(10), || {
        (sockets(node.pid()) <= before + 2).then_some(())
    });
}

#[test]
fn bodies_that_never_end() {
    if is_quick("bodies_that_never_end") {
        return;
    }
    let scratch = Scratch::new("slow-body");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let mut stream = door.connect();
    let head = door
        .api("POST", "/config")
        .with("Content-Type", "application/json")
        .with("Content-Length", "100");
    write!(stream, "{}\r\n{{", head.head()).unwrap();
    let (took, said) = until_closed(&mut stream);
    assert!((28..45).contains(&took.as_secs()), "{took:?}");
    let answer = parse(&said).unwrap();
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[test]
fn who_does_not_read_is_given_up() {
    if is_quick("who_does_not_read_is_given_up") {
        return;
    }
    let scratch = Scratch::new("slow-reader");
    let file = scratch.path("large.bin");
    crate::support::write_file(&file, 64 << 20, 3);
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let link = node.share(&file);
    let cid = cid(&link);
    let before = (sockets(node.pid()), memory(node.pid(), "VmRSS:"));
    let stuck: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = door.connect();
            let ask = door.content(&format!("/c/{cid}"));
            write!(stream, "{}\r\n", ask.head()).unwrap();
            stream
        })
        .collect();
    let began = Instant::now();
    wait_for("the first answers", Duration::from_secs(10), || {
        (sockets(node.pid()) >= before.0 + 8).then_some(())
    });
    wait_for(
        "those who do not read to be given up",
        Duration::from_secs(60),
        || (sockets(node.pid()) <= before.0 + 1).then_some(()),
    );
    assert!(
        began.elapsed() > Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    let grown = memory(node.pid(), "VmRSS:").saturating_sub(before.1);
    assert!(grown < 64 << 20, "{grown} bytes for eight readers");
    drop(stuck);
}

#[test]
fn requests_that_are_too_large() {
    let scratch = Scratch::new("bombs");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let before = memory(node.pid(), "VmRSS:");
    let mut many = door.api("GET", "/status");
    for index in 0..100 {
        many = many.with(&format!("X-{index}"), "x");
    }
    assert_eq!(many.send().status, 431);
    let long = door
        .api("GET", "/status")
        .with("X-Long", &"x".repeat(100_000))
        .send();
    assert_eq!(long.status, 431);
    let path = "a".repeat(100_000);
    let path = door.ask("GET", "127.0.0.1", &format!("/{path}")).send();
    assert!(matches!(path.status, 414 | 431), "{}", path.status);
    let body = vec![b' '; 5 << 20];
    let large = door
        .api("POST", "/share")
        .with("Content-Type", "application/json")
        .body(&body)
        .send();
    assert_eq!(large.status, 413, "{}", large.text());
    assert_eq!(large.json()["code"], 2);
    let deep = "[".repeat(1_000_000);
    let deep = door
        .api("POST", "/share")
        .with("Content-Type", "application/json")
        .body(deep.as_bytes());
    assert_eq!(deep.send().status, 422);
    for _ in 0..20 {
        // Told to be huge, and never sent.
        let mut stream = door.connect();
        let ask = door
            .api("POST", "/share")
            .with("Content-Type", "application/json");
        let head = ask.with("Content-Length", "999999999999").head();
        write!(stream, "{head}\r\n").unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 413");
    }
    let grown = memory(node.pid(), "VmRSS:").saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes");
    assert_eq!(door.api("GET", "/status").send().status, 200);
}

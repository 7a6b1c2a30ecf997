//! Trackers that do wrong: it is told in plain words, costs no memory, and holds nobody up who has
//! another tracker.

use crate::support::{Scratch, Tracker, memory, read_request, wait_for, write_file};
use crate::{create_with, seed_at, settle};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Bytes of an answer that is far too long.
const HUGE: u64 = 100_000_000;
/// More than is read of it, with all that the system keeps on its way.
const TAKEN: u64 = 16 << 20;

/// What a tracker does wrong, and what is told of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sin {
    /// It answers with 100 MB, and does not say so before.
    Huge,
    Garbage,
    /// It takes the question and never answers.
    Silent,
    /// It sends everybody to itself.
    Redirects,
    /// Over UDP, to everything.
    UdpGarbage,
    UdpSilent,
}

const ALL: [(Sin, &str); 6] = [
    (Sin::Huge, "the tracker's reply is longer than"),
    (Sin::Garbage, "the tracker's reply is broken"),
    (Sin::Silent, "the tracker has not answered yet"),
    (Sin::Redirects, "the tracker sends us somewhere else"),
    (Sin::UdpGarbage, "the tracker's reply makes no sense"),
    (Sin::UdpSilent, "the tracker has not answered yet"),
];

struct Bad {
    url: String,
    /// Bytes of answers that were taken.
    taken: Arc<AtomicU64>,
}

impl Bad {
    fn start(sin: Sin) -> Self {
        let taken = Arc::new(AtomicU64::new(0));
        if matches!(sin, Sin::UdpGarbage | Sin::UdpSilent) {
            let socket = UdpSocket::bind((HERE, 0)).unwrap();
            let url = format!("udp://{}/announce", socket.local_addr().unwrap());
            std::thread::spawn(move || over_udp(sin, &socket));
            return Self { url, taken };
        }
        let listener = TcpListener::bind((HERE, 0)).unwrap();
        let url = format!("http://{}/announce", listener.local_addr().unwrap());
        let (own, counter) = (url.clone(), Arc::clone(&taken));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (own, counter) = (own.clone(), Arc::clone(&counter));
                std::thread::spawn(move || over_http(sin, &own, stream, &counter));
            }
        });
        Self { url, taken }
    }

    fn host(&self) -> &str {
        self.url.split('/').nth(2).unwrap()
    }
}

fn over_udp(sin: Sin, socket: &UdpSocket) {
    let mut buffer = [0; 2048];
    while let Ok((bytes, from)) = socket.recv_from(&mut buffer) {
        if sin == Sin::UdpGarbage && bytes >= 16 {
            // Of this question, and broken off.
            let answer = [&[0; 4][..], &buffer[12..16], b"x"].concat();
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn over_http(sin: Sin, own: &str, mut stream: TcpStream, taken: &AtomicU64) -> Option<()> {
    read_request(&mut stream)?;
    let ok = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    match sin {
        Sin::Huge => {
            let begin = format!("{ok}d8:intervali60e5:peers{HUGE}:");
            stream.write_all(begin.as_bytes()).ok()?;
            let chunk = [1; 50_000];
            while taken.load(Ordering::Relaxed) < HUGE {
                stream.write_all(&chunk).ok()?;
                taken.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            }
        }
        Sin::Redirects => {
            let answer =
                format!("HTTP/1.1 302 Found\r\nLocation: {own}?again\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).ok()?;
        }
        Sin::Silent => {
            // Until the other side has enough.
            let _ = stream.read_to_end(&mut Vec::new());
        }
        Sin::Garbage | Sin::UdpGarbage | Sin::UdpSilent => {
            let page = format!("{ok}<html>It works!</html>");
            stream.write_all(page.as_bytes()).ok()?;
        }
    }
    Some(())
}

#[test]
fn what_is_wrong_with_a_tracker_is_told_in_plain_words() {
    std::thread::scope(|scope| {
        for (sin, words) in ALL {
            scope.spawn(move || {
                let scratch = Scratch::new("tracker_words");
                let bad = Bad::start(sin);
                settle(&scratch, "taker", &[]);
                let hash = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
                let link = format!("magnet:?xt=urn:btih:{hash}&tr={}", bad.url);
                let run = scratch.run("taker", ["get", &link, "--timeout", "3", "-o"]);
                let finished = run.arg(scratch.path("out")).fails(3);
                let told = format!("{}: {words}", bad.host());
                assert!(finished.stderr.contains(&told), "{sin:?}: {finished}");
            });
        }
    });
}

#[test]
fn trackers_that_do_wrong_hold_nobody_up_who_has_another() {
    let scratch = Scratch::new("tracker_sins");
    let file = scratch.path("film.bin");
    write_file(&file, 12 << 20, 9);
    let bad: Vec<Bad> = ALL.iter().map(|(sin, _)| Bad::start(*sin)).collect();
    let good = Tracker::http(HERE.into());
    let mut urls: Vec<&str> = bad.iter().map(|bad| bad.url.as_str()).collect();
    urls.push(good.url());
    let torrent = create_with(&scratch, &file, "v1", "film.torrent", &urls);

    settle(&scratch, "seed", &[]);
    let seed = scratch.node("seed").args(["--up-limit", "2MB/s"]).start();
    seed_at(&seed, &torrent, &file);
    let announced = || good.events().contains(&"started".to_owned()).then_some(());
    wait_for("the seed's announce", Duration::from_secs(30), announced);

    settle(&scratch, "taker", &[]);
    let taker = scratch.node("taker").start();
    let out = scratch.path("out.bin");
    let run = taker.run(["get", "--timeout", "30", "-o"]);
    let mut running = run.arg(&out).arg(&torrent).json().spawn();
    running.event_where("bytes", |event| {
        event["event"] == "progress" && event["done_bytes"].as_u64() > Some(0)
    });
    // While it still runs: the slow ones have not failed yet, and are named all the same.
    let troubles = taker.status().tracker_troubles;
    let shown = taker.run(["status"]).ok().stdout;
    running.finish().last("done");
    assert_eq!(fs::read(&file).unwrap(), fs::read(&out).unwrap());
    for (bad, (sin, words)) in bad.iter().zip(ALL) {
        let trouble = troubles
            .iter()
            .find(|trouble| trouble.tracker == bad.host());
        let what = trouble.map(|trouble| trouble.what.as_str());
        let is_told = what.is_some_and(|what| what.contains(words));
        assert!(is_told, "{sin:?}: {troubles:?}");
        let line = format!("tracker {} of film.bin: {words}", bad.host());
        assert!(shown.contains(&line), "{sin:?}: {shown}");
    }
    assert_eq!(troubles.len(), ALL.len(), "the good one is none of them");
    for bad in &bad {
        let taken = bad.taken.load(Ordering::Relaxed);
        assert!(taken < 2 * TAKEN, "{taken} bytes were taken by two nodes");
    }
    for node in [&seed, &taker] {
        let most = memory(node.pid(), "VmHWM:");
        println!("at most {} MiB", most >> 20);
        assert!(most < 100 << 20, "{most} bytes of memory");
    }
}

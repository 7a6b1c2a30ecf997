//! Very many connections: whoever has something to ask gets an answer all the same.

use crate::http::{Door, parse};
use crate::support::{Scratch, cid, memory, sockets, wait_for, write_file};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CROWD: usize = 10_000;
/// Connections that a node holds at once.
const PLACES: usize = 1024;
/// How long an honest request may take meanwhile, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lets this process open that many files; `false` when the system does not.
fn may_open(files: usize) -> bool {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = u64::try_from(files).unwrap();
    if current.is_none_or(|current| current >= wanted) {
        return true;
    }
    let current = Some(wanted);
    let raised = setrlimit(Resource::Nofile, Rlimit { current, maximum }).is_ok();
    if !raised {
        eprintln!(
            "LEFT OUT: this process may not open {files} files, so nothing is shown about crowds"
        );
    }
    raised
}

/// Tells a thread to stop, also when the test fails before it meant to.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks honestly again and again until told to stop: how often, and the longest wait.
fn ask_on(door: &Door, stop: &AtomicBool) -> (u32, Duration) {
    let (mut times, mut longest) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = door.api("GET", "/activity").send();
        assert_eq!(answer.status, 200);
        longest = longest.max(began.elapsed());
        times += 1;
        // At the pace of somebody who uses it, not as another attack.
        std::thread::sleep(Duration::from_millis(10));
    }
    (times, longest)
}

/// Reads on at a slow pace until told to stop, and then the rest.
fn read_on(mut stream: TcpStream, stop: &AtomicBool) -> Vec<u8> {
    let (mut all, mut part) = (Vec::new(), vec![0; 64 * 1024]);
    while !stop.load(Ordering::Relaxed) {
        let count = stream.read(&mut part).unwrap();
        all.extend_from_slice(&part[..count]);
        if count == 0 {
            return all;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    stream.read_to_end(&mut all).unwrap();
    all
}

/// Opens the crowd, each of whom sends `first` and nothing more, while somebody asks honestly.
fn besiege(door: &Door, first: &str) -> (Vec<TcpStream>, u32, Duration) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ending = Stop(&stop);
        let asking = scope.spawn(|| ask_on(door, &stop));
        let crowd: Vec<TcpStream> = (0..CROWD)
            .map(|_| {
                let mut stream = door.connect();
                let _ = stream.write_all(first.as_bytes());
                stream
            })
            .collect();
        // All of them are there; somebody still asks.
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(2) {
            assert_eq!(door.api("GET", "/id").send().status, 200);
        }
        drop(ending);
        let (times, longest) = asking.join().unwrap();
        (crowd, times, longest)
    })
}

#[test]
fn ten_thousand_who_say_nothing() {
    if !may_open(CROWD + 512) {
        return;
    }
    let scratch = Scratch::new("crowd");
    let file = scratch.path("large.bin");
    write_file(&file, 48 << 20, 17);
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let cid = cid(&node.share(&file));
    assert_eq!(door.api("GET", "/status").send().status, 200);
    let (before, held) = (memory(node.pid(), "VmRSS:"), sockets(node.pid()));
    // One who is being served keeps its place throughout.
    let mut served = door.connect();
    let ask = door
        .content(&format!("/c/{cid}"))
        .with("Connection", "close");
    write!(served, "{}\r\n", ask.head()).unwrap();
    let half = format!("GET / HTTP/1.1\r\nHost: localhost:{}\r\n", door.port);
    let stop = AtomicBool::new(false);
    let all = std::thread::scope(|scope| {
        let ending = Stop(&stop);
        let reading = scope.spawn(|| read_on(served, &stop));
        for (what, first) in [("nothing", ""), ("half a head", half.as_str())] {
            let (crowd, times, longest) = besiege(&door, first);
            assert!(times > 5, "{what}: {times}");
            assert!(longest < PATIENCE, "{what}: {longest:?}");
            let open = sockets(node.pid());
            assert!(open < held + PLACES + 8, "{what}: {open} sockets");
            let grown = memory(node.pid(), "VmRSS:").saturating_sub(before);
            assert!(grown < 96 << 20, "{what}: {grown} bytes");
            println!(
                "{what}: {times} honest answers, the slowest after {longest:?}; {grown} bytes more"
            );
            drop(crowd);
            wait_for("the crowd to go", Duration::from_secs(20), || {
                (sockets(node.pid()) <= held + 2).then_some(())
            });
        }
        drop(ending);
        reading.join().unwrap()
    });
    let answer = parse(&all).unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 48 << 20));
    wait_for("all to be as before", Duration::from_secs(10), || {
        (sockets(node.pid()) <= held).then_some(())
    });
    assert_eq!(door.api("GET", "/status").send().status, 200);
}

/// Those between two requests give up their places as well.
#[test]
fn those_who_have_their_answer_make_room() {
    if !may_open(CROWD + 512) {
        return;
    }
    let scratch = Scratch::new("guests");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let head = door.ask("GET", "127.0.0.1", "/health").head();
    let began = Instant::now();
    let crowd: Vec<TcpStream> = (0..2 * PLACES)
        .map(|_| {
            let mut stream = door.connect();
            write!(stream, "{head}\r\n").unwrap();
            let mut start = [0; 12];
            stream.read_exact(&mut start).unwrap();
            assert_eq!(&start, b"HTTP/1.1 200");
            stream
        })
        .collect();
    // Waiting for the time of a head to run out would take ten seconds for each thousand.
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(door.api("GET", "/status").send().status, 200);
    drop(crowd);
}

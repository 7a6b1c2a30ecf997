//! Processes that are killed at random moments: this test runs itself as a child and kills it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout
)]

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::*;
use potluck_store::{Fault, FinishError, OpenError, ShareRequest, SpanBuf, Store, StoreOptions};
use tempfile::tempdir;

const ROLE: &str = "POTLUCK_STORE_TEST_ROLE";

fn child(role: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "role", "--nocapture"])
        .env(ROLE, role)
        .env("POTLUCK_STORE_TEST_DIR", dir)
        .stdout(Stdio::null())
        .stderr(said(dir))
        .spawn()
        .unwrap()
}

/// Where children say why they failed.
fn said(dir: &Path) -> Stdio {
    fs::File::options()
        .append(true)
        .create(true)
        .open(dir.join("said"))
        .unwrap()
        .into()
}

/// What the child does; nothing when it is run as a test.
#[test]
fn role() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let dir = std::path::PathBuf::from(std::env::var("POTLUCK_STORE_TEST_DIR").unwrap());
    match role.as_str() {
        "fetch" => fetch_all(&dir),
        "index" => drop(share(&open(&dir.join("to")), &dir.join("src"))),
        _ => panic!("{role}"),
    }
}

/// Fetches pieces, with a note of each outside of the store before it is fetched.
fn fetch_all(dir: &Path) {
    let from = open_shared(&dir.join("from"));
    let to = open(&dir.join("to"));
    let address = from.roots().unwrap()[0].address;
    let dest = dir.join("out");
    if dest.exists() {
        return;
    }
    let download = to.begin(spec(&from, address, &dest)).unwrap();
    let log = fs::File::options()
        .append(true)
        .create(true)
        .open(dir.join("log"))
        .unwrap();
    let mut buffer = SpanBuf::new();
    for (count, piece) in missing(&download).iter().enumerate() {
        let bytes = fetch_piece(&from, &download, piece, &mut buffer);
        std::io::Write::write_all(&mut &log, format!("{bytes}\n").as_bytes()).unwrap();
        if count % 20 == 19 {
            download.checkpoint().unwrap();
        }
    }
    download.finish(true, 1).unwrap();
}

/// A store that a killed child may still hold for a moment.
fn open_shared(dir: &Path) -> Store {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match Store::open(dir, StoreOptions::default()) {
            Err(OpenError::Locked { .. }) if Instant::now() < deadline => std::thread::yield_now(),
            other => return other.unwrap(),
        }
    }
}

#[test]
fn a_download_killed_at_any_moment_is_finished_with_little_fetched_twice() {
    let dir = tempdir().unwrap();
    for n in 0..30 {
        put(
            &dir.path().join(format!("src/d{}/f{n}", n % 4)),
            &bytes(n, 700_000),
        );
    }
    put(&dir.path().join("src/big"), &bytes(99, 20_000_000));
    let store = open(&dir.path().join("from"));
    let total = share(&store, &dir.path().join("src")).root.bytes;
    drop(store);
    let dest = dir.path().join("out");
    let mut kills = 0;
    for round in 0_u64..500 {
        let mut child = child("fetch", dir.path());
        // Between nothing and about as long as it takes to do all.
        let wait =
            Duration::from_micros(bytes(round, 8)[0].into()) * [200, 1000][round as usize % 2];
        let started = Instant::now();
        let mut ended = None;
        while started.elapsed() < wait && ended.is_none() {
            ended = child.try_wait().unwrap();
        }
        if let Some(status) = ended {
            assert!(
                status.success(),
                "{}",
                fs::read_to_string(dir.path().join("said")).unwrap()
            );
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        if dest.exists() {
            assert!(
                tree(&dest) == tree(&dir.path().join("src")),
                "half a folder at its final name"
            );
        }
        if kills > 60 {
            // Enough; the last one may take its time.
            let status = self::child("fetch", dir.path()).wait().unwrap();
            assert!(
                status.success(),
                "{}",
                fs::read_to_string(dir.path().join("said")).unwrap()
            );
            break;
        }
    }
    assert!(tree(&dest) == tree(&dir.path().join("src")));
    check_after_kills(dir.path(), total, kills);
}

fn check_after_kills(dir: &Path, total: u64, kills: u64) {
    let log = fs::read_to_string(dir.join("log")).unwrap();
    let fetched: u64 = log
        .lines()
        .map(|line| line.parse::<u64>().unwrap_or(0))
        .sum();
    assert!(
        fetched <= total + kills * PIECE as u64,
        "{fetched} of {total} after {kills} kills"
    );
    println!(
        "{kills} kills, {} bytes fetched twice",
        fetched.saturating_sub(total)
    );
    let to = open_shared(&dir.join("to"));
    let address = to.roots().unwrap()[0].address;
    let report = to
        .verify(&address, 0, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!(report.problem_count, 0);
    assert!(to.partials().unwrap().is_empty());
    assert!(
        names(dir).iter().all(|name| !name.ends_with("part")),
        "{:?}",
        names(dir)
    );
}

#[test]
fn indexing_killed_at_any_moment_goes_on() {
    let dir = tempdir().unwrap();
    for n in 0..2_000 {
        put(
            &dir.path().join(format!("src/d{}/f{n}", n % 40)),
            &bytes(n, 3_000),
        );
    }
    put(&dir.path().join("src/big"), &bytes(99, 30_000_000));
    for round in 0_u64..25 {
        let mut child = child("index", dir.path());
        std::thread::sleep(Duration::from_millis(
            u64::from(bytes(round + 77, 8)[0]) / 2,
        ));
        let _ = child.kill();
        child.wait().unwrap();
    }
    let store = open_shared(&dir.path().join("to"));
    let request = ShareRequest::path(dir.path().join("src"), 1);
    let shared = share_with(&store, &request);
    assert_eq!(shared.root.files, 2_001);
    let reference = open(&dir.path().join("reference"));
    assert_eq!(
        share_with(&reference, &request).root.address,
        shared.root.address
    );
    let report = store
        .verify(&shared.root.address, 0, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!(report.problem_count, 0);
    assert!(names(&dir.path().join("to/tmp")).is_empty());
}

#[test]
fn one_process_at_a_time() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    match Store::open(dir.path(), StoreOptions::default()) {
        Err(OpenError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    let clone = store.clone();
    drop(store);
    assert!(Store::open(dir.path(), StoreOptions::default()).is_err());
    drop(clone);
    drop(open(dir.path()));
    fs::write(dir.path().join("version"), "2\n").unwrap();
    match Store::open(dir.path(), StoreOptions::default()) {
        Err(OpenError::Newer {
            found: 2,
            supported: 1,
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
    fs::write(dir.path().join("version"), "garbage").unwrap();
    damaged(dir.path());
    fs::write(dir.path().join("version"), "1\n").unwrap();
    fs::write(dir.path().join("meta.redb"), bytes(1, 50_000)).unwrap();
    damaged(dir.path());
}

fn damaged(dir: &Path) {
    match Store::open(dir, StoreOptions::default()) {
        Err(OpenError::Fault(Fault::Corrupt { what })) => assert!(!what.is_empty()),
        other => panic!("{other:?}"),
    }
}

/// The moment between the final rename and its record.
#[test]
fn finished_means_finished() {
    let dir = tempdir().unwrap();
    let from = open(&dir.path().join("from"));
    put(&dir.path().join("f"), &bytes(1, 10_000));
    let address = share(&from, &dir.path().join("f")).root.address;
    let to = open(&dir.path().join("to"));
    let download = to
        .begin(spec(&from, address, &dir.path().join("out")))
        .unwrap();
    download.finish(true, 1).unwrap();
    assert!(matches!(download.finish(true, 1), Err(FinishError::Ended)));
}

/// A database damaged on disk gives errors, or what it still has. What the library below panics about
/// is caught (and seen in the output of this test).
#[test]
fn a_damaged_database_never_ends_the_process() {
    let dir = tempdir().unwrap();
    put(&dir.path().join("f"), &bytes(1, 100_000));
    let data = dir.path().join("data");
    let store = open(&data);
    let address = share(&store, &dir.path().join("f")).root.address;
    drop(store);
    let path = data.join("meta.redb");
    let right = fs::read(&path).unwrap();
    for round in 0..60 {
        let mut wrong = right.clone();
        let random = bytes(round, 800);
        for at in random.chunks(8).take(1 + round as usize) {
            let at = u64::from_le_bytes(at.try_into().unwrap()) as usize % wrong.len();
            wrong[at] ^= 0x41;
        }
        fs::write(&path, &wrong).unwrap();
        if let Ok(store) = Store::open(&data, StoreOptions::default()) {
            let _ = store.roots();
            let _ = store.available(&address);
            let _ = read_all(&store, &address.hash, 100_000, 4);
            let _ = store.share(&ShareRequest::path(dir.path().join("f"), 1), &mut |_| {
                ControlFlow::Continue(())
            });
        }
    }
    for end in (0..right.len()).step_by(right.len() / 40) {
        fs::write(&path, &right[..end]).unwrap();
        if let Ok(store) = Store::open(&data, StoreOptions::default()) {
            let _ = store.roots();
        }
    }
    fs::write(&path, &right).unwrap();
    assert!(open(&data).root(&address).unwrap().is_some());
}

//! The daemon is killed while it serves.

use crate::support::{Node, Scratch, Watch, assert_same_tree, write_file, write_tree};
use crate::{IN_FLIGHT, sent};
use std::path::Path;
use std::time::{Duration, Instant};

const LIMIT: &str = "40MB/s";

/// Starts the provider again where it was.
fn again(scratch: &Scratch, before: &str) -> Node {
    let (listen, _) = before.split_once("/p2p/").unwrap();
    let spec = scratch.node("giver").args(["--up-limit", LIMIT]);
    spec.listen(Some(listen)).start()
}

/// Kills the only provider several times while it serves; who fetches waits and goes on.
fn kill_while_serving(scratch: &Scratch, content: &Path, share: &[&str], size: u64) {
    let mut giver = scratch.node("giver").args(["--up-limit", LIMIT]).start();
    let shared = giver.run(["share", "--json"]).args(share).arg(content).ok();
    let link = shared.last("shared")["link"].as_str().unwrap().to_owned();
    let address = giver.address().to_owned();
    let out = scratch.path("out");
    let get = ["get", &link, "--timeout", "40", "--json", "-o"];
    let mut watch = Watch::new(scratch.run("taker", get).arg(&out).spawn());
    for part in [0.1, 0.4, 0.7] {
        watch.until_part(part);
        giver.kill();
        let killed = Instant::now();
        giver = again(scratch, &address);
        let ready = Instant::now();
        let done = watch.seen.last().unwrap().done;
        watch.until("bytes came again", |seen| seen.done > done + IN_FLIGHT / 4);
        eprintln!(
            "ready {:.1?} after the kill, bytes came {:.1?} after that",
            ready.duration_since(killed),
            ready.elapsed()
        );
    }
    let ended = watch.done();
    assert_same_tree(content, &out);
    let fetched = ended.done["fetched_bytes"].as_u64().unwrap();
    assert!(fetched <= size + 3 * IN_FLIGHT, "{fetched} of {size}");
    let verified = giver.run(["verify", "--json"]).ok();
    assert_eq!(verified.last("verified")["bad_bytes"], 0, "{verified}");
    assert!(sent(&giver) > 0);
}

/// The only provider is away for longer than a first retry takes.
#[test]
fn a_daemon_that_comes_back_after_a_while_is_used_again() {
    let scratch = Scratch::new("serve-away");
    let file = scratch.path("file.bin");
    write_file(&file, 100_000_000, 5);
    let giver = scratch.node("giver").args(["--up-limit", LIMIT]).start();
    let (link, address) = (giver.share(&file), giver.address().to_owned());
    // Once by the link's address, once by what is known of the lost source alone.
    let other = scratch.node("other").peer(&address).start();
    let cid = link.split_once('?').unwrap().0;
    let with_hint = ["get", &link, "--timeout", "60", "--json", "-o"];
    let hint = scratch.run("hint", with_hint).arg(scratch.path("hint.out"));
    let without = other.run(["get", cid, "--timeout", "60", "--json", "-o"]);
    let without = without.arg(scratch.path("cid.out"));
    let mut watches = [Watch::new(hint.spawn()), Watch::new(without.spawn())];
    for watch in &mut watches {
        watch.until_part(0.2);
    }
    giver.kill();
    let away = Instant::now() + Duration::from_secs(5);
    for watch in &mut watches {
        watch.until("it was away for a while", |seen| seen.at >= away);
    }
    let _giver = again(&scratch, &address);
    let back = Instant::now();
    for (watch, longest) in watches.iter_mut().zip([2, 10]) {
        let done = watch.seen.last().unwrap().done;
        let came = watch.until("bytes came again", |seen| seen.done > done).at;
        let after = came.saturating_duration_since(back);
        eprintln!("bytes came {after:.2?} after it was back");
        assert!(after <= Duration::from_secs(longest), "{after:?}");
    }
    for (watch, out) in watches.into_iter().zip(["hint.out", "cid.out"]) {
        watch.done();
        assert_same_tree(&file, &scratch.path(out));
    }
}

#[test]
fn a_daemon_killed_while_it_serves_in_place() {
    let scratch = Scratch::new("serve-in-place");
    let file = scratch.path("file.bin");
    write_file(&file, 256 << 20, 1);
    kill_while_serving(&scratch, &file, &[], 256 << 20);
}

#[test]
fn a_daemon_killed_while_it_serves_a_copied_folder() {
    let scratch = Scratch::new("serve-copy");
    let folder = scratch.path("folder");
    let names: Vec<String> = (0..300).map(|n| format!("{n}.bin")).collect();
    let entries: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 400_000)).collect();
    write_tree(&folder, &entries, 2);
    write_tree(&folder, &[("large.bin", 100_000_000)], 3);
    kill_while_serving(&scratch, &folder, &["--copy"], 220_000_000);
}

/// A node that fetched something and serves it is killed: what it fetched is still served.
#[test]
fn what_a_killed_daemon_had_fetched_is_still_served() {
    let scratch = Scratch::new("serve-fetched");
    let file = scratch.path("file.bin");
    write_file(&file, 20_000_000, 4);
    let first = scratch.node("first").start();
    let link = first.share(&file);
    let second = scratch.node("second").start();
    second
        .run(["get", &link, "-o"])
        .arg(scratch.path("copy.bin"))
        .ok();
    second.kill();
    assert_eq!(first.stop(), 0);
    let second = scratch.node("second").start();
    let cid = link.split_once('?').unwrap().0;
    let get = [
        "get",
        cid,
        "--timeout",
        "20",
        "--peer",
        second.address(),
        "-o",
    ];
    let out = scratch.path("out.bin");
    scratch
        .run("third", get)
        .arg(&out)
        .deadline(Duration::from_secs(40))
        .ok();
    assert_same_tree(&file, &out);
}

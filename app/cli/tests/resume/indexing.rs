//! The daemon is killed while it indexes.

use crate::support::{Scratch, assert_same_tree, write_tree};
use crate::{Dice, UNREACHABLE};
use potluck_api::RootList;
use std::path::PathBuf;
use std::time::Instant;

const KILLS: u32 = 10;

/// A folder that takes a while to index.
fn folder(scratch: &Scratch, large: u64) -> PathBuf {
    let folder = scratch.path("folder");
    let names: Vec<String> = (0..4000).map(|n| format!("d{}/{n}.bin", n % 40)).collect();
    let entries: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 33_000)).collect();
    write_tree(&folder, &entries, 1);
    write_tree(&folder, &[("large.bin", large)], 2);
    folder
}

fn kill_while_indexing(name: &str, more: &[&str]) {
    let scratch = Scratch::new(name);
    let folder = folder(&scratch, 512 << 20);
    let mut dice = Dice::new(name);
    let reference = scratch.node("reference").start();
    let begun = Instant::now();
    let expected = reference.share(&folder);
    // How long it takes depends on the machine; the moments are spread over that time.
    let whole = begun.elapsed();
    drop(reference);
    let (cid, _) = expected.split_once('?').unwrap();
    let (mut interrupted, mut tries) = (0, 0);
    while interrupted < KILLS {
        tries += 1;
        assert!(tries < KILLS * 6, "indexing ends before it can be killed");
        let giver = scratch.node("giver").start();
        let list: RootList =
            serde_json::from_value(giver.run(["ls", "--json"]).ok().value()).unwrap();
        let problems = list
            .roots
            .iter()
            .map(|root| root.problems.len())
            .sum::<usize>();
        assert_eq!(problems, 0, "{list:?}");
        let mut share = giver
            .run(["share", "--json"])
            .args(more)
            .arg(&folder)
            .spawn();
        share.event_where("of indexing", |event| event["event"] != "notice");
        let moment = Instant::now() + dice.below(whole / 2);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(moment.saturating_duration_since(Instant::now()));
            giver.kill();
        });
        let share = share.finish();
        killer.join().unwrap();
        assert!(!share.stderr.contains("panicked"), "{share}");
        if share.code == 0 {
            // It was faster: forget it, so that the next one indexes again.
            let giver = scratch.node("giver").start();
            giver.run(["rm", cid]).ok();
        } else {
            assert_eq!(share.code, UNREACHABLE, "{share}");
            assert_eq!(share.last("error")["code"], UNREACHABLE, "{share}");
            interrupted += 1;
        }
    }
    eprintln!("{name}: killed {interrupted} times in {tries} tries");
    let giver = scratch.node("giver").start();
    let shared = giver.run(["share", "--json"]).args(more).arg(&folder).ok();
    let link = shared.last("shared")["link"].as_str().unwrap().to_owned();
    assert!(link.starts_with(cid), "{link} is not {cid}");
    let verified = giver.run(["verify", "--json"]).ok();
    assert_eq!(verified.last("verified")["bad_bytes"], 0, "{verified}");
    let out = scratch.path("out");
    scratch.run("taker", ["get", &link, "-o"]).arg(&out).ok();
    assert_same_tree(&folder, &out);
}

#[test]
fn a_daemon_killed_while_it_indexes_in_place() {
    kill_while_indexing("index-in-place", &[]);
}

#[test]
fn a_daemon_killed_while_it_copies() {
    kill_while_indexing("index-copy", &["--copy"]);
}

#[test]
fn what_was_indexed_before_the_kill_is_not_indexed_again() {
    let scratch = Scratch::new("index-goes-on");
    let folder = folder(&scratch, 2 << 30);
    let giver = scratch.node("giver").start();
    giver.run(["config", "set", "share.threads", "1"]).ok();
    let mut share = giver.run(["share", "--json"]).arg(&folder).spawn();
    // The small files come first and are kept all together after a second at most, so that they
    // are known once the large one is under way.
    let small = 4000 * 33_000;
    share.event_where("that the large file is hashed", |event| {
        event["done_bytes"].as_u64() > Some(small)
    });
    giver.kill();
    assert_eq!(share.finish().code, UNREACHABLE);
    let giver = scratch.node("giver").start();
    let mut share = giver.run(["share", "--json"]).arg(&folder).spawn();
    let first = share.event("hashing");
    assert!(first["done_bytes"].as_u64().unwrap() >= small, "{first}");
    assert!(first["done_files"].as_u64().unwrap() >= 4000, "{first}");
    share.finish().last("shared");
}

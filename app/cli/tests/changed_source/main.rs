//! Files that change after they were shared: nobody ever receives wrong bytes, the owner is told
//! which file and what to do, and whoever fetches is told too or gets it from somebody else. An
//! owner who edits a file is no liar, so nobody bans them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

#[path = "../support/mod.rs"]
mod support;

mod before;
mod meanwhile;
mod owner;
mod spoil;

use serde_json::Value;
use std::path::Path;
use support::{Node, Scratch, compare_trees};

/// The problems that `ls --json` tells.
fn problems(node: &Node) -> Vec<Value> {
    let list = node.run(["ls"]).json().ok().value();
    let roots = list["roots"].as_array().unwrap();
    let all = roots
        .iter()
        .flat_map(|root| root["problems"].as_array().unwrap().clone());
    all.collect()
}

/// The owner is told of this file, by `ls` and `status`, in JSON and in words.
fn assert_owner_is_told(owner: &Node, file: &Path, what: &str) {
    let name = file.to_str().unwrap();
    let of_ls = problems(owner);
    let status = owner.run(["status"]).json().ok().value();
    let of_status = status["problems"].as_array().cloned().unwrap_or_default();
    for found in [of_ls, of_status] {
        let told = found.iter().find(|problem| problem["path"] == name);
        let told = told.unwrap_or_else(|| panic!("nothing of {name} in {found:?}"));
        assert_eq!(told["what"], what, "{told}");
        assert!(!told["hint"].as_str().unwrap().is_empty(), "{told}");
    }
    for command in ["ls", "status"] {
        let said = owner.run([command]).ok();
        let text = format!("{}\n{}", said.stdout, said.stderr);
        let told = |line: &&str| line.starts_with(what) && line.contains(name);
        assert!(
            text.lines().any(|line| told(&line)),
            "'{command}' does not tell: {said}"
        );
    }
}

fn assert_not_banned(by: &Node, peer: &Node) {
    let peers = by.status().peers;
    let banned = peers
        .iter()
        .any(|known| known.id == peer.peer_id() && known.banned);
    assert!(!banned, "an honest owner was banned: {peers:?}");
}

/// What `out` must be after a fetch that ended with this code: whole and right, or not there.
fn assert_right_or_absent(code: i32, original: &Path, out: &Path) {
    if code == 0 {
        compare_trees(original, out).unwrap();
    } else {
        assert!(!out.exists(), "half a file stands at {}", out.display());
    }
}

/// Three nodes: the owner, somebody who fetched it before the change, and somebody who wants it
/// and knows both.
struct Trio {
    scratch: Scratch,
    owner: Node,
    mirror: Node,
    taker: Node,
}

impl Trio {
    fn start(name: &str, owner_args: &[&str]) -> Self {
        let scratch = Scratch::new(name);
        let owner = scratch.node("owner").args(owner_args).start();
        let mirror = scratch.node("mirror").start();
        let taker = scratch.node("taker").start();
        for node in [&mirror, &taker] {
            node.run(["connect", owner.address()]).ok();
        }
        taker.run(["connect", mirror.address()]).ok();
        Self {
            scratch,
            owner,
            mirror,
            taker,
        }
    }
}

//! Programs that people use: they take content, and go on where they stopped.

use crate::http::Door;
use crate::support::{Scratch, cid, write_file};
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Command;

/// Whether a program is installed; says so when it is not.
pub(crate) fn is_there(program: &str) -> bool {
    let there = Command::new(program).arg("-V").output().is_ok();
    if !there {
        eprintln!("LEFT OUT: there is no {program}, so nothing is shown about it");
    }
    there
}

/// A program that reaches loopback itself, whatever proxy the machine has.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn same(left: &Path, right: &Path) {
    assert!(
        fs::read(left).unwrap() == fs::read(right).unwrap(),
        "{} differs",
        right.display()
    );
}

#[test]
fn curl_and_wget_go_on_where_they_stopped() {
    let scratch = Scratch::new("programs");
    let file = scratch.path("film.bin");
    write_file(&file, 9_000_001, 7);
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let link = node.share(&file);
    let cid = cid(&link);
    let url = format!("http://127.0.0.1:{}/c/{cid}", door.port);
    let begin = |name: &str, size: u64| {
        let path = scratch.path(name);
        fs::copy(&file, &path).unwrap();
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(size)
            .unwrap();
        path
    };
    let run = |name: &str, args: &[&str], out: &Path| {
        let done = program(name)
            .args(args)
            .arg(out)
            .arg(&url)
            .output()
            .unwrap();
        assert!(done.status.success(), "{name}: {done:?}");
        same(&file, out);
    };
    if is_there("curl") {
        run("curl", &["-sSf", "-o"], &scratch.path("whole"));
        run(
            "curl",
            &["-sSf", "-C", "-", "-o"],
            &begin("part", 4_000_003),
        );
    }
    if is_there("wget") {
        run("wget", &["-q", "-O"], &scratch.path("whole-wget"));
        run("wget", &["-q", "-c", "-O"], &begin("part-wget", 5_000_005));
    }
}

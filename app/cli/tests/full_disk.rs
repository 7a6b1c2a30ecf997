//! A full disk: a clear error with a hint and exit code 1, nothing that was finished is lost, and
//! the same command goes on once there is space. Once with the destination on the small disk, once
//! with the data directory on it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

mod support;

use potluck_api::{ErrorBody, ExitCode, GetEvent};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{
    Finished, Node, Running, Scratch, assert_same_tree, compare_trees, wait_for, write_file,
    write_tree,
};

const MIB: u64 = 1 << 20;
/// Bytes that may come again after a failure: what was in flight.
const IN_FLIGHT: u64 = 32 * MIB;

/// A small disk in memory. Dropping it unmounts it.
struct Disk(PathBuf);

impl Disk {
    /// Mounts one; `None` without the right to do so.
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("LEFT OUT: only root can mount a small disk");
            return None;
        }
        std::fs::create_dir(&path).unwrap();
        run(
            "mount",
            &["-t", "tmpfs", "-o", &format!("size={size}"), "none"],
            &path,
        );
        Some(Self(path))
    }

    fn resize(&self, size: &str) {
        run("mount", &["-o", &format!("remount,size={size}")], &self.0);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.0).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    /// Takes up all space.
    fn fill(&self) {
        let mut file = File::create(self.path("filler")).unwrap();
        for block in [64 * 1024, 4096] {
            while file.write_all(&vec![1; block]).is_ok() {}
        }
    }

    /// Gives the space back that [`Self::fill`] took.
    fn clear(&self) {
        std::fs::remove_file(self.path("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what a failed test left open must not keep the mount.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn run(program: &str, args: &[&str], path: &Path) {
    let status = Command::new(program)
        .args(args)
        .arg(path)
        .stdin(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "{program} {args:?}");
}

/// Checks that a command ended because the disk is full, and said so.
fn assert_no_space(finished: &Finished) -> ErrorBody {
    assert_eq!(finished.code, 1, "{finished}");
    assert!(!finished.stderr.contains("panicked"), "{finished}");
    let body: ErrorBody = serde_json::from_value(finished.last("error")).unwrap();
    assert_eq!(body.code, ExitCode::Failed);
    assert!(body.message.contains("no space left"), "{finished}");
    assert!(body.hint.contains("free some space"), "{finished}");
    assert!(!body.message.contains('\n'), "{finished}");
    assert!(finished.stderr.contains("no space left"), "{finished}");
    body
}

/// Bytes that a run had at its beginning, and those it told of last.
fn progress(finished: &Finished) -> (u64, u64) {
    let (mut had, mut done) = (0, 0);
    for line in finished.stdout.lines() {
        match serde_json::from_str(line) {
            Ok(GetEvent::Found { have_bytes, .. }) => had = have_bytes,
            Ok(GetEvent::Progress { done_bytes, .. }) => done = done.max(done_bytes),
            _ => {}
        }
    }
    (had, done)
}

/// Bytes that are there now, as the list of unfinished downloads says.
fn kept(scratch: &Scratch, data: &Path) -> u64 {
    let listed = scratch
        .run("", ["ls", "--json", "--data"])
        .arg(data)
        .ok()
        .value();
    listed["partials"][0]["done_bytes"]
        .as_u64()
        .unwrap_or_default()
}

/// Fetches to a small disk, which fails; gives it space; fetches again.
fn fill_the_destination(name: &str, content: &Path, scratch: &Scratch, size: u64) {
    let Some(disk) = Disk::mount(scratch.path("disk"), "48m") else {
        return;
    };
    let giver = scratch
        .node("giver")
        .args(["--up-limit", "100MB/s"])
        .start();
    let link = giver.share(content);
    let out = disk.path("out");
    let get = ["get", &link, "--timeout", "30", "--json", "-o"];
    let failed = scratch.run("taker", get).arg(&out).output();
    let body = assert_no_space(&failed);
    assert!(body.message.contains(disk.0.to_str().unwrap()), "{failed}");
    assert!(!out.exists(), "{failed}");
    // It fails the same way again, and still loses nothing.
    let again = scratch.run("taker", get).arg(&out).output();
    assert_no_space(&again);
    let (first, second) = (progress(&failed), progress(&again));
    assert!(second.0 >= first.1, "{second:?} after {first:?}: {again}");
    disk.resize("512m");
    let last = scratch.run("taker", get).arg(&out).ok();
    let (had, _) = progress(&last);
    assert!(
        had >= second.1.max(second.0),
        "{had} after {second:?}: {last}"
    );
    assert!(had >= 32 * MIB, "the disk was hardly used: {had}: {last}");
    assert_same_tree(content, &out);
    let fetched = last.last("done")["fetched_bytes"].as_u64().unwrap();
    eprintln!("{name}: {had} bytes were kept, {fetched} fetched after that, of {size}");
    assert!(fetched <= size - had + IN_FLIGHT, "{fetched}");
    let sent = giver.status().rates.up_bytes;
    assert!(sent <= size + 2 * IN_FLIGHT, "{sent} bytes were sent");
}

#[test]
fn the_destination_is_full_of_a_file() {
    let scratch = Scratch::new("full-file");
    let file = scratch.path("file.bin");
    write_file(&file, 128 * MIB, 1);
    fill_the_destination("file", &file, &scratch, 128 * MIB);
}

#[test]
fn the_destination_is_full_of_a_folder() {
    let scratch = Scratch::new("full-folder");
    let folder = scratch.path("folder");
    let names: Vec<String> = (0..1000).map(|n| format!("d{}/{n}", n % 10)).collect();
    let entries: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 100_000)).collect();
    write_tree(&folder, &entries, 2);
    fill_the_destination("folder", &folder, &scratch, 100_000_000);
}

/// A daemon meets the full disk: it goes on for others, and shows what waits.
#[test]
fn a_daemon_survives_a_full_destination() {
    let scratch = Scratch::new("full-daemon");
    let Some(disk) = Disk::mount(scratch.path("disk"), "24m") else {
        return;
    };
    let (large, small) = (scratch.path("large.bin"), scratch.path("small.bin"));
    write_file(&large, 64 * MIB, 3);
    write_file(&small, MIB, 4);
    let giver = scratch.node("giver").start();
    let (large_link, small_link) = (giver.share(&large), giver.share(&small));
    let mut taker = scratch.node("taker").start();
    let get = |link: &str, out: &Path| taker.run(["get", link, "--json", "-o"]).arg(out).output();
    assert_no_space(&get(&large_link, &disk.path("large")));
    let elsewhere = scratch.path("small.out");
    assert_eq!(get(&small_link, &elsewhere).code, 0);
    assert_same_tree(&small, &elsewhere);
    let kept = taker.run(["ls", "--json"]).ok().value();
    let kept = kept["partials"][0]["done_bytes"].as_u64().unwrap();
    assert!(kept > 12 * MIB, "{kept}");
    disk.resize("128m");
    let last = get(&large_link, &disk.path("large"));
    assert_eq!(last.code, 0, "{last}");
    assert!(progress(&last).0 >= kept, "{last}");
    assert_same_tree(&large, &disk.path("large"));
    assert!(taker.is_running());
}

/// Waits until a download is under way.
fn under_way(run: &mut Running) {
    run.event_where("of the first bytes", |event| {
        event["event"] == "progress" && event["done_bytes"].as_u64() > Some(0)
    });
}

/// The disk of the data directory fills up while a download runs.
#[test]
fn the_data_directory_is_full_in_the_middle() {
    let scratch = Scratch::new("full-data");
    let Some(disk) = Disk::mount(scratch.path("disk"), "32m") else {
        return;
    };
    let file = scratch.path("file.bin");
    write_file(&file, 768 * MIB, 5);
    let giver = scratch.node("giver").args(["--up-limit", "60MB/s"]).start();
    let link = giver.share(&file);
    let (data, out) = (disk.path("data"), scratch.path("out"));
    let get = ["get", &link, "--timeout", "30", "--json", "-o"];
    let start = || scratch.run("disk/data", get).arg(&out);
    let mut running = start().spawn();
    under_way(&mut running);
    disk.fill();
    let failed = running.finish();
    assert_no_space(&failed);
    assert!(!out.exists(), "{failed}");
    let (_, done) = progress(&failed);
    // While it is full, nothing gets worse: commands fail in words or work.
    let again = start().output();
    assert_no_space(&again);
    disk.clear();
    let listed = kept(&scratch, &data);
    giver.run(["config", "set", "limits.up", "off"]).output();
    let last = start().ok();
    let (had, _) = progress(&last);
    eprintln!("{done} bytes were told of, {listed} listed, {had} were there after it");
    assert!(had >= done, "{had} of {done}: {last}");
    assert_same_tree(&file, &out);
    let sent = giver.status().rates.up_bytes;
    assert!(sent <= 768 * MIB + 2 * IN_FLIGHT, "{sent} bytes were sent");
}

/// The disk of the data directory is full while things are shared.
#[test]
fn sharing_with_a_full_data_directory() {
    let scratch = Scratch::new("full-share");
    let Some(disk) = Disk::mount(scratch.path("disk"), "24m") else {
        return;
    };
    let (first, large) = (scratch.path("first.bin"), scratch.path("large.bin"));
    write_file(&first, 3 * MIB, 6);
    write_file(&large, 64 * MIB, 7);
    let giver = scratch.node("disk/giver").start();
    let link = giver.share(&first);
    let copied = giver
        .run(["share", "--copy", "--json"])
        .arg(&large)
        .output();
    assert_no_space(&copied);
    still_gives(&scratch, &giver, &link, &first, "after-copy");
    // What the failed copy took is given back.
    assert!(disk.free() > 12 * MIB, "{} bytes are free", disk.free());
    disk.fill();
    let tree: Vec<String> = (0..3000).map(|n| format!("{n}")).collect();
    let entries: Vec<(&str, u64)> = tree.iter().map(|name| (name.as_str(), 40_000)).collect();
    let folder = scratch.path("folder");
    write_tree(&folder, &entries, 8);
    let indexed = giver.run(["share", "--json"]).arg(&folder).output();
    assert_no_space(&indexed);
    still_gives(&scratch, &giver, &link, &first, "after-index");
    disk.clear();
    let folder_link = giver.share(&folder);
    still_gives(&scratch, &giver, &folder_link, &folder, "after-clear");
    disk.resize("128m");
    giver.run(["share", "--copy", "--json"]).arg(&large).ok();
    let verified = giver.run(["verify", "--json"]).ok();
    assert_eq!(verified.last("verified")["bad_bytes"], 0, "{verified}");
}

fn still_gives(scratch: &Scratch, giver: &Node, link: &str, content: &Path, name: &str) {
    let out = scratch.path(&format!("{name}.out"));
    let taker = scratch
        .run(name, ["get", link, "--timeout", "20", "-o"])
        .arg(&out);
    taker.deadline(Duration::from_secs(40)).ok();
    assert_same_tree(content, &out);
    assert!(giver.status().roots > 0);
}

/// A node that starts with a full data directory says so, or works.
#[test]
fn starting_with_a_full_data_directory() {
    let scratch = Scratch::new("full-start");
    let Some(disk) = Disk::mount(scratch.path("disk"), "8m") else {
        return;
    };
    let file = scratch.path("file.bin");
    write_file(&file, MIB, 9);
    disk.fill();
    let share = ["share", "--json"];
    let failed = scratch.run("disk/giver", share).arg(&file).output();
    assert_no_space(&failed);
    disk.clear();
    let giver = scratch.node("disk/giver").start();
    let link = giver.share(&file);
    assert_eq!(giver.stop(), 0);
    disk.fill();
    let held = scratch.run("disk/giver", ["ls", "--json"]).output();
    if held.code != 0 {
        assert_no_space(&held);
    }
    disk.clear();
    let giver = scratch.node("disk/giver").start();
    let out = scratch.path("out");
    let cid = link.split_once('?').unwrap().0;
    let fetched = scratch.run("taker", ["get", cid, "--peer", giver.address(), "-o"]);
    fetched.arg(&out).ok();
    wait_for("the right bytes", Duration::from_secs(1), || {
        compare_trees(&file, &out).ok()
    });
}

//! Files that cannot be shared, and destinations that cannot be written. Tests usually run as root,
//! who may read everything: then the program is started without the two capabilities that let it.

use super::refused;
use crate::support::{Run, Scratch, write_file, write_tree};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What makes root obey permissions.
const WITHOUT_OVERRIDE: [&str; 2] = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];

/// How to start a program that has to obey permissions; `None`, said loudly, when there is no way.
fn obedient(file: &Path) -> Option<Vec<&'static str>> {
    for wrapper in [&[][..], &WITHOUT_OVERRIDE] {
        let mut words = wrapper.to_vec();
        words.push("cat");
        let tried = Command::new(words[0]).args(&words[1..]).arg(file).output();
        if tried.is_ok_and(|output| !output.status.success() && output.stdout.is_empty()) {
            return Some(wrapper.to_vec());
        }
    }
    eprintln!(
        "\n*** LEFT OUT: nothing is shown about unreadable files: this user may read everything, \
         and 'setpriv' of util-linux, which could change that, does not work here. ***\n"
    );
    None
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn unreadable_files_and_folders() {
    let scratch = Scratch::new("unreadable");
    let folder = scratch.path("folder");
    write_tree(
        &folder,
        &[("open.txt", 10), ("shut.txt", 20), ("room/inner.txt", 30)],
        1,
    );
    let (file, room) = (folder.join("shut.txt"), folder.join("room"));
    mode(&file, 0o000);
    let Some(wrapper) = obedient(&file) else {
        return;
    };
    let run = |path: &Path| -> Run {
        scratch
            .run("data", ["share", "--quiet"])
            .under(&wrapper)
            .arg(path)
    };
    for path in [&file, &folder] {
        let message = format!("cannot read {}", file.display());
        refused("file", || run(path), 1, &message, "--skip-unreadable");
    }
    mode(&file, 0o644);
    mode(&room, 0o000);
    for path in [&room, &folder] {
        let message = format!("cannot read {}", room.display());
        refused("folder", || run(path), 1, &message, "--skip-unreadable");
    }

    // Left out on demand, and named.
    mode(&file, 0o000);
    let mut share = run(&folder).args(["--skip-unreadable", "--json"]).spawn();
    let shared = share.event("shared");
    share.interrupt();
    let finished = share.finish();
    assert_eq!(finished.code, 0, "{finished}");
    let mut skipped: Vec<String> = (finished.events().iter())
        .filter(|event| event["event"] == "skipped")
        .map(|event| event["path"].as_str().unwrap().to_owned())
        .collect();
    skipped.sort();
    assert_eq!(skipped, [room.to_str().unwrap(), file.to_str().unwrap()]);
    assert_eq!(shared["files"], 1);
    mode(&room, 0o755);
}

#[test]
fn paths_that_cannot_be_shared() {
    let scratch = Scratch::new("unshared");
    let node = scratch.node("node").start();
    write_tree(&scratch.path("a"), &[("same", 1)], 1);
    write_tree(&scratch.path("b"), &[("same", 2)], 2);
    let fifo = scratch.path("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let here = |name: &str| scratch.path(name).display().to_string();
    let table: [(Vec<String>, i32, &str, &str); 6] = [
        (vec![here("missing")], 1, "does not exist", "check the path"),
        (vec![here("a/same/below")], 1, "a/same/below", ""),
        (
            vec![here("fifo")],
            1,
            "neither a file nor a folder",
            "share a file or a folder",
        ),
        (
            vec!["/dev/null".into()],
            1,
            "neither a file nor a folder",
            "share a file or a folder",
        ),
        (
            vec![here("a/same"), here("b/same")],
            1,
            "two of the paths are called",
            "one by one",
        ),
        (vec![String::new()], 2, "a value is required", "--help"),
    ];
    for (args, code, message, hint) in table {
        refused(
            &args.join(" "),
            || node.run(["share"]).args(&args),
            code,
            message,
            hint,
        );
    }
    let name = scratch
        .path("")
        .join(OsStr::from_bytes(b"not \xff unicode"));
    fs::write(&name, "").unwrap();
    let run = || node.run(["share"]).arg(&name);
    refused("not Unicode", run, 2, "is not UTF-8", "rename it");
    let list = node.run(["ls"]).json().ok().value();
    assert_eq!(list["roots"].as_array().unwrap().len(), 0, "{list}");
}

/// The node's key is in its data directory: neither that nor what it lies in goes out.
#[test]
fn the_data_directory_is_not_shared() {
    let scratch = Scratch::new("own");
    let node = scratch.node("node").start();
    write_tree(&scratch.path("a"), &[("file", 1)], 1);
    let here = |name: &str| scratch.path(name).display().to_string();
    let (is, in_it) = (
        "it is the data",
        "it lies in the data directory of this node",
    );
    let around = "the data directory of this node lies in it, at";
    let table: [(Vec<String>, &str); 6] = [
        (
            vec!["/".into()],
            "/ cannot be shared: the data directory of this node lies in it",
        ),
        (vec![here("")], around),
        (vec![here("a"), here("")], around),
        (vec![here("node")], is),
        (vec![here("node/key")], in_it),
        (vec![here("a/../node/trees")], in_it),
    ];
    for (args, message) in table {
        let run = || node.run(["share"]).args(&args);
        refused(&args.join(" "), run, 2, message, "--data");
    }
    let list = node.run(["ls"]).json().ok().value();
    assert_eq!(list["roots"].as_array().unwrap().len(), 0, "{list}");
    node.run(["share"]).arg(here("a")).ok();
}

#[test]
fn destinations_that_cannot_be_written() {
    let scratch = Scratch::new("dest");
    let giver = scratch.node("giver").start();
    let file = scratch.path("file.bin");
    write_file(&file, 100_000, 1);
    let link = giver.share(&file);
    let taken = scratch.path("taken");
    fs::write(&taken, "mine").unwrap();
    fs::create_dir_all(scratch.path("shut")).unwrap();
    let get = |to: &str| {
        let run = scratch.run("taker", ["get", &link, "--timeout", "20", "--quiet", "-o"]);
        run.arg(scratch.path(to))
    };
    refused(
        "taken",
        || get("taken"),
        1,
        "exists already",
        "another destination",
    );
    refused("below a file", || get("taken/below"), 1, "taken", "");
    assert_eq!(fs::read_to_string(&taken).unwrap(), "mine");

    mode(&scratch.path("shut"), 0o500);
    let Some(wrapper) = obedient_writer(&scratch.path("shut")) else {
        return;
    };
    let run = || get("shut/out").under(&wrapper);
    refused("no permission", run, 1, "shut", "permissions");
    assert_eq!(fs::read_dir(scratch.path("shut")).unwrap().count(), 0);
    // And what was fetched for it goes where there is room for it.
    get("out").ok();
}

/// As [`obedient`], for a folder that must not be written to.
fn obedient_writer(folder: &Path) -> Option<Vec<&'static str>> {
    let probe = folder.join("probe");
    fs::write(&probe, "").unwrap_or_default();
    if probe.exists() {
        mode(&probe, 0o000);
        let found = obedient(&probe);
        fs::remove_file(&probe).unwrap();
        return found;
    }
    Some(Vec::new())
}

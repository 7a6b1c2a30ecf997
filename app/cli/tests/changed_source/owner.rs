//! What the owner can do about it, and what is never touched.

use super::spoil::Spoil;
use super::{Trio, assert_owner_is_told, problems};
use crate::support::{Scratch, assert_same_tree, write_file};
use std::io::{Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};

const SIZE: u64 = 6_000_000;

#[test]
fn putting_the_old_bytes_back_makes_it_available_again() {
    let trio = Trio::start("restore", &[]);
    let (file, original) = (trio.scratch.path("file.bin"), trio.scratch.path("original"));
    write_file(&file, SIZE, 5);
    write_file(&original, SIZE, 5);
    let link = trio.owner.share(&file);
    Spoil::Edit.apply(&file);
    let out = trio.scratch.path("out.bin");
    trio.taker
        .run(["get", &link, "--timeout", "2", "-o"])
        .arg(&out)
        .fails(3);
    assert_owner_is_told(&trio.owner, &file, "changed");
    // To verify says so too, by its exit code.
    let failed = trio.owner.run(["verify"]).json().fails(4).last("error");
    assert!(!failed["hint"].as_str().unwrap().is_empty());

    write_file(&file, SIZE, 5);
    trio.owner.run(["verify"]).ok();
    assert_eq!(problems(&trio.owner), Vec::<serde_json::Value>::new());
    trio.taker
        .run(["get", &link, "--timeout", "20", "-o"])
        .arg(&out)
        .ok();
    assert_same_tree(&original, &out);
}

#[test]
fn sharing_it_again_gives_a_link_to_what_it_is_now() {
    let trio = Trio::start("anew", &[]);
    let file = trio.scratch.path("file.bin");
    write_file(&file, SIZE, 5);
    let old = trio.owner.share(&file);
    Spoil::Edit.apply(&file);
    let new = trio.owner.share(&file);
    assert_ne!(old.split('?').next(), new.split('?').next());
    let out = trio.scratch.path("out.bin");
    trio.taker
        .run(["get", &new, "--timeout", "20", "-o"])
        .arg(&out)
        .ok();
    assert_same_tree(&file, &out);
    let run = trio.taker.run(["get", &old, "--timeout", "2", "-o"]);
    run.arg(trio.scratch.path("old.bin")).fails(3);
}

#[test]
fn a_copy_goes_on_working() {
    let trio = Trio::start("copy", &[]);
    let (file, original) = (trio.scratch.path("file.bin"), trio.scratch.path("original"));
    for (spoil, size) in [
        (Spoil::Edit, SIZE),
        (Spoil::Delete, 10_000),
        (Spoil::Truncate, 0),
    ] {
        write_file(&file, size, 5);
        write_file(&original, size, 5);
        let shared = trio
            .owner
            .run(["share", "--copy", "--json"])
            .arg(&file)
            .ok();
        let link = shared.last("shared")["link"].as_str().unwrap().to_owned();
        if size > 0 {
            spoil.apply(&file);
        } else {
            std::fs::remove_file(&file).unwrap();
        }
        let out = trio.scratch.path(&format!("out-{size}.bin"));
        trio.taker
            .run(["get", &link, "--timeout", "20", "-o"])
            .arg(&out)
            .ok();
        assert_same_tree(&original, &out);
        assert!(problems(&trio.owner).is_empty());
        let _ = std::fs::remove_file(&file);
    }
}

#[test]
fn a_fetched_file_that_changed_is_repaired_from_its_provider() {
    let trio = Trio::start("repair", &[]);
    let file = trio.scratch.path("file.bin");
    write_file(&file, SIZE, 5);
    let link = trio.owner.share(&file);
    let copy = trio.scratch.path("copy.bin");
    for spoil in [Spoil::Edit, Spoil::Truncate, Spoil::Delete] {
        trio.mirror
            .run(["get", &link, "--timeout", "20", "-o"])
            .arg(&copy)
            .ok();
        spoil.apply(&copy);
        trio.mirror.run(["verify"]).fails(4);
        assert_owner_is_told(&trio.mirror, &copy, spoil.word());
        assert!(
            problems(&trio.mirror)[0]["hint"]
                .as_str()
                .unwrap()
                .contains("--repair")
        );
        trio.mirror.run(["verify", "--repair"]).ok();
        assert_same_tree(&file, &copy);
        assert!(problems(&trio.mirror).is_empty());
    }
}

#[test]
fn a_file_that_is_being_written_to_is_not_shared() {
    let scratch = Scratch::new("writing");
    let owner = scratch.node("owner").start();
    let file = scratch.path("log");
    write_file(&file, 64 << 20, 3);
    let stop = AtomicBool::new(false);
    let finished = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut open = std::fs::File::options().write(true).open(&file).unwrap();
            let mut line = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                line += 1;
                open.seek(SeekFrom::Start(line % (64 << 20))).unwrap();
                open.write_all(&line.to_le_bytes()).unwrap();
            }
        });
        let finished = owner.run(["share"]).arg(&file).json().output();
        stop.store(true, Ordering::Relaxed);
        finished
    });
    assert_eq!(finished.code, 1, "{finished}");
    let error = finished.last("error");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("changed while it was being read"),
        "{error}"
    );
    assert!(message.contains(file.to_str().unwrap()), "{error}");
    assert!(
        error["hint"].as_str().unwrap().contains("share it again"),
        "{error}"
    );
}

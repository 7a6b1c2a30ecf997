//! The file changed before anybody asked for it.

use super::spoil::Spoil;
use super::{Trio, assert_not_banned, assert_owner_is_told, assert_right_or_absent, problems};
use crate::support::{assert_same_tree, write_file, write_tree};

/// Files up to 4 MiB are looked at as a whole when they look touched, larger ones by parts.
const SMALL: u64 = 1_000_000;
const LARGE: u64 = 6_000_000;

/// A file of one owner, in every way of changing it; nobody else has it.
fn alone(name: &str, size: u64) {
    let trio = Trio::start(name, &[]);
    let original = trio.scratch.path("original");
    write_file(&original, size, 5);
    for spoil in Spoil::ALL {
        let file = trio.scratch.path(&format!("{spoil:?}.bin"));
        write_file(&file, size, 5);
        let link = trio.owner.share(&file);
        spoil.apply(&file);
        let out = trio.scratch.path(&format!("{spoil:?}.out"));
        let run = trio
            .taker
            .run(["get", &link, "--timeout", "2", "--json", "-o"]);
        let finished = run.arg(&out).output();
        assert_right_or_absent(finished.code, &original, &out);
        assert_eq!(finished.code, 3, "{spoil:?}: {finished}");
        let error = finished.last("error");
        let said = format!("{} {}", error["message"], error["hint"]);
        assert!(said.contains("changed"), "{spoil:?}: not clear: {error}");
        assert!(said.contains("new link"), "{spoil:?}: not clear: {error}");
        let named = finished.events().iter().any(|event| {
            let message = event["message"].as_str().unwrap_or_default();
            event["event"] == "notice" && message.contains(trio.owner.peer_id())
        });
        assert!(
            named,
            "{spoil:?}: whose file changed is not told: {finished}"
        );
        assert_owner_is_told(&trio.owner, &file, spoil.word());
        assert_not_banned(&trio.taker, &trio.owner);
        // The next one is about another file with the same bytes, which would stand in for it.
        trio.owner.run(["rm", &link]).ok();
        let _ = trio.taker.run(["rm", &link]).output();
    }
}

#[test]
fn a_small_file_that_changed_is_not_served() {
    alone("alone-small", SMALL);
}

#[test]
fn a_large_file_that_changed_is_not_served() {
    alone("alone-large", LARGE);
}

#[test]
fn who_fetched_it_before_the_change_provides_it() {
    let trio = Trio::start("mirror", &[]);
    let original = trio.scratch.path("original");
    write_file(&original, LARGE, 6);
    for spoil in Spoil::ALL {
        let file = trio.scratch.path(&format!("{spoil:?}.bin"));
        write_file(&file, LARGE, 6);
        let link = trio.owner.share(&file);
        let copy = trio.scratch.path(&format!("{spoil:?}.copy"));
        trio.mirror
            .run(["get", &link, "--timeout", "20", "-o"])
            .arg(&copy)
            .ok();
        spoil.apply(&file);
        let out = trio.scratch.path(&format!("{spoil:?}.out"));
        let run = trio
            .taker
            .run(["get", &link, "--timeout", "10", "--json", "-o"]);
        let finished = run.arg(&out).ok();
        assert_right_or_absent(0, &original, &out);
        let done = finished.last("done");
        let sources = done["sources"].as_array().unwrap();
        let from_mirror = sources
            .iter()
            .find(|source| source["peer"] == trio.mirror.peer_id());
        assert!(
            from_mirror.is_some_and(|source| source["bytes"].as_u64() > Some(0)),
            "{done}"
        );
        assert_not_banned(&trio.taker, &trio.owner);
        for node in [&trio.owner, &trio.mirror, &trio.taker] {
            node.run(["rm", &link]).ok();
        }
        std::fs::remove_file(&copy).unwrap();
    }
}

#[test]
fn one_file_of_a_folder_changes_and_the_others_stay() {
    let trio = Trio::start("folder", &[]);
    let entries = [
        ("a.bin", 2_000_000),
        ("b/changing.bin", LARGE),
        ("b/c.bin", 100),
    ];
    let (folder, original) = (trio.scratch.path("folder"), trio.scratch.path("original"));
    write_tree(&folder, &entries, 7);
    write_tree(&original, &entries, 7);
    let link = trio.owner.share(&folder);
    let changing = folder.join("b/changing.bin");
    Spoil::Replace.apply(&changing);

    let out = trio.scratch.path("out");
    let run = trio.taker.run(["get", &link, "--timeout", "2", "-o"]);
    run.arg(&out).fails(3);
    assert!(!out.exists());
    assert_owner_is_told(&trio.owner, &changing, "changed");
    assert_eq!(problems(&trio.owner).len(), 1);
    assert_not_banned(&trio.taker, &trio.owner);

    // Whoever asks for the others alone gets them.
    let some = trio.scratch.path("some");
    let files = ["--files", "a.bin", "--files", "b/c.bin"];
    let run = trio
        .mirror
        .run(["get", &link, "--timeout", "10"])
        .args(files);
    run.arg("-o").arg(&some).ok();
    for name in ["a.bin", "b/c.bin"] {
        assert_same_tree(&original.join(name), &some.join(name));
    }
    // What the owner still provides is told.
    let list = trio.owner.run(["ls", "--json"]).ok().value();
    let total: u64 = entries.iter().map(|(_, size)| size).sum();
    assert_eq!(list["roots"][0]["bytes"], total);
    assert_eq!(list["roots"][0]["available_bytes"], total - LARGE, "{list}");
}

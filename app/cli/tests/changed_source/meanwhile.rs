//! The file changes while it is being fetched.

use super::spoil::Spoil;
use super::{Trio, assert_not_banned, assert_owner_is_told, assert_right_or_absent};
use crate::support::{Running, write_file};
use std::path::Path;

/// At the owner's limit it takes about four seconds.
const SIZE: u64 = 8_000_000;
const LIMIT: [&str; 2] = ["--up-limit", "2MB/s"];
/// Fetched before the file is changed. In order, so that the middle and the end are still to come.
const BEFORE: u64 = 1_000_000;

fn begin(trio: &Trio, link: &str, out: &Path, timeout: &str) -> Running {
    let run = trio.taker.run([
        "get",
        link,
        "--timeout",
        timeout,
        "--sequential",
        "--json",
        "-o",
    ]);
    let mut get = run.arg(out).spawn();
    get.event_where("progress", |event| {
        event["event"] == "progress" && event["done_bytes"].as_u64() >= Some(BEFORE)
    });
    get
}

#[test]
fn the_only_providers_file_changes_meanwhile() {
    let trio = Trio::start("meanwhile", &LIMIT);
    let original = trio.scratch.path("original");
    write_file(&original, SIZE, 8);
    for spoil in Spoil::ALL {
        let file = trio.scratch.path(&format!("{spoil:?}.bin"));
        write_file(&file, SIZE, 8);
        let link = trio.owner.share(&file);
        let out = trio.scratch.path(&format!("{spoil:?}.out"));
        let get = begin(&trio, &link, &out, "3");
        spoil.apply(&file);
        let finished = get.finish();
        assert_right_or_absent(finished.code, &original, &out);
        // What was appended is no part of what was shared, and the rest may be read on.
        if spoil != Spoil::Append || finished.code != 0 {
            assert_eq!(finished.code, 3, "{spoil:?}: {finished}");
            let error = finished.last("error");
            let said = format!("{} {}", error["message"], error["hint"]);
            assert!(
                said.contains("changed") && said.contains("new link"),
                "{error}"
            );
            assert_owner_is_told(&trio.owner, &file, spoil.word());
        }
        assert_not_banned(&trio.taker, &trio.owner);
        trio.owner.run(["rm", &link]).ok();
        let _ = trio.taker.run(["rm", &link]).output();
    }
}

#[test]
fn the_download_completes_from_another_provider() {
    let trio = Trio::start("other", &LIMIT);
    let original = trio.scratch.path("original");
    write_file(&original, SIZE, 8);
    for spoil in [
        Spoil::Edit,
        Spoil::ReplaceWithOldTime,
        Spoil::Truncate,
        Spoil::Delete,
    ] {
        let file = trio.scratch.path(&format!("{spoil:?}.bin"));
        write_file(&file, SIZE, 8);
        let link = trio.owner.share(&file);
        let out = trio.scratch.path(&format!("{spoil:?}.out"));
        let get = begin(&trio, &link, &out, "20");
        spoil.apply(&file);
        // The other one, who said before that it has not got it, has it from now on.
        let copy = trio.scratch.path(&format!("{spoil:?}.copy"));
        write_file(&copy, SIZE, 8);
        let other = trio.mirror.share(&copy);
        assert_eq!(other.split('?').next(), link.split('?').next());
        let finished = get.finish();
        assert_eq!(finished.code, 0, "{spoil:?}: {finished}");
        assert_right_or_absent(0, &original, &out);
        let done = finished.last("done");
        let sources = done["sources"].as_array().unwrap();
        assert!(
            sources
                .iter()
                .any(|source| source["peer"] == trio.mirror.peer_id()),
            "{done}"
        );
        assert_not_banned(&trio.taker, &trio.owner);
        for node in [&trio.owner, &trio.mirror, &trio.taker] {
            node.run(["rm", &link]).ok();
        }
    }
}

//! The demo, with a small folder.

mod support;

use std::time::Duration;
use support::Scratch;

#[test]
fn five_nodes_share_a_folder_lose_one_and_finish() {
    let scratch = Scratch::new("demo");
    let demo = scratch
        .run("unused", ["demo", "--mib", "48", "--json"])
        .env("TMPDIR", scratch.path(""))
        .deadline(Duration::from_secs(120))
        .ok();
    let summary = demo.value();
    assert_eq!(summary["event"], "demo");
    assert_eq!(summary["nodes"], 5);
    assert_eq!(summary["killed"]["node"], 1);
    for fetcher in summary["fetchers"].as_array().unwrap() {
        assert_eq!(fetcher["compared_bytes"], summary["bytes"], "{summary}");
    }
    for progress in summary["killed"]["progress"].as_array().unwrap() {
        let half = summary["bytes"].as_u64().unwrap() / 2;
        assert!(
            progress["done_bytes"].as_u64().unwrap() >= half,
            "{summary}"
        );
    }
    let left: Vec<_> = std::fs::read_dir(scratch.path("")).unwrap().collect();
    assert!(left.is_empty(), "the demo left {left:?} behind");
}

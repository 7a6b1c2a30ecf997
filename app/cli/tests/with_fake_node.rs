//! How commands deal with what a node answers, whatever that is.

mod support;

use serde_json::{Value, json};
use support::{FakeApi, Reply, Scratch};

const PEER: &str = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5";

fn resolving() -> Value {
    json!({ "event": "resolving", "cid": "bafk", "name": "film.mkv" })
}

fn progress(done: u64) -> Value {
    json!({
        "event": "progress", "phase": "fetching", "done_bytes": done, "total_bytes": 100_000_000,
        "rate": 5_000_000, "eta": 4.0, "source_count": 1,
        "sources": [{
            "peer": PEER, "kind": "native", "path": "direct", "rate": 5_000_000, "bytes": done,
            "state": "active",
        }],
    })
}

fn done() -> Value {
    json!({
        "event": "done", "path": "/tmp/film.mkv", "cid": "bafk", "bytes": 100_000_000, "files": 1,
        "fetched_bytes": 100_000_000, "wasted_bytes": 0, "seconds": 20.0, "serving": true,
        "sources": [{ "peer": PEER, "kind": "native", "bytes": 100_000_000 }],
    })
}

#[test]
fn get_passes_the_events_on_and_shows_them_to_people() {
    let scratch = Scratch::new("get");
    let lines = vec![
        resolving(),
        progress(40_000_000),
        progress(90_000_000),
        done(),
    ];
    let api = FakeApi::start(
        &scratch.path("data"),
        &[("get", Reply::Lines(lines.clone()))],
    );

    let out = scratch
        .run("data", ["get", "potluck:x", "-o", "out", "--json"])
        .ok();
    assert_eq!(out.events(), lines);
    assert_eq!(
        out.stderr,
        "note: a node runs already, so its own addresses and limits hold; \
                            'potluck config' changes them\n"
    );

    let here = scratch.path("");
    let run = scratch.run(
        "data",
        ["get", "potluck:x", "--files", "*.mkv", "--timeout", "5"],
    );
    let out = run.in_dir(&here).ok();
    assert_eq!(out.stdout, "/tmp/film.mkv");
    assert!(
        out.stderr.contains("fetching 40 %  38.1 MiB / 95.3 MiB"),
        "{out}"
    );
    assert!(out.stderr.contains("all verified"), "{out}");
    assert!(out.stderr.contains("12D3…MtimQ5"), "{out}");
    assert!(!out.stderr.contains('\x1b'), "{out}");

    let asked = api.asked("get");
    assert!(
        asked[0]["dest"].as_str().unwrap().ends_with("/out"),
        "{asked:?}"
    );
    assert_eq!(
        asked[1]["dest"].as_str().unwrap().trim_end_matches('/'),
        here.to_str().unwrap().trim_end_matches('/')
    );
    assert!(
        asked[1]["dest"].as_str().unwrap().ends_with('/'),
        "{asked:?}"
    );
    assert_eq!(
        (&asked[1]["files"], &asked[1]["timeout"]),
        (&json!(["*.mkv"]), &json!(5.0))
    );
}

#[test]
fn failures_keep_their_code_and_hint() {
    let scratch = Scratch::new("codes");
    for (index, code) in [1, 2, 3, 4, 5].into_iter().enumerate() {
        let data = format!("data{index}");
        let error = json!({ "event": "error", "code": code, "message": "no luck", "hint": "wait" });
        let lines = vec![resolving(), error.clone()];
        let _api = FakeApi::start(&scratch.path(&data), &[("get", Reply::Lines(lines))]);
        let out = scratch
            .run(&data, ["get", "potluck:x", "--json"])
            .fails(code);
        assert_eq!(out.events().pop(), Some(error));
        let out = scratch.run(&data, ["get", "potluck:x"]).fails(code);
        assert!(
            out.stderr.ends_with("error: no luck\nhint: wait\n"),
            "{out}"
        );
        assert_eq!(out.stdout, "", "{out}");
    }
}

#[test]
fn refusals_and_strange_answers() {
    let scratch = Scratch::new("strange");
    let body = json!({ "code": 3, "message": "nothing by that name", "hint": "'potluck ls'" });
    let replies = [
        ("roots/remove", Reply::Status(404, body)),
        ("roots/pin", Reply::Status(500, json!("oops"))),
        ("status", Reply::Json(json!({ "other": 1 }))),
        ("get", Reply::Lines(vec![resolving()])),
        (
            "share",
            Reply::Lines(vec![json!({ "event": "never heard of" })]),
        ),
        ("connect", Reply::Status(401, Value::Null)),
    ];
    let _api = FakeApi::start(&scratch.path("data"), &replies);
    let refused = scratch.run("data", ["rm", "x"]).fails(3);
    assert!(refused.stderr.contains("nothing by that name"), "{refused}");
    let refused = scratch.run("data", ["pin", "x"]).fails(1);
    assert!(refused.stderr.contains("answered 500"), "{refused}");
    scratch.run("data", ["status"]).fails(1);
    scratch
        .run("data", ["connect", "/ip4/1.2.3.4/tcp/1"])
        .fails(1);
    scratch.run("data", ["share", "/etc/hostname"]).fails(1);
    let cut = scratch.run("data", ["get", "x"]).fails(5);
    assert!(cut.stderr.contains("went away"), "{cut}");
}

#[test]
fn ctrl_c_ends_with_130_and_says_how_to_go_on() {
    let scratch = Scratch::new("interrupt");
    let reply = Reply::Hang(vec![resolving(), progress(1_000_000)]);
    let _api = FakeApi::start(&scratch.path("data"), &[("get", reply)]);
    let mut get = scratch.run("data", ["get", "potluck:x", "--json"]).spawn();
    get.event("progress");
    get.interrupt();
    let out = get.finish();
    assert_eq!(out.code, 130, "{out}");
    assert_eq!(out.last("error")["code"], 130);
    assert!(
        out.last("error")["hint"]
            .as_str()
            .unwrap()
            .contains("goes on"),
        "{out}"
    );
}

#[test]
fn share_prints_the_link_and_returns_when_a_daemon_runs() {
    let scratch = Scratch::new("share");
    let lines = vec![
        json!({ "event": "scanning", "files": 2, "bytes": 3 }),
        json!({ "event": "hashing", "done_bytes": 1, "total_bytes": 3, "done_files": 0,
                "total_files": 2, "rate": 100 }),
        json!({ "event": "skipped", "path": "a/pipe", "reason": "not a file" }),
        json!({ "event": "shared", "link": "potluck:abc", "cid": "abc", "name": "x", "bytes": 3,
                "files": 2, "seconds": 0.5 }),
    ];
    let api = FakeApi::start(
        &scratch.path("data"),
        &[("share", Reply::Lines(lines.clone()))],
    );
    std::fs::create_dir_all(scratch.path("dir/sub")).unwrap();
    let run = |args: &[&str]| scratch.run("data", args).in_dir(&scratch.path("dir/sub"));
    let out = run(&["share", "..", "sub/", "--name", "n", "--copy"]).ok();
    assert_eq!(out.stdout, "potluck:abc");
    assert!(out.stderr.contains("left out a/pipe: not a file"), "{out}");
    assert_eq!(run(&["share", ".", "--json"]).ok().events(), lines);
    let asked = api.asked("share");
    let dir = scratch.path("dir").display().to_string();
    let expected = json!([dir, format!("{dir}/sub/sub")]);
    assert_eq!(asked[0]["paths"], expected);
    assert_eq!(
        (&asked[0]["name"], &asked[0]["copy"]),
        (&json!("n"), &json!(true))
    );
    assert_eq!(asked[1]["paths"], json!([format!("{dir}/sub")]));
}

#[test]
fn verify_ends_with_code_4_when_damage_stays() {
    let scratch = Scratch::new("verify");
    let problem = json!({ "path": "/x/a", "what": "corrupt", "hint": "repair it" });
    let lines = vec![
        json!({ "event": "checking", "cid": "b", "name": "x", "done_bytes": 1, "total_bytes": 9 }),
        json!({ "event": "checked", "cid": "b", "name": "x", "bytes": 9, "bad_bytes": 5,
                "problems": [problem] }),
        json!({ "event": "verified", "roots": 1, "bytes": 9, "bad_bytes": 5 }),
    ];
    let _api = FakeApi::start(&scratch.path("data"), &[("verify", Reply::Lines(lines))]);
    let out = scratch.run("data", ["verify"]).fails(4);
    assert!(out.stdout.contains("corrupt /x/a: repair it"), "{out}");
    assert!(
        out.stderr.contains("error: 5 B are damaged or gone"),
        "{out}"
    );
    let out = scratch.run("data", ["verify", "--json"]).fails(4);
    assert_eq!(out.last("error")["code"], 4);
}

#[test]
fn tables_show_what_the_node_holds_and_cannot_be_abused() {
    let scratch = Scratch::new("tables");
    let root = json!({
        "cid": "bafkreitest", "link": "potluck:bafkreitest", "name": "a\u{1b}[2Jb", "bytes": 2048,
        "available_bytes": 1024, "files": 3, "pinned": true, "created": 0,
        "origin": { "kind": "shared", "paths": ["/home/x"] },
        "problems": [{ "path": "/home/x/y", "what": "changed", "hint": "share it again" }],
    });
    let replies = [(
        "roots",
        Reply::Json(json!({ "roots": [root], "partials": [] })),
    )];
    let _api = FakeApi::start(&scratch.path("data"), &replies);
    let out = scratch.run("data", ["ls"]).ok();
    assert!(
        out.stdout.contains("2.0 KiB") && out.stdout.contains("bafkreitest"),
        "{out}"
    );
    assert!(out.stdout.contains("50 %, 1 problem, pinned"), "{out}");
    assert!(
        out.stderr.contains("changed /home/x/y: share it again"),
        "{out}"
    );
    assert!(!out.stdout.contains('\u{1b}'), "{out}");
    let out = scratch.run("data", ["ls", "--links"]).ok();
    assert!(out.stdout.contains("potluck:bafkreitest"), "{out}");
}

#[test]
fn an_api_file_of_a_dead_node_is_passed_over() {
    let scratch = Scratch::new("stale");
    std::fs::create_dir(scratch.path("data")).unwrap();
    for stale in [
        json!({ "url": "http://127.0.0.1:9", "token": "t", "pid": 4_194_304 + 7 }),
        json!({ "url": "http://127.0.0.1:1", "token": "t", "pid": std::process::id() }),
        json!("nonsense"),
    ] {
        std::fs::write(scratch.path("data/api.json"), stale.to_string()).unwrap();
        assert_eq!(
            scratch
                .run("data", ["config", "get", "limits.up"])
                .ok()
                .stdout,
            "off"
        );
    }
}

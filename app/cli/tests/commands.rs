//! Each command with a real node.

mod support;

use serde_json::json;
use std::time::Duration;
use support::{Scratch, assert_same_tree, strip_hints, wait_for, write_file, write_tree};

#[test]
fn a_node_tells_who_it_is_and_stops_cleanly() {
    let scratch = Scratch::new("node");
    let node = scratch.node("a").start();
    let address = node.address();
    assert!(address.starts_with("/ip4/127.0.0.1/tcp/"), "{address}");
    assert!(
        address.ends_with(&format!("/p2p/{}", node.peer_id())),
        "{address}"
    );
    assert!(!address.contains("/tcp/0/"), "{address}");

    let id = node.run(["id", "--json"]).ok().value();
    assert_eq!(id["peer_id"], node.peer_id());
    assert_eq!(id["addresses"][0], address);
    let plain = node.run(["id"]).ok();
    assert_eq!(plain.stdout.lines().next(), Some(node.peer_id()));

    let status = node.run(["status", "--json"]).ok().value();
    for key in [
        "peer_id",
        "addresses",
        "peers",
        "transfers",
        "limits",
        "version",
    ] {
        assert!(status.get(key).is_some(), "{key} is missing: {status}");
    }
    let plain = node.run(["status"]).ok();
    assert!(
        plain.stdout.contains(node.peer_id()) && plain.stdout.contains("no limit"),
        "{plain}"
    );
    assert!(node.run(["peers"]).ok().stderr.contains("no peers"));
    assert_eq!(
        node.run(["peers", "--json"]).ok().value(),
        json!({ "peers": [] })
    );

    let log = scratch.path("a.log");
    assert_eq!(node.stop(), 0, "{}", std::fs::read_to_string(log).unwrap());
    assert!(!scratch.path("a/api.json").exists());
    let gone = scratch.run("a", ["id", "--json"]).ok();
    assert_eq!(gone.value()["addresses"], json!([]));
    assert_eq!(
        gone.value()["peer_id"],
        id["peer_id"],
        "the identity has to stay"
    );
}

#[test]
fn what_a_node_holds_is_listed_pinned_checked_and_removed() {
    let scratch = Scratch::new("holds");
    write_tree(
        &scratch.path("things"),
        &[("a", 70_000), ("b/c", 5), ("empty/", 0)],
        1,
    );
    let node = scratch.node("a").start();
    assert!(node.run(["ls"]).ok().stderr.contains("nothing here yet"));
    let shared = node
        .run(["share", "--json"])
        .arg(scratch.path("things"))
        .ok()
        .last("shared");
    assert_eq!(
        (&shared["bytes"], &shared["files"]),
        (&json!(70_005), &json!(2))
    );
    let cid = shared["cid"].as_str().unwrap().to_owned();

    let list = node.run(["ls", "--json"]).ok().value();
    assert_eq!(list["roots"][0]["cid"], json!(cid));
    assert_eq!(list["roots"][0]["pinned"], false);
    assert!(node.run(["ls"]).ok().stdout.contains(&cid));

    assert!(
        node.run(["pin", "things"])
            .ok()
            .stdout
            .starts_with("pinned things")
    );
    assert_eq!(
        node.run(["ls", "--json"]).ok().value()["roots"][0]["pinned"],
        true
    );
    assert_eq!(
        node.run(["unpin", &cid, "--json"]).ok().value()["pinned"],
        false
    );

    let verified = node.run(["verify", "--json"]).ok().last("verified");
    assert_eq!(
        (&verified["bytes"], &verified["bad_bytes"]),
        (&json!(70_005), &json!(0))
    );
    assert!(node.run(["verify", "things"]).ok().stdout.contains("good"));

    assert!(
        node.run(["rm", "nonsense"])
            .fails(3)
            .stderr
            .contains("hint: ")
    );
    let removed = node.run(["rm", &cid, "--json"]).ok().value();
    assert_eq!(removed["cid"], json!(cid));
    assert_eq!(node.run(["ls", "--json"]).ok().value()["roots"], json!([]));
    assert!(
        scratch.path("things/a").exists(),
        "the owner's file was deleted"
    );
}

#[test]
fn commands_work_without_a_daemon() {
    let scratch = Scratch::new("alone");
    write_file(&scratch.path("film.bin"), 3_000_000, 5);
    let mut share = scratch
        .run("a", ["share", "--json"])
        .arg(scratch.path("film.bin"))
        .spawn();
    let shared = share.event("shared");
    let link = shared["link"].as_str().unwrap().to_owned();

    // The node inside `share` answers other commands of its data directory meanwhile.
    assert!(scratch.run("a", ["ls"]).ok().stdout.contains("film.bin"));
    let out = scratch.path("out");
    std::fs::create_dir(&out).unwrap();
    let got = scratch.run("b", ["get", &link]).in_dir(&out).ok();
    assert_eq!(got.stdout, out.join("film.bin").display().to_string());
    assert_same_tree(&scratch.path("film.bin"), &out.join("film.bin"));

    share.interrupt();
    let ended = share.finish();
    assert_eq!(
        ended.code, 0,
        "serving until Ctrl-C is its good end: {ended}"
    );

    assert!(scratch.run("b", ["ls"]).ok().stdout.contains("film.bin"));
    assert!(scratch.run("b", ["verify"]).ok().stdout.contains("good"));
    assert!(
        scratch
            .run("b", ["rm", "film.bin"])
            .ok()
            .stdout
            .contains("removed film.bin")
    );
}

#[test]
fn an_interrupted_get_ends_with_130_and_goes_on_later() {
    let scratch = Scratch::new("interrupted");
    write_file(&scratch.path("film.bin"), 24 << 20, 6);
    let giver = scratch.node("giver").args(["--up-limit", "4MB/s"]).start();
    let link = giver.share(&scratch.path("film.bin"));
    let out = scratch.path("out.bin");
    let get = || {
        scratch
            .run("taker", ["get", &link, "--json", "-o"])
            .arg(&out)
    };
    let mut first = get().spawn();
    first.event_where("some progress", |event| {
        event["done_bytes"].as_u64() > Some(4 << 20)
    });
    first.interrupt();
    let first = first.finish();
    assert_eq!(first.code, 130, "{first}");
    assert_eq!(first.last("error")["code"], 130);
    assert!(!out.exists(), "half of a file stands under the final name");
    let list = scratch.run("taker", ["ls", "--json"]).ok().value();
    assert_eq!(list["partials"].as_array().map(Vec::len), Some(1), "{list}");

    let second = get().ok();
    let done = second.last("done");
    assert!(done["fetched_bytes"].as_u64() < Some(21 << 20), "{second}");
    assert_same_tree(&scratch.path("film.bin"), &out);
}

#[test]
fn peers_are_dialed_and_listed() {
    let scratch = Scratch::new("peers");
    let one = scratch.node("one").start();
    let two = scratch.node("two").start();
    let met = two.run(["connect", one.address(), "--json"]).ok().value();
    assert_eq!(met["peer"], one.peer_id());
    let listed = two.run(["peers"]).ok();
    assert!(
        listed.stdout.contains(one.peer_id()) && listed.stdout.contains("direct"),
        "{listed}"
    );
    wait_for("the other side to list it", Duration::from_secs(10), || {
        one.status()
            .peers
            .iter()
            .any(|peer| peer.id == two.peer_id() && peer.connected)
            .then_some(())
    });
    let nobody = two
        .run(["connect", "/ip4/127.0.0.1/tcp/1", "--json"])
        .fails(5);
    assert_eq!(nobody.last("error")["code"], 5);
    two.run(["connect", "nonsense"]).fails(2);
}

#[test]
fn limits_change_while_the_node_runs() {
    let scratch = Scratch::new("limits");
    let node = scratch.node("a").start();
    assert_eq!(node.status().limits.up, None);
    let set = node.run(["config", "set", "limits.up", "3MB/s"]).ok();
    assert_eq!(set.stdout, "limits.up = 3MB/s");
    assert_eq!(node.status().limits.up, Some(3_000_000));
    let lan = node.run(["config", "set", "net.lan", "false"]).ok();
    assert!(lan.stderr.contains("started again"), "{lan}");
    node.run(["config", "unset", "limits.up"]).ok();
    assert_eq!(node.status().limits.up, None);
    let refused = node
        .run(["config", "set", "limits.up", "fast", "--json"])
        .fails(2);
    assert_eq!(refused.last("error")["code"], 2);
}

#[test]
fn doctor_asks_the_running_node() {
    let scratch = Scratch::new("doctor");
    let node = scratch.node("a").start();
    let report = node.run(["doctor", "--json"]).output().events().remove(0);
    let checks = report["checks"].as_array().unwrap();
    let check = |name: &str| checks.iter().find(|check| check["name"] == name).cloned();
    for name in [
        "data format",
        "in use",
        "peers",
        "addresses",
        "reachability",
        "limits",
    ] {
        assert!(check(name).is_some(), "{name} is missing: {report}");
    }
    assert_eq!(check("in use").unwrap()["verdict"], "good", "{report}");
    assert_eq!(
        check("data directory").unwrap()["verdict"],
        "good",
        "{report}"
    );
}

#[test]
fn a_link_without_hints_is_looked_for_and_given_up() {
    let scratch = Scratch::new("nobody");
    write_file(&scratch.path("x"), 10, 1);
    let node = scratch.node("a").start();
    let link = strip_hints(&node.share(&scratch.path("x")));
    node.kill();
    let out = scratch
        .run("b", ["get", &link, "--timeout", "2", "--json"])
        .in_dir(&scratch.path(""));
    let out = out.fails(3);
    assert_eq!(out.last("error")["code"], 3);
    assert!(
        out.events().iter().any(|event| event["event"] == "waiting"),
        "{out}"
    );
}

/// A torrent of version 1 with the one file `hello.txt`, whose bytes are "hello".
fn small_torrent() -> Vec<u8> {
    let head = b"d8:announce16:http://t.example7:comment4:\x1b[2J4:info\
        d6:lengthi5e4:name9:hello.txt12:piece lengthi16384e6:pieces20:";
    let piece = b"\xaa\xf4\xc6\x1d\xdc\xc5\xe8\xa2\xda\xbe\xde\x0f\x3b\x48\x2c\xd9\xae\xa9\x43\x4d";
    [head.as_slice(), piece, b"ee"].concat()
}

#[test]
fn a_torrent_tells_what_it_is() {
    let scratch = Scratch::new("torrent");
    let file = scratch.path("hello.torrent");
    std::fs::write(&file, small_torrent()).unwrap();
    let show = |what: &str| scratch.run("data", ["torrent", "show", what]);
    let file = file.to_str().unwrap();
    let told = show(file).json().ok().value();
    let hash = "0eb2d544ef0c9ae3c0fbba90a71cd742a44aa81d";
    assert_eq!(told["infohash_v1"], hash);
    assert_eq!(told["infohash_v2"], json!(null));
    assert_eq!(told["bytes"], 5);
    assert_eq!(
        told["files"],
        json!([{ "path": "hello.txt", "bytes": 5, "index": 0, "link": null }])
    );
    assert_eq!(told["trackers"], json!([["http://t.example"]]));
    let magnet = told["magnet"].as_str().unwrap();
    let again = show(magnet).json().ok().value();
    assert_eq!(again["infohash_v1"], hash);
    assert_eq!(again["name"], "hello.txt");
    let plain = show(file).ok();
    assert!(
        plain.stdout.contains(hash) && plain.stdout.contains("1 of 16.0 KiB"),
        "{plain}"
    );
    assert!(
        !plain.stdout.contains('\x1b'),
        "{plain:?}",
        plain = plain.stdout
    );
    assert!(
        !scratch.path("data").exists(),
        "looking made a data directory"
    );
    // What is no torrent is refused in one line.
    let text = scratch.path("text");
    std::fs::write(&text, "d4:infoi1ee").unwrap();
    show(text.to_str().unwrap()).json().fails(1).last("error");
    show(scratch.path("nothing").to_str().unwrap()).fails(3);
    show("magnet:?dn=nothing").fails(2);
}

//! The API as pages use it.

use crate::http::{Answer, Door};
use crate::support::{Node, Scratch, assert_same_tree, cid, wait_for, write_tree};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

fn downloads(door: &Door) -> Vec<Value> {
    let list = door.api("GET", "/downloads").send().json();
    list["downloads"].as_array().unwrap().clone()
}

fn pair(scratch: &Scratch) -> (Node, Node) {
    let giver = scratch.node("giver").start();
    let taker = scratch.node("taker").peer(giver.address()).start();
    (giver, taker)
}

#[test]
fn downloads_run_on_by_themselves() {
    let scratch = Scratch::new("background");
    let folder = scratch.path("folder");
    write_tree(
        &folder,
        &[("a.bin", 700_000), ("deep/b.bin", 1), ("empty", 0)],
        5,
    );
    let (giver, taker) = pair(&scratch);
    let link = giver.share(&folder);
    let door = Door::of(&taker);
    let begun = door
        .api("POST", "/downloads")
        .json(&json!({ "link": link }))
        .send();
    assert_eq!(begun.status, 202, "{begun:?}");
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let done = wait_for("the download", SOON, || {
        let all = downloads(&door);
        assert_eq!(all.len(), 1);
        (all[0]["state"] != "running").then(|| all[0].clone())
    });
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(done["name"], "folder");
    assert_eq!(done["last"]["event"], "done");
    assert_same_tree(&folder, &taker.data().join("downloads/folder"));
    assert_eq!(
        door.api("DELETE", &format!("/downloads/{id}"))
            .send()
            .status,
        204
    );
    assert!(downloads(&door).is_empty());
    assert_eq!(
        door.api("DELETE", &format!("/downloads/{id}"))
            .send()
            .status,
        404
    );
    let entries = door.api("GET", "/activity").send().json();
    let entries = entries["entries"].as_array().unwrap();
    let texts: Vec<&str> = entries
        .iter()
        .map(|entry| entry["text"].as_str().unwrap())
        .collect();
    assert!(texts.contains(&"folder is here"), "{texts:?}");
    assert!(
        texts.iter().any(|text| text.contains("connected")),
        "{texts:?}"
    );
}

#[test]
fn downloads_that_come_to_nothing() {
    let scratch = Scratch::new("in-vain");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    // One that finds nobody runs until it is stopped; one that makes no sense fails.
    let nowhere = "bafkr4iew6i7ufqkvgcyiyrlxiol2oydwxcqaxl2wm7ja5dwn2zm6zypwha";
    let begun = door
        .api("POST", "/downloads")
        .json(&json!({ "link": nowhere }))
        .send()
        .json();
    let bad = door
        .api("POST", "/downloads")
        .json(&json!({ "link": "nonsense" }))
        .send()
        .json();
    let state = |id: &Value, state: &str| {
        wait_for(state, SOON, || {
            let all = downloads(&door);
            let found = all.into_iter().find(|one| one["id"] == *id)?;
            (found["state"] == state).then_some(found)
        })
    };
    let failed = state(&bad["id"], "failed");
    assert_eq!(failed["error"]["code"], 2, "{failed}");
    let id = begun["id"].as_str().unwrap();
    assert_eq!(
        door.api("DELETE", &format!("/downloads/{id}"))
            .send()
            .status,
        204
    );
    let stopped = state(&begun["id"], "stopped");
    assert_eq!(stopped["error"], Value::Null);
    assert_eq!(stopped["cid"], nowhere);
}

fn shared(answer: &Answer) -> Value {
    let last = answer.lines().pop().unwrap();
    assert_eq!(last["event"], "shared", "{last}");
    last
}

#[test]
fn what_is_dropped_on_a_page_is_shared() {
    let scratch = Scratch::new("uploads");
    let (giver, taker) = pair(&scratch);
    let door = Door::of(&giver);
    let begin = |name: &str| {
        let upload = door
            .api("POST", "/uploads")
            .json(&json!({ "name": name }))
            .send();
        assert_eq!(upload.status, 200, "{upload:?}");
        upload.json()["id"].as_str().unwrap().to_owned()
    };
    let put = |id: &str, path: &str, body: &[u8]| {
        door.api("PUT", &format!("/uploads/{id}/files/{path}"))
            .body(body)
            .send()
            .status
    };
    let large: Vec<u8> = (0..6_000_000_u32)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    let id = begin("Ferien");
    assert_eq!(put(&id, "a.bin", &large), 204);
    assert_eq!(put(&id, "tief/%C3%BC%20b.txt", b"x"), 204);
    assert_eq!(put("other", "a", b"x"), 404);
    let folder = shared(&door.api("POST", &format!("/uploads/{id}/finish")).send());
    assert_eq!(
        (&folder["name"], &folder["files"]),
        (&json!("Ferien"), &json!(2))
    );
    assert_eq!(
        std::fs::read(giver.data().join("shared/Ferien/tief/ü b.txt")).unwrap(),
        b"x"
    );
    // A single file is shared without a folder, and a name that is taken is not taken over.
    for name in ["note.txt", "note (2).txt"] {
        let id = begin("note.txt");
        assert_eq!(put(&id, "note.txt", name.as_bytes()), 204);
        let file = shared(&door.api("POST", &format!("/uploads/{id}/finish")).send());
        assert_eq!((&file["name"], &file["files"]), (&json!(name), &json!(1)));
    }
    let id = begin("nothing");
    let empty = door
        .api("POST", &format!("/uploads/{id}/finish"))
        .send()
        .lines();
    assert_eq!(empty[0]["event"], "error");
    // One whose sender goes away in the middle leaves nothing of the file.
    let mut stream = door.connect();
    let head = door
        .api("PUT", &format!("/uploads/{id}/files/half.bin"))
        .with("Content-Length", "1000")
        .head();
    write!(stream, "{head}\r\nhalf").unwrap();
    let half = giver.data().join("incoming").join(&id).join("half.bin");
    wait_for("the start of it", SOON, || half.exists().then_some(()));
    drop(stream);
    wait_for("it to be dropped", SOON, || (!half.exists()).then_some(()));
    assert_eq!(
        door.api("DELETE", &format!("/uploads/{id}")).send().status,
        204
    );
    assert_eq!(
        door.api("DELETE", &format!("/uploads/{id}")).send().status,
        404
    );
    let link = folder["link"].as_str().unwrap();
    taker.run(["get", link, "-o"]).arg(scratch.path("out")).ok();
    assert_same_tree(&giver.data().join("shared/Ferien"), &scratch.path("out"));
}

#[test]
fn content_is_described() {
    let scratch = Scratch::new("described");
    let folder = scratch.path("folder");
    write_tree(&folder, &[("film.mp4", 700_000), ("deep/b.txt", 10)], 5);
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let link = node.share(&folder);
    let cid = cid(&link);
    let about = door.api("GET", &format!("/content/{cid}")).send().json();
    assert_eq!(about["cid"], cid);
    assert_eq!(
        (&about["kind"], &about["name"]),
        (&json!("folder"), &json!("folder"))
    );
    assert_eq!(
        (&about["bytes"], &about["have_bytes"]),
        (&json!(700_010), &json!(700_010))
    );
    assert_eq!(about["complete"], true);
    let film = json!({ "path": "film.mp4", "bytes": 700_000, "media_type": "video/mp4" });
    assert!(
        about["files"].as_array().unwrap().contains(&film),
        "{about}"
    );
    let url = format!("http://content.localhost:{}/c/{cid}/", door.port);
    assert_eq!(about["content_url"], url);
    let pieces = door
        .api("GET", &format!("/content/{cid}/pieces"))
        .send()
        .json();
    let count = pieces["pieces"].as_u64().unwrap();
    assert!(count > 0);
    assert_eq!(pieces["have"], json!([[0, count]]));
    let nowhere = "bafkr4iew6i7ufqkvgcyiyrlxiol2oydwxcqaxl2wm7ja5dwn2zm6zypwha";
    for (path, status) in [
        (format!("/content/{nowhere}?timeout=0.5"), 404),
        (format!("/content/{nowhere}/pieces"), 404),
        ("/content/nonsense".to_owned(), 400),
        ("/content/nonsense/pieces".to_owned(), 400),
        (format!("/content/{cid}?timeout=-1"), 400),
        (format!("/content/{cid}?timeout=x"), 400),
    ] {
        assert_eq!(door.api("GET", &path).send().status, status, "{path}");
    }
}

#[test]
fn news_come_as_they_happen() {
    let scratch = Scratch::new("events");
    let (giver, taker) = pair(&scratch);
    let file = scratch.path("a.bin");
    crate::support::write_file(&file, 300_000, 9);
    let link = giver.share(&file);
    let door = Door::of(&taker);
    let cookie = door.cookie();
    let ask = door
        .ask("GET", "localhost", "/api/v1/events")
        .with("Cookie", &cookie);
    let ask = ask
        .with("Sec-Fetch-Site", "same-origin")
        .with("Accept", "text/event-stream");
    let mut stream = door.connect();
    write!(stream, "{}\r\n", ask.head()).unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.next().unwrap().contains(" 200 "));
    let begun = door
        .api("POST", "/downloads")
        .json(&json!({ "link": link }))
        .send();
    assert_eq!(begun.status, 202);
    let (mut kind, mut seen) = (String::new(), std::collections::BTreeSet::new());
    for line in lines {
        if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut kind);
        }
        let Some(data) = line.strip_prefix("data: ") else {
            continue;
        };
        let data: Value = serde_json::from_str(data).unwrap();
        let told = match kind.as_str() {
            "status" => data["peer_id"] == taker.peer_id(),
            "downloads" => data["downloads"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["state"] == "done"),
            "activity" => data["text"].as_str().unwrap().ends_with("is here"),
            other => panic!("{other}"),
        };
        if told {
            seen.insert(kind.clone());
        }
        if seen.len() == 3 {
            return;
        }
    }
    panic!("the stream ended: {seen:?}");
}

#[test]
fn the_description_is_of_this_api() {
    let scratch = Scratch::new("openapi");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let description = door.api("GET", "/openapi.json").send().json();
    assert_eq!(description["openapi"], "3.1.0");
    for (path, methods) in description["paths"].as_object().unwrap() {
        let real = path
            .replace("{id}", "x")
            .replace("{cid}", "x")
            .replace("{path}", "x");
        for method in ["get", "post", "put", "delete"] {
            // What does not end, and what ends the node.
            if (path == "/events" && method == "get") || (path == "/shutdown" && method == "post") {
                continue;
            }
            let answer = door.api(&method.to_ascii_uppercase(), &real).send();
            let is_there = methods.get(method).is_some();
            assert_eq!(
                answer.status != 405,
                is_there,
                "{method} {path}: {answer:?}"
            );
            if answer.status >= 400 && is_there {
                assert!(
                    answer.json()["message"].is_string(),
                    "{method} {path}: {answer:?}"
                );
            }
        }
    }
    let wrong = door
        .api("POST", "/downloads")
        .json(&json!({ "lnk": 1 }))
        .send();
    assert_eq!((wrong.status, &wrong.json()["code"]), (422, &json!(2)));
    assert_eq!(door.api("GET", "/nothing").send().json()["code"], 3);
    assert_eq!(door.api("PATCH", "/status").send().status, 405);
}

//! Content for those whom it is not for, and paths that lead elsewhere.

use crate::attacks::{CROSS, status};
use crate::http::Door;
use crate::support::{Scratch, cid};
use serde_json::json;
use std::fs;

/// A page of the web can neither make this node fetch something, nor learn what it has.
#[test]
fn content_for_other_pages() {
    let scratch = Scratch::new("probing");
    fs::write(scratch.path("secret.txt"), "secret").unwrap();
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let link = node.share(&scratch.path("secret.txt"));
    let cid = cid(&link);
    let path = format!("/c/{cid}");
    for name in ["content.localhost", "127.0.0.1"] {
        let ask = || door.ask("GET", name, &path);
        assert_eq!(ask().send().text(), "secret", "a program");
        assert_eq!(ask().with(CROSS, "none").send().status, 200, "typed");
        assert_eq!(
            ask().with(CROSS, "same-origin").send().status,
            200,
            "a folder's page"
        );
        let from = format!("{}/file/x", door.origin());
        let answer = ask()
            .with(CROSS, "cross-site")
            .with("Referer", &from)
            .send();
        assert_eq!(answer.status, 200, "the pages");
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            "cross-origin"
        );
        let answer = ask()
            .with(CROSS, "cross-site")
            .with("Origin", &door.origin())
            .send();
        assert_eq!(answer.header("access-control-allow-origin"), door.origin());
        let preflight = door.ask("OPTIONS", name, &path).with(CROSS, "cross-site");
        let preflight = preflight.with("Origin", &door.origin()).send();
        assert_eq!(preflight.status, 204);
        for (header, value) in [
            ("Referer", "http://evil.example/".to_owned()),
            ("Referer", format!("{}.evil.example/", door.origin())),
            ("Origin", "http://evil.example".to_owned()),
            ("Origin", "null".to_owned()),
            ("X-Nothing", String::new()),
        ] {
            let answer = ask().with(CROSS, "cross-site").with(header, &value).send();
            assert_eq!(status(&answer), 403, "{name} {header} {value}");
            assert!(!answer.text().contains("secret"));
        }
        // Old browsers tell no site, but an origin.
        let answer = ask().with("Origin", "http://evil.example").send();
        assert_eq!(status(&answer), 403, "{name}");
    }
    let answer = door.ask("GET", "localhost", &path).send();
    assert_eq!(answer.status, 307);
    let to = format!("http://content.localhost:{}{path}", door.port);
    assert_eq!(answer.header("location"), to);
}

#[test]
fn paths_that_lead_elsewhere() {
    let scratch = Scratch::new("traversal");
    fs::create_dir_all(scratch.path("folder/inner")).unwrap();
    fs::write(scratch.path("folder/inner/a.txt"), "inside").unwrap();
    fs::write(scratch.path("outside.txt"), "outside").unwrap();
    std::os::unix::fs::symlink("inner/a.txt", scratch.path("folder/link.txt")).unwrap();
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let link = node.share(&scratch.path("folder"));
    let cid = cid(&link);
    for path in [
        "/../outside.txt",
        "/inner/../../outside.txt",
        "/%2e%2e/outside.txt",
        "/..%2foutside.txt",
        "/inner/..%2F..%2Foutside.txt",
        "/%2e%2e%2foutside.txt",
        "/./inner/a.txt",
        "//inner/a.txt",
        "/inner//a.txt",
        "/inner/a.txt%00",
        "/inner%2fa.txt",
        "/..\\outside.txt",
        "/%ff%fe",
        "/link.txt",
        "/inner/a.txt/",
    ] {
        let answer = door.content(&format!("/c/{cid}{path}")).send();
        let text = answer.text();
        assert!(
            !text.contains("outside\n") && text != "outside",
            "{path}: {text}"
        );
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
    }
    let cookie = door.cookie();
    for path in [
        "/assets/../index.html",
        "/assets/..%2f..%2fCargo.toml",
        "/assets//etc/passwd",
        "/..%2f..%2fCargo.toml",
    ] {
        let answer = door
            .ask("GET", "localhost", path)
            .with("Cookie", &cookie)
            .send();
        assert_eq!(answer.status, 404, "{path}");
    }
}

/// What is handed over stays in its folder.
#[test]
fn names_of_files_that_are_handed_over() {
    let scratch = Scratch::new("hostile-names");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    for (path, expected) in [
        ("../../evil.txt", 400),
        ("a/../../evil.txt", 400),
        ("%2e%2e%2fevil.txt", 400),
        ("%2Fetc%2Fevil", 400),
        ("a%00b", 400),
        ("con.txt", 400),
        ("a%5Cb", 400),
        ("fine/file.txt", 204),
        ("fine/file.txt", 400),
        ("fine/file.txt/x", 400),
    ] {
        let upload = door
            .api("POST", "/uploads")
            .json(&json!({ "name": "up" }))
            .send()
            .json();
        let id = upload["id"].as_str().unwrap();
        if expected != 204 {
            let first = door
                .api("PUT", &format!("/uploads/{id}/files/fine/file.txt"))
                .body(b"1")
                .send();
            assert_eq!(first.status, 204);
        }
        let answer = door
            .api("PUT", &format!("/uploads/{id}/files/{path}"))
            .body(b"evil")
            .send();
        assert_eq!(answer.status, expected, "{path}: {}", answer.text());
        assert_eq!(
            door.api("DELETE", &format!("/uploads/{id}")).send().status,
            204
        );
    }
    for name in ["..", "a/b", "", "nul", "a\u{202e}b"] {
        let answer = door
            .api("POST", "/uploads")
            .json(&json!({ "name": name }))
            .send();
        assert_eq!(answer.status, 400, "{name}");
    }
    let left: Vec<_> = fs::read_dir(node.data().join("incoming"))
        .into_iter()
        .flatten()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

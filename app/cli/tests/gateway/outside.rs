//! Content for those who have a secret alone, and pages for browsers elsewhere.

use crate::attacks::CROSS;
use crate::http::{Answer, Door};
use crate::programs::{is_there, program};
use crate::support::{Node, Scratch, cid};
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

const PAGES: &str = "nas.test";
const CONTENT: &str = "content.nas.test";

fn set(scratch: &Scratch, key: &str, value: &str) {
    scratch.run("node", ["config", "set", key, value]).ok();
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Settings of a node that listens at this port under names of its own.
fn settle(scratch: &Scratch, port: u16) {
    set(scratch, "gateway.listen", &format!("127.0.0.1:{port}"));
    set(scratch, "gateway.name", PAGES);
    set(scratch, "gateway.content_name", CONTENT);
}

fn share(scratch: &Scratch, node: &Node) -> String {
    fs::create_dir_all(scratch.path("folder/deep")).unwrap();
    fs::write(scratch.path("folder/deep/a.txt"), "inside").unwrap();
    cid(&node.share(&scratch.path("folder")))
}

/// Path of an address that the API gave.
fn path_of<'a>(url: &'a Value, origin: &str) -> &'a str {
    let url = url.as_str().unwrap();
    url.strip_prefix(origin).unwrap_or_else(|| panic!("{url}"))
}

#[test]
fn content_can_need_the_token() {
    let scratch = Scratch::new("locked");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let cid = share(&scratch, &node);
    let path = format!("/c/{cid}/deep/a.txt");
    let open = |name: &str| door.ask("GET", name, &path);
    let change = |value: &str| {
        let body = json!({ "key": "gateway.content_token", "value": value });
        assert_eq!(door.api("POST", "/config").json(&body).send().status, 200);
    };
    assert_eq!(open("127.0.0.1").send().text(), "inside");
    change("true");
    let pages = format!("{}/file/x", door.origin());
    for name in ["127.0.0.1", "content.localhost"] {
        let closed = [
            open(name),
            open(name).with("Authorization", "Bearer x"),
            open(name).with("Cookie", &door.cookie()),
            open(name).with(CROSS, "cross-site").with("Referer", &pages),
            door.ask("GET", name, &format!("/k/{}{path}", "0".repeat(64))),
            door.ask("GET", name, &format!("/k/{}{path}", door.token)),
        ];
        for ask in closed {
            let answer = ask.send();
            assert_eq!(answer.status, 401, "{name}: {answer:?}");
            assert!(!answer.text().contains("inside"));
        }
        let bearer = format!("Bearer {}", door.token);
        let answer = open(name).with("Authorization", &bearer).send();
        assert_eq!(answer.text(), "inside", "{name}");
    }
    // The pages, and players, are given an address that opens.
    let about = door.api("GET", &format!("/content/{cid}")).send().json();
    let origin = format!("http://content.localhost:{}", door.port);
    let base = path_of(&about["content_url"], &origin);
    let get = |path: &str| door.ask("GET", "content.localhost", path).send();
    assert_eq!(get(&format!("{base}deep/a.txt")).text(), "inside");
    let moved = get(&format!("{base}deep"));
    assert_eq!(
        (moved.status, moved.header("location")),
        (301, format!("{base}deep/").as_str())
    );
    assert!(get(base).text().contains("href=\"./deep/\""));
    let embedded = door.ask("GET", "content.localhost", &format!("{base}deep/a.txt"));
    let embedded = embedded.with(CROSS, "cross-site");
    assert_eq!(embedded.send().status, 403, "another page that learnt it");
    assert_eq!(
        embedded.with("Referer", &pages).send().status,
        200,
        "the pages"
    );
    // The key opens nothing else.
    let key = base.split('/').nth(2).unwrap();
    let api = door.ask("GET", "127.0.0.1", "/api/v1/status");
    assert_eq!(
        api.with("Authorization", &format!("Bearer {key}"))
            .send()
            .status,
        401
    );
    assert_eq!(get(&format!("/k/{key}/api/v1/status")).status, 404);
    change("false");
    assert_eq!(open("127.0.0.1").send().text(), "inside");
}

#[test]
fn the_owners_browser_gets_the_key() {
    let scratch = Scratch::new("locked-pages");
    set(&scratch, "gateway.content_token", "true");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let cid = share(&scratch, &node);
    let path = format!("/c/{cid}/deep/a.txt");
    let origin = format!("http://content.localhost:{}", door.port);
    let sent = |cookie: &str| {
        let ask = door.ask("GET", "localhost", &path).with("Cookie", cookie);
        ask.send().header("location").to_owned()
    };
    assert_eq!(sent(""), format!("{origin}{path}"));
    let with_key = sent(&door.cookie());
    let to = with_key.strip_prefix(&origin).unwrap();
    assert!(to.starts_with("/k/") && to.ends_with(&path), "{to}");
    let answer = door.ask("GET", "content.localhost", to).send();
    assert_eq!(answer.text(), "inside");
}

#[test]
fn listening_for_others_is_meant() {
    let scratch = Scratch::new("outside-settings");
    let refused = |why: &str| {
        let failed = scratch.run("node", ["up"]).fails(2);
        assert!(failed.stderr.contains(why), "{failed}");
    };
    let port = free_port();
    set(&scratch, "gateway.listen", &format!("127.0.0.1:{port}"));
    refused("two names");
    set(&scratch, "gateway.name", PAGES);
    set(&scratch, "gateway.content_name", PAGES);
    refused("two names");
    set(&scratch, "gateway.content_name", CONTENT);
    refused("needs a certificate");
    let file = scratch.path("no.pem");
    fs::write(&file, "nothing").unwrap();
    let file = file.to_str().unwrap();
    set(&scratch, "gateway.certificate", file);
    refused("belong together");
    set(&scratch, "gateway.key", file);
    refused("certificate");
    for (key, value) in [
        ("gateway.listen", "nas.example:80"),
        ("gateway.listen", "0.0.0.0:0"),
        ("gateway.name", "http://nas"),
        ("gateway.content_name", "a b"),
    ] {
        scratch.run("node", ["config", "set", key, value]).fails(2);
    }
    scratch.run("node", ["up", "--api", "0.0.0.0:0"]).fails(2);
}

/// A node that answers others without TLS, and the door for them.
fn open_node(scratch: &Scratch) -> (Node, Door) {
    let port = free_port();
    settle(scratch, port);
    set(scratch, "gateway.insecure", "true");
    set(scratch, "gateway.metrics", "true");
    let node = scratch.node("node").start();
    let token = Door::of(&node).token;
    (node, Door { port, token })
}

#[test]
fn others_need_the_given_names_and_a_secret() {
    let scratch = Scratch::new("outside");
    let (node, outside) = open_node(&scratch);
    let bearer = format!("Bearer {}", outside.token);
    for host in [
        "localhost",
        "127.0.0.1",
        "content.localhost",
        "evil.test",
        "nas.test.evil.test",
    ] {
        for path in ["/", "/health", "/api/v1/status", "/c/x"] {
            let ask = outside
                .ask("GET", host, path)
                .with("Authorization", &bearer);
            assert_eq!(ask.send().status, 421, "{host} {path}");
        }
    }
    let here = Door::of(&node);
    assert_eq!(
        here.ask("GET", PAGES, "/").send().status,
        421,
        "loopback has other names"
    );
    assert_eq!(here.ask("GET", "127.0.0.1", "/metrics").send().status, 200);
    let asked = |name: &str, path: &str| outside.ask("GET", name, path).send().status;
    assert_eq!(asked(PAGES, "/"), 401);
    assert_eq!(asked(PAGES, "/api/v1/status"), 401);
    assert_eq!(
        asked(PAGES, "/metrics"),
        401,
        "that setting is for this machine"
    );
    assert_eq!(asked(CONTENT, "/api/v1/status"), 404);
    let api = outside
        .ask("GET", PAGES, "/api/v1/status")
        .with("Authorization", &bearer);
    assert_eq!(api.send().status, 200);
    assert_eq!(api.with("Origin", "http://evil.test").send().status, 403);
    // Content, however public by its address.
    let cid = share(&scratch, &node);
    let path = format!("/c/{cid}/deep/a.txt");
    assert_eq!(asked(CONTENT, &path), 401);
    let ask = outside
        .ask("GET", CONTENT, &path)
        .with("Authorization", &bearer);
    assert_eq!(ask.send().text(), "inside");
}

#[test]
fn a_browser_elsewhere_comes_in() {
    let scratch = Scratch::new("outside-browser");
    let (node, outside) = open_node(&scratch);
    let cid = share(&scratch, &node);
    let origin = format!("http://{PAGES}:{}", outside.port);
    assert_eq!(
        node.ready().outside.as_deref(),
        Some(format!("{origin}/").as_str())
    );
    let printed = node.run(["open", "--print"]).ok().stdout;
    let url = printed.lines().nth(1).unwrap();
    let login = url.strip_prefix(&origin).unwrap();
    let answer = outside.ask("GET", PAGES, login).send();
    assert_eq!(answer.status, 303, "{answer:?}");
    let cookie = answer.header("set-cookie").split(';').next().unwrap();
    let mine = |method: &str, path: &str| outside.ask(method, PAGES, path).with("Cookie", cookie);
    let page = mine("GET", "/").send();
    assert_eq!(page.status, 200);
    let content = format!("http://{CONTENT}:{}", outside.port);
    assert!(
        page.header("content-security-policy").contains(&content),
        "{page:?}"
    );
    let body = json!({ "key": "limits.up", "value": "1MB/s" });
    let change = |origin: &str| {
        let ask = mine("POST", "/api/v1/config")
            .json(&body)
            .with("Origin", origin);
        ask.send().status
    };
    assert_eq!(change(&origin), 200);
    for other in [
        content.as_str(),
        "http://localhost",
        "https://nas.test",
        "null",
    ] {
        assert_eq!(change(other), 403, "{other}");
    }
    assert_eq!(
        mine("POST", "/api/v1/config").json(&body).send().status,
        403
    );
    let about = mine("GET", &format!("/api/v1/content/{cid}")).send().json();
    let base = path_of(&about["content_url"], &content);
    let shown = outside.ask("GET", CONTENT, &format!("{base}deep/a.txt"));
    let shown = shown
        .with(CROSS, "cross-site")
        .with("Referer", &format!("{origin}/file/x"))
        .send();
    assert_eq!(shown.text(), "inside");
    let policy = shown.header("content-security-policy");
    assert!(
        policy.ends_with(&format!("frame-ancestors 'self' {origin}")),
        "{policy}"
    );
}

fn curl(scratch: &Scratch, port: u16, more: &[&str], url: &str) -> Answer {
    let mut curl = program("curl");
    curl.args(["-sS", "-i", "--max-time", "30", "--cacert"])
        .arg(scratch.path("cert.pem"));
    for name in [PAGES, CONTENT] {
        curl.args(["--resolve", &format!("{name}:{port}:127.0.0.1")]);
    }
    let done = curl.args(more).arg(url).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    crate::http::parse(&done.stdout).unwrap()
}

#[test]
fn over_tls() {
    if !is_there("curl") {
        return;
    }
    let scratch = Scratch::new("outside-tls");
    let port = free_port();
    settle(&scratch, port);
    let made = rcgen::generate_simple_self_signed([PAGES.to_owned(), CONTENT.to_owned()]).unwrap();
    for (key, name, pem) in [
        ("gateway.certificate", "cert.pem", made.cert.pem()),
        ("gateway.key", "key.pem", made.key_pair.serialize_pem()),
    ] {
        fs::write(scratch.path(name), pem).unwrap();
        set(&scratch, key, scratch.path(name).to_str().unwrap());
    }
    let node = scratch.node("node").start();
    let token = Door::of(&node).token;
    let outside = Door { port, token };
    // Whoever begins no handshake is given up.
    let mut silent = outside.connect();
    let began = Instant::now();
    let origin = format!("https://{PAGES}:{port}");
    let bearer = format!("Authorization: Bearer {}", outside.token);
    let session = curl(
        &scratch,
        port,
        &["-H", &bearer, "-X", "POST"],
        &format!("{origin}/api/v1/session"),
    );
    let url = session.json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&format!("{origin}/login?")), "{url}");
    let answer = curl(&scratch, port, &[], &url);
    assert!(
        answer.header("set-cookie").contains("; Secure"),
        "{answer:?}"
    );
    assert_eq!(curl(&scratch, port, &[], &format!("{origin}/")).status, 401);
    let cid = share(&scratch, &node);
    let about = curl(
        &scratch,
        port,
        &["-H", &bearer],
        &format!("{origin}/api/v1/content/{cid}"),
    )
    .json();
    let url = format!("{}deep/a.txt", about["content_url"].as_str().unwrap());
    assert!(
        url.starts_with(&format!("https://{CONTENT}:{port}/k/")),
        "{url}"
    );
    assert_eq!(
        curl(&scratch, port, &["-H", "Range: bytes=2-"], &url).text(),
        "side"
    );
    // Plain HTTP gets nothing there.
    let mut plain = outside.connect();
    let head = outside.ask("GET", PAGES, "/").head();
    std::io::Write::write_all(&mut plain, format!("{head}\r\n").as_bytes()).unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(
        !said.starts_with(b"HTTP"),
        "{}",
        String::from_utf8_lossy(&said)
    );
    let _ = silent.read_to_end(&mut said);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}

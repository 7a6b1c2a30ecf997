//! The pages and the way in.

use crate::http::Door;
use crate::support::{Scratch, wait_for};
use std::time::Duration;

#[test]
fn a_browser_is_let_in_by_the_command() {
    let scratch = Scratch::new("open");
    let none = scratch.run("data", ["open", "--print"]).fails(5);
    assert!(none.stderr.contains("potluck up"), "{none}");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    assert_eq!(node.ready().page, format!("{}/", door.origin()));
    let link = "potluck:bafk?name=a b";
    let printed = node.run(["open", "--print", link]).ok();
    let url = printed.stdout.trim().to_owned();
    let path = url.strip_prefix(&door.origin()).unwrap();
    let answer = door
        .ask("GET", "localhost", path)
        .with("Sec-Fetch-Site", "none")
        .send();
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(
        answer.header("location"),
        "/file/potluck%3Abafk%3Fname%3Da%20b"
    );
    let session = node.run(["open"]).json().ok().value();
    let url = session["url"].as_str().unwrap();
    assert!(url.starts_with(&door.origin()), "{session}");
}

#[test]
fn pages_are_for_who_came_in() {
    let scratch = Scratch::new("pages");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let cookie = &door.cookie();
    for path in [
        "/",
        "/file/x",
        "/peers",
        "/activity",
        "/settings",
        "/settings/more",
    ] {
        let stranger = door.ask("GET", "localhost", path).send();
        assert_eq!(stranger.status, 401, "{path}");
        assert!(stranger.text().contains("potluck open"), "{path}");
        let page = door
            .ask("GET", "localhost", path)
            .with("Cookie", cookie)
            .send();
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(page.text().contains("<title>Potluck"), "{path}");
        let policy = page.header("content-security-policy");
        for part in [
            "default-src 'self'",
            "frame-ancestors 'none'",
            "object-src 'none'",
            "script-src 'self';",
        ] {
            assert!(policy.contains(part), "{part}: {policy}");
        }
        assert!(
            policy.contains(&format!("http://content.localhost:{}", door.port)),
            "{policy}"
        );
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        let tool = door.ask("GET", "127.0.0.1", path).send();
        assert_eq!(
            (tool.status, tool.header("location")),
            (307, format!("{}{path}", door.origin()).as_str())
        );
    }
    let missing = door
        .ask("GET", "localhost", "/nothing")
        .with("Cookie", cookie)
        .send();
    assert_eq!(missing.status, 404);
    let post = door
        .ask("POST", "localhost", "/")
        .with("Cookie", cookie)
        .send();
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
}

#[test]
fn health_and_metrics() {
    let scratch = Scratch::new("metrics");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let health = door.ask("GET", "127.0.0.1", "/health").send();
    assert_eq!(
        (health.status, health.text().as_str()),
        (200, "{\"ok\":true}")
    );
    let metrics = || door.ask("GET", "127.0.0.1", "/metrics");
    assert_eq!(metrics().send().status, 401);
    let answer = metrics()
        .with("Authorization", &format!("Bearer {}", door.token))
        .send();
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let text = answer.text();
    for line in [
        "potluck_roots 0",
        "potluck_http_answers_total{code=\"401\"} 1",
        "potluck_received_bytes_total 0",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    node.run(["config", "set", "gateway.metrics", "true"]).ok();
    assert_eq!(metrics().send().status, 200);
    assert_eq!(
        metrics().with("Sec-Fetch-Site", "cross-site").send().status,
        403
    );
}

/// Pages that are open, and bookmarks, go on working.
#[test]
fn the_port_stays() {
    let scratch = Scratch::new("port");
    let data = scratch.path("data");
    let start = || {
        let mut running = scratch.run("data", ["up", "--json"]).spawn();
        let line = running.next_line().unwrap();
        let ready: potluck_api::ReadyEvent = serde_json::from_str(&line).unwrap();
        (running, ready.api)
    };
    let (first, api) = start();
    // A command with a node of its own has another port, and leaves the remembered one alone.
    drop(first);
    wait_for("it to end", Duration::from_secs(20), || {
        let port = api.rsplit(':').next()?.parse::<u16>().ok()?;
        std::net::TcpListener::bind(("127.0.0.1", port)).ok()
    });
    scratch.run("data", ["ls"]).ok();
    let (second, again) = start();
    assert_eq!(api, again);
    drop(second);
    assert!(data.join("port").exists());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    scratch
        .run("data", ["config", "set", "gateway.port", &port.to_string()])
        .ok();
    let taken = scratch.run("data", ["up"]).fails(1);
    assert!(taken.stderr.contains("gateway.port"), "{taken}");
    drop(free);
    let (_third, chosen) = start();
    assert_eq!(chosen, format!("http://127.0.0.1:{port}"));
}

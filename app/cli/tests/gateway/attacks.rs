//! Others who try: pages of the web through the owner's browser, names that are pointed here,
//! programs without the token, and paths that lead elsewhere.

use crate::http::{Answer, Door};
use crate::support::Scratch;
use serde_json::json;

pub(crate) const CROSS: &str = "Sec-Fetch-Site";

pub(crate) fn status(answer: &Answer) -> u16 {
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "",
        "{answer:?}"
    );
    answer.status
}

#[test]
fn names_that_are_pointed_here() {
    let scratch = Scratch::new("rebinding");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let port = door.port;
    for host in [
        format!("evil.example:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("content.localhost.evil.example:{port}"),
        format!("evil.localhost:{port}"),
        format!("192.0.2.1:{port}"),
        format!("0.0.0.0:{port}"),
        format!("127.0.0.1.nip.io:{port}"),
        format!("content.localhost:{}", port ^ 1),
        format!("localhost@evil.example:{port}"),
        "evil.example".to_owned(),
        String::new(),
    ] {
        for path in ["/api/v1/status", "/", "/c/x", "/health", "/metrics"] {
            let ask = door.ask("GET", "127.0.0.1", path).host(&host);
            let answer = ask
                .with("Authorization", &format!("Bearer {}", door.token))
                .send();
            assert_eq!(status(&answer), 421, "{host} {path}");
        }
    }
    // Two names, or a whole address, are what a proxy is told.
    let two = door
        .api("GET", "/status")
        .with("Host", "evil.example")
        .send();
    assert!(matches!(two.status, 400 | 421), "{two:?}");
    let whole = door.ask("GET", "127.0.0.1", "http://evil.example/api/v1/status");
    let whole = whole
        .with("Authorization", &format!("Bearer {}", door.token))
        .send();
    assert_eq!(whole.status, 421);
}

#[test]
fn without_the_token() {
    let scratch = Scratch::new("tokens");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let right = door.token.clone();
    let longer = format!("{right}0");
    for (auth, expected) in [
        (format!("Bearer {right}"), 200),
        (format!("bearer {right}"), 401),
        (right.clone(), 401),
        (format!("Basic {right}"), 401),
        (format!("Bearer {}", &right[1..]), 401),
        (format!("Bearer {longer}"), 401),
        (format!("Bearer {}", "0".repeat(64)), 401),
        ("Bearer ".to_owned(), 401),
    ] {
        for name in ["127.0.0.1", "localhost"] {
            let ask = door.ask("GET", name, "/api/v1/status");
            let answer = ask.with("Authorization", &auth).send();
            assert_eq!(answer.status, expected, "{name} {auth}");
        }
    }
    for path in [
        "/api/v1/status",
        "/api/v1/nothing",
        "/api/",
        "/metrics",
        "/api/v1/openapi.json",
    ] {
        for name in ["127.0.0.1", "localhost"] {
            let answer = door.ask("GET", name, path).send();
            assert_eq!(answer.status, 401, "{name} {path}");
            assert_eq!(answer.json()["code"], 5);
        }
        let answer = door.ask("GET", "content.localhost", path).send();
        assert_eq!(answer.status, 404, "{path}");
    }
    // The token opens nothing at the name of content.
    let ask = door.ask("GET", "content.localhost", "/api/v1/status");
    let answer = ask.with("Authorization", &format!("Bearer {right}")).send();
    assert_eq!(answer.status, 404);
}

#[test]
fn other_pages_in_the_owners_browser() {
    let scratch = Scratch::new("csrf");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let cookie = door.cookie();
    let own = door.origin();
    let content = format!("http://content.localhost:{}", door.port);
    let neighbour = format!("http://localhost:{}", door.port ^ 1);
    let mine =
        |method: &str, path: &str| door.ask(method, "localhost", path).with("Cookie", &cookie);
    let body = json!({ "key": "limits.up", "value": "1MB/s" });
    // The pages themselves.
    assert_eq!(
        mine("GET", "/api/v1/status")
            .with(CROSS, "same-origin")
            .send()
            .status,
        200
    );
    let fine = mine("POST", "/api/v1/config")
        .json(&body)
        .with("Origin", &own)
        .send();
    assert_eq!(fine.status, 200, "{}", fine.text());
    let fine = mine("POST", "/api/v1/config")
        .json(&body)
        .with(CROSS, "same-origin")
        .send();
    assert_eq!(fine.status, 200);
    // Everybody else, even with the cookie.
    for origin in [
        "http://evil.example",
        "null",
        neighbour.as_str(),
        content.as_str(),
        "https://localhost",
    ] {
        for (method, path) in [("GET", "/api/v1/status"), ("POST", "/api/v1/config")] {
            let answer = mine(method, path).json(&body).with("Origin", origin).send();
            assert_eq!(status(&answer), 403, "{origin} {method}");
        }
        let token = door.api("GET", "/status").with("Origin", origin).send();
        assert_eq!(status(&token), 403, "{origin} with the token");
    }
}

#[test]
fn other_pages_told_by_the_browser() {
    let scratch = Scratch::new("fetch-metadata");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let cookie = door.cookie();
    let own = door.origin();
    let mine =
        |method: &str, path: &str| door.ask(method, "localhost", path).with("Cookie", &cookie);
    let body = json!({ "key": "limits.up", "value": "1MB/s" });
    for site in ["cross-site", "same-site", "nonsense"] {
        for (method, path) in [("GET", "/api/v1/status"), ("POST", "/api/v1/shutdown")] {
            let answer = mine(method, path).with(CROSS, site).send();
            assert_eq!(status(&answer), 403, "{site} {method}");
        }
        assert_eq!(
            mine("GET", "/").with(CROSS, site).send().status,
            401,
            "{site}"
        );
        assert_eq!(
            mine("GET", "/health").with(CROSS, site).send().status,
            403,
            "{site}"
        );
        let asset = mine("GET", "/assets/x.js").with(CROSS, site).send();
        assert_eq!(asset.status, 403, "{site}");
    }
    let lies = mine("POST", "/api/v1/shutdown")
        .with("Origin", &own)
        .with(CROSS, "cross-site")
        .send();
    assert_eq!(lies.status, 403);
    // A form without a word of where it comes from, and a form that is no JSON.
    let silent = mine("POST", "/api/v1/shutdown").send();
    assert_eq!(silent.status, 403);
    let form = mine("POST", "/api/v1/config")
        .with("Origin", &own)
        .body(body.to_string().as_bytes());
    assert_eq!(form.send().status, 415);
    // What a browser asks before a request that is not simple.
    let preflight = door.ask("OPTIONS", "localhost", "/api/v1/config");
    let preflight = preflight.with("Origin", "http://evil.example").send();
    assert_eq!(status(&preflight), 403);
    assert_eq!(
        door.api("GET", "/status").send().status,
        200,
        "it still runs"
    );
}

#[test]
fn the_cookie_counts_at_one_name_only() {
    let scratch = Scratch::new("cookies");
    let node = scratch.node("node").start();
    let other = scratch.node("other").start();
    let (door, next) = (Door::of(&node), Door::of(&other));
    let cookie = door.cookie();
    let ask = |name: &str, cookie: &str| {
        let ask = door
            .ask("GET", name, "/api/v1/status")
            .with("Cookie", cookie);
        ask.send().status
    };
    assert_eq!(ask("localhost", &cookie), 200);
    assert_eq!(ask("localhost", &format!("a=b; {cookie}; c=d")), 200);
    assert_eq!(ask("127.0.0.1", &cookie), 401);
    assert_eq!(ask("[::1]", &cookie), 401);
    assert_eq!(ask("content.localhost", &cookie), 404);
    let (name, secret) = cookie.split_once('=').unwrap();
    for wrong in [
        format!("potluck_session={secret}"),
        format!("{name}={}", &secret[1..]),
        format!("{name}={}", "0".repeat(64)),
        format!("{name}={}", door.token),
        format!("{name}="),
        String::new(),
    ] {
        assert_eq!(ask("localhost", &wrong), 401, "{wrong}");
    }
    let elsewhere = next
        .ask("GET", "localhost", "/api/v1/status")
        .with("Cookie", &cookie);
    assert_eq!(elsewhere.send().status, 401);
    // A cookie beside a wrong token helps nobody.
    let both = door
        .ask("GET", "localhost", "/api/v1/status")
        .with("Cookie", &cookie);
    assert_eq!(both.with("Authorization", "Bearer x").send().status, 401);
}

#[test]
fn tickets_open_once() {
    let scratch = Scratch::new("tickets");
    let node = scratch.node("node").start();
    let door = Door::of(&node);
    let ticket = |body: &serde_json::Value| {
        let session = door.api("POST", "/session").json(body).send().json();
        let url = session["url"].as_str().unwrap().to_owned();
        url.strip_prefix(&door.origin()).unwrap().to_owned()
    };
    let path = ticket(&json!({ "to": "/file/bafkx?a=1&b=2" }));
    let enter = |name: &str, path: &str| door.ask("GET", name, path).send();
    // At another name it is sent on, and stays good; so it is when somebody only looks.
    assert_eq!(enter("127.0.0.1", &path).status, 307);
    assert_eq!(door.ask("HEAD", "localhost", &path).send().status, 200);
    let cross = door
        .ask("GET", "localhost", &path)
        .with(CROSS, "cross-site")
        .send();
    assert_eq!(cross.status, 403);
    let answer = enter("localhost", &path);
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/file/bafkx?a=1&b=2")
    );
    let cookie = answer.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    assert_eq!(enter("localhost", &path).status, 401, "a second time");
    assert_eq!(enter("localhost", "/login?ticket=").status, 401);
    assert_eq!(enter("localhost", "/login?ticket=0000").status, 401);
    assert_eq!(
        enter("localhost", &format!("/login?ticket={}", door.token)).status,
        401
    );
    for to in [
        "//evil.example/",
        "/\\evil.example",
        "http://evil.example/",
        "x",
    ] {
        let refused = door
            .api("POST", "/session")
            .json(&json!({ "to": to }))
            .send();
        assert_eq!(refused.status, 400, "{to}");
        // Whoever changes the address afterwards gets no further.
        let path = ticket(&json!({}));
        let to = to.replace('\\', "%5C");
        let answer = enter("localhost", &format!("{path}&to={to}"));
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, "/"),
            "{to}"
        );
    }
}

//! The examples of the documentation: each is run as it stands there, and answers as it says there.

use crate::http::Door;
use crate::programs::is_there;
use crate::support::{Node, Scratch, cid, write_file};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where they are, from the folder of this crate.
const PAGE: &str = "../../docs/spec/http-examples.md";
/// The table of all routes.
const SPEC: &str = "../../docs/spec/http.md";

/// How long something that comes by itself is waited for.
const SOON: Duration = Duration::from_secs(10);

/// One example.
#[derive(Debug)]
struct Example {
    /// Its heading: `GET /status`.
    route: String,
    command: String,
    status: u16,
    kind: String,
    body: String,
}

/// What the documentation says, in its order.
fn examples() -> Vec<Example> {
    let text = fs::read_to_string(PAGE).unwrap();
    let parts = text.split("\n### `").skip(1);
    parts.map(example).collect()
}

fn example(part: &str) -> Example {
    let (route, rest) = part.split_once("`\n").unwrap();
    let fail = |what: &str| -> ! { panic!("{PAGE}: {route}: {what}") };
    let Some((_, rest)) = rest.split_once("```sh\n") else {
        fail("there is no command")
    };
    let (command, rest) = rest.split_once("\n```\n").unwrap();
    // `200, `application/json`:` and what is answered, or `204.`
    let answer = rest.trim_start();
    let (line, rest) = answer.split_once('\n').unwrap_or((answer, ""));
    let Ok(status) = line.get(..3).unwrap_or_default().parse() else {
        fail("there is no status")
    };
    let kind = line.split('`').nth(1).unwrap_or_default();
    let fence = rest
        .split_once("```")
        .and_then(|(_, rest)| rest.split_once('\n'));
    let body = fence.and_then(|(_, rest)| rest.split_once("```"));
    Example {
        route: route.to_owned(),
        command: command.to_owned(),
        status,
        kind: kind.to_owned(),
        body: body.map_or("", |(body, _)| body).trim().to_owned(),
    }
}

/// Method and path that a command calls.
fn called(command: &str) -> (&str, &str) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let after = |flag: &str| {
        let at = words.iter().position(|word| *word == flag)?;
        words.get(at + 1).copied()
    };
    let method = match after("-X") {
        Some(method) => method,
        None if words.contains(&"-T") => "PUT",
        None if words.contains(&"--json") => "POST",
        None => "GET",
    };
    let (_, rest) = command.rsplit_once("$API").unwrap();
    (method, rest.split(['"', '?', ' ']).next().unwrap_or(rest))
}

/// Whether a path is of this route; `{path}` stands for all that follows.
fn is_of(path: &str, route: &str) -> bool {
    let (mut parts, mut wanted) = (path.split('/'), route.split('/'));
    loop {
        match (parts.next(), wanted.next()) {
            (None, None) | (Some(_), Some("{path}")) => return true,
            (Some(part), Some(want))
                if want == part || (want.starts_with('{') && !part.is_empty()) => {}
            _ => return false,
        }
    }
}

/// All routes of a description: `GET /status`.
fn described(description: &Value) -> BTreeSet<String> {
    let paths = description["paths"].as_object().unwrap();
    let routes = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_ascii_uppercase()))
    });
    routes.collect()
}

/// All routes of the table in the specification.
fn tabled() -> BTreeSet<String> {
    let text = fs::read_to_string(SPEC).unwrap();
    let (_, table) = text.split_once("| method and path |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let first = rows.map(|row| row.split('|').nth(1).unwrap());
    let routes = first.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    routes
        .map(|route| route.split('?').next().unwrap_or(route).replace('…', ""))
        .collect()
}

#[test]
fn every_route_has_an_example_and_every_example_a_route() {
    let scratch = Scratch::new("example-routes");
    let node = scratch.node("node").start();
    let description = Door::of(&node).api("GET", "/openapi.json").send().json();
    let routes = described(&description);
    assert_eq!(tabled(), routes, "{SPEC} and the description");
    let examples = examples();
    let shown: BTreeSet<String> = examples.iter().map(|one| one.route.clone()).collect();
    assert_eq!(shown, routes, "{PAGE} and the description");
    for example in &examples {
        let (method, path) = example.route.split_once(' ').unwrap();
        let (by, called) = called(&example.command);
        assert!(
            by == method && is_of(called, path),
            "{}: the example calls {by} {called}",
            example.route
        );
        let operation = &description["paths"][path][method.to_ascii_lowercase()];
        let answer = &operation["responses"][example.status.to_string()];
        assert!(answer.is_object(), "{}: {}", example.route, example.status);
        let kinds: Vec<&String> = answer["content"]
            .as_object()
            .into_iter()
            .flat_map(|all| all.keys())
            .collect();
        let shown: Vec<&String> = [&example.kind]
            .into_iter()
            .filter(|kind| !kind.is_empty())
            .collect();
        assert_eq!(shown, kinds, "{}", example.route);
    }
}

/// A film that browsers do not play, where there is a program to make one.
fn evening(scratch: &Scratch) -> Option<PathBuf> {
    let path = scratch.path("evening.mkv");
    let mut make = Command::new("ffmpeg");
    make.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i"])
        .args(["testsrc=duration=2:size=160x120:rate=10", "-c:v", "mpeg4"])
        .arg(&path);
    let made = is_there("ffmpeg") && make.status().unwrap().success();
    made.then_some(path)
}

/// Where the examples are run: a node, another one that gives, and what the examples call them.
struct Stage {
    names: BTreeMap<&'static str, String>,
    programs: PathBuf,
    scratch: Scratch,
    _nodes: [Node; 2],
}

impl Stage {
    fn set_up() -> Self {
        let scratch = Scratch::new("examples");
        for name in ["giver", "node"] {
            for (key, value) in [
                ("bittorrent.dht", "false"),
                ("bittorrent.lsd", "false"),
                ("bittorrent.port", "0"),
            ] {
                scratch.run(name, ["config", "set", key, value]).ok();
            }
        }
        let giver = scratch.node("giver").start();
        let node = scratch.node("node").start();
        let given = scratch.path("given.txt");
        write_file(&given, 300_000, 3);
        let link = giver.share(&given);
        let film = scratch.path("film.mp4");
        write_file(&film, 700_000, 4);
        let evening = evening(&scratch).map(|path| cid(&giver.share(&path)));
        let torrent = scratch.path("film.torrent");
        scratch
            .run("maker", ["torrent", "create", "-o"])
            .arg(&torrent)
            .arg(&film)
            .ok();
        let door = Door::of(&node);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let names = BTreeMap::from([
            ("API", format!("http://127.0.0.1:{}/api/v1", door.port)),
            ("AUTH", format!("Authorization: Bearer {}", door.token)),
            ("PEER", giver.address().to_owned()),
            ("CID", cid(&link)),
            ("LINK", link),
            ("FILM", text(&film)),
            ("TORRENT", text(&torrent)),
            ("OUT", text(&scratch.path("out"))),
            ("EVENING", evening.unwrap_or_default()),
        ]);
        // What is run is curl, with a word about how it went at the end.
        let programs = scratch.path("programs");
        fs::create_dir(&programs).unwrap();
        let curl = programs.join("curl");
        let path = std::env::var("PATH").unwrap();
        let script = format!(
            "#!/bin/sh\nPATH='{path}'\nexec curl -sS --noproxy '*' --max-time \"$SECONDS_AT_MOST\" \
             -w '\\n%{{http_code}} %{{content_type}}' \"$@\"\n"
        );
        fs::write(&curl, script).unwrap();
        fs::set_permissions(&curl, fs::Permissions::from_mode(0o755)).unwrap();
        Self {
            names,
            programs,
            scratch,
            _nodes: [giver, node],
        }
    }

    /// Status, media type and body.
    fn run(&self, example: &Example) -> (u16, String, String) {
        let path = format!(
            "{}:{}",
            self.programs.display(),
            std::env::var("PATH").unwrap()
        );
        // News go on for ever.
        let seconds = if example.kind == "text/event-stream" {
            "3"
        } else {
            "60"
        };
        let done = Command::new("sh")
            .args(["-uc", &example.command])
            .envs(&self.names)
            .env("PATH", path)
            .env("SECONDS_AT_MOST", seconds)
            .current_dir(self.scratch.path("."))
            .output()
            .unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        let (body, end) = said.rsplit_once('\n').unwrap_or_else(|| {
            panic!(
                "{}: {}",
                example.route,
                String::from_utf8_lossy(&done.stderr)
            )
        });
        let (status, kind) = end.split_once(' ').unwrap();
        (status.parse().unwrap(), kind.to_owned(), body.to_owned())
    }

    /// What later examples call what came.
    fn remember(&mut self, route: &str, body: &str) {
        let name = match route {
            "POST /downloads" => "DOWNLOAD",
            "POST /uploads" => "UPLOAD",
            _ => return,
        };
        let body: Value = serde_json::from_str(body).unwrap();
        self.names
            .insert(name, body["id"].as_str().unwrap().to_owned());
    }
}

/// Whether what came has the shape of what is shown: the same fields, of the same kinds.
fn fits(shown: &Value, came: &Value, at: &str) -> Result<(), String> {
    let is_kind = |other: &Value| std::mem::discriminant(shown) == std::mem::discriminant(other);
    match (shown, came) {
        (Value::Object(shown), Value::Object(came)) => {
            let keys = |object: &serde_json::Map<String, Value>| -> BTreeSet<String> {
                object.keys().cloned().collect()
            };
            if shown.contains_key("…") {
                let mut parts = shown.iter().filter(|(key, _)| *key != "…");
                return parts
                    .try_for_each(|(key, value)| fits(value, &came[key], &format!("{at}.{key}")));
            }
            if keys(shown) != keys(came) {
                return Err(format!(
                    "{at}: {:?} is shown, {:?} came",
                    keys(shown),
                    keys(came)
                ));
            }
            shown
                .iter()
                .try_for_each(|(key, value)| fits(value, &came[key], &format!("{at}.{key}")))
        }
        (Value::Array(shown), Value::Array(came)) => {
            if shown.is_empty() != came.is_empty() {
                return Err(format!(
                    "{at}: {} are shown, {} came",
                    shown.len(),
                    came.len()
                ));
            }
            came.iter().try_for_each(|one| {
                let tried: Vec<_> = shown
                    .iter()
                    .map(|shown| fits(shown, one, &format!("{at}[]")))
                    .collect();
                if tried.iter().any(Result::is_ok) {
                    Ok(())
                } else {
                    tried.into_iter().next().unwrap_or(Ok(()))
                }
            })
        }
        // What may be null may be so now.
        (_, Value::Null) => Ok(()),
        (_, other) if is_kind(other) => Ok(()),
        _ => Err(format!("{at}: {shown} is shown, {came} came")),
    }
}

/// The objects of a body, each with what it is called.
fn objects(kind: &str, body: &str) -> Vec<(String, Value)> {
    let value = |text: &str| -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    match kind {
        "application/json" => vec![(String::new(), value(body))],
        "application/x-ndjson" => body
            .lines()
            .map(value)
            .map(|line| (line["event"].as_str().unwrap().to_owned(), line))
            .collect(),
        "text/event-stream" => {
            let blocks = body.split("\n\n").filter_map(|block| {
                let (name, data) = block
                    .trim()
                    .strip_prefix("event: ")?
                    .split_once("\ndata: ")?;
                Some((name.to_owned(), value(data)))
            });
            blocks.collect()
        }
        "" | "video/mp4" => Vec::new(),
        other => panic!("{other}"),
    }
}

/// Everything that came is shown, and ends as shown.
fn compare(example: &Example, body: &str) -> Result<(), String> {
    let shown = objects(&example.kind, &example.body);
    let came = objects(&example.kind, body);
    for (name, value) in &came {
        let of_name: Vec<_> = shown.iter().filter(|(other, _)| other == name).collect();
        let tried: Vec<_> = of_name
            .iter()
            .map(|(_, shown)| fits(shown, value, name))
            .collect();
        if !tried.iter().any(Result::is_ok) {
            return tried
                .into_iter()
                .next()
                .unwrap_or_else(|| Err(format!("'{name}' is not shown")));
        }
    }
    let is_stream = example.kind == "text/event-stream";
    let ends = |all: &[(String, Value)]| all.last().map(|(name, _)| name.clone());
    if came.is_empty() != shown.is_empty() || (!is_stream && ends(&shown) != ends(&came)) {
        return Err(format!("it ends with {:?}", ends(&came)));
    }
    Ok(())
}

/// Runs one. What only asks may be asked again, until that is so which comes by itself, such as the end
/// of a download.
fn try_it(stage: &Stage, example: &Example) -> (Result<(), String>, String) {
    let end = Instant::now() + SOON;
    loop {
        let (status, kind, body) = stage.run(example);
        let is_as_told = (status, kind.as_str()) == (example.status, example.kind.as_str());
        let told = match is_as_told {
            true => compare(example, &body),
            false => Err(format!("{status} {kind}")),
        };
        let is_asking = example.route.starts_with("GET ") && Instant::now() < end;
        if told.is_ok() || !is_asking {
            return (told, body);
        }
    }
}

#[test]
fn examples_answer_as_they_say() {
    if !is_there("curl") {
        return;
    }
    let mut stage = Stage::set_up();
    let has_film = stage
        .names
        .get("EVENING")
        .is_some_and(|cid| !cid.is_empty());
    let mut wrong = Vec::new();
    for example in examples() {
        if example.route.contains("/video") && !has_film {
            eprintln!("LEFT OUT: {}", example.route);
            continue;
        }
        let (told, body) = try_it(&stage, &example);
        match told {
            Ok(()) => stage.remember(&example.route, &body),
            Err(why) => wrong.push(format!("{}: {why}\n{body}\n", example.route)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! The command line by itself: help, completions, and what is said of a malformed one.

mod support;

use support::{FakeApi, Reply, Scratch};

const COMMANDS: [&str; 17] = [
    "up",
    "share",
    "get",
    "ls",
    "rm",
    "pin",
    "unpin",
    "verify",
    "status",
    "peers",
    "id",
    "connect",
    "torrent",
    "config",
    "doctor",
    "demo",
    "completions",
];

#[test]
fn help_tells_of_each_command() {
    let scratch = Scratch::new("help");
    let all = scratch.run("data", ["--help"]).ok();
    for command in COMMANDS {
        assert!(
            all.stdout.contains(&format!("\n  {command}")),
            "{command} is missing: {all}"
        );
        let one = scratch.run("data", [command, "--help"]).ok();
        assert!(one.stdout.contains("Usage: potluck"), "{one}");
        assert!(one.stdout.contains("--json"), "{one}");
    }
    assert!(!scratch.path("data").exists(), "help made a data directory");
}

#[test]
fn version_and_completions() {
    let scratch = Scratch::new("completions");
    let version = scratch.run("data", ["--version"]).ok();
    assert_eq!(
        version.stdout,
        format!("potluck {}", env!("CARGO_PKG_VERSION"))
    );
    for shell in ["bash", "zsh", "fish"] {
        let script = scratch.run("data", ["completions", shell]).ok();
        assert!(script.stdout.contains("potluck") && script.stdout.contains("sequential"));
    }
}

#[test]
fn completions_for_bash_are_valid() {
    let scratch = Scratch::new("bash");
    let script = scratch.run("data", ["completions", "bash"]).ok();
    std::fs::write(scratch.path("potluck.bash"), script.stdout).unwrap();
    let checked = std::process::Command::new("bash")
        .arg("-c")
        .arg("source \"$1\" && complete -p potluck")
        .arg("check")
        .arg(scratch.path("potluck.bash"))
        .output()
        .unwrap();
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
}

/// A command line, a part of the message, a part of the hint.
const MALFORMED: [(&[&str], &str, &str); 16] = [
    (&["gett", "x"], "unrecognized subcommand 'gett'", "'get'"),
    (&["get"], "required arguments", "usage: potluck get"),
    (
        &["get", "x", "--timeout", "soon"],
        "'soon'",
        "--help' shows",
    ),
    (&["get", "x", "--timeout", "0"], "above 0", "--help' shows"),
    (&["get", "x", "--timeout", "-3"], "'-3'", "--help' shows"),
    (&["get", "x", "--otput", "y"], "'--otput'", "--output"),
    (&["get", "x", "y"], "unexpected argument 'y'", "usage"),
    (
        &["get", "x", "-o", ""],
        "a value is required",
        "--help' shows",
    ),
    (&["share"], "required arguments", "usage: potluck share"),
    (
        &["up", "--up-limit", "fast"],
        "'fast' is not a rate",
        "--help' shows",
    ),
    (
        &["up", "--up-limit"],
        "a value is required",
        "--help' shows",
    ),
    (&["config", "sett", "a", "b"], "'sett'", "'set'"),
    (&["completions", "tcsh"], "'tcsh'", "did you mean 'zsh'"),
    (&["demo", "--mib", "0"], "0 is not in", "--help' shows"),
    (&["rm"], "required arguments", "usage: potluck rm"),
    (
        &["--data", "", "ls"],
        "a value is required",
        "--help' shows",
    ),
];

#[test]
fn malformed_command_lines_end_with_code_2_in_one_line_and_a_hint() {
    let scratch = Scratch::new("malformed");
    for (args, message, hint) in MALFORMED {
        let plain = scratch.run("data", args).fails(2);
        let lines: Vec<&str> = plain.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{plain}");
        assert!(
            lines[0].starts_with("error: ") && lines[0].contains(message),
            "{plain}"
        );
        assert!(lines[1].starts_with("hint: "), "{plain}");
        assert_eq!(plain.stdout, "", "{plain}");

        let mut with_json = vec!["--json"];
        with_json.extend(args);
        let event = scratch.run("data", with_json).fails(2).last("error");
        assert_eq!(event["code"], 2, "{args:?}");
        assert!(
            event["message"].as_str().unwrap().contains(message),
            "{args:?}: {event}"
        );
        let said = event["hint"].as_str().unwrap();
        assert!(
            said.contains(hint) || lines[1].contains(hint),
            "{args:?}: {event}"
        );
    }
    assert!(
        !scratch.path("data").exists(),
        "a malformed command line made a data directory"
    );
}

#[test]
fn nothing_at_all_shows_help_with_code_2() {
    let scratch = Scratch::new("nothing");
    let shown = scratch.run("data", [] as [&str; 0]).fails(2);
    assert!(shown.stderr.contains("Usage: potluck"), "{shown}");
}

/// A config file, a part of the message, a part of the hint.
const CONFIGS: [(&str, &str, &str); 7] = [
    (
        "[limits]\nupp = \"1MB/s\"\n",
        "config.toml:2: unknown key 'limits.upp'",
        "limits.up",
    ),
    (
        "[limits]\n\nup = \"fast\"\n",
        "config.toml:3: limits.up is 'fast'",
        "20MB/s",
    ),
    (
        "[net]\nlan = 1\n",
        "config.toml:2: net.lan is an integer",
        "true or false",
    ),
    (
        "[net]\nlisten = [\"nonsense\"]\n",
        "'nonsense', which is not a multiaddress",
        "/ip4/",
    ),
    (
        "[net]\npeers = [\"/ip4/1.2.3.4/tcp/1\"]\n",
        "names no peer",
        "/p2p/",
    ),
    ("net = [\n", "config.toml:", "toml.io"),
    (
        "[limits]\nmax_connections = 0\n",
        "limits.max_connections is 0",
        "whole number from 4",
    ),
];

#[test]
fn a_malformed_config_file_stops_every_command_with_code_2() {
    let scratch = Scratch::new("config");
    std::fs::create_dir(scratch.path("data")).unwrap();
    for (text, message, hint) in CONFIGS {
        std::fs::write(scratch.path("data/config.toml"), text).unwrap();
        for args in [
            &["up"][..],
            &["ls"],
            &["config"],
            &["config", "get", "net.lan"],
        ] {
            let plain = scratch.run("data", args).fails(2);
            let lines: Vec<&str> = plain.stderr.lines().collect();
            assert_eq!(lines.len(), 2, "{plain}");
            assert!(lines[0].contains(message), "{plain}");
            assert!(
                lines[1].starts_with("hint: ") && lines[1].contains(hint),
                "{plain}"
            );
        }
        let event = scratch.run("data", ["up", "--json"]).fails(2).last("error");
        assert_eq!(event["code"], 2, "{event}");
        let doctor = scratch.run("data", ["doctor"]).fails(1);
        assert!(doctor.stdout.contains(message), "{doctor}");
    }
}

#[test]
fn settings_without_a_daemon() {
    let scratch = Scratch::new("settings");
    let run = |args: &[&str]| scratch.run("data", args);
    assert_eq!(run(&["config", "get", "limits.up"]).ok().stdout, "off");
    assert_eq!(
        run(&["config", "set", "limits.up", "5 MB/s"]).ok().stdout,
        "limits.up = 5MB/s"
    );
    assert_eq!(run(&["config", "get", "limits.up"]).ok().stdout, "5MB/s");
    let all = run(&["config", "--json"]).ok().value();
    let entry = |key: &str| {
        let entries = all["entries"].as_array().unwrap();
        entries
            .iter()
            .find(|entry| entry["key"] == key)
            .unwrap()
            .clone()
    };
    assert_eq!(entry("limits.up")["value"], "5MB/s");
    assert_eq!(entry("limits.up")["live"], true);
    run(&["config", "unset", "limits.up"]).ok();
    assert_eq!(run(&["config", "get", "limits.up"]).ok().stdout, "off");
    for args in [
        &["config", "get", "limits.upp"][..],
        &["config", "set", "limits.upp", "1"],
    ] {
        let refused = run(args).fails(2);
        assert!(
            refused.stderr.contains("did you mean limits.up?"),
            "{refused}"
        );
    }
    let path = run(&["config", "path"]).ok().stdout;
    assert_eq!(path, scratch.path("data/config.toml").display().to_string());
}

#[test]
fn doctor_without_a_node() {
    let scratch = Scratch::new("doctor");
    std::fs::create_dir(scratch.path("data")).unwrap();
    std::fs::write(
        scratch.path("data/config.toml"),
        "[net]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\n",
    )
    .unwrap();
    let report = scratch.run("data", ["doctor", "--json"]).output();
    let report = report.events().remove(0);
    let names: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|c| c["name"].as_str())
        .collect();
    for name in [
        "version",
        "data directory",
        "disk space",
        "clock",
        "open files",
        "memory",
    ] {
        assert!(names.contains(&name), "{name} is missing: {report}");
    }
    let plain = scratch.run("data", ["doctor"]).output();
    assert!(plain.stdout.contains("disk space"), "{plain}");
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let scratch = Scratch::new("pipe");
    let _api = FakeApi::start(
        &scratch.path("data"),
        &[("doctor", Reply::Json(long_report()))],
    );
    let script = "\"$0\" --data \"$1\" doctor | head -n 1; echo ${PIPESTATUS[0]}";
    let done = std::process::Command::new("bash")
        .args(["-c", script])
        .arg(support::program())
        .arg(scratch.path("data"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    assert_eq!(
        String::from_utf8_lossy(&done.stdout).lines().last(),
        Some("1")
    );
}

fn long_report() -> serde_json::Value {
    let check = serde_json::json!({
        "name": "x", "verdict": "good", "found": "y".repeat(2000), "advice": "",
    });
    serde_json::json!({ "checks": vec![check; 500], "verdict": "good" })
}

//! Errors in `config.toml` and in what `config set` is given.

use super::refused;
use crate::support::Scratch;
use std::fs;

/// What stands in the file, a part of the message, a part of the hint. All are exit code 2.
const FILES: [(&str, &str, &str); 20] = [
    ("[limits]\nup = fast\n", "config.toml:2", "toml.io"),
    ("[limits\nup = 1\n", "config.toml:1", "toml.io"),
    (
        "[limits]\nup = \"fast\"\n",
        "config.toml:2: limits.up is",
        "20MB/s",
    ),
    (
        "[limits]\nup = true\n",
        "config.toml:2: limits.up is",
        "20MB/s",
    ),
    (
        "[limits]\n\nupp = \"1MB/s\"\n",
        "config.toml:3: unknown key",
        "did you mean limits.up?",
    ),
    (
        "[limit]\nup = \"1MB/s\"\n",
        "config.toml:1: unknown key",
        "potluck config",
    ),
    (
        "limits = 3\n",
        "config.toml:1: limits is a section",
        "[limits]",
    ),
    (
        "[limits.up]\nvalue = 3\n",
        "limits.up is a section, not a value",
        "",
    ),
    (
        "[limits]\nmax_connections = -1\n",
        "limits.max_connections is -1",
        "from 4 to",
    ),
    (
        "[limits]\nmax_connections = 3\n",
        "limits.max_connections is 3",
        "from 4 to",
    ),
    (
        "[limits]\nmax_connections = \"many\"\n",
        "limits.max_connections is",
        "a whole number",
    ),
    (
        "[limits]\nmax_memory = \"1MiB\"\n",
        "limits.max_memory is too little",
        "64MiB",
    ),
    ("[limits]\nstorage = \"big\"\n", "limits.storage is", "20GB"),
    ("[limits]\nup = 1\nup = 2\n", "config.toml:3", "toml.io"),
    (
        "[net]\nlan = \"maybe\"\n",
        "config.toml:2: net.lan is",
        "true or false",
    ),
    (
        "[net]\ndht = \"sometimes\"\n",
        "net.dht is",
        "auto, server, client",
    ),
    ("[net]\nlisten = []\n", "net.listen is empty", ""),
    (
        "[net]\nlisten = [\"nonsense\"]\n",
        "config.toml:2: net.listen",
        "",
    ),
    (
        "[net]\npeers = [\"/ip4/127.0.0.1/tcp/1\"]\n",
        "config.toml:2: net.peers",
        "/p2p/",
    ),
    (
        "[share]\nthreads = 1000\n",
        "share.threads is 1000",
        "from 0 to 256",
    ),
];

#[test]
fn errors_in_the_file() {
    let scratch = Scratch::new("config-file");
    let file = scratch.path("data/config.toml");
    fs::create_dir_all(scratch.path("data")).unwrap();
    for (text, message, hint) in FILES {
        fs::write(&file, text).unwrap();
        for command in [&["up"][..], &["ls"], &["config"]] {
            refused(text, || scratch.run("data", command), 2, message, hint);
        }
    }
    fs::write(&file, b"[net]\nlan = true # caf\xe9\n").unwrap();
    refused(
        "latin-1",
        || scratch.run("data", ["up"]),
        2,
        "config.toml:2: not UTF-8",
        "UTF-8",
    );
    fs::write(&file, "#".repeat(2 << 20)).unwrap();
    refused(
        "large",
        || scratch.run("data", ["up"]),
        2,
        "larger than 1 MiB",
        "move it away",
    );
    fs::write(&file, "[".repeat(100_000)).unwrap();
    refused(
        "nested",
        || scratch.run("data", ["up"]),
        2,
        "config.toml:1",
        "",
    );
    fs::write(&file, format!("x = {}", "[".repeat(500_000))).unwrap();
    refused(
        "deep",
        || scratch.run("data", ["up"]),
        2,
        "config.toml:1",
        "",
    );
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    refused(
        "folder",
        || scratch.run("data", ["up"]),
        1,
        "cannot read",
        "what it is",
    );
}

/// A key, a value, a part of the message, a part of the hint. All are exit code 2.
const SETTINGS: [(&str, &str, &str, &str); 10] = [
    (
        "limits.upp",
        "1MB/s",
        "unknown key 'limits.upp'",
        "did you mean limits.up?",
    ),
    ("up", "1MB/s", "unknown key 'up'", "limits.up"),
    ("", "1", "unknown key ''", "potluck config"),
    ("limits", "1", "unknown key 'limits'", ""),
    ("limits.up", "fast", "limits.up is 'fast'", "20MB/s"),
    ("limits.up", "1", "limits.up is '1'", "at least 1KiB/s"),
    (
        "limits.max_connections",
        "-5",
        "limits.max_connections is",
        "from 4 to",
    ),
    ("net.lan", "perhaps", "net.lan is", "true or false"),
    ("net.listen", "nonsense", "net.listen", ""),
    ("net.peers", "/ip4/127.0.0.1/tcp/1", "net.peers", "/p2p/"),
];

#[test]
fn settings_that_are_refused() {
    let scratch = Scratch::new("config-set");
    let node = scratch.node("data").start();
    for (key, value, message, hint) in SETTINGS {
        let case = format!("{key} = {value}");
        let set = ["config", "set", key, value];
        refused(&case, || node.run(set), 2, message, hint);
        refused(&case, || scratch.run("new", set), 2, message, hint);
    }
    refused(
        "get",
        || node.run(["config", "get", "limits.sideways"]),
        2,
        "unknown key",
        "",
    );
    refused(
        "unset",
        || node.run(["config", "unset", "limits.sideways"]),
        2,
        "unknown key",
        "",
    );
    for data in ["data", "new"] {
        let file = scratch.path(data).join("config.toml");
        assert!(
            !file.exists(),
            "a setting that was refused stands in {}",
            file.display()
        );
    }
}

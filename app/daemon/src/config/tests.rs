use super::{Config, Dht, load, path, report, set};
use potluck_api::{ExitCode, Rate};
use std::path::Path;

fn with_file(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(path(dir.path()), text).unwrap();
    dir
}

fn text(data: &Path) -> String {
    std::fs::read_to_string(path(data)).unwrap()
}

#[test]
fn no_file_is_defaults() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(load(dir.path()).unwrap(), Config::default());
    assert_eq!(
        load(&dir.path().join("nowhere")).unwrap(),
        Config::default()
    );
}

#[test]
fn every_key_is_read() {
    let dir = with_file(
        "[net]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\nexternal = []\nlan = false\n\
         private_key_file = \"swarm.key\"\nrelay = true\ndht = \"server\"\n\
         peers = [\"/ip4/1.2.3.4/tcp/4771/p2p/12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5\"]\n\
         [limits]\nup = \"20MB/s\"\ndown = \"off\"\nmax_connections = 50\n\
         max_memory = \"512MiB\"\nstorage = \"1.5TB\"\n[share]\nthreads = 2\n\
         contacts = [\"12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5\"]\n",
    );
    let config = load(dir.path()).unwrap();
    assert_eq!(
        config.net.listen_addresses(),
        (vec!["/ip4/127.0.0.1/tcp/0".to_owned()], true)
    );
    assert!(!config.net.lan && config.net.relay && config.net.peers.len() == 1);
    assert_eq!(
        config.net.private_key_file.as_deref(),
        Some(Path::new("swarm.key"))
    );
    assert_eq!(config.net.dht, Dht::Server);
    assert_eq!(config.limits.up, Rate(Some(20_000_000)));
    assert_eq!(config.limits.max_memory_bytes, 512 << 20);
    assert_eq!(config.limits.storage_bytes, Some(1_500_000_000_000));
    assert_eq!(
        (config.limits.max_connections, config.share.threads),
        (50, 2)
    );
    assert_eq!(config.share.contacts.len(), 1);
}

#[test]
fn what_is_shown_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let before = report(dir.path()).unwrap();
    assert!(
        before
            .entries
            .iter()
            .all(|entry| entry.value == entry.default)
    );
    for entry in before
        .entries
        .iter()
        .filter(|entry| !entry.value.is_empty())
    {
        set(dir.path(), &entry.key, Some(&entry.value))
            .unwrap_or_else(|error| panic!("{}: {error}", entry.key));
    }
    let after = report(dir.path()).unwrap();
    for (old, new) in before.entries.iter().zip(&after.entries) {
        assert_eq!(old.value, new.value, "{}", old.key);
    }
}

/// A file, what the message says, and what the hint says.
const REFUSED: [(&str, &str, &str); 22] = [
    (
        "[limits]\nschedule = [\"mon 8-9 pause\"]\n",
        ":2: limits.schedule has 'mon 8-9 pause': '8-9' is no time",
        "08:00-18:00",
    ),
    (
        "[limits]\nschedule = \"daily\"\n",
        "limits.schedule is a string",
        "a list of rules",
    ),
    (
        "[limits]\nupp = \"1MB/s\"\n",
        ":2: unknown key 'limits.upp'",
        "did you mean limits.up?",
    ),
    (
        "[limit]\nup = 1\n",
        ":1: unknown key 'limit'",
        "'potluck config'",
    ),
    (
        "max_connections = 9\n",
        ":1: unknown key 'max_connections'",
        "limits.max_connections",
    ),
    (
        "[net]\n\nlan = \"yes\"\n",
        ":3: net.lan is a string",
        "write true or false",
    ),
    (
        "[net]\ndht = \"sever\"\n",
        ":2: net.dht is 'sever'",
        "one of auto, server, client",
    ),
    (
        "[limits]\nup = \"fast\"\n",
        ":2: limits.up is 'fast'",
        "\"20MB/s\"",
    ),
    (
        "[limits]\nup = true\n",
        ":2: limits.up is a boolean",
        "\"20MB/s\"",
    ),
    (
        "[limits]\nmax_connections = 0\n",
        "is 0",
        "from 4 to 100000",
    ),
    (
        "[limits]\nmax_connections = -1\n",
        "is -1",
        "from 4 to 100000",
    ),
    ("[limits]\nmax_memory = \"1MiB\"\n", "too little", "64MiB"),
    ("[limits]\nstorage = \"lots\"\n", "is 'lots'", "\"20GB\""),
    (
        "[net]\nlisten = \"/ip4/0.0.0.0/tcp/1\"\n",
        "net.listen is a string",
        "a list",
    ),
    (
        "[net]\nlisten = [\"localhost:80\"]\n",
        "'localhost:80', which is not a mult",
        "/ip4/",
    ),
    ("[net]\nlisten = []\n", "net.listen is empty", "unset"),
    (
        "[net]\npeers = [\"/ip4/1.2.3.4/tcp/1\"]\n",
        "names no peer",
        "/p2p/<peer id>",
    ),
    ("net = 5\n", "net is a section", "[net]"),
    (
        "[net.lan]\nx = 1\n",
        "net.lan is a section",
        "local network",
    ),
    ("[net]\nlan = tru\n", ":2: ", "toml.io"),
    ("[net\n", ":1: ", "toml.io"),
    ("[net]\nlan = true\nlan = false\n", ":3: ", "toml.io"),
];

#[test]
fn errors_name_the_line_and_the_way_out() {
    for (file, message, hint) in REFUSED {
        let dir = with_file(file);
        let error = load(dir.path()).unwrap_err();
        assert_eq!(error.code, ExitCode::Usage, "{file}");
        assert!(error.message.contains(message), "{file}: {}", error.message);
        assert!(error.hint.contains(hint), "{file}: {}", error.hint);
        assert!(
            !error.message.contains('\n') && !error.hint.contains('\n'),
            "{file}: {error}"
        );
    }
}

#[test]
fn strange_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(path(dir.path()), b"[net]\n\xff\xfe").unwrap();
    assert!(
        load(dir.path())
            .unwrap_err()
            .message
            .contains(":2: not UTF-8")
    );
    std::fs::write(path(dir.path()), vec![b'#'; 1 << 21]).unwrap();
    assert!(
        load(dir.path())
            .unwrap_err()
            .message
            .contains("larger than 1 MiB")
    );
    std::fs::remove_file(path(dir.path())).unwrap();
    std::fs::create_dir(path(dir.path())).unwrap();
    assert_eq!(load(dir.path()).unwrap_err().code, ExitCode::Failed);
}

#[test]
fn lists_of_ipv6_addresses_keep_their_brackets() {
    let dir = tempfile::tempdir().unwrap();
    let key = "bittorrent.dht_nodes";
    for (text, expected) in [
        ("[::1]:6881", &["[::1]:6881"][..]),
        ("[::1]:1,[::2]:2", &["[::1]:1", "[::2]:2"]),
        (
            "[\"[::1]:1\", \"a.example:2\"]",
            &["[::1]:1", "a.example:2"],
        ),
        ("[a.example:2]", &["a.example:2"]),
    ] {
        set(dir.path(), key, Some(text)).unwrap();
        assert_eq!(load(dir.path()).unwrap().bittorrent.dht_nodes, expected);
    }
}

#[test]
fn a_change_keeps_comments_and_order() {
    let dir = with_file("# mine\n[limits]\nup = \"1MB/s\" # evenings\n# below\ndown = \"off\"\n");
    let report = set(dir.path(), "limits.up", Some("2 MB/s")).unwrap();
    assert!(!report.restart_needed);
    assert_eq!(
        text(dir.path()),
        "# mine\n[limits]\nup = \"2 MB/s\" # evenings\n# below\ndown = \"off\"\n"
    );
    let report = set(dir.path(), "net.lan", Some("false")).unwrap();
    assert!(report.restart_needed);
    assert!(
        text(dir.path()).ends_with("[net]\nlan = false\n"),
        "{}",
        text(dir.path())
    );
    set(dir.path(), "net.lan", None).unwrap();
    set(dir.path(), "limits.up", None).unwrap();
    assert_eq!(load(dir.path()).unwrap(), Config::default());
    assert!(text(dir.path()).contains("# mine"));
}

#[test]
fn a_bad_change_writes_nothing() {
    let dir = with_file("[limits]\nup = \"1MB/s\"\n");
    for (key, value) in [
        ("limits.up", "soon"),
        ("limits.uo", "1MB"),
        ("net.lan", "maybe"),
    ] {
        let error = set(dir.path(), key, Some(value)).unwrap_err();
        assert_eq!(error.code, ExitCode::Usage, "{key}");
    }
    assert_eq!(text(dir.path()), "[limits]\nup = \"1MB/s\"\n");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn an_unknown_key_can_be_taken_out() {
    let dir = with_file("[limits]\nupp = \"1MB/s\"\n");
    assert!(set(dir.path(), "limits.down", Some("1MB/s")).is_err());
    set(dir.path(), "limits.upp", None).unwrap();
    assert_eq!(load(dir.path()).unwrap(), Config::default());
    assert!(set(dir.path(), "limits.upp", None).is_err());
}

#[test]
fn goals_of_seeding_are_read_as_people_write_them() {
    for (text, milli, shown) in [
        ("2.0", 2000, "2.0"),
        ("1.25", 1250, "1.25"),
        ("3", 3000, "3.0"),
        ("0", 0, "0"),
        ("0.001", 1, "0.001"),
        ("10000", 10_000_000, "10000.0"),
    ] {
        assert_eq!(super::parse_ratio(text), Some(milli), "{text}");
        assert_eq!(super::show_ratio(milli), shown);
    }
    for text in ["", "-1", "two", "inf", "NaN", "10001"] {
        assert_eq!(super::parse_ratio(text), None, "{text}");
    }
    for (text, seconds, shown) in [
        ("24h", 86_400, "1d"),
        ("36h", 129_600, "36h"),
        ("90 m", 5400, "90m"),
        ("45s", 45, "45s"),
        ("7d", 604_800, "7d"),
    ] {
        assert_eq!(super::parse_time(text), Some(seconds), "{text}");
        assert_eq!(super::show_time(seconds), shown);
    }
    assert_eq!(super::parse_time(" "), Some(0));
    for text in ["24", "h", "-1h", "1.5h", "1w", "99999999999999999999s"] {
        assert_eq!(super::parse_time(text), None, "{text}");
    }
    let dir = with_file(
        "[bittorrent]\nseed_ratio = 1.5\nseed_time = \"2d\"\nactive_downloads = 0\n\
         watch = \"/srv/in\"\nwatch_dest = \"/srv/out\"\nblocklist = \"/srv/list.p2p\"\n",
    );
    let rules = load(dir.path()).unwrap().bittorrent.rules;
    let goals = (rules.seed_ratio_milli, rules.seed_time_seconds);
    assert_eq!((goals, rules.active_downloads), ((1500, 172_800), 0));
    assert_eq!(rules.watch.as_deref(), Some(Path::new("/srv/in")));
    assert_eq!(rules.watch_dest.as_deref(), Some(Path::new("/srv/out")));
    assert_eq!(rules.blocklist.as_deref(), Some(Path::new("/srv/list.p2p")));
    for (key, value, hint) in [
        ("bittorrent.seed_ratio", "much", "2.0"),
        ("bittorrent.seed_time", "long", "24h"),
        ("bittorrent.watch", "torrents", "whole path"),
    ] {
        let error = set(dir.path(), key, Some(value)).unwrap_err();
        assert!(error.hint.contains(hint), "{key}: {}", error.hint);
        assert!(!set(dir.path(), key, None).unwrap().restart_needed);
    }
}

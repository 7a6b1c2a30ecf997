//! The house: every crate of the workspace and the crates it may see.
//!
//! A new crate gets its line here in the change that adds it. A need that seems to ask for another
//! arrow between two machines is an output of one and an input of the other, carried by the daemon.

/// What a crate may depend on from outside the workspace.
#[derive(Clone, Copy)]
pub(super) enum Outside {
    /// Anything that `deny.toml` lets in.
    Any,
    /// Nothing that does I/O, reads a clock or runs tasks.
    Pure,
    /// These crates alone.
    Only(&'static [&'static str]),
}

/// One crate, by its folder.
pub(super) struct Room {
    pub(super) dir: &'static str,
    /// Folders of the crates that it may depend on; `protocol/*` stands for all in that folder.
    pub(super) sees: &'static [&'static str],
    /// More that its tests may depend on.
    pub(super) tests_see: &'static [&'static str],
    pub(super) outside: Outside,
}

const IDENTITY: &str = "protocol/identity";
const CONTENT: &str = "protocol/content";
const TRANSFER: &str = "protocol/transfer";
const BITTORRENT: &str = "protocol/bittorrent";

const fn room(dir: &'static str, sees: &'static [&'static str], outside: Outside) -> Room {
    Room {
        dir,
        sees,
        tests_see: &[],
        outside,
    }
}

/// The crates of the workspace.
pub(super) const ROOMS: &[Room] = &[
    room(IDENTITY, &[], Outside::Pure),
    room(CONTENT, &[IDENTITY], Outside::Pure),
    room(TRANSFER, &[IDENTITY, CONTENT], Outside::Pure),
    room(BITTORRENT, &[CONTENT], Outside::Pure),
    room("io/net", &[IDENTITY, CONTENT, TRANSFER], Outside::Any),
    room("io/bittorrent", &[BITTORRENT], Outside::Any),
    room(
        "io/store",
        &[IDENTITY, CONTENT, TRANSFER, BITTORRENT],
        Outside::Any,
    ),
    room("app/api", &[], Outside::Only(&["serde", "serde_json"])),
    room("app/gateway", &["app/api"], Outside::Any),
    room(
        "app/daemon",
        &["protocol/*", "io/*", "app/api", "app/gateway"],
        Outside::Any,
    ),
    Room {
        dir: "app/cli",
        // The daemon, because the command can run a node within itself.
        sees: &["app/api", "app/daemon"],
        // The tests of the whole live there: they build peers that misbehave.
        tests_see: &["protocol/*", "io/*"],
        outside: Outside::Any,
    },
    room("tools/sim", &["protocol/*"], Outside::Any),
    room("tools/fuzz-targets", &["protocol/*", "io/*"], Outside::Any),
    room("tools/netlab", &[], Outside::Any),
    room("tools/xtask", &["tools/netlab"], Outside::Any),
];

/// Crates that act: none of them belongs in `protocol/`.
pub(super) const ACTING: &[&str] = &[
    "async-channel",
    "async-std",
    "axum",
    "crossbeam",
    "crossbeam-channel",
    "futures",
    "getrandom",
    "hyper",
    "libp2p",
    "mio",
    "rayon",
    "redb",
    "reqwest",
    "rustix",
    "smol",
    "socket2",
    "tokio",
    "tokio-util",
];

impl Room {
    /// Whether this room may depend on the crate in `dir`.
    pub(super) fn may_see(&self, dir: &str, in_tests: bool) -> bool {
        let listed = |list: &[&str]| list.iter().any(|pattern| matches(pattern, dir));
        listed(self.sees) || (in_tests && listed(self.tests_see))
    }

    /// Why this room may not depend on the outside crate `name`, if it may not.
    pub(super) fn refuses(&self, name: &str, in_tests: bool) -> Option<&'static str> {
        match self.outside {
            Outside::Any => None,
            _ if in_tests => None,
            Outside::Pure if ACTING.contains(&name) => {
                Some("machines decide and never act: no I/O, clocks, tasks")
            }
            Outside::Pure => None,
            Outside::Only(names) if names.contains(&name) => None,
            Outside::Only(_) => Some("this crate holds plain types and nothing else"),
        }
    }
}

fn matches(pattern: &str, dir: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(folder) => dir
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/')),
        None => pattern == dir,
    }
}

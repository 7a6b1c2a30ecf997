//! The few cells that are part of `cargo xtask test`, with those programs that are on this machine.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::cell::{Cell, Connection, Content, Direction, Row, Version, Way};
use super::clients;
use super::content::Source;
use super::transfer::Matrix;
use crate::bench::options::Bench;
use crate::workspace::Workspace;

/// Those that differ most from each other: what one does not do, the other does.
const PROGRAMS: [&str; 2] = ["libtorrent", "transmission"];
/// Size of the content, in MiB.
const MIB: u64 = 4;
/// A cell may take so long.
const TIME: Duration = Duration::from_secs(45);
/// One each way.
const CELLS: [(Direction, Way, Connection); 2] = [
    (Direction::Fetches, Way::Magnet, Connection::Utp),
    (Direction::Serves, Way::File, Connection::Plain),
];

/// Runs them; `false` when one fails. What is left out is said aloud: nothing is installed for it.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let base = workspace.target.join("interop");
    let tools = std::env::var_os("POTLUCK_BENCH_TOOLS").map(PathBuf::from);
    let bench = Bench {
        root: workspace.root.clone(),
        scripts: workspace.root.join("bench"),
        payloads: base.join("few-source"),
        scratch: base.join("few-run"),
        tools: tools.unwrap_or_else(|| workspace.target.join("bench").join("tools")),
        // The one that the tests before this were run with.
        potluck: workspace.target.join("release").join("potluck"),
        timeout: TIME,
    };
    ensure!(bench.potluck.is_file(), "the tests built no potluck");
    bench.clear()?;
    let source = Source::make(bench.payloads.clone(), MIB)?;
    let subject = clients::prepare("potluck", &bench)?;
    let mut matrix = Matrix {
        bench: &bench,
        source: &source,
        subject: subject.as_ref(),
        count: 0,
    };
    let mut passed = true;
    for name in PROGRAMS {
        if let Some(reason) = missing(name, &bench) {
            println!("*** LEFT OUT: nothing is shown about {name}, which is not here: {reason}");
            continue;
        }
        let other = clients::prepare(name, &bench)?;
        for (direction, way, connection) in CELLS {
            let row = Row {
                content: Content::Folder,
                version: Version::V1,
                way,
            };
            let cell = Cell::new(row, (direction, connection));
            let outcome = matrix.run(other.as_ref(), cell)?;
            println!("{name}: {row}, {direction}, {connection}: {outcome}");
            passed &= !outcome.is_bad();
        }
    }
    let _ = std::fs::remove_dir_all(&bench.payloads);
    Ok(passed)
}

/// Why a program can't be tried, without installing anything.
fn missing(name: &str, bench: &Bench) -> Option<String> {
    let needed: &[PathBuf] = match name {
        "libtorrent" => &[bench.libtorrent_python(), "python3".into()],
        _ => &[
            "transmission-daemon".into(),
            "transmission-remote".into(),
            "python3".into(),
        ],
    };
    let is_missing = |program: &&PathBuf| {
        let tried = Command::new(program).arg("--version").output();
        tried.is_err()
    };
    let program = needed.iter().find(is_missing)?;
    let program = program.file_name().unwrap_or_default().display();
    Some(format!(
        "no {program}; `cargo xtask interop --only {name}` installs it"
    ))
}

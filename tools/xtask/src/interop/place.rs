//! Where one cell is worked out: a folder of its own, and a time by which it has to end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::cell::Connection;
use crate::bench::options::Bench;
use crate::bench::process::Process;
use crate::bench::site::Site;

/// The only node there is.
const HERE: usize = 0;

/// How often a program is asked whether it has come further.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// How much of what a program said is given as a reason.
const REASON_CHARS: usize = 240;

/// What a program is told of the cell.
pub(super) struct Place<'a> {
    pub(super) bench: &'a Bench,
    pub(super) connection: Connection,
    folder: PathBuf,
    deadline: Instant,
}

impl<'a> Place<'a> {
    /// An empty folder, and the time from now on.
    pub(super) fn new(
        bench: &'a Bench,
        connection: Connection,
        folder: PathBuf,
        time: Duration,
    ) -> Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        let place = Self {
            bench,
            connection,
            folder,
            deadline: Instant::now() + time,
        };
        place.folder("")?;
        Ok(place)
    }

    /// A folder of the cell.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// A file of the cell, which may not be there.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A command that ends with this one.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Site::Loopback.command(HERE, program)
    }

    /// A port that was free a moment ago.
    pub(super) fn free_port(&self) -> Result<u16> {
        Site::Loopback.free_port(HERE)
    }

    /// Waits until something listens.
    pub(super) fn wait_for_port(&self, port: u16) -> Result<()> {
        Site::Loopback.wait_for_port(HERE, port, self.left())
    }

    /// Starts a program; what it says on stderr is kept as `NAME.log`.
    pub(super) fn start(&self, command: &mut Command, name: &str) -> Result<Process> {
        Process::start(command, &self.log(name), self.left())
    }

    /// What a command says that ends by itself and well.
    pub(super) fn ask(&self, command: &mut Command) -> Result<String> {
        let output = command
            .output()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{}: {}",
            output.status,
            last_line(&format!("{said}\n{errors}")).unwrap_or_default()
        );
        Ok(said)
    }

    /// Asks again and again until there is an answer.
    pub(super) fn wait_until<T>(
        &self,
        what: &str,
        mut ask: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        loop {
            if let Some(found) = ask()? {
                return Ok(found);
            }
            ensure!(!self.left().is_zero(), "not in time: {what}");
            std::thread::sleep(ASK_EVERY);
        }
    }

    /// Why something failed, with the last thing that the program complained of.
    pub(super) fn reason(&self, error: &anyhow::Error, logs: &[&str]) -> String {
        let mut reason = format!("{error:#}");
        for name in logs {
            let log = std::fs::read(self.log(name)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            if let Some(line) = complaint(&log) {
                reason = format!("{reason}; {name}: {line}");
            }
        }
        // The page says nothing of the machine's folders.
        let folders = [&self.folder, &self.bench.tools, &self.bench.root];
        for folder in folders {
            reason = reason.replace(&folder.display().to_string(), "…");
        }
        clip(&reason)
    }

    /// Where the logs are.
    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    /// Removes everything; after a failure the logs stay.
    pub(super) fn clean_up(&self, has_failed: bool) -> Result<()> {
        if !has_failed {
            return std::fs::remove_dir_all(&self.folder).context("cannot clean up");
        }
        for entry in self.folder.read_dir().context("cannot clean up")? {
            let entry = entry.context("cannot clean up")?;
            if entry.file_type().context("cannot clean up")?.is_dir() {
                std::fs::remove_dir_all(entry.path()).context("cannot clean up")?;
            }
        }
        Ok(())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// The last line of a log that is an error, or else the last.
fn complaint(log: &str) -> Option<&str> {
    // A panic names the place first, and on the next line what is wrong.
    let mut lines = log.lines();
    if lines.any(|line| line.contains("panicked at")) {
        return lines.next().map(str::trim);
    }
    let is_error = |line: &&str| line.to_lowercase().contains("error");
    let found = log.lines().rev().find(is_error);
    let line = found.map(str::trim).or_else(|| last_line(log))?;
    // Without its time, so that the same complaint is the same note.
    let untimed = line
        .strip_prefix('[')
        .and_then(|line| line.split_once("] "));
    Some(untimed.map_or(line, |(_, rest)| rest))
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}

/// Short enough for a table, and without what would end a cell of it.
fn clip(text: &str) -> String {
    let plain = text.replace(['|', '\n', '\r', '\x1b'], " ");
    if plain.chars().count() <= REASON_CHARS {
        return plain;
    }
    let kept: String = plain.chars().take(REASON_CHARS).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_before_last_words() {
        assert_eq!(complaint("a\nERROR: b\nc\n\n"), Some("ERROR: b"));
        assert_eq!(complaint("a\n[12:00] c\n\n"), Some("c"));
        let panic = "thread 'main' panicked at a.rs:1:2:\nno such thing\nnote: x\n";
        assert_eq!(complaint(panic), Some("no such thing"));
        assert_eq!(complaint("\n"), None);
    }

    #[test]
    fn reasons_fit_into_a_table() {
        assert_eq!(clip("a|b\nc"), "a b c");
        let long = clip(&"ä".repeat(1_000));
        assert_eq!(long.chars().count(), REASON_CHARS + 1);
    }
}

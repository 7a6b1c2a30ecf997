//! Child processes whose time and CPU are measured.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// How often the end of a process is looked for: far below what the figures are rounded to.
const LOOK_EVERY: Duration = Duration::from_millis(2);
const STOP_GRACE: Duration = Duration::from_secs(5);

/// How often the peak of resident memory is read: it only ever rises, so little is missed at the end.
const PEAK_EVERY: Duration = Duration::from_millis(20);

/// What a process took until its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// Seconds since its start.
    pub(crate) seconds: f64,
    /// CPU seconds of it and its descendants, where `/proc` tells.
    pub(crate) cpu: Option<f64>,
    /// The most memory that it held.
    pub(crate) peak_mib: Option<f64>,
}

/// A running child; killed when dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    /// Behind a lock, so that threads can share a process; one waits at a time.
    lines: Mutex<Receiver<String>>,
    started: Instant,
    deadline: Instant,
    peak_mib: Option<f64>,
    peak_read: Instant,
}

impl Process {
    /// Starts a command whose stderr goes to `log` and whose stdout is read line by line.
    pub(crate) fn start(command: &mut Command, log: &Path, timeout: Duration) -> Result<Self> {
        let name = name(command);
        let log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let started = Instant::now();
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdout = child.stdout.take().context("a child without stdout")?;
        let (sender, lines) = sync_channel(1_024);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody may be waiting for lines; then they are dropped, so that the child goes on.
                let _ = sender.try_send(line);
            }
        });
        Ok(Self {
            name,
            child,
            lines: Mutex::new(lines),
            started,
            deadline: started + timeout,
            peak_mib: None,
            peak_read: started,
        })
    }

    fn lines(&self) -> MutexGuard<'_, Receiver<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds since the start.
    pub(crate) fn age(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Waits for a line of stdout that `pick` makes something of.
    pub(crate) fn wait_line<T>(&self, mut pick: impl FnMut(&str) -> Option<T>) -> Result<T> {
        let mut last = String::new();
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            match self.lines().recv_timeout(left) {
                Ok(line) => match pick(&line) {
                    Some(found) => return Ok(found),
                    None => last = line,
                },
                Err(RecvTimeoutError::Timeout) => {
                    bail!(
                        "{} did not say in time what was waited for; last: {last}",
                        self.name
                    )
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!(
                        "{} ended before it said what was waited for; last: {last}",
                        self.name
                    )
                }
            }
        }
    }

    /// The next line of stdout, if there is one within this time.
    pub(crate) fn next_line(&self, wait: Duration) -> Result<Option<String>> {
        match self.lines().recv_timeout(wait) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                // It closed its stdout, and ends or goes on without.
                std::thread::sleep(LOOK_EVERY);
                Ok(None)
            }
        }
    }

    /// Waits for the process to end well.
    pub(crate) fn wait_end(mut self) -> Result<Ended> {
        loop {
            if let Some(ended) = self.has_ended()? {
                return Ok(ended);
            }
            ensure!(
                Instant::now() < self.deadline,
                "{} did not end in time",
                self.name
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// What it took, once it has ended well; an error if it has ended badly.
    pub(crate) fn has_ended(&mut self) -> Result<Option<Ended>> {
        // Leaves the process to be reaped, because its CPU time is gone from /proc afterwards.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.pid()?), look).context("lost sight of a child")?;
        if status.is_none() {
            if self.peak_read.elapsed() >= PEAK_EVERY {
                // At the end there is none to read any more.
                self.peak_mib = self.peak_mib().or(self.peak_mib);
                self.peak_read = Instant::now();
            }
            return Ok(None);
        }
        let (seconds, cpu) = (self.age(), self.cpu_seconds());
        let status = self.child.wait().context("lost sight of a child")?;
        let last = self.lines().try_iter().last().unwrap_or_default();
        ensure!(
            status.success(),
            "{} ended with {status}; last: {last}",
            self.name
        );
        Ok(Some(Ended {
            seconds,
            cpu,
            peak_mib: self.peak_mib,
        }))
    }

    /// CPU seconds of the process and its descendants so far, where `/proc` tells.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        tree_seconds(self.child.id())
    }

    /// CPU seconds since `before`.
    pub(crate) fn cpu_since(&self, before: Option<f64>) -> Option<f64> {
        self.cpu_seconds()
            .zip(before)
            .map(|(now, before)| now - before)
    }

    /// The most memory that the process held so far.
    pub(crate) fn peak_mib(&self) -> Option<f64> {
        memory_mib(self.child.id(), "VmHWM")
    }

    /// The memory that the process holds.
    pub(crate) fn resident_mib(&self) -> Option<f64> {
        memory_mib(self.child.id(), "VmRSS")
    }

    /// Ends the process, politely first.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill_process(self.pid()?, Signal::TERM).context("cannot stop a child")?;
        let deadline = Instant::now() + STOP_GRACE;
        while Instant::now() < deadline {
            if self
                .child
                .try_wait()
                .context("lost sight of a child")?
                .is_some()
            {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn pid(&self) -> Result<Pid> {
        i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("a child without an id")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error says that the child has ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program of a command, without what it is wrapped in to keep it on a leash or in a namespace.
fn name(command: &Command) -> String {
    let is_wrapper = |word: &str| {
        matches!(word, "setpriv" | "nsenter" | "--pdeathsig" | "KILL" | "--")
            || word.starts_with("--net=")
    };
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .find(|word| !is_wrapper(word))
        .unwrap_or_default()
}

fn memory_mib(pid: u32, field: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    parse_kib(&status, field).map(|kib| kib / 1024.0)
}

fn parse_kib(status: &str, field: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

fn tree_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut seconds = parse_stat(&stat, rustix::param::clock_ticks_per_second())?;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        seconds += children
            .split_whitespace()
            .filter_map(|child| tree_seconds(child.parse().ok()?))
            .sum::<f64>();
    }
    Some(seconds)
}

/// User and system time of a process and of its reaped children.
fn parse_stat(stat: &str, ticks_per_second: u64) -> Option<f64> {
    // The second field is the name in brackets, which may hold anything, brackets included.
    let (_, fields) = stat.rsplit_once(')')?;
    let times = fields.split_whitespace().skip(11).take(4);
    let ticks: u64 = times
        .map(|field| field.parse::<u64>().ok())
        .sum::<Option<u64>>()?;
    Some(ticks as f64 / ticks_per_second as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> (Process, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        (
            Process::start(
                &mut command,
                &dir.path().join("log"),
                Duration::from_secs(20),
            )
            .unwrap(),
            dir,
        )
    }

    #[test]
    fn stat_with_a_bad_name() {
        let stat = "12 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 100 50 25 25 20 0 1";
        assert_eq!(parse_stat(stat, 100), Some(2.0));
        assert_eq!(parse_stat("12", 100), None);
    }

    #[test]
    fn lines_and_end() {
        let (process, _dir) = start("echo one; echo two");
        let found = process.wait_line(|line| (line == "two").then(|| line.to_owned()));
        assert_eq!(found.unwrap(), "two");
        let ended = process.wait_end().unwrap();
        assert!(ended.seconds < 20.0);
        assert!(ended.cpu.is_none_or(|cpu| cpu < 20.0));
    }

    #[test]
    fn memory_fields() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(parse_kib(status, "VmRSS"), Some(1024.0));
        assert_eq!(parse_kib(status, "VmHWM"), Some(2048.0));
        assert_eq!(parse_kib(status, "Vm"), None);
        assert_eq!(parse_kib("", "VmRSS"), None);
    }

    #[test]
    fn names_without_wrappers() {
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "nsenter",
            "--net=/x",
            "--",
            "curl",
            "-s",
        ]);
        assert_eq!(name(&command), "curl");
        assert_eq!(name(&Command::new("nginx")), "nginx");
    }

    #[test]
    fn a_failure_is_an_error_and_names_the_last_line() {
        let (process, _dir) = start("echo sorry; exit 3");
        let error = process.wait_end().unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        let (process, _dir) = start("echo sorry");
        let error = process.wait_line(|_| None::<()>).unwrap_err().to_string();
        assert!(error.ends_with("last: sorry"), "{error}");
    }

    #[test]
    fn stop_ends_it() {
        let (process, _dir) = start("echo up; sleep 60");
        process.wait_line(|_| Some(())).unwrap();
        process.stop().unwrap();
    }
}

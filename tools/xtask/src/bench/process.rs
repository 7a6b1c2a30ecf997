//! Child processes whose time and CPU are measured.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// How often the end of a process is looked for: far below what the figures are rounded to.
const LOOK_EVERY: Duration = Duration::from_millis(2);
const STOP_GRACE: Duration = Duration::from_secs(5);

/// A running child; killed when dropped.
pub(super) struct Process {
    name: String,
    child: Child,
    lines: Receiver<String>,
    started: Instant,
    deadline: Instant,
}

impl Process {
    /// Starts a command whose stderr goes to `log` and whose stdout is read line by line.
    pub(super) fn start(command: &mut Command, log: &Path, timeout: Duration) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
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
            lines,
            started,
            deadline: started + timeout,
        })
    }

    /// Seconds since the start.
    pub(super) fn age(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Waits for a line of stdout that `pick` makes something of.
    pub(super) fn wait_line<T>(&self, mut pick: impl FnMut(&str) -> Option<T>) -> Result<T> {
        let mut last = String::new();
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
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

    /// Waits for the process to end well. Gives the seconds since its start and its CPU seconds.
    pub(super) fn wait_end(mut self) -> Result<(f64, Option<f64>)> {
        // Leaves the process to be reaped, because its CPU time is gone from /proc afterwards.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while waitid(WaitId::Pid(self.pid()?), look)
            .context("lost sight of a child")?
            .is_none()
        {
            ensure!(
                Instant::now() < self.deadline,
                "{} did not end in time",
                self.name
            );
            std::thread::sleep(LOOK_EVERY);
        }
        let (seconds, cpu) = (self.age(), self.cpu_seconds());
        let status = self.child.wait().context("lost sight of a child")?;
        let last = self.lines.try_iter().last().unwrap_or_default();
        ensure!(
            status.success(),
            "{} ended with {status}; last: {last}",
            self.name
        );
        Ok((seconds, cpu))
    }

    /// CPU seconds of the process and its descendants so far, where `/proc` tells.
    pub(super) fn cpu_seconds(&self) -> Option<f64> {
        tree_seconds(self.child.id())
    }

    /// Ends the process, politely first.
    pub(super) fn stop(mut self) -> Result<()> {
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
        let (seconds, cpu) = process.wait_end().unwrap();
        assert!(seconds < 20.0);
        assert!(cpu.is_none_or(|cpu| cpu < 20.0));
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

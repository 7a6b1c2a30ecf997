//! One command: built, run to its end or watched while it runs.

use super::{DEADLINE, program_under, wait_for};
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A command that has not been started.
pub struct Run {
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
    data: PathBuf,
    deadline: Duration,
    node_flags: bool,
    wrapper: Vec<OsString>,
}

impl Run {
    /// `potluck --data DATA`, arguments to follow.
    pub fn new(data: &Path) -> Self {
        Self {
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            data: data.to_owned(),
            deadline: DEADLINE,
            node_flags: true,
            wrapper: Vec::new(),
        }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// `--json`.
    pub fn json(self) -> Self {
        self.arg("--json")
    }

    /// An environment variable of the command.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// The folder that it runs in.
    pub fn in_dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// How long it may take.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Starts it by way of another program that becomes it, such as `ip netns exec NAME` or
    /// `setpriv …`.
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(OsString::from).collect();
        self
    }

    /// Leaves a node inside the command with its own settings: by default it is kept on loopback,
    /// out of the local network.
    pub fn with_default_network(mut self) -> Self {
        self.node_flags = false;
        self
    }

    /// A daemon runs on that data directory, so that flags of a node would be out of place.
    pub(super) fn of_daemon(self) -> Self {
        self.with_default_network()
    }

    /// Starts it.
    pub fn spawn(self) -> Running {
        let mut command = program_under(&self.wrapper);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("POTLUCK_") {
                command.env_remove(name);
            }
        }
        if self.node_flags {
            command
                .env("POTLUCK_LISTEN", "/ip4/127.0.0.1/tcp/0")
                .env("POTLUCK_NO_LAN", "true");
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
            .envs(self.env)
            .env("POTLUCK_DATA", &self.data)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let title = format!("potluck {:?} on {}", self.args, self.data.display());
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{title}: {error}"));
        Running::watch(title, child, self.deadline)
    }

    /// Runs it to its end, whatever that is.
    pub fn output(self) -> Finished {
        self.spawn().finish()
    }

    /// Runs it to its end, which has to be exit code 0.
    pub fn ok(self) -> Finished {
        self.fails(0)
    }

    /// Runs it to its end, which has to be this exit code, without a panic.
    pub fn fails(self, code: i32) -> Finished {
        let finished = self.output();
        assert_eq!(finished.code, code, "{finished}");
        assert!(!finished.stderr.contains("panicked at"), "{finished}");
        finished
    }
}

/// A command that runs. Dropping it kills it.
pub struct Running {
    title: String,
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    readers: Vec<JoinHandle<()>>,
    stderr: Option<JoinHandle<String>>,
    end: Instant,
}

impl Running {
    fn watch(title: String, mut child: Child, deadline: Duration) -> Self {
        let stdout = child.stdout.take().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let (sender, lines) = sync_channel(65_536);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                if sender
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    return;
                }
            }
        });
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            title,
            child,
            lines,
            seen: Vec::new(),
            readers: vec![reader],
            stderr: Some(errors),
            end: Instant::now() + deadline,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line on stdout; `None` at the end of the output. Fails the test at the deadline.
    pub fn next_line(&mut self) -> Option<String> {
        let left = self.end.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                panic!(
                    "{} took too long; stdout so far:\n{}",
                    self.title,
                    self.seen.join("\n")
                )
            }
        }
    }

    /// Waits for the next event (JSON line) that `wanted` accepts; fails the test when the command
    /// ends before.
    pub fn event_where(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        while let Some(line) = self.next_line() {
            if let Ok(value) = serde_json::from_str::<Value>(&line)
                && wanted(&value)
            {
                return value;
            }
        }
        let finished = self.collect();
        panic!("no event {what}: {finished}")
    }

    /// Waits for the next event of this name.
    pub fn event(&mut self, name: &str) -> Value {
        self.event_where(name, |value| value["event"] == name)
    }

    /// SIGINT, as Ctrl-C sends.
    pub fn interrupt(&self) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::INT).unwrap();
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(mut self) -> Finished {
        let _ = self.child.kill();
        self.collect()
    }

    /// Lets it run until `moment`, then SIGKILL. It may have ended by itself before.
    pub fn kill_at(mut self, moment: Instant) -> Finished {
        loop {
            let left = moment.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(_) => return self.kill(),
            }
        }
    }

    /// Runs it to its end within the deadline.
    pub fn finish(mut self) -> Finished {
        while self.next_line().is_some() {}
        self.collect()
    }

    fn collect(&mut self) -> Finished {
        let left = self
            .end
            .saturating_duration_since(Instant::now())
            .max(Duration::from_secs(1));
        let child = &mut self.child;
        let status = wait_for(&self.title, left, || child.try_wait().unwrap());
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        self.seen.extend(self.lines.try_iter());
        Finished {
            title: self.title.clone(),
            code: exit_code(status),
            stdout: self.seen.join("\n"),
            stderr: self
                .stderr
                .take()
                .map(|thread| thread.join().unwrap())
                .unwrap_or_default(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The exit code, or 128 + the signal.
pub fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// A command that has ended.
pub struct Finished {
    title: String,
    /// Exit code, or 128 + the signal.
    pub code: i32,
    /// Lines on stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

impl Finished {
    /// The lines of stdout that are JSON.
    pub fn events(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The only JSON object on stdout.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The last line as an event, which has to have this name.
    pub fn last(&self, name: &str) -> Value {
        let last = self.events().pop().unwrap_or_default();
        assert_eq!(last["event"], name, "{self}");
        last
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            title,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "{title} ended with {code}\n-- stdout\n{stdout}\n-- stderr\n{stderr}"
        )
    }
}

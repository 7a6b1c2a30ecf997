//! A daemon of its own process and data directory.

use super::run::exit_code;
use super::{DEADLINE, Run, program_under, wait_for};
use potluck_api::{ReadyEvent, Status};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// A node that has not been started.
pub struct NodeSpec {
    data: PathBuf,
    log: PathBuf,
    args: Vec<OsString>,
    listen: Option<String>,
    lan: bool,
    wrapper: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

impl NodeSpec {
    pub(super) fn new(scratch: &Path, name: &str) -> Self {
        Self {
            data: scratch.join(name),
            log: scratch.join(format!("{name}.log")),
            args: Vec::new(),
            listen: Some("/ip4/127.0.0.1/tcp/0".to_owned()),
            lan: false,
            wrapper: Vec::new(),
            env: Vec::new(),
        }
    }

    /// Tells it of a peer (`--peer`).
    pub fn peer(self, address: &str) -> Self {
        self.args(["--peer", address])
    }

    /// More arguments for `up`, e.g. `["--up-limit", "20MB/s"]`.
    pub fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Listens there instead of on a free TCP port of loopback. `None`: what the config says.
    pub fn listen(mut self, address: Option<&str>) -> Self {
        self.listen = address.map(ToOwned::to_owned);
        self
    }

    /// Takes part in the local network (mDNS), which tests otherwise stay out of.
    pub fn with_lan(mut self) -> Self {
        self.lan = true;
        self
    }

    /// Starts it by way of another program that becomes it, such as `ip netns exec NAME`. Commands
    /// of [`Node::run`] are started the same way.
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(OsString::from).collect();
        self
    }

    /// An environment variable of its process.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    fn command(&self) -> Command {
        let mut command = program_under(&self.wrapper);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("POTLUCK_") {
                command.env_remove(name);
            }
        }
        command
            .arg("--data")
            .arg(&self.data)
            .args(["up", "--json", "--api", "127.0.0.1:0"]);
        if let Some(listen) = &self.listen {
            command.args(["--listen", listen]);
        }
        if !self.lan {
            command.arg("--no-lan");
        }
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }

    /// Starts it and waits until it accepts peers.
    pub fn start(self) -> Node {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let mut command = self.command();
        command.stderr(log);
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, first) = sync_channel(1024);
        // The thread goes on reading, so that the node never blocks on a full pipe.
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = stdout.read_line(&mut line);
            let _ = sender.send(line);
            let _ = std::io::copy(&mut stdout, &mut std::io::sink());
        });
        let line = first.recv_timeout(DEADLINE).unwrap_or_default();
        match serde_json::from_str::<ReadyEvent>(&line) {
            Ok(ready) => Node {
                child,
                ready,
                data: self.data,
                log: self.log,
                wrapper: self.wrapper,
            },
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let log = read(&self.log);
                panic!(
                    "node {} gave no ready event ({error}): {line}\n{log}",
                    self.data.display()
                )
            }
        }
    }
}

/// A running daemon. Dropping it kills it.
pub struct Node {
    child: Child,
    ready: ReadyEvent,
    data: PathBuf,
    log: PathBuf,
    wrapper: Vec<OsString>,
}

impl Node {
    /// What it said when it was ready.
    pub fn ready(&self) -> &ReadyEvent {
        &self.ready
    }

    /// Its peer id.
    pub fn peer_id(&self) -> &str {
        &self.ready.peer_id
    }

    /// An address it can be dialed by, ending in `/p2p/<peer id>`.
    pub fn address(&self) -> &str {
        self.ready
            .addresses
            .first()
            .map_or_else(|| panic!("no address"), String::as_str)
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// A command on its data directory, which it therefore serves.
    pub fn run<I>(&self, args: I) -> Run
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let wrapper: Vec<&str> = self
            .wrapper
            .iter()
            .filter_map(|word| word.to_str())
            .collect();
        Run::new(&self.data).of_daemon().under(&wrapper).args(args)
    }

    /// Shares a path and gives the link.
    pub fn share(&self, path: &Path) -> String {
        let finished = self.run(["share"]).arg(path).json().ok();
        let link = finished.last("shared")["link"]
            .as_str()
            .map(ToOwned::to_owned);
        link.unwrap_or_else(|| panic!("{finished}"))
    }

    /// Its status.
    pub fn status(&self) -> Status {
        serde_json::from_value(self.run(["status"]).json().ok().value()).unwrap()
    }

    /// Whether its process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop (SIGINT), waits until it is gone, gives its exit code.
    pub fn stop(mut self) -> i32 {
        self.signal(rustix::process::Signal::INT);
        let child = &mut self.child;
        let status = wait_for("the node to stop", Duration::from_secs(20), || {
            child.try_wait().unwrap()
        });
        exit_code(status)
    }

    /// Sends it a signal, e.g. STOP and CONT to make it stall.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.unwrap(), signal).unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    let mut text = Vec::new();
    let _ = File::open(path).and_then(|mut file| file.read_to_end(&mut text));
    String::from_utf8_lossy(&text).into_owned()
}

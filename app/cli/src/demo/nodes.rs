//! The processes: started, asked, ended.

use crate::client::Client;
use crate::failure::failed;
use crate::session::read_api;
use potluck_api::{ErrorBody, ReadyEvent};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// How long a node may take until it accepts peers.
const READY: Duration = Duration::from_secs(20);

/// How long it may take to stop when it is asked to.
const STOPPED: Duration = Duration::from_secs(8);

/// A node of the demo. Its process is killed when this is dropped.
pub(super) struct DemoNode {
    /// From 1 to 5.
    pub(super) number: usize,
    pub(super) ready: ReadyEvent,
    pub(super) client: Client,
    child: Child,
    /// Held open, so that the node never writes into a closed pipe.
    _stdout: BufReader<ChildStdout>,
}

/// What a node is started with.
pub(super) struct Spec<'a> {
    pub(super) home: &'a Path,
    pub(super) number: usize,
    pub(super) peer: Option<&'a str>,
    /// Bytes a second.
    pub(super) up: Option<u64>,
    pub(super) down: Option<u64>,
}

impl DemoNode {
    /// Starts a node and waits until it accepts peers.
    pub(super) async fn start(spec: Spec<'_>) -> Result<Self, ErrorBody> {
        let number = spec.number;
        let data = data(spec.home, number);
        let log = spec.home.join(format!("node-{number}.log"));
        let broken = |what: String| failed(format!("node {number} {what}"), "");
        let mut child = command(&spec, &data, &log)
            .and_then(|mut command| command.spawn())
            .map_err(|error| broken(format!("could not be started: {error}")))?;
        let Some(stdout) = child.stdout.take() else {
            return Err(broken("has no output".to_owned()));
        };
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        match tokio::time::timeout(READY, stdout.read_line(&mut line)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(broken(format!("could not be heard: {error}"))),
            Err(_) => return Err(broken(format!("was not ready within {READY:?}"))),
        }
        let Ok(ready) = serde_json::from_str::<ReadyEvent>(&line) else {
            let said = serde_json::from_str::<ErrorBody>(&line);
            let reason = said.map_or_else(|_| "ended".to_owned(), |error| error.message);
            return Err(broken(format!("did not start: {reason}")));
        };
        let api = read_api(&data).ok_or_else(|| broken("left no API file".to_owned()))?;
        let client = Client::new(&api)?;
        Ok(Self {
            number,
            ready,
            client,
            child,
            _stdout: stdout,
        })
    }

    /// Where others reach it.
    pub(super) fn address(&self) -> Result<&str, ErrorBody> {
        let first = self.ready.addresses.first().map(String::as_str);
        first.ok_or_else(|| failed(format!("node {} listens nowhere", self.number), ""))
    }

    /// Its process id.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL: no goodbye, no clean-up.
    pub(super) async fn kill(&mut self) -> Result<(), ErrorBody> {
        let number = self.number;
        self.child
            .kill()
            .await
            .map_err(|error| failed(format!("node {number} could not be killed: {error}"), ""))
    }
}

/// Stops all of them cleanly, and kills what does not stop.
pub(super) async fn stop(nodes: Vec<DemoNode>) {
    for node in &nodes {
        let pid = node.pid().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
    for mut node in nodes {
        if tokio::time::timeout(STOPPED, node.child.wait())
            .await
            .is_err()
        {
            let _ = node.child.kill().await;
        }
    }
}

/// The data directory of a node.
pub(super) fn data(home: &Path, number: usize) -> PathBuf {
    home.join(format!("node-{number}"))
}

fn command(spec: &Spec<'_>, data: &Path, log: &Path) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("POTLUCK_") {
            command.env_remove(name);
        }
    }
    command
        .arg("--data")
        .arg(data)
        .args(["-v", "up", "--json", "--no-lan"]);
    command.args(["--listen", "/ip4/127.0.0.1/tcp/0", "--api", "127.0.0.1:0"]);
    for (flag, limit) in [("--up-limit", spec.up), ("--down-limit", spec.down)] {
        if let Some(limit) = limit {
            command.args([flag, &limit.to_string()]);
        }
    }
    if let Some(peer) = spec.peer {
        command.args(["--peer", peer]);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log)?)
        .kill_on_drop(true);
    Ok(command)
}

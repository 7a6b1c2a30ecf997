//! Real nodes: in this process, or in one of their own when their memory is to be measured.

use futures::StreamExt as _;
use potluck_api::{
    ApiFile, ConfigChange, ConnectRequest, ExitCode, GetEvent, GetRequest, PeerStatus, ReadyEvent,
    ShareEvent, ShareRequest, Status,
};
use potluck_daemon::{Node, Options};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

/// How long anything may take.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// Where the node of a child process has its data.
const CHILD_DATA: &str = "POTLUCK_LIARS_CHILD_DATA";
/// What stands before the line by which it says how it is reached.
const READY: &str = "READY ";

/// Asks again and again until there is an answer; fails the test when it does not come.
pub async fn wait_for<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Talks to a node as the command line does.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    file: ApiFile,
    ready: ReadyEvent,
}

impl Api {
    fn new(file: ApiFile, ready: ReadyEvent) -> Self {
        Self {
            http: client(),
            file,
            ready,
        }
    }

    pub fn peer(&self) -> &str {
        &self.ready.peer_id
    }

    pub fn address(&self) -> &str {
        &self.ready.addresses[0]
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> reqwest::Response {
        let url = format!("{}/api/v1/{path}", self.file.url);
        let request = self.http.post(url).bearer_auth(&self.file.token).json(body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        answer
    }

    /// Gathers a stream of JSON lines to its end.
    async fn lines<E: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Vec<E> {
        let answer = self.post(path, body).await;
        let mut parts = answer.bytes_stream();
        let (mut rest, mut events) = (Vec::new(), Vec::new());
        while let Some(part) = parts.next().await {
            rest.extend_from_slice(&part.unwrap());
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                events.push(serde_json::from_slice(&line).unwrap());
            }
        }
        events
    }

    pub async fn status(&self) -> Status {
        self.try_status().await.expect("the node answers")
    }

    /// `None` once the node is gone.
    pub async fn try_status(&self) -> Option<Status> {
        let url = format!("{}/api/v1/status", self.file.url);
        let request = self.http.get(url).bearer_auth(&self.file.token);
        request.send().await.ok()?.json().await.ok()
    }

    /// What `status` says of a peer.
    pub async fn peer_status(&self, peer: &str) -> Option<PeerStatus> {
        let peers = self.status().await.peers;
        peers.into_iter().find(|known| known.id == peer)
    }

    /// Waits until a peer is banned; says for what.
    pub async fn banned(&self, peer: &str) -> String {
        let found = wait_for("a ban", || async {
            let known = self.peer_status(peer).await?;
            known.banned.then_some(known.reason)
        });
        found.await.expect("a ban has a reason")
    }

    pub async fn assert_not_banned(&self, peer: &str) {
        if let Some(known) = self.peer_status(peer).await {
            assert!(!known.banned, "{:?}", known.reason);
            assert_eq!(known.reason, None);
        }
    }

    pub async fn connect(&self, address: &str) {
        let address = address.to_owned();
        self.post("connect", &ConnectRequest { address }).await;
    }

    /// Changes a setting; `None` goes back to the default.
    pub async fn set(&self, key: &str, value: Option<&str>) {
        let change = ConfigChange {
            key: key.to_owned(),
            value: value.map(ToOwned::to_owned),
        };
        self.post("config", &change).await;
    }

    /// Shares a path; gives its address.
    pub async fn share(&self, path: &Path) -> String {
        let request = ShareRequest {
            paths: vec![path.display().to_string()],
            name: None,
            copy: false,
            skip_unreadable: false,
            torrent: None,
        };
        match self.lines("share", &request).await.pop() {
            Some(ShareEvent::Shared { cid, .. }) => cid,
            other => panic!("not shared: {other:?}"),
        }
    }

    /// Fetches a link and gives all events.
    pub async fn get(&self, link: &str, dest: &Path) -> Vec<GetEvent> {
        let request = GetRequest {
            also: Vec::new(),
            link: link.to_owned(),
            dest: dest.display().to_string(),
            files: Vec::new(),
            timeout: None,
            serve: true,
            sequential: false,
        };
        tokio::time::timeout(DEADLINE, self.lines("get", &request))
            .await
            .expect("the download ends in time")
    }
}

/// How a finished download ended.
pub struct Fetched {
    pub bytes: u64,
    pub fetched: u64,
    pub sources: Vec<(String, u64)>,
}

impl Fetched {
    pub fn from(&self, peer: &str) -> u64 {
        let found = self.sources.iter().find(|(name, _)| name == peer);
        found.map_or(0, |(_, bytes)| *bytes)
    }
}

/// The closing line of a download that must have succeeded.
pub fn done(events: &[GetEvent]) -> Fetched {
    match events.last() {
        Some(GetEvent::Done {
            bytes,
            fetched_bytes,
            sources,
            ..
        }) => Fetched {
            bytes: *bytes,
            fetched: *fetched_bytes,
            sources: sources
                .iter()
                .map(|source| (source.peer.clone(), source.bytes))
                .collect(),
        },
        Some(GetEvent::Error(error)) if error.code != ExitCode::Done => panic!("{error:?}"),
        other => panic!("the download did not end: {other:?}"),
    }
}

fn options(data: &Path) -> Options {
    Options {
        data: data.to_owned(),
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
        no_lan: true,
        in_command: true,
        ..Options::default()
    }
}

/// A node in this process.
pub struct Daemon {
    pub api: Api,
    node: Node,
    _dir: TempDir,
}

impl Daemon {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = potluck_daemon::start(options(dir.path())).await.unwrap();
        Self {
            api: Api::new(node.api().clone(), node.ready().clone()),
            node,
            _dir: dir,
        }
    }

    pub async fn stop(self) {
        self.node.shutdown().await;
    }
}

#[derive(Serialize, Deserialize)]
struct Greeting {
    api: ApiFile,
    ready: ReadyEvent,
}

/// A node in a process of its own: this test program, told to be a node. It ends when its input
/// does, so that it cannot outlive the test.
pub struct OwnProcess {
    pub api: Api,
    child: Child,
    input: Option<ChildStdin>,
    _dir: TempDir,
}

impl OwnProcess {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "node_of_a_child_process",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD_DATA, dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let greeting = output.find_map(|line| {
            let line = line.unwrap();
            let (_, json) = line.split_once(READY)?;
            Some(serde_json::from_str::<Greeting>(json).unwrap())
        });
        std::thread::spawn(move || output.for_each(drop));
        let Greeting { api, ready } = greeting.expect("the child says that it is ready");
        Self {
            api: Api::new(api, ready),
            child,
            input,
            _dir: dir,
        }
    }

    /// Resident bytes.
    pub async fn memory(&self) -> u64 {
        self.api.status().await.memory_bytes
    }
}

impl Drop for OwnProcess {
    fn drop(&mut self) {
        drop(self.input.take());
        for _ in 0..500 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the child process does.
pub fn be_a_node() {
    let Some(data) = std::env::var_os(CHILD_DATA) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let node = runtime
        .block_on(potluck_daemon::start(options(Path::new(&data))))
        .unwrap();
    let greeting = Greeting {
        api: node.api().clone(),
        ready: node.ready().clone(),
    };
    println!("{READY}{}", serde_json::to_string(&greeting).unwrap());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    runtime.block_on(node.shutdown());
}

/// A client that wants a provider of cryptography although it speaks plain HTTP.
fn client() -> reqwest::Client {
    // Another test of this process may have been faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

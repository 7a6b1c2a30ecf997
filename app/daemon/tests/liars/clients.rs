//! Peers that misbehave towards a node that serves: they are cut off, and cost others nothing.

use super::daemon::{Api, Daemon, OwnProcess, done, wait_for};
use super::liar::network;
use super::truth::{Truth, bytes};
use futures::future::join_all;
use potluck_content::{GROUP_BYTES, Link};
use potluck_identity::PeerId;
use potluck_net::{Channel, NetHandle, Pipe};
use potluck_transfer::wire::bulk::{Item, Message as BulkMessage, Request};
use potluck_transfer::wire::control::{Hello, Message};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

const MIB: u64 = 1 << 20;
const FILE_BYTES: usize = 12 * 1024 * 1024 + 5000;
/// Memory that a crowd of hostile peers may cost.
const MOST_MEMORY: u64 = 64 * MIB;
/// How long an honest peer may wait for 12 MiB while hostile ones do their worst. It takes a
/// fraction of a second alone.
const UNHARMED: Duration = Duration::from_secs(15);

/// A node in a process of its own that shares a file.
struct Host {
    node: OwnProcess,
    truth: Truth,
    _dir: TempDir,
}

impl Host {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let truth = Truth::file(dir.path(), FILE_BYTES, 11);
        let node = OwnProcess::start();
        let cid = node.api.share(&truth.path).await;
        assert_eq!(cid, truth.root.to_string());
        Self {
            node,
            truth,
            _dir: dir,
        }
    }

    /// An honest peer gets everything, and soon.
    async fn serves(&self) {
        let fetcher = Daemon::start().await;
        let dir = tempfile::tempdir().unwrap();
        let address = self.node.api.address().parse().unwrap();
        let link = Link::new(self.truth.root).with_addrs([address]);
        let dest = dir.path().join("fetched");
        let before = Instant::now();
        done(&fetcher.api.get(&link.to_string(), &dest).await);
        let took = before.elapsed();
        self.truth.assert_same(&dest);
        println!("an honest peer is served in {took:?}");
        assert!(took < UNHARMED, "an honest peer waited {took:?}");
        self.node.api.assert_not_banned(fetcher.api.peer()).await;
        fetcher.stop().await;
    }

    /// A good request for as much as one may ask for, in pieces of a megabyte.
    fn request(&self, id: u32) -> Vec<u8> {
        let item = |start: u64| Item {
            hash: self.truth.root.hash,
            size: FILE_BYTES as u64,
            first_group: start,
            groups: MIB / GROUP_BYTES,
        };
        let items = (0..12).map(|mib| item(mib * (MIB / GROUP_BYTES)));
        self.ask(id, items.collect())
    }

    /// A good request of as many items as there may be.
    fn request_of_many(&self, id: u32) -> Vec<u8> {
        let item = |first_group: u64| Item {
            hash: self.truth.root.hash,
            size: FILE_BYTES as u64,
            first_group,
            groups: 1,
        };
        self.ask(id, (0..256).map(item).collect())
    }

    fn ask(&self, id: u32, items: Vec<Item>) -> Vec<u8> {
        let root = self.truth.root;
        let request = BulkMessage::Request(Request { id, root, items });
        request.encode().unwrap()
    }

    fn hello(&self) -> Vec<u8> {
        let hello = Message::Hello(Hello {
            root: self.truth.root,
            head: true,
            serving: true,
        });
        hello.encode().unwrap()
    }
}

/// A hostile peer that has met the host.
struct Guest {
    net: NetHandle,
    host: PeerId,
}

impl Guest {
    async fn come_to(api: &Api) -> Self {
        let (net, mut incoming) = network().await;
        // What the host opens is held open and not answered.
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Some(pipe) = incoming.recv().await {
                held.push(pipe);
            }
        });
        let host = net.dial(api.address().parse().unwrap()).await.unwrap();
        Self { net, host }
    }

    fn name(&self) -> String {
        self.net.peer_id().to_string()
    }

    async fn open(&self, channel: Channel) -> Pipe {
        self.net.open(self.host, channel).await.unwrap()
    }

    /// Sends bytes on a fresh stream and goes on holding it.
    async fn send(&self, channel: Channel, bytes: &[u8]) -> Pipe {
        let mut pipe = self.open(channel).await;
        pipe.writer.write_all(bytes).await.unwrap();
        pipe.writer.flush().await.unwrap();
        pipe
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_breaks_the_protocol_is_banned() {
    let host = Host::open().await;
    let huge = vec![0xFF; 64];
    let garbage = frame(&bytes(1000, 1));
    let ping = Message::Ping.encode().unwrap();
    let after_hello = |more: &[u8]| [host.hello(), more.to_vec()].concat();
    let oversized = "broke the protocol: frame of 4294967295 bytes";
    let unknown = "broke the protocol: not a known message";
    let cases = [
        (Channel::Bulk, huge.clone(), oversized),
        (Channel::Bulk, garbage.clone(), unknown),
        (Channel::Bulk, vec![0; 4], "broke the protocol: empty frame"),
        (Channel::Bulk, frame(&host.hello()[4..]), unknown),
        (Channel::Swarm, huge.clone(), oversized),
        (
            Channel::Swarm,
            garbage.clone(),
            "broke the protocol: no hello",
        ),
        (Channel::Swarm, ping.clone(), "broke the protocol: no hello"),
        (
            Channel::Swarm,
            vec![0; 4],
            "broke the protocol: empty frame",
        ),
        (Channel::Swarm, after_hello(&huge), oversized),
        (Channel::Swarm, after_hello(&garbage), unknown),
        (
            Channel::Swarm,
            after_hello(&host.hello()),
            "broke the protocol: spoke out of order",
        ),
    ];
    for (channel, bytes, reason) in cases {
        let guest = Guest::come_to(&host.node.api).await;
        let mut pipe = guest.send(channel, &bytes).await;
        let named = host.node.api.banned(&guest.name()).await;
        assert!(named.contains(reason), "'{named}', not '{reason}'");
        // The stream ends, whatever was under way on it.
        let _ = pipe.reader.read_to_end(&mut Vec::new()).await;
        wait_for("the connection to end", || async {
            guest.net.peers().await.is_empty().then_some(())
        })
        .await;
        guest.net.shutdown().await;
    }
    host.serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_banned_cannot_come_back() {
    let host = Host::open().await;
    let guest = Guest::come_to(&host.node.api).await;
    let mut pipe = guest.send(Channel::Bulk, &[0xFF; 64]).await;
    host.node.api.banned(&guest.name()).await;
    let _ = pipe.reader.read_to_end(&mut Vec::new()).await;
    for _ in 0..3 {
        // The host closes the connection as soon as it knows who is there.
        let _ = guest
            .net
            .dial(host.node.api.address().parse().unwrap())
            .await;
        if let Ok(mut pipe) = guest.net.open(guest.host, Channel::Swarm).await {
            let _ = pipe.writer.write_all(&host.hello()).await;
            let _ = pipe.writer.flush().await;
            let mut answer = Vec::new();
            let _ = pipe.reader.read_to_end(&mut answer).await;
            assert!(answer.is_empty(), "a banned peer is answered");
        }
    }
    host.serves().await;
}

/// Floods a lane with requests and takes no answer, until it is full or ended.
async fn flood(mut pipe: Pipe, requests: Vec<u8>) -> Pipe {
    for _ in 0..200 {
        let writing = pipe.writer.write_all(&requests);
        match tokio::time::timeout(Duration::from_secs(1), writing).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => break,
        }
    }
    pipe
}

/// Fills every lane that a peer may have with requests, and reads nothing.
fn flood_all(guest: &Guest, requests: &[u8]) -> Vec<JoinHandle<Option<Pipe>>> {
    let lanes = (0..64).map(|_| {
        let (net, host, requests) = (guest.net.clone(), guest.host, requests.to_vec());
        tokio::spawn(async move {
            let pipe = net.open(host, Channel::Bulk).await.ok()?;
            Some(flood(pipe, requests).await)
        })
    });
    lanes.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_requests_costs_little_memory_and_nobody_else() {
    let host = Host::open().await;
    host.serves().await;
    let before = host.node.memory().await;
    let guest = Guest::come_to(&host.node.api).await;
    let lanes = join_all(flood_all(&guest, &host.request_of_many(1))).await;
    let grown = host.node.memory().await.saturating_sub(before);
    println!("a flood of requests: {} KiB more", grown >> 10);
    assert!(grown < MOST_MEMORY, "grown by {} MiB", grown >> 20);
    host.serves().await;
    drop(lanes);
    guest.net.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_take_nothing_keep_nobody_waiting() {
    let host = Host::open().await;
    host.serves().await;
    let before = host.node.memory().await;
    let mut held = Vec::new();
    let mut guests = Vec::new();
    for _ in 0..6 {
        let guest = Guest::come_to(&host.node.api).await;
        for _ in 0..8 {
            held.push(guest.send(Channel::Bulk, &host.request(1)).await);
        }
        guests.push(guest);
    }
    // They hold all there is to be held; an honest peer is served all the same, again and again.
    for _ in 0..3 {
        host.serves().await;
    }
    let grown = host.node.memory().await.saturating_sub(before);
    println!("48 lanes that take nothing: {} KiB more", grown >> 10);
    assert!(grown < MOST_MEMORY, "grown by {} MiB", grown >> 20);
    drop(held);
    for guest in guests {
        guest.net.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hellos_and_silence_without_end_keep_nobody_waiting() {
    let host = Host::open().await;
    host.serves().await;
    let before = host.node.memory().await;
    let guest = Guest::come_to(&host.node.api).await;
    let hello = host.hello();
    let mut held = Vec::new();
    for round in 0..1000 {
        let channel = if round % 3 == 0 {
            Channel::Bulk
        } else {
            Channel::Swarm
        };
        // Streams beyond the limit are closed, which may be noticed at any step.
        let Ok(mut pipe) = guest.net.open(guest.host, channel).await else {
            continue;
        };
        if round % 3 == 1 {
            let _ = pipe.writer.write_all(&hello).await;
            let _ = pipe.writer.flush().await;
        }
        held.push(pipe);
    }
    let grown = host.node.memory().await.saturating_sub(before);
    println!("1000 streams of one peer: {} KiB more", grown >> 10);
    assert!(grown < MOST_MEMORY, "grown by {} MiB", grown >> 20);
    host.serves().await;
    drop(held);
    guest.net.shutdown().await;
}

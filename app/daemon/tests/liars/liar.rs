//! A hostile provider: a real peer on real sockets that speaks the protocol rightly but for one lie.

use super::bulk::{self, Sends};
use super::control::{self, Says};
use super::truth::Truth;
use potluck_content::Hash;
use potluck_identity::{NodeKey, PeerId};
use potluck_net::{Channel, Multiaddr, NetConfig, NetHandle, Pipe, PipeWriter};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Bytes written at once, so that the count of what went out is exact enough.
const STEP: usize = 16 * 1024;

/// Which lie it tells, and when.
#[derive(Debug, Clone, Copy)]
pub struct Lie {
    pub says: Says,
    pub sends: Sends,
    /// Items that are answered truly before the lie.
    pub truthful: u64,
}

impl Lie {
    /// One about what it has.
    pub fn says(says: Says) -> Self {
        Self {
            says,
            sends: Sends::Truth,
            truthful: 0,
        }
    }

    /// One told in place of bytes.
    pub fn sends(sends: Sends) -> Self {
        Self {
            says: Says::Truth,
            sends,
            truthful: 0,
        }
    }

    pub fn after(mut self, truthful: u64) -> Self {
        self.truthful = truthful;
        self
    }
}

/// What a liar saw of its victim.
#[derive(Default)]
pub struct Seen {
    pub hellos: AtomicU64,
    pub requests: AtomicU64,
    /// Items answered.
    pub items: AtomicU64,
    /// Raw bytes that were asked of it.
    pub asked: AtomicU64,
    pub lies: AtomicU64,
    /// Bytes that it could still send where it had lied.
    pub after_lie: AtomicU64,
    /// Of which blob and group the first lie of each lane was. Lanes are read at the same time.
    pub first: Mutex<Vec<(Hash, u64)>>,
}

pub fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

pub fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Seen {
    pub fn lied(&self) {
        add(&self.lies, 1);
    }
}

/// Writes to the victim and counts what goes out after a lie.
pub struct Out {
    pub writer: PipeWriter,
    pub seen: Arc<Seen>,
    /// It lied on this stream or lane.
    pub lied: bool,
}

impl Out {
    pub fn lied(&mut self) {
        self.seen.lied();
        self.lied = true;
    }

    pub fn lied_about(&mut self, place: (Hash, u64)) {
        if !self.lied {
            self.seen.first.lock().unwrap().push(place);
        }
        self.lied();
    }

    pub async fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        for step in bytes.chunks(STEP) {
            self.writer.write_all(step).await?;
            self.writer.flush().await?;
            if self.lied {
                add(&self.seen.after_lie, step.len() as u64);
            }
        }
        Ok(())
    }
}

/// Reads a frame as the protocol has it.
pub async fn read_frame(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut prefix = [0; 4];
    reader.read_exact(&mut prefix).await?;
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(prefix)).unwrap()];
    reader.read_exact(&mut body).await?;
    Ok(body)
}

/// A hostile peer's network, with an identity of its own.
pub async fn network() -> (NetHandle, mpsc::Receiver<Pipe>) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    seed[8..12].copy_from_slice(&std::process::id().to_le_bytes());
    let mut config = NetConfig::new(NodeKey::from_seed(seed));
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    config.lan = false;
    let (net, mut events, incoming) = potluck_net::start(config).await.unwrap();
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    (net, incoming)
}

/// A running liar.
pub struct Liar {
    pub peer: String,
    pub address: Multiaddr,
    pub seen: Arc<Seen>,
    pub net: NetHandle,
    task: JoinHandle<()>,
}

impl Liar {
    pub async fn start(lie: Lie, truth: Arc<Truth>) -> Self {
        let (net, mut incoming) = network().await;
        let seen = Arc::new(Seen::default());
        let told = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Some(pipe) = incoming.recv().await {
                let (truth, seen) = (Arc::clone(&truth), Arc::clone(&told));
                tokio::spawn(async move {
                    // The victim ends a stream when it has seen enough: that is the aim.
                    let _ = match pipe.channel {
                        Channel::Swarm => control::serve(pipe, lie.says, &truth, seen).await,
                        Channel::Bulk => bulk::serve(pipe, lie, &truth, seen).await,
                    };
                });
            }
        });
        Self {
            peer: net.peer_id().to_string(),
            address: net.listen_addresses()[0].clone(),
            seen,
            net,
            task,
        }
    }

    /// Whether it has a connection with this peer.
    pub async fn is_connected(&self, peer: &str) -> bool {
        let peer: PeerId = peer.parse().unwrap();
        let peers = self.net.peers().await;
        peers.iter().any(|info| info.peer == peer)
    }

    pub async fn stop(self) {
        self.task.abort();
        self.net.shutdown().await;
    }
}

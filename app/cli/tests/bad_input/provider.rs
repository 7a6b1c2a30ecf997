//! A provider that serves whatever bytes it is given, honestly: hashes and proofs are right, the
//! content is what is wrong.

use potluck_content::tree::{Geometry, outboard, prove};
use potluck_content::{Address, Hash, Kind};
use potluck_identity::NodeKey;
use potluck_net::{Channel, Multiaddr, NetConfig, Pipe};
use potluck_transfer::wire::bulk::{Header, Message as Bulk, Request, Status};
use potluck_transfer::wire::control::{Head, Message, Welcome};
use potluck_transfer::wire::{PREFIX_BYTES, PieceMap};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Blob {
    bytes: Vec<u8>,
    outboard: Vec<u8>,
    /// What it claims instead of the true size.
    claims: Option<u64>,
}

type Blobs = Arc<Mutex<BTreeMap<Hash, Blob>>>;

/// A running provider. Dropping it stops it.
pub(crate) struct Provider {
    _runtime: tokio::runtime::Runtime,
    address: Multiaddr,
    blobs: Blobs,
}

impl Provider {
    pub(crate) fn start(seed: u8) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut config = NetConfig::new(NodeKey::from_seed([seed; 32]));
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
        config.lan = false;
        let started = runtime.block_on(potluck_net::start(config)).unwrap();
        let (net, mut events, mut pipes) = started;
        let address = net.listen_addresses().first().unwrap().clone();
        let blobs = Blobs::default();
        let served = Arc::clone(&blobs);
        runtime.spawn(async move { while events.recv().await.is_some() {} });
        runtime.spawn(async move {
            while let Some(pipe) = pipes.recv().await {
                let served = Arc::clone(&served);
                tokio::spawn(async move { serve(pipe, &served).await });
            }
            drop(net);
        });
        Self {
            _runtime: runtime,
            address,
            blobs,
        }
    }

    /// A link to these bytes as a folder, with the provider's address.
    pub(crate) fn folder(&self, bytes: Vec<u8>) -> String {
        self.link(bytes, Kind::Folder, None)
    }

    /// The same; of the size it tells this instead of the truth.
    pub(crate) fn folder_that_claims(&self, bytes: Vec<u8>, size: u64) -> String {
        self.link(bytes, Kind::Folder, Some(size))
    }

    fn link(&self, bytes: Vec<u8>, kind: Kind, claims: Option<u64>) -> String {
        let (hash, outboard) = outboard(&bytes);
        let blob = Blob {
            bytes,
            outboard,
            claims,
        };
        self.blobs.lock().unwrap().insert(hash, blob);
        let address = Address { kind, hash };
        format!("potluck:{address}?name=hostile&addr={}", self.address)
    }
}

async fn serve(pipe: Pipe, blobs: &Blobs) -> Option<()> {
    match pipe.channel {
        Channel::Swarm => welcome(pipe, blobs).await,
        Channel::Bulk => deliver(pipe, blobs).await,
    }
}

async fn frame(reader: &mut potluck_net::PipeReader) -> Option<Vec<u8>> {
    let mut prefix = [0; PREFIX_BYTES];
    reader.read_exact(&mut prefix).await.ok()?;
    let mut body = vec![0; u32::from_be_bytes(prefix) as usize];
    reader.read_exact(&mut body).await.ok()?;
    Some(body)
}

async fn welcome(mut pipe: Pipe, blobs: &Blobs) -> Option<()> {
    let body = frame(&mut pipe.reader).await?;
    let Ok(Message::Hello(hello)) = Message::decode(&body) else {
        return None;
    };
    let welcome = {
        let blobs = blobs.lock().unwrap();
        let blob = blobs.get(&hello.root.hash)?;
        let geometry = Geometry::new(blob.bytes.len() as u64);
        let last = geometry.last_group();
        let from = usize::try_from(geometry.group_offset(last.start)).unwrap();
        Welcome {
            size: blob.claims.unwrap_or(blob.bytes.len() as u64),
            head: Some(Head {
                proof: prove(geometry, blob.outboard.as_slice(), last).unwrap(),
                data: blob.bytes[from..].to_vec(),
            }),
            have: PieceMap::All,
        }
    };
    let frame = Message::Welcome(welcome).encode().unwrap();
    pipe.writer.write_all(&frame).await.ok()?;
    pipe.writer.flush().await.ok()?;
    // Held open until the other side has had enough.
    let _ = pipe.reader.read(&mut [0]).await;
    None
}

async fn deliver(mut pipe: Pipe, blobs: &Blobs) -> Option<()> {
    loop {
        let body = frame(&mut pipe.reader).await?;
        if let Ok(Bulk::Request(request)) = Bulk::decode(&body) {
            let reply = reply(&request, blobs)?;
            pipe.writer.write_all(&reply).await.ok()?;
            pipe.writer.flush().await.ok()?;
        }
    }
}

fn reply(request: &Request, blobs: &Blobs) -> Option<Vec<u8>> {
    let blobs = blobs.lock().unwrap();
    let mut out = Vec::new();
    for (index, item) in (0..).zip(&request.items) {
        let blob = blobs.get(&item.hash)?;
        let geometry = Geometry::new(blob.bytes.len() as u64);
        let status = Status::Ok;
        let header = Header {
            id: request.id,
            item: index,
            status,
        };
        out.extend(header.encode());
        out.extend(prove(geometry, blob.outboard.as_slice(), item.span()).unwrap());
        let from = usize::try_from(geometry.group_offset(item.first_group)).unwrap();
        let length = usize::try_from(item.data_len()).unwrap();
        out.extend(&blob.bytes[from..from + length]);
    }
    Some(out)
}

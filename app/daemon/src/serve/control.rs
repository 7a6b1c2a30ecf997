//! The provider's end of the control stream `/potluck/swarm/1`.

use crate::context::Context;
use crate::frames::{FLOOD, Patience, breach, malformed, read_frame, unsendable, write_frame};
use crate::source::ProvenHead;
use crate::swarms::{Joined, News};
use potluck_content::tree::Geometry;
use potluck_content::{Address, Kind, MAX_PIECES, PieceSet};
use potluck_identity::PeerId;
use potluck_net::{Pipe, PipeReader, PipeWriter};
use potluck_store::{ReadError, SpanBuf, Store};
use potluck_transfer::wire::control::{
    Head, Hello, MAX_ADDR_BYTES, MAX_ADDRS, MAX_FRAME_BYTES, MAX_PEERS, Message, PeerHint, Peers,
    Reject, RejectReason, RetractReason, Welcome,
};
use potluck_transfer::wire::{PieceMap, WireError};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a peer may take to say what it wants.
const HELLO_TIME: Duration = Duration::from_secs(10);
/// A silent stream gets a ping this often.
const PING_EVERY: Duration = Duration::from_secs(15);
/// News that comes within this time of each other goes in one message.
const GATHER: Duration = Duration::from_millis(50);
/// Members whose addresses are not known yet are looked at again this often, for so long.
const UNKNOWN_PAUSE: Duration = Duration::from_millis(200);
const UNKNOWN_TIME: Duration = Duration::from_secs(5);
const MAX_UNKNOWN: usize = 64;
/// A member that does not take a message for this long is gone.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// Serves one control stream to its end.
pub(super) async fn serve(ctx: &Arc<Context>, pipe: Pipe) {
    let peer = pipe.peer;
    let (mut reader, mut writer) = (pipe.reader, pipe.writer);
    let hello = tokio::time::timeout(HELLO_TIME, read_frame(&mut reader, MAX_FRAME_BYTES));
    let frame = match hello.await {
        Ok(Ok(Some(frame))) => frame,
        Ok(Err(error)) => {
            if let Some(what) = breach(&error) {
                ctx.ban(peer, what);
            }
            return;
        }
        Ok(Ok(None)) | Err(_) => return,
    };
    let Ok(Message::Hello(hello)) = Message::decode(&frame) else {
        ctx.ban(peer, "broke the protocol: no hello".to_owned());
        return;
    };
    let welcome = match welcome(ctx, &hello).await {
        Ok(welcome) => welcome,
        Err(reason) => {
            if hello.serving {
                ctx.swarms.met(&hello.root, peer);
            }
            let _ = send(&mut writer, &Message::Reject(Reject { reason })).await;
            return;
        }
    };
    let root = hello.root;
    let Some(joined) = ctx.swarms.join(root, peer, hello.serving) else {
        let busy = Message::Reject(Reject {
            reason: RejectReason::Busy,
        });
        let _ = send(&mut writer, &busy).await;
        return;
    };
    let serial = joined.serial;
    if send(&mut writer, &Message::Welcome(welcome)).await.is_ok() {
        let ended = tokio::select! {
            ended = stay(ctx, root, joined, &mut writer) => ended,
            ended = attend(&mut reader) => ended,
        };
        if let Err(error) = ended {
            if let Some(what) = breach(&error) {
                ctx.ban(peer, what);
            }
            tracing::debug!(%peer, %error, "a swarm member is gone");
        }
    }
    ctx.swarms.leave(&root, &peer, serial);
}

/// What this node has of a root, with the proof of the root blob's size.
async fn welcome(ctx: &Arc<Context>, hello: &Hello) -> Result<Welcome, RejectReason> {
    let root = hello.root;
    if !ctx.may_serve(&root) {
        return Err(RejectReason::NotFound);
    }
    let (store, proven) = (ctx.store.clone(), ctx.swarms.head(&root));
    let found = tokio::task::spawn_blocking(move || known(&store, &root, proven.as_deref()));
    let (size, head, have) = found.await.unwrap_or(Err(RejectReason::Busy))?;
    Ok(Welcome {
        size,
        head: hello.head.then_some(head),
        have: PieceMap::of(&have),
    })
}

/// The size of a root blob with its proof, and the pieces that are here.
fn known(
    store: &Store,
    root: &Address,
    proven: Option<&ProvenHead>,
) -> Result<(u64, Head, PieceSet), RejectReason> {
    let missing = |_| RejectReason::NotFound;
    let have = store.available(root).map_err(missing)?;
    let size = match root.kind {
        Kind::Blob => (store.layout(root).map_err(missing)?).map(|layout| layout.total_bytes()),
        Kind::Folder => store.blob_size(&root.hash).map_err(missing)?,
    };
    let (have, size) = have.zip(size).ok_or(RejectReason::NotFound)?;
    if let Some(proven) = proven.filter(|proven| proven.size == size) {
        let (proof, data) = (proven.proof.clone(), proven.data.clone());
        return Ok((size, Head { proof, data }, have));
    }
    let mut buf = SpanBuf::new();
    let read = store.read_span(&root.hash, Geometry::new(size).last_group(), &mut buf);
    read.map_err(|error| match error {
        ReadError::Changed { .. } => RejectReason::Changed,
        _ => RejectReason::NotFound,
    })?;
    let (proof, data) = buf.into_parts();
    Ok((size, Head { proof, data }, have))
}

/// Pieces of files that are known not to be what they were.
async fn changed(ctx: &Arc<Context>, root: Address) -> Vec<Range<u32>> {
    let found = ctx.blocking(move |store| {
        let held = store.root(&root).ok()??;
        if held.problems.is_empty() {
            return None;
        }
        let mut gone = held.selected;
        let have = store.available(&root).ok()??;
        let gone = gone.get_or_insert_with(|| PieceSet::full(have.len()));
        gone.subtract(&have);
        Some(gone.ranges().collect())
    });
    found.await.flatten().unwrap_or_default()
}

/// Tells a member the news until it leaves or cannot keep up.
async fn stay(
    ctx: &Arc<Context>,
    root: Address,
    joined: Joined,
    writer: &mut PipeWriter,
) -> io::Result<()> {
    let Joined {
        updates, others, ..
    } = joined;
    let mut unknown = Unknown::new(Instant::now());
    unknown.rest(introduce(ctx, &others, writer).await?);
    // What was completed between looking at the store and joining the swarm would be missed.
    if let Some(have) = ctx.available(root).await {
        let ranges: Vec<Range<u32>> = have.ranges().collect();
        for message in Message::have(&ranges) {
            send(writer, &message).await?;
        }
    }
    for message in Message::retract(&changed(ctx, root).await, RetractReason::Changed) {
        send(writer, &message).await?;
    }
    loop {
        let came = tokio::time::timeout(unknown.pause(Instant::now()), updates.wait()).await;
        match came {
            Ok(false) => return Ok(()),
            Ok(true) => tokio::time::sleep(GATHER).await,
            Err(_) if unknown.members.is_empty() => send(writer, &Message::Ping).await?,
            Err(_) => {}
        }
        let Some(news) = updates.take() else {
            return Ok(());
        };
        unknown.came(&news.members, Instant::now());
        if !tell(news, writer).await? {
            return Ok(());
        }
        if let Some(members) = unknown.due(Instant::now()) {
            unknown.rest(introduce(ctx, &members, writer).await?);
        }
    }
}

/// Sends news; `false` when nothing can follow.
async fn tell(news: News, writer: &mut PipeWriter) -> io::Result<bool> {
    if news.removed {
        let all = 0..MAX_PIECES;
        for gone in Message::retract(&[all], RetractReason::Removed) {
            send(writer, &gone).await?;
        }
        return Ok(false);
    }
    for message in Message::have(&news.have) {
        send(writer, &message).await?;
    }
    for message in Message::retract(&news.changed, RetractReason::Changed) {
        send(writer, &message).await?;
    }
    Ok(true)
}

/// Members to introduce whose addresses are not known yet: a peer asks for content as soon as it is
/// connected, and tells where it can be reached a little later.
struct Unknown {
    members: Vec<PeerId>,
    /// When they are looked at next.
    next: Instant,
    /// Until when.
    end: Instant,
}

impl Unknown {
    fn new(now: Instant) -> Self {
        Self {
            members: Vec::new(),
            next: now + UNKNOWN_PAUSE,
            end: now + UNKNOWN_TIME,
        }
    }

    /// How long to wait for news before these are looked at again.
    fn pause(&self, now: Instant) -> Duration {
        if self.members.is_empty() {
            PING_EVERY
        } else {
            self.next.saturating_duration_since(now)
        }
    }

    /// Newcomers are looked at at once.
    fn came(&mut self, members: &[PeerId], now: Instant) {
        if !members.is_empty() {
            (self.next, self.end) = (now, now + UNKNOWN_TIME);
            self.members.extend(members);
        }
    }

    /// Keeps those that could not be introduced.
    fn rest(&mut self, members: Vec<PeerId>) {
        self.members = members;
        self.members.truncate(MAX_UNKNOWN);
    }

    /// Those that it is time for.
    fn due(&mut self, now: Instant) -> Option<Vec<PeerId>> {
        if self.members.is_empty() || now < self.next {
            return None;
        }
        self.next = now + UNKNOWN_PAUSE;
        if now >= self.end {
            // They were connected, and never said where they can be reached.
            self.members.clear();
            return None;
        }
        Some(std::mem::take(&mut self.members))
    }
}

/// Introduces members; gives back those of whom no address is known.
async fn introduce(
    ctx: &Arc<Context>,
    members: &[PeerId],
    writer: &mut PipeWriter,
) -> io::Result<Vec<PeerId>> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let connected = ctx.net.peers().await;
    let (mut peers, mut unknown) = (Vec::new(), Vec::new());
    for peer in members {
        let Some(info) = connected.iter().find(|info| info.peer == *peer) else {
            continue;
        };
        let addrs: Vec<serde_bytes::ByteBuf> = (info.listen_addresses.iter())
            .map(|addr| serde_bytes::ByteBuf::from(addr.to_vec()))
            .filter(|bytes| bytes.len() <= MAX_ADDR_BYTES)
            .take(MAX_ADDRS)
            .collect();
        if addrs.is_empty() {
            unknown.push(*peer);
        } else {
            peers.push(PeerHint { id: *peer, addrs });
        }
    }
    for peers in peers.chunks(MAX_PEERS) {
        let peers = peers.to_vec();
        send(writer, &Message::Peers(Peers { peers })).await?;
    }
    Ok(unknown)
}

async fn send(writer: &mut PipeWriter, message: &Message) -> io::Result<()> {
    let frame = message.encode().map_err(|error| unsendable(&error))?;
    tokio::time::timeout(WRITE_TIME, write_frame(writer, &frame))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Reads what a requester says after its hello, until it goes. It may tell what it has; that is
/// heard on the streams by which this node asks for it.
async fn attend(reader: &mut PipeReader) -> io::Result<()> {
    let mut patience = Patience::new(Instant::now());
    while let Some(frame) = read_frame(reader, MAX_FRAME_BYTES).await? {
        let wrong = match Message::decode(&frame) {
            Ok(Message::Hello(_) | Message::Welcome(_) | Message::Reject(_)) => {
                WireError::Bounds("spoke out of order")
            }
            Ok(_) if patience.allows(Instant::now(), 1) => continue,
            Ok(_) => WireError::Bounds(FLOOD),
            Err(error) => error,
        };
        return Err(malformed(wrong));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_identity::NodeKey;

    #[test]
    fn who_is_unknown_is_looked_at_for_a_while_however_much_is_new() {
        let start = Instant::now();
        let mut unknown = Unknown::new(start);
        unknown.came(&[NodeKey::from_seed([1; 32]).peer_id()], start);
        let mut looks = 0;
        for millis in (0..10_000).step_by(20) {
            let now = start + Duration::from_millis(millis);
            unknown.came(&[], now);
            if let Some(members) = unknown.due(now) {
                looks += 1;
                unknown.rest(members);
            }
        }
        assert_eq!(looks, 25);
        assert_eq!(unknown.pause(start), PING_EVERY);
    }
}

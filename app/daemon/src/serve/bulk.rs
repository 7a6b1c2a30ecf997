//! The provider's end of the bulk lane `/potluck/bulk/1`.

use super::line::{Next, Queue};
use crate::context::Context;
use crate::frames::{breach, malformed, read_frame};
use crate::swarms::Update;
use crate::upload_gate::{Turn, Turns};
use potluck_content::tree::Geometry;
use potluck_content::{Address, Hash, PieceLayout};
use potluck_identity::PeerId;
use potluck_net::{Pipe, PipeReader, PipeWriter};
use potluck_store::ReadError;
use potluck_transfer::wire::bulk::{
    Cancel, HEADER_BYTES, Header, Item, MAX_FRAME_BYTES, Message, Request, Status,
};
use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

/// Bytes of one item; what is read for it is kept in memory until it is sent.
const MAX_ITEM_BYTES: u64 = 4 * 1024 * 1024;
/// Blobs that are hashed again when a peer cuts the lane: what is on its way fits in them.
const MAX_RECENT: usize = 64;
/// A lane on which nothing was asked for this long holds no buffers.
const IDLE: Duration = Duration::from_millis(500);
/// Bytes written before a limiter is asked again, or before it is noticed that the peer is slow.
const STEP: usize = 64 * 1024;
const SLOW_STEP: usize = 16 * 1024;
/// The same for a peer that takes a step at once.
const FAST_STEP: usize = 256 * 1024;
/// A step that took less was taken at once.
const AT_ONCE: Duration = Duration::from_millis(5);
/// A peer that does not take a chunk for this long is gone.
const WRITE_TIME: Duration = Duration::from_secs(20);

/// Serves one lane to its end.
pub(super) async fn serve(ctx: &Arc<Context>, pipe: Pipe) {
    let peer = pipe.peer;
    let (asker, turns) = ctx.gate.line(peer);
    let queue = Queue::new(asker);
    let mut server = Server {
        ctx,
        peer,
        writer: pipe.writer,
        queue: &queue,
        turns,
        proof: Vec::new(),
        layout: None,
        fast: false,
        recent: VecDeque::new(),
    };
    let ended = tokio::select! {
        ended = read_requests(ctx, pipe.reader, &queue) => match ended {
            Ok(()) => Ok(()),
            Err(error) => Err(error),
        },
        ended = server.run() => ended,
    };
    if let Err(error) = ended {
        if let Some(what) = breach(&error) {
            ctx.ban(peer, what);
        }
        tracing::debug!(%peer, %error, "a lane ended");
        // It may have refused what it got: then the next reader's bytes are hashed, and the owner told.
        for hash in &server.recent {
            ctx.store.doubt(hash);
        }
    }
}

/// Reads requests into the queue. Ends with an error, or waits for ever once the peer said that no
/// more will come, so that what it asked is still served.
async fn read_requests(ctx: &Context, mut reader: PipeReader, queue: &Queue) -> io::Result<()> {
    while let Some(frame) = read_frame(&mut reader, MAX_FRAME_BYTES).await? {
        match Message::decode(&frame).map_err(malformed)? {
            Message::Request(request) => {
                queue.room().await;
                queue.push(ctx, request);
            }
            Message::Cancel(Cancel { id }) => queue.cancel(id),
        }
    }
    queue.close();
    std::future::pending().await
}

struct Server<'a> {
    ctx: &'a Arc<Context>,
    peer: PeerId,
    writer: PipeWriter,
    queue: &'a Queue,
    turns: Turns,
    proof: Vec<u8>,
    layout: Option<(Address, Arc<PieceLayout>)>,
    /// The peer took the last step at once.
    fast: bool,
    /// The blobs that were served last.
    recent: VecDeque<Hash>,
}

impl Server<'_> {
    async fn run(&mut self) -> io::Result<()> {
        while let Some(next) = self.next().await {
            match next {
                Next::Serve(request, turn) => self.request(request, turn).await?,
                Next::Refuse(id, status) => self.refuse(id, 0, status).await?,
            }
        }
        self.writer.shutdown().await
    }

    /// The next request. Nobody knows for how long a lane will be idle; memory is for those that
    /// are not.
    async fn next(&mut self) -> Option<Next> {
        let soon = self.queue.next(&mut self.turns);
        if let Ok(next) = tokio::time::timeout(IDLE, soon).await {
            return next;
        }
        self.writer.rest();
        self.proof = Vec::new();
        self.queue.next(&mut self.turns).await
    }

    /// Answers one request. An item that cannot be served ends the answer.
    async fn request(&mut self, request: Request, mut turn: Turn) -> io::Result<()> {
        for (index, item) in (0u16..).zip(&request.items) {
            let status = if self.queue.cancelled() {
                Status::Cancelled
            } else {
                self.read(&request, index, item).await
            };
            if status != Status::Ok {
                self.writer.discard();
                drop(turn);
                return self.refuse(request.id, index, status).await;
            }
            self.send(&mut turn).await?;
            let sent = item.data_len();
            self.ctx.swarms.sent(&request.root, &self.peer, sent);
        }
        drop(turn);
        in_time(self.writer.flush()).await
    }

    /// Reads an item's bytes and proof into the reply.
    async fn read(&mut self, request: &Request, index: u16, item: &Item) -> Status {
        if item.data_len() > MAX_ITEM_BYTES {
            return Status::Invalid;
        }
        let Some(layout) = self.layout(request.root).await else {
            return Status::Changed;
        };
        // A root that is shared opens no door to blobs of others.
        if item.hash != request.root.hash && layout.find_blob(&item.hash).is_none() {
            return Status::NotHave;
        }
        if self.recent.back() != Some(&item.hash) {
            self.recent.push_back(item.hash);
            if self.recent.len() > MAX_RECENT {
                self.recent.pop_front();
            }
        }
        let read = {
            let ctx = self.ctx;
            let bytes = usize::try_from(item.data_len()).unwrap_or(usize::MAX);
            let read = || self.read_now(request.id, index, item);
            ctx.disk.work(&ctx.clock, bytes, read)
        };
        match read {
            Ok(()) => Status::Ok,
            Err(ReadError::NotHave) => Status::Changed,
            Err(ReadError::BadSpan) => Status::Invalid,
            Err(ReadError::Changed { path, what }) => {
                tracing::warn!(path = %path.display(), %what, "a shared file is not what it was");
                retract(self.ctx, request, item).await;
                Status::Changed
            }
            Err(ReadError::Fault(fault)) => {
                tracing::error!(%fault, "cannot read a shared file");
                Status::Busy
            }
        }
    }

    /// Puts header, proof and bytes where they will be sent from.
    fn read_now(&mut self, id: u32, index: u16, item: &Item) -> Result<(), ReadError> {
        let store = &self.ctx.store;
        if store.blob_size(&item.hash)? != Some(item.size) {
            return Err(ReadError::NotHave);
        }
        let geometry = Geometry::new(item.size);
        let span = item.span();
        if !geometry.contains(&span) {
            return Err(ReadError::BadSpan);
        }
        let data = usize::try_from(geometry.span_len(span.clone())).unwrap_or(usize::MAX);
        let head = HEADER_BYTES + geometry.proof_len(&span);
        let (heads, bodies) = self.writer.places(head, data);
        let mut bodies: Vec<IoSliceMut<'_>> = bodies.into_iter().map(IoSliceMut::new).collect();
        store.read_span_into(&item.hash, span, &mut self.proof, &mut bodies)?;
        let header = Header {
            id,
            item: index,
            status: Status::Ok,
        };
        let header = header.encode();
        let mut bytes = header.iter().chain(&self.proof);
        for place in heads {
            for (to, from) in place.iter_mut().zip(&mut bytes) {
                *to = *from;
            }
        }
        Ok(())
    }

    /// The layout of a root, remembered for the requests that follow.
    async fn layout(&mut self, root: Address) -> Option<Arc<PieceLayout>> {
        if let Some((known, layout)) = &self.layout
            && *known == root
        {
            return Some(Arc::clone(layout));
        }
        let found = self
            .ctx
            .blocking(move |store| store.layout(&root).ok().flatten());
        let layout = found.await.flatten()?;
        self.layout = Some((root, Arc::clone(&layout)));
        Some(layout)
    }

    async fn refuse(&mut self, id: u32, item: u16, status: Status) -> io::Result<()> {
        let header = Header { id, item, status }.encode();
        let refusing = async {
            self.writer.write_all(&header).await?;
            self.writer.flush().await
        };
        in_time(refusing).await
    }

    /// Sends what was read, a step at a time.
    async fn send(&mut self, turn: &mut Turn) -> io::Result<()> {
        let held = self.writer.waiting() as u64;
        while self.writer.waiting() > 0 {
            let limit = self.ctx.up.rate();
            let step = match limit {
                Some(rate) if rate < 1_000_000 => SLOW_STEP,
                None if self.fast => FAST_STEP,
                _ => STEP,
            };
            let step = step.min(self.writer.waiting());
            if limit.is_some() {
                self.ctx.up.take(step).await;
            }
            let began = Instant::now();
            let left = self.writer.waiting() - step;
            turn.sent(step as u64);
            patiently(turn, (step, held), self.writer.send(left)).await?;
            self.fast = began.elapsed() < AT_ONCE;
        }
        if self.ctx.up.rate().is_some() {
            patiently(turn, (STEP, held), self.writer.flush()).await?;
        }
        Ok(())
    }
}

async fn in_time(writing: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    tokio::time::timeout(WRITE_TIME, writing)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Writes a step to a peer. One that is slow to take it gives its turn to others: `held` bytes are
/// kept for it meanwhile, and what it asked for goes on without a turn.
async fn patiently(
    turn: &mut Turn,
    (step, held): (usize, u64),
    writing: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let mut writing = std::pin::pin!(writing);
    if let Some(patience) = turn.patience(step) {
        if let Ok(written) = tokio::time::timeout(patience, &mut writing).await {
            return written;
        }
        turn.step_aside(held);
    }
    tokio::select! {
        written = in_time(writing) => written,
        () = turn.given_up() => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Tells the root's swarm which pieces went with a file that changed.
async fn retract(ctx: &Arc<Context>, request: &Request, item: &Item) {
    let (root, hash) = (request.root, item.hash);
    let pieces = ctx.blocking(move |store| {
        let layout = store.layout(&root).ok()??;
        Some(layout.pieces_of_blob(layout.find_blob(&hash)?))
    });
    if let Some(Some(pieces)) = pieces.await {
        ctx.swarms.tell(&root, &Update::Changed(pieces));
    }
}

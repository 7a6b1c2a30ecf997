//! The downloader's end of one bulk lane (`/potluck/bulk/1`): requests out, verified groups in.

use super::feed::Delivered;
use super::receive;
use crate::context::Context;
use crate::frames::write_frame;
use crate::source::{FetchItem, Job, Reporter, SourceNews};
use potluck_content::tree::Geometry;
use potluck_net::{Pipe, PipeWriter};
use potluck_transfer::wire::bulk::{Cancel, Item, Message, Request};
use potluck_transfer::{Failure, RequestId};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::task::JoinHandle;

/// A round trip of another country.
const FAR: Duration = Duration::from_millis(40);

/// A request whose reply is awaited.
pub(super) struct Pending {
    pub(super) job: Arc<Job>,
    pub(super) items: Vec<FetchItem>,
    /// The item that the next reply header must name.
    next: usize,
}

/// The requests in flight on a lane, by their id on the wire.
#[derive(Default)]
pub(super) struct InFlight {
    requests: Mutex<BTreeMap<u32, Pending>>,
}

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Pending>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The item that a reply header names. Items are answered once, and in their order.
    pub(super) fn item(&self, id: u32, item: u16) -> Option<(Arc<Job>, FetchItem, bool)> {
        let mut requests = self.lock();
        let pending = requests.get_mut(&id)?;
        if pending.next != usize::from(item) {
            return None;
        }
        pending.next += 1;
        let found = pending.items.get(usize::from(item))?;
        let last = usize::from(item) + 1 == pending.items.len();
        Some((Arc::clone(&pending.job), found.clone(), last))
    }

    pub(super) fn finish(&self, id: u32) -> Option<Pending> {
        self.lock().remove(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn ids(&self) -> Vec<u32> {
        self.lock().keys().copied().collect()
    }
}

/// How a lane ended.
pub(super) enum LaneEnd {
    /// The pipe ended in the middle of a reply that this end was ready to take; no piece had
    /// become whole by then if `idle`.
    CutShort { idle: bool },
    /// The pipe broke; another may be opened.
    Broken(String),
    /// The peer sent what it must not.
    Liar(String),
}

/// What a lane's reader counts and others read.
#[derive(Default)]
pub(super) struct Tally {
    bytes: AtomicU64,
}

impl Tally {
    pub(super) fn delivered(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// An open lane.
pub(super) struct Lane {
    dedicated: bool,
    far: bool,
    /// When it was first asked for something.
    since: OnceLock<Instant>,
    tally: Arc<Tally>,
    writer: Arc<AsyncMutex<PipeWriter>>,
    in_flight: Arc<InFlight>,
    report: Reporter,
    ended: oneshot::Receiver<LaneEnd>,
    task: JoinHandle<()>,
}

impl Lane {
    /// Starts reading replies from a pipe.
    pub(super) fn start(ctx: &Arc<Context>, pipe: Pipe, report: Reporter) -> Self {
        let in_flight = Arc::new(InFlight::default());
        let tally = Arc::new(Tally::default());
        let (tell, ended) = oneshot::channel();
        let receiver = receive::Receiver::new(
            Arc::clone(ctx),
            pipe.peer,
            pipe.reader,
            (Arc::clone(&in_flight), Arc::clone(&tally)),
            report.clone(),
        );
        let pending = Arc::clone(&in_flight);
        let last_words = report.clone();
        let task = tokio::spawn(async move {
            let end = receiver.run().await;
            lose_all(&pending, &last_words).await;
            let _ = tell.send(end);
        });
        let writer = Arc::new(AsyncMutex::new(pipe.writer));
        Self {
            dedicated: pipe.dedicated,
            far: pipe.round_trip.is_some_and(|time| time >= FAR),
            since: OnceLock::new(),
            tally,
            writer,
            in_flight,
            report,
            ended,
            task,
        }
    }

    /// Asks for items. A request that cannot be sent fails like one whose reply is lost.
    pub(super) async fn fetch(&self, job: Arc<Job>, request: RequestId, items: Vec<FetchItem>) {
        self.since.get_or_init(Instant::now);
        let wire = Message::Request(Request {
            id: request.0,
            root: job.root,
            items: items
                .iter()
                .map(|item| Item {
                    hash: item.hash,
                    size: item.size,
                    first_group: item.groups.start,
                    groups: item.groups.end - item.groups.start,
                })
                .collect(),
        });
        self.in_flight.lock().insert(
            request.0,
            Pending {
                job,
                items,
                next: 0,
            },
        );
        if !self.send(&wire).await && self.in_flight.finish(request.0).is_some() {
            let failure = Failure::Disconnected;
            self.report
                .tell(SourceNews::Failed { request, failure })
                .await;
        }
    }

    /// Whether it has a connection of its own.
    pub(super) fn is_dedicated(&self) -> bool {
        self.dedicated
    }

    /// Whether the way to the peer is long.
    pub(super) fn is_far(&self) -> bool {
        self.far
    }

    /// Whether a reply to the request is awaited here.
    pub(super) fn awaits(&self, request: RequestId) -> bool {
        self.in_flight.lock().contains_key(&request.0)
    }

    /// Bytes that were asked for and have not come in whole replies.
    pub(super) fn awaited_bytes(&self) -> u64 {
        let requests = self.in_flight.lock();
        let pending = requests.values().flat_map(|pending| &pending.items);
        pending
            .map(|item| Geometry::new(item.size).span_len(item.groups.clone()))
            .sum()
    }

    /// Whether it has delivered so many bytes, at such a rate since it was first used.
    pub(super) fn delivers(&self, bytes: u64, bytes_per_second: u64) -> bool {
        let delivered = Delivered {
            bytes: self.tally.bytes.load(Ordering::Relaxed),
            busy: self.since.get().map_or(Duration::ZERO, Instant::elapsed),
        };
        delivered.is_at_least(bytes, bytes_per_second)
    }

    /// Takes a request back. The reply still has to be read to its end.
    pub(super) async fn cancel(&self, request: RequestId) {
        if self.awaits(request) {
            self.send(&Message::Cancel(Cancel { id: request.0 })).await;
        }
    }

    async fn send(&self, message: &Message) -> bool {
        let Ok(frame) = message.encode() else {
            return false;
        };
        let mut writer = self.writer.lock().await;
        write_frame(&mut *writer, &frame).await.is_ok()
    }

    /// Tells that no reply to what is in flight will come.
    pub(super) async fn lose_all(&self) {
        lose_all(&self.in_flight, &self.report).await;
    }

    /// Waits for the end of the lane.
    pub(super) async fn ended(&mut self) -> LaneEnd {
        (&mut self.ended)
            .await
            .unwrap_or_else(|_| LaneEnd::Broken("stopped".to_owned()))
    }
}

async fn lose_all(in_flight: &InFlight, report: &Reporter) {
    for id in in_flight.ids() {
        if in_flight.finish(id).is_some() {
            let request = RequestId(id);
            let failure = Failure::Disconnected;
            report.tell(SourceNews::Failed { request, failure }).await;
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

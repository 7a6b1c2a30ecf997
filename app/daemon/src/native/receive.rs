//! Replies on a bulk lane: header, proof, raw bytes. Each group is verified before it is kept.

use super::lane::{InFlight, LaneEnd, Tally};
use super::take::{Problem, Taking};
use crate::context::Context;
use crate::source::{FetchItem, Job, Reporter, SourceNews};
use potluck_content::tree::{self, Geometry, VerifiedSpan};
use potluck_identity::PeerId;
use potluck_net::PipeReader;
use potluck_transfer::wire::bulk::{HEADER_BYTES, Header, Status};
use potluck_transfer::{Failure, RequestId};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;

/// Bytes taken from a lane at a time where a limit asks for small steps.
const LIMITED_STEP: usize = 64 * 1024;
const SLOW_STEP: usize = 16 * 1024;
/// A peer that goes silent in the middle of a reply for this long is named in `status`. It may be
/// no fault of its own, so that it is not banned.
const SILENCE: Duration = Duration::from_secs(2);
/// When this node itself was slow to take a reply for this long, its end is no fault of the peer.
const OWN_DELAY: Duration = Duration::from_secs(5);
/// The engine hears of bytes at least this often while they come.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// Reads one lane.
pub(super) struct Receiver {
    ctx: Arc<Context>,
    peer: PeerId,
    reader: PipeReader,
    in_flight: Arc<InFlight>,
    tally: Arc<Tally>,
    report: Reporter,
    unreported: u64,
    reported_at: Instant,
    /// No piece became whole yet.
    idle: bool,
    /// How long this item was held back by this node's own limit.
    own_delay: Duration,
    /// The peer stands in `status` as silent.
    noted: bool,
}

/// Why reading stopped.
enum Stop {
    Io(io::Error),
    /// The pipe ended within an item.
    CutShort,
    Liar(Failure, RequestId, String),
    /// Verified bytes could not be kept.
    Sink,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Receiver {
    pub(super) fn new(
        ctx: Arc<Context>,
        peer: PeerId,
        reader: PipeReader,
        (in_flight, tally): (Arc<InFlight>, Arc<Tally>),
        report: Reporter,
    ) -> Self {
        Self {
            ctx,
            peer,
            reader,
            in_flight,
            tally,
            report,
            unreported: 0,
            reported_at: Instant::now(),
            idle: true,
            own_delay: Duration::ZERO,
            noted: false,
        }
    }

    /// Reads replies until the lane ends.
    pub(super) async fn run(mut self) -> LaneEnd {
        loop {
            match self.reply().await {
                Ok(()) => {}
                Err(Stop::Io(error)) => return LaneEnd::Broken(error.to_string()),
                Err(Stop::CutShort) if self.own_delay < OWN_DELAY => {
                    return LaneEnd::CutShort { idle: self.idle };
                }
                Err(Stop::CutShort) => return LaneEnd::Broken("too slow for it".to_owned()),
                Err(Stop::Sink) => return LaneEnd::Broken("cannot keep bytes".to_owned()),
                Err(Stop::Liar(failure, request, what)) => {
                    self.in_flight.finish(request.0);
                    self.report
                        .tell(SourceNews::Failed { request, failure })
                        .await;
                    return LaneEnd::Liar(what);
                }
            }
        }
    }

    async fn reply(&mut self) -> Result<(), Stop> {
        let mut bytes = [0; HEADER_BYTES];
        self.reader.read_exact(&mut bytes).await?;
        let malformed = |id: u32, what: &'static str| {
            Stop::Liar(
                Failure::Malformed(what),
                RequestId(id),
                format!("broke the protocol: {what}"),
            )
        };
        let Ok(header) = Header::decode(bytes) else {
            return Err(malformed(u32::MAX, "a reply header that makes no sense"));
        };
        let Some((job, item, last)) = self.in_flight.item(header.id, header.item) else {
            return Err(malformed(header.id, "a reply that nobody asked for"));
        };
        let request = RequestId(header.id);
        let piece = item.pieces.start;
        match header.status {
            Status::Ok => {
                self.item(request, &job, &item).await?;
                if last {
                    self.in_flight.finish(header.id);
                    if self.in_flight.is_empty() {
                        self.reader.rest();
                    }
                    self.report.tell(SourceNews::Done { request }).await;
                }
            }
            // The rest of a request that failed is not sent.
            status => {
                self.in_flight.finish(header.id);
                let failure = match status {
                    Status::NotHave => Failure::Unavailable { piece },
                    Status::Changed => Failure::Changed { piece },
                    Status::Busy => Failure::Busy,
                    Status::Cancelled => Failure::Cancelled,
                    Status::Ok | Status::Invalid => Failure::Malformed("refused a request"),
                };
                self.report
                    .tell(SourceNews::Failed { request, failure })
                    .await;
            }
        }
        Ok(())
    }

    async fn item(&mut self, request: RequestId, job: &Job, item: &FetchItem) -> Result<(), Stop> {
        self.own_delay = Duration::ZERO;
        let verified = self.read_proof(request, item).await?;
        let parents = || job.sink.write_parents(item.blob, verified.parents());
        self.work(0, parents)
            .map_err(|error| sink_failed(job, error))?;
        let mut next_piece = item.pieces.start;
        let mut taking = Taking::new(job, item, verified);
        while !taking.is_done() {
            self.more(request).await?;
            let bytes = self.reader.chunks().map(<[u8]>::len).sum();
            let take = || {
                let taken = taking.take(&self.reader)?;
                let pieces = pieces_ending_by(job, item, &mut next_piece, taking.group());
                complete(job, pieces.clone())?;
                Ok((taken, pieces))
            };
            let (taken, pieces) = self
                .work(bytes, take)
                .map_err(|problem| stopped(problem, request, job, item))?;
            self.took(request, taken).await;
            self.idle &= pieces.is_empty();
            if !pieces.is_empty() {
                // The engine may end with the last piece, and should have counted its bytes by then.
                self.received(request).await;
            }
            for piece in pieces {
                self.report.tell(SourceNews::Piece { request, piece }).await;
            }
        }
        self.received(request).await;
        if std::mem::take(&mut self.noted) {
            self.ctx.book.clear_note(&self.peer);
        }
        Ok(())
    }

    fn work<T>(&self, bytes: usize, work: impl FnOnce() -> T) -> T {
        self.ctx.disk.work(&self.ctx.clock, bytes, work)
    }

    async fn read_proof(
        &mut self,
        request: RequestId,
        item: &FetchItem,
    ) -> Result<VerifiedSpan, Stop> {
        let geometry = Geometry::new(item.size);
        let len = geometry.proof_len(&item.groups);
        let mut proof = Vec::with_capacity(len);
        while proof.len() < len {
            self.more(request).await?;
            let mut taken = 0;
            for chunk in self.reader.chunks() {
                let part = &chunk[..chunk.len().min(len - proof.len())];
                proof.extend_from_slice(part);
                taken += part.len();
            }
            self.took(request, taken).await;
        }
        tree::check(&item.hash, geometry, item.groups.clone(), &proof).map_err(|error| {
            let piece = item.pieces.start;
            let what = format!("sent a wrong proof (piece {piece}): {error}");
            Stop::Liar(Failure::BadProof { piece }, request, what)
        })
    }

    /// Waits for bytes; a peer that says nothing for a while is named.
    async fn more(&mut self, request: RequestId) -> Result<(), Stop> {
        let step = match self.ctx.down.rate() {
            None => usize::MAX,
            Some(rate) if rate < 4_000_000 => SLOW_STEP,
            Some(_) => LIMITED_STEP,
        };
        let filled = if self.noted {
            self.reader.fill(step).await
        } else {
            match tokio::time::timeout(SILENCE, self.reader.fill(step)).await {
                Ok(filled) => filled,
                Err(_) => {
                    self.received(request).await;
                    let what = "stopped in the middle of a reply".to_owned();
                    self.ctx.book.note(self.peer, what);
                    self.noted = true;
                    self.reader.fill(step).await
                }
            }
        };
        if filled.unwrap_or(false) {
            Ok(())
        } else {
            Err(Stop::CutShort)
        }
    }

    /// Passes over bytes that were taken, in step with the limit.
    async fn took(&mut self, request: RequestId, bytes: usize) {
        self.reader.consume(bytes);
        self.tally.delivered(bytes);
        self.ctx.gate.received_from(self.peer, bytes as u64);
        if self.ctx.down.rate().is_some() {
            let before = Instant::now();
            self.ctx.down.take(bytes).await;
            self.own_delay += before.elapsed();
        }
        self.unreported += bytes as u64;
        if self.reported_at.elapsed() >= REPORT_EVERY {
            self.received(request).await;
        }
    }

    async fn received(&mut self, request: RequestId) {
        let bytes = std::mem::take(&mut self.unreported);
        self.reported_at = Instant::now();
        if bytes > 0 {
            self.report
                .tell(SourceNews::Received { request, bytes })
                .await;
        }
    }
}

fn sink_failed(job: &Job, error: crate::source::SinkError) -> Stop {
    job.fail(error);
    Stop::Sink
}

/// The pieces of an item that are whole once the groups before `end` are there.
fn pieces_ending_by(job: &Job, item: &FetchItem, next: &mut u32, end: u64) -> Range<u32> {
    let first = *next;
    while *next < item.pieces.end && job.layout.piece(*next).groups.end <= end {
        *next += 1;
    }
    first..*next
}

/// Tells the sink of pieces that are whole.
fn complete(job: &Job, pieces: Range<u32>) -> Result<(), Problem> {
    if pieces.is_empty() {
        return Ok(());
    }
    let pieces: Vec<u32> = pieces.collect();
    job.sink.complete(&pieces).map_err(Problem::Sink)
}

fn stopped(problem: Problem, request: RequestId, job: &Job, item: &FetchItem) -> Stop {
    match problem {
        Problem::Wrong(group) => {
            let piece = (item.pieces.clone())
                .find(|piece| job.layout.piece(*piece).groups.contains(&group))
                .unwrap_or(item.pieces.start);
            let what = format!("sent wrong bytes (piece {piece})");
            Stop::Liar(Failure::BadData { piece }, request, what)
        }
        Problem::Sink(error) => sink_failed(job, error),
    }
}

//! Replies on a bulk lane: header, proof, raw bytes. Each group is verified before it is kept.

use super::lane::{InFlight, LaneEnd};
use crate::context::Context;
use crate::source::{FetchItem, Job, Reporter, SourceNews};
use potluck_content::GROUP_BYTES;
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
use tokio::task::block_in_place;

/// Bytes read before they are verified together, when no limit asks for smaller steps.
const CHUNK: usize = 256 * 1024;
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
    report: Reporter,
    buffer: Vec<u8>,
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
        in_flight: Arc<InFlight>,
        report: Reporter,
    ) -> Self {
        Self {
            ctx,
            peer,
            reader,
            in_flight,
            report,
            buffer: Vec::new(),
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
        let geometry = Geometry::new(item.size);
        self.own_delay = Duration::ZERO;
        let verified = self.read_proof(request, geometry, item).await?;
        block_in_place(|| job.sink.write_parents(item.blob, verified.parents()))
            .map_err(|error| sink_failed(job, error))?;
        let mut next_piece = item.pieces.start;
        let mut group = item.groups.start;
        while group < item.groups.end {
            let end = (group + self.groups_a_chunk()).min(item.groups.end);
            let len = usize::try_from(geometry.span_len(group..end)).unwrap_or(usize::MAX);
            self.fill(request, len).await?;
            let pieces = pieces_ending_by(job, item, &mut next_piece, end);
            let data = &self.buffer[..len];
            block_in_place(|| keep(job, item, &verified, group, data, pieces.clone()))
                .map_err(|problem| problem.stop(request, job, &pieces, item))?;
            let report = self.report.clone();
            self.idle &= pieces.is_empty();
            for piece in pieces {
                report.tell(SourceNews::Piece { request, piece }).await;
            }
            self.ctx.gate.received_from(self.peer, len as u64);
            group = end;
        }
        if std::mem::take(&mut self.noted) {
            self.ctx.book.clear_note(&self.peer);
        }
        Ok(())
    }

    async fn read_proof(
        &mut self,
        request: RequestId,
        geometry: Geometry,
        item: &FetchItem,
    ) -> Result<VerifiedSpan, Stop> {
        let len = geometry.proof_len(&item.groups);
        self.fill(request, len).await?;
        let proof = &self.buffer[..len];
        tree::check(&item.hash, geometry, item.groups.clone(), proof).map_err(|error| {
            let piece = item.pieces.start;
            let what = format!("sent a wrong proof (piece {piece}): {error}");
            Stop::Liar(Failure::BadProof { piece }, request, what)
        })
    }

    /// A chunk is a few groups: enough to be worth a call, few enough that a slow link shows life.
    fn groups_a_chunk(&self) -> u64 {
        let slow = self.ctx.down.rate().is_some_and(|rate| rate < 4_000_000);
        if slow { 1 } else { CHUNK as u64 / GROUP_BYTES }
    }

    /// Reads `len` bytes, telling the engine as they come.
    async fn fill(&mut self, request: RequestId, len: usize) -> Result<(), Stop> {
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        let mut filled = 0;
        while filled < len {
            let n = self.read(filled..len).await.unwrap_or(0);
            if n == 0 {
                return Err(Stop::CutShort);
            }
            filled += n;
            if self.ctx.down.rate().is_some() {
                let before = Instant::now();
                self.ctx.down.take(n).await;
                self.own_delay += before.elapsed();
            }
            self.unreported += n as u64;
            if self.reported_at.elapsed() >= REPORT_EVERY {
                self.received(request).await;
            }
        }
        self.received(request).await;
        Ok(())
    }

    /// Reads into a part of the buffer; a peer that says nothing for a while is named.
    async fn read(&mut self, part: Range<usize>) -> io::Result<usize> {
        let part = &mut self.buffer[part];
        if self.noted {
            return self.reader.read(part).await;
        }
        if let Ok(read) = tokio::time::timeout(SILENCE, self.reader.read(part)).await {
            return read;
        }
        let what = "stopped in the middle of a reply".to_owned();
        self.ctx.book.note(self.peer, what);
        self.noted = true;
        self.reader.read(part).await
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

enum Problem {
    Wrong(u64),
    Sink(crate::source::SinkError),
}

impl Problem {
    fn stop(self, request: RequestId, job: &Job, pieces: &Range<u32>, item: &FetchItem) -> Stop {
        match self {
            Self::Wrong(group) => {
                let piece = (item.pieces.clone())
                    .find(|piece| job.layout.piece(*piece).groups.contains(&group))
                    .unwrap_or(pieces.start);
                let what = format!("sent wrong bytes (piece {piece})");
                Stop::Liar(Failure::BadData { piece }, request, what)
            }
            Self::Sink(error) => sink_failed(job, error),
        }
    }
}

/// Verifies a chunk and hands it to the sink.
fn keep(
    job: &Job,
    item: &FetchItem,
    verified: &VerifiedSpan,
    group: u64,
    data: &[u8],
    pieces: Range<u32>,
) -> Result<(), Problem> {
    verified
        .check_groups(group, data)
        .map_err(|wrong| Problem::Wrong(wrong.group))?;
    job.sink
        .write(item.blob, group, data)
        .map_err(Problem::Sink)?;
    if !pieces.is_empty() {
        let pieces: Vec<u32> = pieces.collect();
        job.sink.complete(&pieces).map_err(Problem::Sink)?;
    }
    Ok(())
}

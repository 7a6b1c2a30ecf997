//! Spreads the engine's requests over the lanes with one peer.
//!
//! A lane is dialed while the peer is still asked what it has. Where it is not there in time for the
//! first request, that one goes out at once, on a stream of the connection that is there anyway, and
//! the following wait for the lane a moment. A second one is opened where the first is so fast that
//! decrypting and verifying keeps a core busy, or the way so long that each lost packet holds up what
//! follows for a while.

use super::lane::{Lane, LaneEnd};
use crate::context::Context;
use crate::source::{CloseReason, FetchItem, Job, Reporter, SourceCommand, SourceNews};
use futures::future::{OptionFuture, select_all};
use potluck_identity::PeerId;
use potluck_net::{Channel, Pipe};
use potluck_transfer::{Failure, RequestId};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Lanes of their own with one peer.
const MAX_DEDICATED: usize = 2;
/// One more lane is worth it when those there are deliver this much, this fast.
const MORE_AFTER_BYTES: u64 = 4 * 1024 * 1024;
const MORE_ABOVE_BYTES_PER_SECOND: u64 = 100 * 1024 * 1024;

/// On a long way it is worth it for less: what is lost on one holds up only its own share.
const FAR_AFTER_BYTES: u64 = 512 * 1024;
const FAR_ABOVE_BYTES_PER_SECOND: u64 = 512 * 1024;

/// For how long requests wait for a lane that is being opened.
const HOLD: Duration = Duration::from_millis(500);

/// Lanes that may end in the middle of a reply, one after the other and without a whole piece,
/// before the peer is no longer believed to mean well. Each but the first was opened on a
/// connection that lives.
const MAX_CUT_SHORT: u32 = 3;

/// Passes the engine's commands to lanes until the source ends.
pub(super) async fn feed(
    ctx: &Arc<Context>,
    peer: PeerId,
    commands: &mut mpsc::Receiver<SourceCommand>,
    report: &Reporter,
    first_lane: Dialing,
) -> CloseReason {
    let mut feeder = Feeder {
        ctx: Arc::clone(ctx),
        peer,
        report: report.clone(),
        lanes: Vec::new(),
        dialing: Some(first_lane),
        held: Held::default(),
        cut_short: 0,
    };
    loop {
        let gone = tokio::select! {
            command = commands.recv() => match command {
                Some(command) => feeder.obey(command).await,
                // The engine is gone, and this task with it.
                None => Some(CloseReason::Lost("stopped".to_owned())),
            },
            (index, end) = any_end(&mut feeder.lanes) => feeder.ended(index, end).await,
            Some(dialed) = OptionFuture::from(feeder.dialing.as_mut().map(Dialing::done)) => {
                feeder.dialing = None;
                feeder.dialed(dialed).await;
                None
            }
            () = feeder.held.long_enough() => {
                feeder.let_go().await;
                None
            }
        };
        if let Some(reason) = gone {
            return reason;
        }
    }
}

/// The first lane that ends, by its place.
async fn any_end(lanes: &mut [Lane]) -> (usize, LaneEnd) {
    if lanes.is_empty() {
        return std::future::pending().await;
    }
    let ends = lanes.iter_mut().map(|lane| Box::pin(lane.ended()));
    let (end, index, _) = select_all(ends).await;
    (index, end)
}

struct Feeder {
    ctx: Arc<Context>,
    peer: PeerId,
    report: Reporter,
    lanes: Vec<Lane>,
    dialing: Option<Dialing>,
    held: Held,
    cut_short: u32,
}

/// A lane that is being opened. Dropping it gives that up.
pub(super) struct Dialing(JoinHandle<Option<Pipe>>);

impl Dialing {
    pub(super) fn start(ctx: &Context, peer: PeerId) -> Self {
        let net = ctx.net.clone();
        Self(tokio::spawn(async move { net.open_lane(peer).await }))
    }

    /// The lane, if there is a way for one.
    async fn done(&mut self) -> Option<Pipe> {
        (&mut self.0).await.ok().flatten()
    }
}

impl Drop for Dialing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request on its way to a lane.
struct Asked {
    job: Arc<Job>,
    request: RequestId,
    items: Vec<FetchItem>,
}

/// Requests that wait for a lane of their own, as a stream would take them at the pace of a
/// connection that has yet to find its rate.
#[derive(Default)]
struct Held {
    asked: Vec<Asked>,
    /// When the first began to wait for the lane that is being opened.
    since: Option<Instant>,
}

impl Held {
    fn hold(&mut self, asked: Asked) {
        self.since.get_or_insert_with(Instant::now);
        self.asked.push(asked);
    }

    /// Takes all of them out.
    fn release(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.asked)
    }

    /// Returns when no lane came in time for those that wait.
    async fn long_enough(&self) {
        match self.since {
            Some(since) if !self.asked.is_empty() => {
                tokio::time::sleep_until((since + HOLD).into()).await;
            }
            _ => std::future::pending().await,
        }
    }
}

impl Feeder {
    async fn obey(&mut self, command: SourceCommand) -> Option<CloseReason> {
        match command {
            SourceCommand::Fetch {
                job,
                request,
                items,
            } => {
                self.fetch(Asked {
                    job,
                    request,
                    items,
                })
                .await
            }
            SourceCommand::Cancel { request } => {
                let held = self.held.asked.len();
                self.held.asked.retain(|asked| asked.request != request);
                if self.held.asked.len() < held {
                    let failure = Failure::Cancelled;
                    self.report
                        .tell(SourceNews::Failed { request, failure })
                        .await;
                } else if let Some(lane) = self.lanes.iter().find(|lane| lane.awaits(request)) {
                    lane.cancel(request).await;
                }
                None
            }
        }
    }

    async fn fetch(&mut self, asked: Asked) -> Option<CloseReason> {
        self.consider_dialing();
        if self.may_hold() {
            self.held.hold(asked);
            return None;
        }
        self.let_go().await;
        if self.lanes.is_empty() {
            match self.ctx.net.open(self.peer, Channel::Bulk).await {
                Ok(pipe) => self.start(pipe),
                Err(error) => {
                    let failure = Failure::Disconnected;
                    let request = asked.request;
                    self.report
                        .tell(SourceNews::Failed { request, failure })
                        .await;
                    return Some(CloseReason::Lost(error.to_string()));
                }
            }
        }
        self.send(asked).await;
        None
    }

    /// Whether a request should wait: a lane is coming, and a stream has something to deliver meanwhile.
    fn may_hold(&self) -> bool {
        let late = self.held.since.is_some_and(|since| since.elapsed() >= HOLD);
        let busy = |lane: &Lane| !lane.is_dedicated() && lane.awaited_bytes() > 0;
        self.dialing.is_some() && !late && !self.lanes.is_empty() && self.lanes.iter().all(busy)
    }

    /// Sends a request on the best lane there is.
    async fn send(&self, asked: Asked) {
        let Asked {
            job,
            request,
            items,
        } = asked;
        // A stream is only for as long as there is nothing better.
        let best = self
            .lanes
            .iter()
            .min_by_key(|lane| (!lane.is_dedicated(), lane.awaited_bytes()));
        if let Some(lane) = best {
            lane.fetch(job, request, items).await;
        } else {
            let failure = Failure::Disconnected;
            self.report
                .tell(SourceNews::Failed { request, failure })
                .await;
        }
    }

    /// Sends what waited for a lane.
    async fn let_go(&mut self) {
        for asked in self.held.release() {
            self.send(asked).await;
        }
    }

    fn start(&mut self, pipe: Pipe) {
        let lane = Lane::start(&self.ctx, pipe, self.report.clone());
        self.lanes.push(lane);
    }

    fn consider_dialing(&mut self) {
        let dedicated = || self.lanes.iter().filter(|lane| lane.is_dedicated());
        let worth_it = dedicated().count() < MAX_DEDICATED
            && dedicated().all(|lane| {
                lane.delivers(MORE_AFTER_BYTES, MORE_ABOVE_BYTES_PER_SECOND)
                    || lane.is_far() && lane.delivers(FAR_AFTER_BYTES, FAR_ABOVE_BYTES_PER_SECOND)
            });
        if worth_it && self.dialing.is_none() {
            self.dialing = Some(Dialing::start(&self.ctx, self.peer));
        }
    }

    async fn dialed(&mut self, pipe: Option<Pipe>) {
        if let Some(pipe) = pipe {
            tracing::debug!(peer = %self.peer, "opened a lane");
            if let Some(round_trip) = pipe.round_trip {
                self.report.tell(SourceNews::RoundTrip(round_trip)).await;
            }
            self.start(pipe);
        }
        self.held.since = None;
        self.let_go().await;
    }

    /// A lane ended; says whether the source ends with it.
    async fn ended(&mut self, index: usize, end: LaneEnd) -> Option<CloseReason> {
        let lane = self.lanes.swap_remove(index);
        // One may have been asked of it after it told that all were lost.
        lane.lose_all().await;
        if lane.is_dedicated() && !lane.delivers(1, 0) {
            self.ctx.net.lane_failed(&self.peer);
        }
        let peer = self.peer;
        match end {
            LaneEnd::Liar(what) => Some(CloseReason::Liar(what)),
            LaneEnd::CutShort { idle } => {
                self.cut_short = if idle { self.cut_short + 1 } else { 1 };
                let times = self.cut_short;
                tracing::debug!(%peer, times, "a reply was cut short");
                (times >= MAX_CUT_SHORT)
                    .then(|| CloseReason::Liar(format!("cut replies short {times} times in a row")))
            }
            LaneEnd::Broken(why) => {
                tracing::debug!(%peer, %why, "a lane broke");
                None
            }
        }
    }
}

/// What a lane has delivered, and since when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivered {
    pub(super) bytes: u64,
    pub(super) busy: Duration,
}

impl Delivered {
    /// Whether it is at least so much, and so fast.
    pub(super) fn is_at_least(self, bytes: u64, bytes_per_second: u64) -> bool {
        let needed = u128::from(bytes_per_second) * self.busy.as_micros();
        self.bytes >= bytes && u128::from(self.bytes) * 1_000_000 >= needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_or_new_lane_asks_for_no_other() {
        let delivered = |bytes, millis| Delivered {
            bytes,
            busy: Duration::from_millis(millis),
        };
        assert!(delivered(50, 100).is_at_least(50, 500));
        assert!(!delivered(49, 100).is_at_least(50, 0));
        assert!(!delivered(50, 101).is_at_least(50, 500));
    }
}

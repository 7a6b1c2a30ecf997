//! Spreads the engine's requests over the lanes with one peer.
//!
//! The first request goes out at once, on a stream of the connection that is there anyway. Meanwhile
//! a lane of its own is opened, over which the following requests go. A second one is opened
//! where the first is so fast that decrypting and verifying keeps a core busy.

use super::lane::{Lane, LaneEnd};
use crate::context::Context;
use crate::source::{CloseReason, FetchItem, Job, Reporter, SourceCommand, SourceNews};
use futures::future::{OptionFuture, select_all};
use potluck_identity::PeerId;
use potluck_net::{Channel, Pipe};
use potluck_transfer::{Failure, RequestId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Lanes of their own with one peer.
const MAX_DEDICATED: usize = 2;
/// One more lane is worth it when those there are deliver this much, this fast.
const MORE_AFTER_BYTES: u64 = 4 * 1024 * 1024;
const MORE_ABOVE_BYTES_PER_SECOND: u64 = 100 * 1024 * 1024;

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
) -> CloseReason {
    let mut feeder = Feeder {
        ctx: Arc::clone(ctx),
        peer,
        report: report.clone(),
        lanes: Vec::new(),
        dialing: None,
        cut_short: 0,
    };
    loop {
        let gone = tokio::select! {
            command = commands.recv() => match command {
                Some(command) => feeder.obey(command).await,
                // The engine is gone, and this task with it.
                None => Some(CloseReason::Lost("stopped".to_owned())),
            },
            (index, end) = any_end(&mut feeder.lanes) => feeder.ended(index, end),
            Some(dialed) = OptionFuture::from(feeder.dialing.as_mut()) => {
                feeder.dialing = None;
                feeder.dialed(dialed.ok().flatten());
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
    dialing: Option<JoinHandle<Option<Pipe>>>,
    cut_short: u32,
}

impl Feeder {
    async fn obey(&mut self, command: SourceCommand) -> Option<CloseReason> {
        match command {
            SourceCommand::Fetch {
                job,
                request,
                items,
            } => self.fetch(job, request, items).await,
            SourceCommand::Cancel { request } => {
                if let Some(lane) = self.lanes.iter().find(|lane| lane.awaits(request)) {
                    lane.cancel(request).await;
                }
                None
            }
        }
    }

    async fn fetch(
        &mut self,
        job: Arc<Job>,
        request: RequestId,
        items: Vec<FetchItem>,
    ) -> Option<CloseReason> {
        self.consider_dialing();
        if self.lanes.is_empty() {
            match self.ctx.net.open(self.peer, Channel::Bulk).await {
                Ok(pipe) => self.start(pipe),
                Err(error) => {
                    let failure = Failure::Disconnected;
                    self.report
                        .tell(SourceNews::Failed { request, failure })
                        .await;
                    return Some(CloseReason::Lost(error.to_string()));
                }
            }
        }
        // A stream is only for as long as there is nothing better.
        let best = self
            .lanes
            .iter()
            .min_by_key(|lane| (!lane.is_dedicated(), lane.awaited_bytes()));
        if let Some(lane) = best {
            lane.fetch(job, request, items).await;
        }
        None
    }

    fn start(&mut self, pipe: Pipe) {
        let lane = Lane::start(&self.ctx, pipe, self.report.clone());
        self.lanes.push(lane);
    }

    fn consider_dialing(&mut self) {
        let dedicated = || self.lanes.iter().filter(|lane| lane.is_dedicated());
        let worth_it = dedicated().count() < MAX_DEDICATED
            && dedicated().all(|lane| lane.delivers(MORE_AFTER_BYTES, MORE_ABOVE_BYTES_PER_SECOND));
        if worth_it && self.dialing.is_none() {
            let (net, peer) = (self.ctx.net.clone(), self.peer);
            self.dialing = Some(tokio::spawn(async move { net.open_lane(peer).await }));
        }
    }

    fn dialed(&mut self, pipe: Option<Pipe>) {
        if let Some(pipe) = pipe {
            tracing::debug!(peer = %self.peer, "opened a lane");
            self.start(pipe);
        }
    }

    /// A lane ended; says whether the source ends with it.
    fn ended(&mut self, index: usize, end: LaneEnd) -> Option<CloseReason> {
        let lane = self.lanes.swap_remove(index);
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

impl Drop for Feeder {
    fn drop(&mut self) {
        if let Some(dialing) = &self.dialing {
            dialing.abort();
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

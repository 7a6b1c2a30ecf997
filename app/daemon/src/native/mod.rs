//! A Potluck peer as a source: a control stream that says what it has, and a bulk lane that
//! delivers it with proofs.

mod control;
mod lane;
mod receive;

use crate::context::Context;
use crate::source::{CloseReason, Reporter, SourceCommand, SourceNews};
use lane::{Lane, LaneEnd};
use potluck_content::Address;
use potluck_identity::PeerId;
use potluck_net::Channel;
use potluck_transfer::Failure;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Commands that may wait for a source. The planner keeps at most 64 requests in flight to one.
pub(crate) const COMMAND_QUEUE: usize = 256;

/// Lanes that may end in the middle of a reply, one after the other and without a whole piece,
/// before the peer is no longer believed to mean well. Each but the first was opened on a
/// connection that lives.
const MAX_CUT_SHORT: u32 = 3;

/// Runs one source until it or the engine ends, and reports why.
pub(crate) async fn run(
    ctx: Arc<Context>,
    root: Address,
    peer: PeerId,
    serving: bool,
    mut commands: mpsc::Receiver<SourceCommand>,
    report: Reporter,
) {
    let reason = match control::open(&ctx, root, peer, serving, &report).await {
        Ok(session) => {
            tokio::select! {
                reason = session.listen(&report) => reason,
                reason = feed(&ctx, peer, &mut commands, &report) => reason,
            }
        }
        Err(reason) => reason,
    };
    report.tell(SourceNews::Closed(reason)).await;
}

/// Passes the engine's commands to a bulk lane, opening it when it is first needed and again when
/// it broke.
async fn feed(
    ctx: &Arc<Context>,
    peer: PeerId,
    commands: &mut mpsc::Receiver<SourceCommand>,
    report: &Reporter,
) -> CloseReason {
    let mut lane: Option<Lane> = None;
    let mut cut_short = 0;
    loop {
        let command = match &mut lane {
            None => commands.recv().await,
            Some(open) => tokio::select! {
                command = commands.recv() => command,
                end = open.ended() => {
                    lane = None;
                    match end {
                        LaneEnd::Liar(what) => return CloseReason::Liar(what),
                        LaneEnd::CutShort { idle } => {
                            cut_short = if idle { cut_short + 1 } else { 1 };
                            tracing::debug!(%peer, cut_short, "a reply was cut short");
                            if cut_short >= MAX_CUT_SHORT {
                                let what = format!("cut replies short {cut_short} times in a row");
                                return CloseReason::Liar(what);
                            }
                            continue;
                        }
                        LaneEnd::Broken(why) => {
                            tracing::debug!(%peer, %why, "a lane broke");
                            continue;
                        }
                    }
                }
            },
        };
        let Some(command) = command else {
            return CloseReason::Lost("no longer needed".to_owned());
        };
        match command {
            SourceCommand::Fetch {
                job,
                request,
                items,
            } => {
                if lane.is_none() {
                    match ctx.net.open(peer, Channel::Bulk).await {
                        Ok(pipe) => lane = Some(Lane::start(ctx, pipe, report.clone())),
                        Err(error) => {
                            let failure = Failure::Disconnected;
                            report.tell(SourceNews::Failed { request, failure }).await;
                            return CloseReason::Lost(error.to_string());
                        }
                    }
                }
                if let Some(open) = &lane {
                    open.fetch(job, request, items).await;
                }
            }
            SourceCommand::Cancel { request } => {
                if let Some(open) = &lane {
                    open.cancel(request).await;
                }
            }
        }
    }
}

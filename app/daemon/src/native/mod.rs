//! A Potluck peer as a source: a control stream that says what it has, and bulk lanes that deliver
//! it with proofs.

mod control;
mod feed;
mod lane;
mod receive;
mod take;

use crate::context::Context;
use crate::source::{Reporter, SourceCommand, SourceNews};
use potluck_content::Address;
use potluck_identity::PeerId;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Commands that may wait for a source. The planner keeps at most 64 requests in flight to one.
pub(crate) const COMMAND_QUEUE: usize = 256;

/// Runs one source until it or the engine ends, and reports why.
pub(crate) async fn run(
    ctx: Arc<Context>,
    root: Address,
    peer: PeerId,
    serving: bool,
    mut commands: mpsc::Receiver<SourceCommand>,
    report: Reporter,
) {
    let first_lane = feed::Dialing::start(&ctx, peer);
    let reason = match control::open(&ctx, root, peer, serving, &report).await {
        Ok(session) => {
            tokio::select! {
                reason = session.listen(&report) => reason,
                reason = feed::feed(&ctx, peer, &mut commands, &report, first_lane) => reason,
            }
        }
        Err(reason) => reason,
    };
    report.tell(SourceNews::Closed(reason)).await;
}

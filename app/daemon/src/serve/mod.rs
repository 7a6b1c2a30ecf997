//! What this node does for others: it tells who asks what it has, and delivers it with proofs.

mod bulk;
mod control;
mod line;

use crate::context::Context;
use potluck_net::{Channel, Pipe};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Streams of either kind that one peer may have open at once: a control stream for each root, and
/// a lane or two for each.
const MAX_PIPES_PER_PEER: u32 = 64;

/// Serves incoming pipes until the node shuts down.
pub(crate) async fn run(ctx: Arc<Context>, mut incoming: mpsc::Receiver<Pipe>) {
    let mut tasks = JoinSet::new();
    let mut open: BTreeMap<potluck_identity::PeerId, u32> = BTreeMap::new();
    loop {
        tokio::select! {
            () = ctx.shutdown.cancelled() => break,
            Some(ended) = tasks.join_next() => {
                if let Ok(peer) = ended && let Some(count) = open.get_mut(&peer) {
                    *count -= 1;
                    if *count == 0 {
                        open.remove(&peer);
                    }
                }
            }
            pipe = incoming.recv() => {
                let Some(pipe) = pipe else { break };
                let peer = pipe.peer;
                let count = open.entry(peer).or_insert(0);
                if *count >= MAX_PIPES_PER_PEER || ctx.book.banned(&peer).is_some() {
                    continue;
                }
                *count += 1;
                let ctx = Arc::clone(&ctx);
                tasks.spawn(async move {
                    match pipe.channel {
                        Channel::Swarm => control::serve(&ctx, pipe).await,
                        Channel::Bulk => bulk::serve(&ctx, pipe).await,
                    }
                    peer
                });
            }
        }
    }
}

//! Potluck peers as sources of a torrent: they have one of its files under its own address.
//!
//! What they send is verified by that address first, and then under the torrent like a block of any other
//! peer.

mod blocks;
mod lender;

use super::content::Content;
use super::swarm::Request;
use crate::context::Context;
use crate::download::{Candidate, Finder, Peers, Verdict, When};
use crate::source::CloseReason;
use lender::Lender;
use potluck_content::Link;
use potluck_identity::PeerId;
use potluck_net::Multiaddr;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Peers that are asked at a time.
const MAX_LENDERS: usize = 32;
/// Peers that others named and that wait to be looked at.
const INTRODUCED: usize = 64;

/// What is looked for, and for which torrent.
pub(super) struct NativeSearch {
    pub(super) ctx: Arc<Context>,
    pub(super) link: Link,
    pub(super) content: Arc<Content>,
    /// To the torrent's swarm.
    pub(super) requests: mpsc::Sender<Request>,
    /// The torrent needs nothing more.
    pub(super) ended: CancellationToken,
}

/// Peers with their addresses, as another one named them.
type Introduction = (PeerId, Vec<Multiaddr>);

/// Looks for peers that have the link's content, and has them lend to the torrent.
pub(super) async fn search(search: NativeSearch) {
    let NativeSearch {
        ctx,
        link,
        content,
        requests,
        ended,
    } = search;
    let mut finder = Finder::start(&ctx, &link);
    let mut peers = Peers::default();
    let mut active = BTreeSet::new();
    let mut lenders: JoinSet<(PeerId, CloseReason)> = JoinSet::new();
    let (introduce, mut introduced) = mpsc::channel::<Introduction>(INTRODUCED);
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            Some(Candidate { peer, why }) = finder.candidates.recv() => {
                let is_unwanted = peer == ctx.net.peer_id()
                    || active.len() >= MAX_LENDERS
                    || active.contains(&peer)
                    || ctx.book.banned(&peer).is_some();
                match peers.when(&peer, why, Instant::now()) {
                    _ if is_unwanted => continue,
                    When::Now => {}
                    When::After(pause) => {
                        finder.introduce_later(peer, pause);
                        continue;
                    }
                    When::Later => continue,
                }
                active.insert(peer);
                let lender = Lender {
                    ctx: Arc::clone(&ctx),
                    peer,
                    root: link.address,
                    content: Arc::clone(&content),
                    requests: requests.clone(),
                    introduce: introduce.clone(),
                };
                lenders.spawn(async move { (peer, lender.run().await) });
            }
            Some((peer, addresses)) = introduced.recv() => finder.introduce(peer, addresses),
            Some(Ok((peer, reason))) = lenders.join_next() => {
                active.remove(&peer);
                match peers.closed(&peer, &reason, Instant::now()) {
                    Verdict::Ban(what) => ctx.ban(peer, what),
                    Verdict::RetryIn(pause) => finder.introduce_later(peer, pause),
                    Verdict::Leave => {}
                }
            }
        }
    }
}

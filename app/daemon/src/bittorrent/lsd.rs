//! Peers on the local network (BEP 14): one listener for all torrents, from the first one on that may
//! be asked for there.

use super::addresses::From;
use super::swarm::Request;
use super::{Torrents, lock};
use crate::context::Context;
use potluck_bittorrent_net::lsd::{LocalPeer, Lsd, LsdOptions};
use std::sync::Arc;
use tokio::sync::mpsc;

impl Torrents {
    /// The listener, unless the owner wants none or there can be none.
    pub(super) fn lsd(&self, ctx: &Arc<Context>) -> Option<Arc<Lsd>> {
        if !self.settings().lsd {
            return None;
        }
        // Who can't be connected to has nothing to announce.
        let port = self.port()?;
        let mut running = lock(&self.lsd);
        if let Some(lsd) = running.as_ref() {
            return Some(Arc::clone(lsd));
        }
        match Lsd::start(LsdOptions::new(port)) {
            Ok((lsd, peers)) => {
                tokio::spawn(run(Arc::clone(ctx), peers));
                Some(Arc::clone(running.insert(Arc::new(lsd))))
            }
            Err(error) => {
                tracing::warn!(%error, "no torrents are announced on the local network");
                None
            }
        }
    }

    /// Announces nothing any more, once the last torrent that is announced has ended.
    pub(super) fn end_lsd(&self) {
        lock(&self.lsd).take();
    }
}

/// Tells each torrent of its peers.
async fn run(ctx: Arc<Context>, mut peers: mpsc::Receiver<LocalPeer>) {
    loop {
        let peer = tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            peer = peers.recv() => peer,
        };
        let Some((name, address)) = peer else { return };
        let Some(swarm) = ctx.torrents.find(&name) else {
            continue;
        };
        // One that takes no more must not keep peers from the others: they come again.
        let request = Request::Addresses(vec![address], From::Lsd);
        if swarm.requests.try_send(request).is_err() {
            tracing::debug!(%name, %address, "a peer on the local network is forgotten");
        }
    }
}

//! Peers on the local network: asked for while this is kept. They come to the swarm as requests
//! ([`Request::Addresses`](super::super::Request::Addresses)), from the one listener of the node.

use super::super::super::names;
use crate::context::Context;
use potluck_bittorrent::{InfoHashV1, InfoHashes};
use potluck_bittorrent_net::lsd::Lsd;
use std::sync::Arc;

/// See the module.
pub(super) struct Neighbours {
    lsd: Arc<Lsd>,
    names: Vec<InfoHashV1>,
}

impl Neighbours {
    /// Announces a torrent that is not private. None when the owner wants that not, or it can't be.
    pub(super) fn of(ctx: &Arc<Context>, hashes: &InfoHashes) -> Option<Self> {
        let lsd = ctx.torrents.lsd(ctx)?;
        let names: Vec<InfoHashV1> = names(hashes).collect();
        for name in &names {
            if !lsd.add(*name) {
                tracing::debug!(%name, "too many torrents to announce on the local network");
            }
        }
        Some(Self { lsd, names })
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        for name in &self.names {
            self.lsd.remove(*name);
        }
    }
}

//! How fast bytes of one torrent may pass: within its own limit, and within the node's.

use crate::context::Context;
use potluck_bittorrent::choke::ChokeConfig;
use potluck_net::Limiter;
use potluck_store::records::TorrentOwnerRecord;

/// Peers that are served at a time when the owner set no limit.
const UNLIMITED_SLOTS: u32 = 8;

/// What may pass in one direction.
#[derive(Clone)]
pub(super) struct Allowance {
    own: Limiter,
    node: Limiter,
}

impl Allowance {
    fn within(node: &Limiter) -> Self {
        Self {
            own: Limiter::new(None),
            node: node.clone(),
        }
    }

    /// Bytes a second that may pass, if that is limited.
    fn rate(&self) -> Option<u64> {
        let limits = [self.own.rate(), self.node.rate()];
        limits.into_iter().flatten().min()
    }

    /// Whether bytes may have to wait.
    pub(super) fn is_limited(&self) -> bool {
        self.rate().is_some()
    }

    /// Waits until `bytes` may pass. The torrent's own limit comes first, so that whoever is slow
    /// holds up no other torrent of the node.
    pub(super) async fn take(&self, bytes: usize) {
        self.own.take(bytes).await;
        self.node.take(bytes).await;
    }
}

/// Both directions. Clones share the limits, which may change while they are used.
#[derive(Clone)]
pub(super) struct Allowances {
    pub(super) up: Allowance,
    pub(super) down: Allowance,
}

impl Allowances {
    /// The node's limits, and no others yet.
    pub(super) fn new(ctx: &Context) -> Self {
        Self {
            up: Allowance::within(&ctx.up),
            down: Allowance::within(&ctx.down),
        }
    }

    /// Puts the owner's limits for the torrent in force.
    pub(super) fn set(&self, owner: &TorrentOwnerRecord) {
        self.up.own.set(owner.up_rate);
        self.down.own.set(owner.down_rate);
    }

    /// How many peers are served at a time: by the narrower limit, if there is one.
    pub(super) fn choking(&self) -> ChokeConfig {
        match self.up.rate() {
            Some(rate) => ChokeConfig::for_upload(rate),
            None => ChokeConfig {
                slots: UNLIMITED_SLOTS,
                ..ChokeConfig::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn the_narrower_limit_holds_and_changes_reach_those_who_wait() {
        let node = Limiter::new(None);
        let allowance = Allowance::within(&node);
        assert!(!allowance.is_limited());
        allowance.own.set(Some(100_000));
        assert_eq!(allowance.rate(), Some(100_000));
        let begun = Instant::now();
        allowance.take(50_000).await;
        assert!(begun.elapsed() >= Duration::from_millis(300), "its own");
        allowance.own.set(None);
        node.set(Some(100_000));
        let begun = Instant::now();
        allowance.take(50_000).await;
        assert!(begun.elapsed() >= Duration::from_millis(300), "the node's");
        node.set(Some(1024));
        let waiting = tokio::spawn({
            let allowance = allowance.clone();
            async move { allowance.take(10_000_000).await }
        });
        tokio::task::yield_now().await;
        node.set(None);
        let done = tokio::time::timeout(Duration::from_secs(5), waiting);
        done.await.unwrap().unwrap();
    }
}

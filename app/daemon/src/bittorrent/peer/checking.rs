//! Pieces that a connection made full, while they are checked elsewhere.

use super::super::check::Check;
use super::super::news::{News, PeerNews};
use crate::context::Context;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::mpsc;

/// See the module.
pub(super) struct Checking {
    news: mpsc::Sender<PeerNews>,
    told: mpsc::Sender<u32>,
    /// How many pieces of each order.
    orders: BTreeMap<u32, u32>,
    /// Orders for pieces that are being checked for other connections, by piece.
    behind: BTreeMap<u32, BTreeSet<u32>>,
}

impl Checking {
    /// The swarm is told through `news`, the connection through `told`.
    pub(super) fn new(news: mpsc::Sender<PeerNews>, told: mpsc::Sender<u32>) -> Self {
        Self {
            news,
            told,
            orders: BTreeMap::new(),
            behind: BTreeMap::new(),
        }
    }

    /// Has a piece checked by another thread, or checks it here; gives what the swarm has to be told.
    pub(super) fn check(&mut self, ctx: &Context, check: Check) -> Option<News> {
        let news = self.news.clone();
        self.check_for(ctx, check, &news)
    }

    /// As [`Self::check`], of a piece of another torrent, whose swarm is told.
    pub(super) fn check_for(
        &mut self,
        ctx: &Context,
        check: Check,
        news: &mpsc::Sender<PeerNews>,
    ) -> Option<News> {
        let Some(place) = ctx.torrents.checks.begin() else {
            return check.run_here(news);
        };
        *self.orders.entry(check.told_as).or_default() += 1;
        check.spawn(place, news.clone(), self.told.clone());
        None
    }

    /// A piece of an order was checked elsewhere.
    pub(super) fn checked(&mut self, order: u32) {
        if let Some(count) = self.orders.get_mut(&order) {
            *count -= 1;
            if *count == 0 {
                self.orders.remove(&order);
            }
        }
    }

    /// A piece of an order is being checked for another connection.
    pub(super) fn wait_for(&mut self, piece: u32, order: u32) {
        self.behind.entry(piece).or_default().insert(order);
    }

    /// It is known whether a piece is right. Gives the orders that waited for that.
    pub(super) fn settled(&mut self, piece: u32) -> BTreeSet<u32> {
        self.behind.remove(&piece).unwrap_or_default()
    }

    /// Whether pieces of an order are being checked.
    pub(super) fn is_checking(&self, order: u32) -> bool {
        self.orders.contains_key(&order)
            || self.behind.values().any(|orders| orders.contains(&order))
    }
}

//! What a peer is asked on behalf of other torrents that have the same files.

use super::super::loan::Loan;
use super::super::news::News;
use potluck_bittorrent::session::Session;
use potluck_bittorrent::wire::Block;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Orders of other torrents have numbers from here on, those of our own lower ones.
const FIRST: u32 = 1 << 31;

/// See the module.
#[derive(Default)]
pub(super) struct Lent {
    orders: BTreeMap<u32, LentOrder>,
    asked: u32,
    news: Vec<(Arc<Loan>, News)>,
}

struct LentOrder {
    loan: Arc<Loan>,
    /// Its number there.
    order: u32,
    /// What the borrower makes of what the peer is asked for.
    blocks: BTreeMap<Block, Block>,
}

impl Lent {
    /// Asks the peer for pieces of another torrent.
    pub(super) fn ask(
        &mut self,
        session: &mut Session,
        loan: &Arc<Loan>,
        order: u32,
        pieces: &[u32],
    ) {
        let number = FIRST | self.asked;
        self.asked = (self.asked + 1) % FIRST;
        let lent = pieces
            .iter()
            .flat_map(|piece| loan.overlap.lent_blocks(*piece));
        let mut blocks = BTreeMap::new();
        for block in lent {
            let (theirs, begin) = (block.theirs, u64::from(block.theirs.begin));
            session.ask_part(
                number,
                theirs.piece,
                begin..begin + u64::from(theirs.length),
            );
            blocks.insert(theirs, block.ours);
        }
        let lent = LentOrder {
            loan: Arc::clone(loan),
            order,
            blocks,
        };
        self.orders.insert(number, lent);
    }

    /// Gives up an order of another torrent, or all of them.
    pub(super) fn cancel(&mut self, session: &mut Session, loan: &Arc<Loan>, order: Option<u32>) {
        let of_it = |lent: &LentOrder| {
            Arc::ptr_eq(&lent.loan, loan) && order.is_none_or(|order| order == lent.order)
        };
        let given_up = self.orders.iter().filter(|(_, lent)| of_it(lent));
        let given_up: Vec<u32> = given_up.map(|(number, _)| *number).collect();
        for number in given_up {
            session.cancel(number);
            self.orders.remove(&number);
        }
    }

    /// The peer answers nothing now; what was asked is forgotten, and borrowers are told by the swarm.
    pub(super) fn choked(&mut self) {
        self.orders.clear();
    }

    /// Whether a block is still wanted. None when the order is one of our own.
    pub(super) fn is_missing(&self, order: u32, block: &Block) -> Option<bool> {
        if order < FIRST {
            return None;
        }
        let Some(lent) = self.orders.get(&order) else {
            return Some(false);
        };
        let ours = lent.blocks.get(block);
        let is_open = !lent.loan.ended.is_cancelled();
        Some(is_open && ours.is_some_and(|ours| lent.loan.content.is_missing(*ours)))
    }

    /// For whom a block is, and what it is there.
    pub(super) fn find(&self, order: u32, block: &Block) -> Option<(Arc<Loan>, u32, Block)> {
        let lent = self.orders.get(&order)?;
        let ours = lent.blocks.get(block)?;
        Some((Arc::clone(&lent.loan), lent.order, *ours))
    }

    /// Tells a borrower something.
    pub(super) fn tell(&mut self, loan: &Arc<Loan>, what: News) {
        self.news.push((Arc::clone(loan), what));
    }

    /// Bytes came for an order. Whether it is one of another torrent.
    pub(super) fn received(&mut self, order: u32, bytes: u64) -> bool {
        if let Some(lent) = self.orders.get(&order) {
            let what = News::Received {
                order: lent.order,
                bytes,
            };
            self.news.push((Arc::clone(&lent.loan), what));
        }
        order >= FIRST
    }

    /// All of an order came.
    pub(super) fn done(&mut self, order: u32) {
        if let Some(lent) = self.orders.remove(&order) {
            let what = News::Done { order: lent.order };
            self.news.push((lent.loan, what));
        }
    }

    /// The peer won't give something. Whether that was asked on behalf of another torrent.
    pub(super) fn refused(&mut self, session: &mut Session, order: u32) -> bool {
        if let Some(lent) = self.orders.remove(&order) {
            session.cancel(order);
            let what = News::Refused { order: lent.order };
            self.news.push((lent.loan, what));
        }
        order >= FIRST
    }

    pub(super) fn take_news(&mut self) -> Vec<(Arc<Loan>, News)> {
        std::mem::take(&mut self.news)
    }
}

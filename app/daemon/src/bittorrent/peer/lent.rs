//! What a peer is asked on behalf of other torrents that have the same files.

use super::super::loan::Loan;
use super::super::news::News;
use potluck_bittorrent::LentPart;
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
    parts: BTreeMap<Block, LentPart>,
    /// Blocks of which not all parts are here: what is, and how many bytes are missing.
    torn: BTreeMap<Block, (Vec<u8>, u32)>,
}

/// A block that is whole for a borrower.
pub(super) struct Whole {
    pub(super) loan: Arc<Loan>,
    /// Its number there.
    pub(super) order: u32,
    pub(super) block: Block,
    pub(super) data: Vec<u8>,
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
            .flat_map(|piece| loan.overlap.lent_parts(*piece));
        let mut parts = BTreeMap::new();
        for part in lent {
            let (theirs, begin) = (part.theirs, u64::from(part.theirs.begin));
            session.ask_part(
                number,
                theirs.piece,
                begin..begin + u64::from(theirs.length),
            );
            parts.insert(theirs, part);
        }
        let lent = LentOrder {
            loan: Arc::clone(loan),
            order,
            parts,
            torn: BTreeMap::new(),
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

    /// The peer answers nothing now, and what was asked is forgotten.
    pub(super) fn choked(&mut self) {
        for lent in std::mem::take(&mut self.orders).into_values() {
            let what = News::Refused { order: lent.order };
            self.news.push((lent.loan, what));
        }
    }

    /// Whether a block is still wanted. None when the order is one of our own.
    pub(super) fn is_missing(&self, order: u32, block: &Block) -> Option<bool> {
        if order < FIRST {
            return None;
        }
        let Some(lent) = self.orders.get(&order) else {
            return Some(false);
        };
        let part = lent.parts.get(block);
        let is_open = !lent.loan.ended.is_cancelled();
        Some(is_open && part.is_some_and(|part| lent.loan.content.is_missing(part.ours)))
    }

    /// Takes a block that came for an order. Gives what is whole with it; nothing when more is to come.
    pub(super) fn take(&mut self, order: u32, block: &Block, data: &[u8]) -> Option<Whole> {
        let lent = self.orders.get_mut(&order)?;
        let part = *lent.parts.get(block)?;
        let (at, length) = (part.at as usize, part.ours.length as usize);
        let (mut whole, missing) = lent.torn.remove(&part.ours).unwrap_or_else(|| {
            // What follows the parts is padding.
            (vec![0; length], part.whole)
        });
        if let Some(place) = whole.get_mut(at..at + data.len()) {
            place.copy_from_slice(data);
        }
        let missing = missing.saturating_sub(part.theirs.length);
        if missing > 0 {
            lent.torn.insert(part.ours, (whole, missing));
            return None;
        }
        Some(Whole {
            loan: Arc::clone(&lent.loan),
            order: lent.order,
            block: part.ours,
            data: whole,
        })
    }

    /// Whether an order is one of another torrent.
    pub(super) fn is_lent(order: u32) -> bool {
        order >= FIRST
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

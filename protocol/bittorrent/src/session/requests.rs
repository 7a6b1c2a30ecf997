//! What we ask of the peer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::time::Duration;

use super::{Session, Violation};
use crate::wire::{BLOCK_BYTES, Block, Message};

/// Most blocks that are asked of one peer at a time.
pub const MAX_OUTSTANDING: usize = 500;
/// Blocks that a peer takes requests for if it doesn't say: what most do.
const USUAL_OUTSTANDING: usize = 250;
/// Blocks that are asked for at least, so that the rate can be found out.
const MIN_DEPTH: usize = 16;
/// So much of the peer's work is asked for ahead.
const AHEAD: Duration = Duration::from_secs(3);
/// The rate is taken over so long.
const RATE_EVERY: Duration = Duration::from_millis(250);
/// Blocks given up that may still come, at most.
const MAX_LATE: usize = 4 * MAX_OUTSTANDING;
/// Blocks beyond those, before the peer is dropped.
const MAX_UNREQUESTED: u32 = 64;

/// What we ask of the peer.
#[derive(Debug)]
pub(super) struct Requests {
    queue: VecDeque<Task>,
    /// By what was asked for, the order that asked for it.
    pub(super) outstanding: BTreeMap<Block, u32>,
    /// Given up, and perhaps on the way.
    late: BTreeSet<Block>,
    unrequested: u32,
    peer_takes: usize,
    depth: usize,
    since: Duration,
    bytes: u64,
}

/// A piece to be asked for.
#[derive(Debug)]
struct Task {
    order: u32,
    piece: u32,
    next: u64,
    end: u64,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            outstanding: BTreeMap::new(),
            late: BTreeSet::new(),
            unrequested: 0,
            peer_takes: USUAL_OUTSTANDING,
            depth: MIN_DEPTH,
            since: Duration::ZERO,
            bytes: 0,
        }
    }
}

impl Requests {
    /// The peer says how many requests it keeps.
    pub(super) fn peer_takes(&mut self, count: Option<u32>) {
        if let Some(count) = count {
            let count = usize::try_from(count).unwrap_or(MAX_OUTSTANDING);
            self.peer_takes = count.clamp(2, MAX_OUTSTANDING);
        }
    }

    /// Nothing is asked any more.
    pub(super) fn drop_all(&mut self) {
        self.queue.clear();
        for block in std::mem::take(&mut self.outstanding).into_keys() {
            self.give_up(block);
        }
    }

    /// The peer won't give a block. Gives the order that asked for it, if any.
    pub(super) fn refused(&mut self, block: &Block) -> Option<u32> {
        self.late.remove(block);
        self.outstanding.remove(block)
    }

    fn give_up(&mut self, block: Block) {
        if self.late.len() >= MAX_LATE {
            self.late.pop_first();
        }
        self.late.insert(block);
    }

    fn limit(&self) -> usize {
        self.depth.min(self.peer_takes)
    }

    /// Takes the rate, and how much to ask for ahead from it.
    fn measure(&mut self, now: Duration, bytes: u32) {
        self.bytes += u64::from(bytes);
        let passed = now.saturating_sub(self.since);
        if passed < RATE_EVERY {
            return;
        }
        // A long silence is no rate.
        if passed < 4 * RATE_EVERY {
            let ahead = u128::from(self.bytes) * AHEAD.as_millis() / passed.as_millis().max(1);
            let blocks = usize::try_from(ahead / u128::from(BLOCK_BYTES)).unwrap_or(usize::MAX);
            // Down slowly: a pause of the network is not what the peer can do.
            let floor = self.depth - self.depth / 4;
            self.depth = blocks.max(floor).clamp(MIN_DEPTH, MAX_OUTSTANDING);
        }
        self.since = now;
        self.bytes = 0;
    }
}

impl Session {
    /// Puts a piece of so many bytes on the list of what is asked of the peer, for an order of the
    /// caller's.
    pub fn ask(&mut self, order: u32, piece: u32, bytes: u64) {
        self.ask_part(order, piece, 0..bytes);
    }

    /// As [`Self::ask`], of some bytes of a piece: blocks are cut from where these begin.
    pub fn ask_part(&mut self, order: u32, piece: u32, bytes: Range<u64>) {
        self.requests.queue.push_back(Task {
            order,
            piece,
            next: bytes.start,
            end: bytes.end,
        });
    }

    /// Gives an order up. What was asked for already may still come.
    pub fn cancel(&mut self, order: u32) {
        self.requests.queue.retain(|task| task.order != order);
        self.cancel_blocks(|_, of| of == order);
    }

    /// A piece is whole, however it came: nothing of it is asked for any more.
    pub fn piece_is_here(&mut self, piece: u32) {
        self.requests.queue.retain(|task| task.piece != piece);
        self.cancel_blocks(|block, _| block.piece == piece);
    }

    fn cancel_blocks(&mut self, which: impl Fn(&Block, u32) -> bool) {
        let outstanding = self.requests.outstanding.iter();
        let given_up = outstanding.filter(|(block, order)| which(block, **order));
        let given_up: Vec<Block> = given_up.map(|(block, _)| *block).collect();
        for block in given_up {
            self.requests.outstanding.remove(&block);
            self.requests.give_up(block);
            self.send(&Message::Cancel(block));
        }
    }

    /// Asks for blocks as many as the peer is good for. `missing` says whether a block is still
    /// wanted by an order.
    pub fn fill(&mut self, missing: &mut dyn FnMut(u32, Block) -> bool) {
        if self.they_choke {
            return;
        }
        while self.requests.outstanding.len() < self.requests.limit() {
            let Some(task) = self.requests.queue.front_mut() else {
                return;
            };
            let left = task.end.saturating_sub(task.next);
            let length = u32::try_from(left).map_or(BLOCK_BYTES, |left| left.min(BLOCK_BYTES));
            let (Ok(begin), true) = (u32::try_from(task.next), length > 0) else {
                self.requests.queue.pop_front();
                continue;
            };
            task.next += u64::from(length);
            let (order, piece) = (task.order, task.piece);
            let block = Block {
                piece,
                begin,
                length,
            };
            if self.requests.outstanding.contains_key(&block) || !missing(order, block) {
                continue;
            }
            self.requests.late.remove(&block);
            self.requests.outstanding.insert(block, order);
            self.send(&Message::Request(block));
        }
    }

    /// A block begins to come. Says whether its data is of any use: it was asked for, if only before.
    ///
    /// # Errors
    ///
    /// When the peer does so again and again without being asked.
    pub fn block_begins(&mut self, block: &Block) -> Result<bool, Violation> {
        let requests = &mut self.requests;
        if requests.outstanding.contains_key(block) || requests.late.contains(block) {
            return Ok(true);
        }
        requests.unrequested += 1;
        if requests.unrequested > MAX_UNREQUESTED {
            return Err(Violation::Unrequested);
        }
        Ok(false)
    }

    /// A block is whole. Gives the order that it was for, if it is still wanted.
    pub fn block_came(&mut self, now: Duration, block: &Block) -> Option<u32> {
        self.requests.late.remove(block);
        self.requests.measure(now, block.length);
        self.requests.outstanding.remove(block)
    }

    /// The order that asked for a block which is still wanted.
    #[must_use]
    pub fn order_of(&self, block: &Block) -> Option<u32> {
        self.requests.outstanding.get(block).copied()
    }

    /// Blocks that are asked for and not here.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.requests.outstanding.len()
    }

    /// Whether nothing is left to be asked for or to come.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.requests.outstanding.is_empty() && self.requests.queue.is_empty()
    }

    /// Whether nothing of an order is left to be asked for or to come.
    #[must_use]
    pub fn is_order_done(&self, order: u32) -> bool {
        let requests = &self.requests;
        requests.queue.iter().all(|task| task.order != order)
            && requests.outstanding.values().all(|of| *of != order)
    }
}

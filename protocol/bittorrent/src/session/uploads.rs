//! What the peer asks of us.

use std::collections::VecDeque;

use super::{Event, Session};
use crate::wire::{BLOCK_BYTES, Block, Message};

/// Most requests of one peer that wait for an answer; we say so in our handshake.
pub const MAX_QUEUED_UPLOADS: u32 = 500;

/// What the peer asks of us, in its order.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    queue: VecDeque<Block>,
}

impl Uploads {
    pub(super) fn cancel(&mut self, block: &Block) {
        self.queue.retain(|asked| asked != block);
    }
}

impl Session {
    /// The peer asks for a block.
    pub(super) fn asked<'a>(&mut self, block: Block) -> Event<'a> {
        let full = self.uploads.queue.len() >= MAX_QUEUED_UPLOADS as usize;
        // Larger blocks are refused by everybody today.
        let too_large = block.length > BLOCK_BYTES;
        if self.we_choke || full || too_large {
            self.refuse(block);
            return Event::Nothing;
        }
        if self.uploads.queue.contains(&block) {
            return Event::Nothing;
        }
        self.uploads.queue.push_back(block);
        Event::Asked
    }

    /// Says that a block won't be sent, if the peer understands that.
    pub fn refuse(&mut self, block: Block) {
        if self.features.fast {
            self.send(&Message::Reject(block));
        }
    }

    /// The block that is to be sent next, which is then no longer in the queue.
    pub fn next_upload(&mut self) -> Option<Block> {
        self.uploads.queue.pop_front()
    }

    /// Blocks that wait to be sent.
    #[must_use]
    pub fn uploads_waiting(&self) -> usize {
        self.uploads.queue.len()
    }

    /// Lets the peer ask, or not, when that changed. What waits when it may not is refused.
    pub fn set_choking(&mut self, choke: bool) {
        if std::mem::replace(&mut self.we_choke, choke) == choke {
            return;
        }
        if !choke {
            return self.send(&Message::Unchoke);
        }
        self.send(&Message::Choke);
        for block in std::mem::take(&mut self.uploads.queue) {
            self.refuse(block);
        }
    }
}

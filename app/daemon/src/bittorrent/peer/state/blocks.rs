//! Blocks that come in, for this torrent and for others.

use super::super::super::assembly::Taken;
use super::super::super::check::Check;
use super::super::super::content::FilesError;
use super::super::super::news::{Gone, News};
use super::super::input::violation;
use super::super::lent::{Lent, Whole};
use super::{Coming, State};
use potluck_bittorrent::wire::Block;
use std::sync::Arc;

impl State {
    pub(in crate::bittorrent::peer) fn block_begins(&mut self, block: Block) -> Result<(), Gone> {
        let is_useful = self.session.block_begins(&block).map_err(violation)?;
        let room = if is_useful { block.length as usize } else { 0 };
        self.coming = Some(Coming {
            block,
            data: Vec::with_capacity(room),
            is_useful,
        });
        Ok(())
    }

    /// Data of the block that began last.
    pub(in crate::bittorrent::peer) fn data(&mut self, data: &[u8]) {
        let Some(mut coming) = self.coming.take() else {
            return;
        };
        if !coming.is_useful {
            self.wasted += data.len() as u64;
            coming.block.length = coming.block.length.saturating_sub(len_u32(data));
            self.coming = Some(coming).filter(|coming| coming.block.length > 0);
            return;
        }
        coming.data.extend_from_slice(data);
        self.count(&coming.block, data.len() as u64);
        if coming.data.len() < coming.block.length as usize {
            self.coming = Some(coming);
            return;
        }
        self.block(coming.block, &coming.data);
    }

    /// Counts bytes for the order that asked for them.
    fn count(&mut self, block: &Block, bytes: u64) {
        let Some(order) = self.session.order_of(block) else {
            self.wasted += bytes;
            return;
        };
        match &mut self.received {
            Some((same, sum)) if *same == order => *sum += bytes,
            _ => {
                self.tell_received();
                self.received = Some((order, bytes));
            }
        }
    }

    pub(super) fn tell_received(&mut self) {
        if let Some((order, bytes)) = self.received.take() {
            self.news.push(match self.lent.received(order, bytes) {
                true => News::Lent { bytes },
                false => News::Received { order, bytes },
            });
        }
        if self.wasted > 0 {
            let bytes = std::mem::take(&mut self.wasted);
            self.news.push(News::Wasted { bytes });
        }
    }

    /// All that was read is taken.
    pub(in crate::bittorrent::peer) fn end_of_read(&mut self) {
        self.tell_received();
    }

    fn block(&mut self, block: Block, data: &[u8]) {
        let order = self.session.block_came(self.started.elapsed(), &block);
        if let Some(order) = order.filter(|order| Lent::is_lent(*order)) {
            return self.lent_block(order, &block, data);
        }
        let Some(content) = self.content.clone() else {
            return;
        };
        let work = || content.take(block, data, self.key);
        let taken = self.ctx.disk.work(&self.ctx.clock, data.len(), work);
        match taken {
            Ok(Taken::Kept) => {}
            Ok(needless @ (Taken::Needless | Taken::Checking)) => {
                if let (Taken::Checking, Some(order)) = (needless, order) {
                    self.checking.wait_for(block.piece, order);
                }
                let bytes = data.len() as u64;
                self.news.push(News::Wasted { bytes });
            }
            Ok(Taken::Full(full)) => {
                self.tell_received();
                // Of an order that was given up, the planner knows nothing.
                let order = order.unwrap_or(u32::MAX);
                let check = Check {
                    content,
                    piece: block.piece,
                    full,
                    peer: self.key,
                    order,
                    told_as: order,
                };
                self.news.extend(self.checking.check(&self.ctx, check));
            }
            Err(error) => self.news.push(unwritable(&error)),
        }
        if let Some(order) = order {
            self.end_if_done(order);
        }
    }

    /// A piece of an order was checked; the swarm knows.
    pub(in crate::bittorrent::peer) fn checked(&mut self, order: u32) {
        self.checking.checked(order);
        self.end_if_done(order);
    }

    /// Says that nothing more comes for an order. What became of its pieces is said before.
    pub(super) fn end_if_done(&mut self, order: u32) {
        if self.checking.is_checking(order) || !self.session.is_order_done(order) {
            return;
        }
        self.tell_received();
        if Lent::is_lent(order) {
            self.lent.done(order);
        } else {
            self.news.push(News::Done { order });
        }
    }

    /// A block came that another torrent wanted.
    fn lent_block(&mut self, order: u32, block: &Block, data: &[u8]) {
        if let Some(Whole {
            loan,
            order: of,
            block,
            data,
        }) = self.lent.take(order, block, data)
        {
            let work = || loan.content.take(block, &data, loan.key);
            let taken = self.ctx.disk.work(&self.ctx.clock, data.len(), work);
            self.tell_received();
            let what = match taken {
                Ok(Taken::Kept) => None,
                Ok(Taken::Needless | Taken::Checking) => {
                    let bytes = block.length.into();
                    Some(News::Wasted { bytes })
                }
                Ok(Taken::Full(full)) => {
                    let check = Check {
                        content: Arc::clone(&loan.content),
                        piece: block.piece,
                        full,
                        peer: loan.key,
                        order: of,
                        told_as: order,
                    };
                    self.checking.check_for(&self.ctx, check, &loan.news)
                }
                Err(error) => Some(unwritable(&error)),
            };
            if let Some(what) = what {
                self.lent.tell(&loan, what);
            }
        }
        self.end_if_done(order);
    }
}

/// That a block can't be kept.
fn unwritable(error: &FilesError) -> News {
    News::Unwritable(error.to_string(), error.is_no_space())
}

fn len_u32(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

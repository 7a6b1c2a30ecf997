//! What goes out: messages at once, blocks as fast as they may.

use super::super::allowance::Allowance;
use super::input::Pace;
use super::state::State;
use potluck_bittorrent::wire::Block;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// Blocks are read ahead of the socket up to about so many bytes.
const AHEAD: usize = 128 * 1024;

/// See the module.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    start: usize,
    /// A block that waits for its turn under the limit.
    next: Option<Block>,
    pace: Pace,
}

impl Output {
    /// What is to be written.
    fn waiting(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Bytes were written.
    fn sent(&mut self, bytes: usize) {
        self.start += bytes;
        if self.start >= self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// Takes what is to be said, and blocks while there is room.
    pub(super) fn fill(&mut self, up: &Allowance, state: &mut State) {
        state.say(&mut self.bytes);
        while self.waiting().len() < AHEAD && !self.pace.is_waiting() {
            if let Some(paid) = self.next.take() {
                state.upload(paid, &mut self.bytes);
                continue;
            }
            let Some(block) = state.next_upload() else {
                break;
            };
            if up.is_limited() {
                let (up, bytes) = (up.clone(), block.length as usize);
                self.pace.set(async move { up.take(bytes).await });
                self.next = Some(block);
            } else {
                state.upload(block, &mut self.bytes);
            }
        }
        if self.start > AHEAD {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// Whether there is anything to write or to wait for.
    pub(super) fn has_work(&self) -> bool {
        !self.waiting().is_empty() || self.pace.is_waiting()
    }

    /// Writes what there is, or waits until a block may be sent. True when bytes were written. May be
    /// dropped and called again.
    pub(super) async fn turn<W: AsyncWrite + Unpin>(
        &mut self,
        writer: &mut W,
    ) -> std::io::Result<bool> {
        if self.waiting().is_empty() {
            self.pace.ready().await;
            return Ok(false);
        }
        let bytes = writer.write(self.waiting()).await?;
        self.sent(bytes);
        if self.waiting().is_empty() {
            writer.flush().await?;
        }
        Ok(true)
    }
}

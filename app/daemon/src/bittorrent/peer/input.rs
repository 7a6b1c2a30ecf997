//! What comes in: bytes in a buffer, taken off its front message by message.

use super::super::allowance::Allowance;
use super::super::news::Gone;
use super::state::State;
use potluck_bittorrent::wire::{Event, FrameReader, Geometry};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes that are read at once.
const READ: usize = 128 * 1024;

/// See the module.
pub(super) struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes that must be there before the next message is whole.
    need: usize,
    frames: FrameReader,
    pace: Pace,
}

/// Waits until bytes may pass.
#[derive(Default)]
pub(super) struct Pace(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Pace {
    pub(super) fn set(&mut self, wait: impl Future<Output = ()> + Send + 'static) {
        self.0 = Some(Box::pin(wait));
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.0.is_some()
    }

    /// Ends when the bytes may pass. May be dropped and called again.
    pub(super) async fn ready(&mut self) {
        poll_fn(|cx| match &mut self.0 {
            Some(wait) => wait.as_mut().poll(cx),
            None => Poll::Ready(()),
        })
        .await;
        self.0 = None;
    }
}

impl Input {
    pub(super) fn new(geometry: Option<Geometry>) -> Self {
        Self {
            bytes: vec![0; READ],
            start: 0,
            end: 0,
            need: 1,
            frames: FrameReader::new(geometry),
            pace: Pace::default(),
        }
    }

    pub(super) fn know(&mut self, geometry: Geometry) {
        self.frames.set_geometry(geometry);
    }

    /// Where to read to.
    fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 && self.bytes.len() - self.end < READ / 4 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        // Frames are bounded, and few are longer than the buffer.
        let wanted = (self.end - self.start) + self.need;
        if self.bytes.len() - self.start < wanted {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.bytes.len() < wanted {
                self.bytes.resize(wanted, 0);
            }
        }
        &mut self.bytes[self.end..]
    }

    /// Bytes were read.
    pub(super) fn received(&mut self, down: &Allowance, bytes: usize) {
        self.end += bytes;
        if down.is_limited() {
            let down = down.clone();
            self.pace.set(async move { down.take(bytes).await });
        }
    }

    /// Waits until more may be read, or reads; gives the bytes that were read. May be dropped and
    /// called again.
    pub(super) async fn turn<R: AsyncRead + Unpin>(
        &mut self,
        reader: &mut R,
    ) -> std::io::Result<Option<usize>> {
        if self.pace.is_waiting() {
            self.pace.ready().await;
            return Ok(None);
        }
        reader.read(self.room()).await.map(Some)
    }

    /// Takes all messages that are there.
    pub(super) fn process(&mut self, state: &mut State) -> Result<(), Gone> {
        loop {
            let waiting = self.bytes.get(self.start..self.end).unwrap_or_default();
            let (used, event) = self.frames.next(waiting).map_err(violation)?;
            match event {
                Event::Need(bytes) => {
                    self.need = bytes.max(1);
                    state.end_of_read();
                    return Ok(());
                }
                Event::Message(message) => state.message(message)?,
                Event::Piece(block) => state.block_begins(block)?,
                Event::Data { data, .. } => state.data(data),
            }
            self.start += used;
        }
    }
}

pub(super) fn violation(error: impl std::fmt::Display) -> Gone {
    Gone::Violation(error.to_string())
}

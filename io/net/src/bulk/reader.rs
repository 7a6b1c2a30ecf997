//! The receiving half of a lane: records are opened where they were received.

use std::{
    collections::VecDeque,
    io,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    net::TcpStream,
};

use super::record::{self, HEADER_BYTES, Opened, Opener};

/// Bytes of the buffer of a lane on which little comes; the longest record fits.
const SMALL_BUFFER_BYTES: usize = 32 * 1024;
/// Bytes of the buffer of a lane on which much comes at once, which only the one who asked for it
/// has: what others send unasked is never worth so much memory.
const LARGE_BUFFER_BYTES: usize = 512 * 1024;

/// Records in a row that may hold nothing: each costs work, and a change of keys a derivation.
const MAX_EMPTY: u32 = 32;

/// Decrypts what comes, in a buffer of its own.
pub(crate) struct RecordReader {
    socket: Arc<TcpStream>,
    opener: Opener,
    buffer: Vec<u8>,
    /// How large the buffer may become.
    most: usize,
    /// Received bytes of `buffer` that are not opened yet.
    sealed: Range<usize>,
    /// Where in `buffer` content lies that was not taken yet, in its order.
    content: VecDeque<Range<usize>>,
    ended: bool,
    /// Records without content since the last with some.
    empty: u32,
}

impl RecordReader {
    /// A reader for an end that asks for much, or for one that only takes requests.
    pub(super) fn new(socket: Arc<TcpStream>, opener: Opener, asks: bool) -> Self {
        Self {
            socket,
            opener,
            buffer: Vec::new(),
            most: if asks {
                LARGE_BUFFER_BYTES
            } else {
                SMALL_BUFFER_BYTES
            },
            sealed: 0..0,
            content: VecDeque::new(),
            ended: false,
            empty: 0,
        }
    }

    /// Waits until there is content. `false` means that the other side said that no more comes.
    ///
    /// At most `max` bytes are received at a time, so that a rate can be kept.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<bool>> {
        loop {
            if !self.content.is_empty() {
                return Poll::Ready(Ok(true));
            }
            self.open_records()?;
            if !self.content.is_empty() {
                continue;
            }
            if self.ended {
                return Poll::Ready(Ok(false));
            }
            self.make_room();
            if ready!(self.poll_receive(cx, max))? == 0 {
                // Only the record that says so is an end; anyone can cut a connection.
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Content that is there, in its order.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.content
            .iter()
            .map(|range| self.buffer.get(range.clone()).unwrap_or_default())
    }

    /// Passes over content that was taken.
    pub(crate) fn consume(&mut self, mut bytes: usize) {
        while bytes > 0
            && let Some(first) = self.content.front_mut()
        {
            let taken = bytes.min(first.len());
            first.start += taken;
            bytes -= taken;
            if first.start == first.end {
                self.content.pop_front();
            }
        }
    }

    fn open_records(&mut self) -> io::Result<()> {
        while !self.ended {
            let sealed = &mut self.buffer[self.sealed.clone()];
            let Some(length) = record::record_len(sealed)? else {
                break;
            };
            let Some(whole) = sealed.get_mut(..length) else {
                break;
            };
            let start = self.sealed.start + HEADER_BYTES;
            match self.opener.open(whole)? {
                Opened::Content(0) | Opened::Control => {
                    self.empty += 1;
                    if self.empty > MAX_EMPTY {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                }
                Opened::Content(bytes) => {
                    self.empty = 0;
                    self.content.push_back(start..start + bytes);
                }
                Opened::End => self.ended = true,
            }
            self.sealed.start += length;
        }
        Ok(())
    }

    /// Called when no content is left: moves the torn record to the front, and makes the buffer
    /// fit what comes.
    fn make_room(&mut self) {
        let was_full = self.sealed.end == self.buffer.len() && !self.buffer.is_empty();
        self.buffer.copy_within(self.sealed.clone(), 0);
        self.sealed = 0..self.sealed.len();
        if self.buffer.is_empty() {
            self.buffer.resize(SMALL_BUFFER_BYTES, 0);
        } else if was_full && self.buffer.len() < self.most {
            self.buffer.resize(self.most, 0);
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<usize>> {
        loop {
            let end = self.buffer.len().min(self.sealed.end.saturating_add(max));
            let free = &mut self.buffer[self.sealed.end..end];
            match self.socket.try_read(free) {
                Ok(received) => {
                    self.sealed.end += received;
                    return Poll::Ready(Ok(received));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_read_ready(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Gives back the memory of a lane on which nothing is expected.
    pub(crate) fn rest(&mut self) {
        if self.content.is_empty() && self.sealed.is_empty() {
            self.buffer = Vec::new();
            self.sealed = 0..0;
        }
    }
}

impl AsyncRead for RecordReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 || !ready!(self.poll_fill(cx, usize::MAX))? {
            return Poll::Ready(Ok(()));
        }
        let taken = match self.chunks().next() {
            Some(chunk) => {
                let taken = chunk.len().min(buf.remaining());
                buf.put_slice(&chunk[..taken]);
                taken
            }
            None => 0,
        };
        self.consume(taken);
        Poll::Ready(Ok(()))
    }
}

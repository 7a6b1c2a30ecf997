//! The sending half of a lane: content is put where its record will be, and sealed there.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{io::AsyncWrite, net::TcpStream};

use super::{
    pace::Pace,
    record::{HEADER_BYTES, MAX_CONTENT_BYTES, OVERHEAD_BYTES, Sealer},
};

/// Bytes that may wait to be sent; a writer beyond that waits.
pub(super) const MAX_WAITING_BYTES: usize = 2 * 1024 * 1024;

/// Seals what is sent, in a buffer of its own.
pub(crate) struct RecordWriter {
    socket: Arc<TcpStream>,
    sealer: Sealer,
    buffer: Vec<u8>,
    /// The first bytes of `buffer` that mean something.
    filled: usize,
    /// Those of them that were sent.
    sent: usize,
    /// Those of them that are sealed; whole records, which may be sent.
    sealed: usize,
    /// Lengths of the frames after them: records that have content but are not sealed yet.
    frames: Vec<usize>,
    closing: bool,
    pace: Pace,
}

impl RecordWriter {
    pub(super) fn new(socket: Arc<TcpStream>, sealer: Sealer) -> Self {
        Self {
            socket,
            sealer,
            buffer: Vec::new(),
            filled: 0,
            sent: 0,
            sealed: 0,
            frames: Vec::new(),
            closing: false,
            pace: Pace::new(),
        }
    }

    /// Adds a copy of bytes, in records of their own. Meant for few.
    fn put(&mut self, bytes: &[u8]) {
        let (places, _) = self.places(bytes.len(), 0);
        let mut left = bytes;
        for place in places {
            let (now, later) = left.split_at(place.len());
            place.copy_from_slice(now);
            left = later;
        }
    }

    /// Adds room for `head` bytes of content and, in records of their own, for `body` more. Each
    /// place but the last of either is as long as a record may be. They hold anything until they
    /// are filled, and must be filled before anything is sent.
    pub(crate) fn places(&mut self, head: usize, body: usize) -> (Vec<&mut [u8]>, Vec<&mut [u8]>) {
        let start = self.filled;
        self.filled += framed(head) + framed(body);
        if self.buffer.len() < self.filled {
            self.buffer.resize(self.filled, 0);
        }
        let room = &mut self.buffer[start..self.filled];
        let (room_for_head, room_for_body) = room.split_at_mut(framed(head));
        let head = cut(room_for_head, &mut self.frames);
        let body = cut(room_for_body, &mut self.frames);
        (head, body)
    }

    /// Takes back what was added since something was last sent.
    pub(crate) fn discard(&mut self) {
        self.frames.clear();
        self.filled = self.sealed;
    }

    /// Bytes that wait to be sealed or sent.
    pub(crate) fn waiting(&self) -> usize {
        self.filled - self.sent
    }

    fn seal(&mut self) -> io::Result<()> {
        for length in self.frames.drain(..) {
            let frame = &mut self.buffer[self.sealed..self.sealed + length];
            self.sealer.seal(frame)?;
            self.sealed += length;
        }
        // Between flushes, where no frame follows.
        if let Some(told) = self.sealer.renew()? {
            self.add_sealed(&told);
        }
        Ok(())
    }

    /// Takes new keys now; for tests, as they are due after 256 GiB.
    #[cfg(test)]
    pub(super) fn renew_keys(&mut self) -> io::Result<()> {
        let told = self.sealer.update()?;
        self.add_sealed(&told);
        Ok(())
    }

    /// Adds a record that is sealed already; nothing unsealed may be before it.
    fn add_sealed(&mut self, record: &[u8]) {
        self.buffer.truncate(self.filled);
        self.buffer.extend_from_slice(record);
        self.filled += record.len();
        self.sealed = self.filled;
    }

    /// Seals what was added, and waits until the system took all but the last `left` bytes of it.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>, left: usize) -> Poll<io::Result<()>> {
        self.seal()?;
        while self.waiting() > left {
            let unsent = &self.buffer[self.sent..self.sealed - left];
            match self.socket.try_write(unsent) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(sent) => {
                    self.sent += sent;
                    self.pace.sent(&self.socket, sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_write_ready(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if self.waiting() == 0 {
            self.filled = 0;
            self.sent = 0;
            self.sealed = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Gives back the memory of a lane on which nothing is to be sent.
    pub(crate) fn rest(&mut self) {
        if self.waiting() == 0 {
            self.buffer = Vec::new();
        }
    }
}

/// What so much content takes with its records.
fn framed(content: usize) -> usize {
    content + content.div_ceil(MAX_CONTENT_BYTES) * OVERHEAD_BYTES
}

/// Cuts room into frames, and gives the places of their content.
fn cut<'a>(room: &'a mut [u8], frames: &mut Vec<usize>) -> Vec<&'a mut [u8]> {
    let mut places = Vec::new();
    for frame in room.chunks_mut(MAX_CONTENT_BYTES + OVERHEAD_BYTES) {
        frames.push(frame.len());
        let content = frame.len() - OVERHEAD_BYTES;
        places.push(&mut frame[HEADER_BYTES..HEADER_BYTES + content]);
    }
    places
}

impl AsyncWrite for RecordWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.waiting() >= MAX_WAITING_BYTES {
            ready!(self.poll_send(cx, 0))?;
        }
        let taken = buf.len().min(MAX_CONTENT_BYTES);
        if taken == 0 {
            return Poll::Ready(Ok(0));
        }
        self.put(&buf[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx, 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closing {
            self.closing = true;
            self.seal()?;
            let last = self.sealer.close_notify()?;
            self.add_sealed(&last);
        }
        ready!(self.poll_send(cx, 0))?;
        let socket = socket2::SockRef::from(&*self.socket);
        Poll::Ready(socket.shutdown(std::net::Shutdown::Write))
    }
}

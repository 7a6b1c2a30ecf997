//! The writing half of a pipe.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

use crate::{bulk::RecordWriter, counters::Meter};

/// The writing half of a [`Pipe`](super::Pipe). It is written like any stream, or, without a
/// copy, by [`places`](Self::places) and [`send`](Self::send), not by both at once.
pub struct PipeWriter {
    inner: Inner,
    meter: Option<Arc<Meter>>,
    /// Bytes that were added and that the meter does not know of.
    uncounted: usize,
}

enum Inner {
    Stream(Gathered),
    Lane(Box<RecordWriter>),
}

/// A stream, and what is to be written to it next.
struct Gathered {
    stream: Box<dyn AsyncWrite + Send + Unpin>,
    buffer: Vec<u8>,
    filled: usize,
    sent: usize,
}

impl PipeWriter {
    pub(super) fn of_stream(stream: Box<dyn AsyncWrite + Send + Unpin>) -> Self {
        Self {
            inner: Inner::Stream(Gathered {
                stream,
                buffer: Vec::new(),
                filled: 0,
                sent: 0,
            }),
            meter: None,
            uncounted: 0,
        }
    }

    pub(super) fn of_lane(writer: RecordWriter) -> Self {
        Self {
            inner: Inner::Lane(Box::new(writer)),
            meter: None,
            uncounted: 0,
        }
    }

    pub(super) fn count_with(&mut self, meter: Arc<Meter>) {
        self.meter = Some(meter);
    }

    /// Adds a copy of bytes to what [`send`](Self::send) sends.
    pub fn put(&mut self, bytes: &[u8]) {
        let (places, _) = self.places(bytes.len(), 0);
        let mut left = bytes;
        for place in places {
            let (now, later) = left.split_at(place.len());
            place.copy_from_slice(now);
            left = later;
        }
    }

    /// Adds room for `head` bytes, and for `body` bytes after them, to what [`send`](Self::send)
    /// sends. All of it has to be filled before that. On a lane, each place becomes a record, and
    /// those of the body are of 16 KiB: groups of content that are put there arrive whole.
    pub fn places(&mut self, head: usize, body: usize) -> (Vec<&mut [u8]>, Vec<&mut [u8]>) {
        self.uncounted += head + body;
        match &mut self.inner {
            Inner::Stream(stream) => {
                let (head, body) = stream.place(head + body).split_at_mut(head);
                (vec![head], vec![body])
            }
            Inner::Lane(lane) => lane.places(head, body),
        }
    }

    /// Takes back what was added since something was last sent.
    pub fn discard(&mut self) {
        self.uncounted = 0;
        match &mut self.inner {
            Inner::Stream(stream) => stream.filled = stream.sent,
            Inner::Lane(lane) => lane.discard(),
        }
    }

    /// Bytes that were added and not sent yet, with what protects them.
    #[must_use]
    pub fn waiting(&self) -> usize {
        match &self.inner {
            Inner::Stream(stream) => stream.filled - stream.sent,
            Inner::Lane(lane) => lane.waiting(),
        }
    }

    /// Sends what was added, and waits until the system took all but the last `left` bytes of it. Dropping
    /// the future loses nothing; the next call goes on.
    ///
    /// # Errors
    /// When the pipe broke.
    pub async fn send(&mut self, left: usize) -> io::Result<()> {
        if let Some(meter) = &self.meter {
            meter.sent(std::mem::take(&mut self.uncounted));
        }
        poll_fn(|cx| match &mut self.inner {
            Inner::Stream(stream) => stream.poll_send(cx, left),
            Inner::Lane(lane) => lane.poll_send(cx, left),
        })
        .await
    }

    /// Gives back memory, when nothing is to be sent for now.
    pub fn rest(&mut self) {
        match &mut self.inner {
            Inner::Stream(stream) if stream.filled == 0 => stream.buffer = Vec::new(),
            Inner::Stream(_) => {}
            Inner::Lane(lane) => lane.rest(),
        }
    }
}

impl Gathered {
    fn place(&mut self, bytes: usize) -> &mut [u8] {
        let start = self.filled;
        self.filled += bytes;
        if self.buffer.len() < self.filled {
            self.buffer.resize(self.filled, 0);
        }
        &mut self.buffer[start..self.filled]
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, left: usize) -> Poll<io::Result<()>> {
        while self.filled - self.sent > left {
            let unsent = &self.buffer[self.sent..self.filled - left];
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, unsent))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        if self.sent == self.filled {
            self.filled = 0;
            self.sent = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PipeWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = match &mut this.inner {
            Inner::Stream(stream) => {
                ready!(stream.poll_send(cx, 0))?;
                ready!(Pin::new(&mut stream.stream).poll_write(cx, buf))?
            }
            Inner::Lane(lane) => ready!(Pin::new(&mut **lane).poll_write(cx, buf))?,
        };
        if let Some(meter) = &this.meter {
            meter.sent(written);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Stream(stream) => {
                ready!(stream.poll_send(cx, 0))?;
                Pin::new(&mut stream.stream).poll_flush(cx)
            }
            Inner::Lane(lane) => Pin::new(&mut **lane).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Stream(stream) => {
                ready!(stream.poll_send(cx, 0))?;
                Pin::new(&mut stream.stream).poll_shutdown(cx)
            }
            Inner::Lane(lane) => Pin::new(&mut **lane).poll_shutdown(cx),
        }
    }
}

impl std::fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PipeWriter")
    }
}

//! The reading half of a pipe.

use std::{
    future::poll_fn,
    io,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::{bulk::RecordReader, counters::Meter};

/// Bytes of a stream that are kept at once for [`PipeReader::fill`].
const STREAM_BUFFER_BYTES: usize = 256 * 1024;

/// The reading half of a [`Pipe`](super::Pipe). It is read like any stream, or, without a copy, by
/// [`fill`](Self::fill), [`chunks`](Self::chunks) and [`consume`](Self::consume).
pub struct PipeReader {
    inner: Inner,
    meter: Option<Arc<Meter>>,
}

enum Inner {
    Stream(Buffered),
    Lane(Box<RecordReader>),
}

/// A stream, and what was read of it and not taken yet.
struct Buffered {
    stream: Box<dyn AsyncRead + Send + Unpin>,
    buffer: Vec<u8>,
    filled: Range<usize>,
}

impl PipeReader {
    pub(super) fn of_stream(stream: Box<dyn AsyncRead + Send + Unpin>) -> Self {
        Self {
            inner: Inner::Stream(Buffered {
                stream,
                buffer: Vec::new(),
                filled: 0..0,
            }),
            meter: None,
        }
    }

    pub(super) fn of_lane(reader: RecordReader) -> Self {
        Self {
            inner: Inner::Lane(Box::new(reader)),
            meter: None,
        }
    }

    pub(super) fn count_with(&mut self, meter: Arc<Meter>) {
        self.meter = Some(meter);
    }

    /// Waits until there are bytes to take; `false` when no more come. About `max` bytes are
    /// taken from the network at a time, so that a rate can be kept. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// When the pipe broke, or the peer broke the protocol that protects it.
    pub async fn fill(&mut self, max: usize) -> io::Result<bool> {
        poll_fn(|cx| match &mut self.inner {
            Inner::Stream(stream) => stream.poll_fill(cx, max),
            Inner::Lane(lane) => lane.poll_fill(cx, max),
        })
        .await
    }

    /// The bytes that are there, in their order. Those of a lane come in the peer's own portions.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let (stream, lane) = match &self.inner {
            Inner::Stream(stream) => (Some(stream.rest()), None),
            Inner::Lane(lane) => (None, Some(lane.chunks())),
        };
        stream.into_iter().chain(lane.into_iter().flatten())
    }

    /// Passes over bytes that were taken.
    pub fn consume(&mut self, bytes: usize) {
        match &mut self.inner {
            Inner::Stream(stream) => stream.consume(bytes),
            Inner::Lane(lane) => lane.consume(bytes),
        }
        if let Some(meter) = &self.meter {
            meter.received(bytes);
        }
    }

    /// Gives back memory, when nothing is expected for now.
    pub fn rest(&mut self) {
        match &mut self.inner {
            Inner::Stream(stream) if stream.filled.is_empty() => stream.buffer = Vec::new(),
            Inner::Stream(_) => {}
            Inner::Lane(lane) => lane.rest(),
        }
    }
}

impl Buffered {
    fn poll_fill(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<bool>> {
        if !self.filled.is_empty() {
            return Poll::Ready(Ok(true));
        }
        if self.buffer.is_empty() {
            self.buffer.resize(STREAM_BUFFER_BYTES, 0);
        }
        let end = self.buffer.len().min(max.max(1));
        let mut buffer = ReadBuf::new(&mut self.buffer[..end]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.filled = 0..buffer.filled().len();
        Poll::Ready(Ok(!self.filled.is_empty()))
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.filled.clone()).unwrap_or_default()
    }

    fn consume(&mut self, bytes: usize) {
        self.filled.start = self.filled.end.min(self.filled.start + bytes);
    }
}

impl AsyncRead for PipeReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let this = &mut *self;
        match &mut this.inner {
            Inner::Stream(stream) if stream.filled.is_empty() => {
                ready!(Pin::new(&mut stream.stream).poll_read(cx, buf))?;
            }
            Inner::Stream(stream) => {
                let taken = stream.filled.len().min(buf.remaining());
                buf.put_slice(&stream.rest()[..taken]);
                stream.consume(taken);
            }
            Inner::Lane(lane) => ready!(Pin::new(&mut **lane).poll_read(cx, buf))?,
        }
        if let Some(meter) = &this.meter {
            meter.received(buf.filled().len() - before);
        }
        Poll::Ready(Ok(()))
    }
}

impl std::fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PipeReader")
    }
}

//! Two-way byte streams with a peer.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::{PeerId, StreamProtocol};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Path, counters::Meter};

/// What a pipe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Small messages about one root.
    Swarm,
    /// Requests for ranges, and their bytes.
    Bulk,
}

impl Channel {
    pub(crate) const ALL: [Self; 2] = [Self::Swarm, Self::Bulk];

    /// The protocol name that peers agree on.
    #[must_use]
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Swarm => "/potluck/swarm/1",
            Self::Bulk => "/potluck/bulk/1",
        }
    }

    pub(crate) fn stream_protocol(self) -> StreamProtocol {
        StreamProtocol::new(self.protocol())
    }
}

/// A two-way byte stream with a peer. Dropping both halves ends it; shutting the writer down
/// tells the peer that no more bytes come.
#[derive(Debug)]
pub struct Pipe {
    /// Who is at the other end.
    pub peer: PeerId,
    /// What the pipe is for.
    pub channel: Channel,
    /// By which way the bytes go.
    pub path: Path,
    /// Bytes from the peer.
    pub reader: PipeReader,
    /// Bytes to the peer.
    pub writer: PipeWriter,
}

impl Pipe {
    /// A pipe over any two halves, uncounted. For tests, and for lanes other than the swarm's.
    pub fn from_halves(
        peer: PeerId,
        channel: Channel,
        path: Path,
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        Self {
            peer,
            channel,
            path,
            reader: PipeReader {
                inner: Box::new(reader),
                meter: None,
            },
            writer: PipeWriter {
                inner: Box::new(writer),
                meter: None,
            },
        }
    }

    pub(crate) fn metered(mut self, meter: Meter) -> Self {
        let meter = Arc::new(meter);
        self.reader.meter = Some(Arc::clone(&meter));
        self.writer.meter = Some(meter);
        self
    }
}

/// The reading half of a [`Pipe`].
pub struct PipeReader {
    inner: Box<dyn AsyncRead + Send + Unpin>,
    meter: Option<Arc<Meter>>,
}

impl AsyncRead for PipeReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let (Poll::Ready(Ok(())), Some(meter)) = (&result, &self.meter) {
            meter.received(buf.filled().len() - before);
        }
        result
    }
}

impl std::fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PipeReader")
    }
}

/// The writing half of a [`Pipe`].
pub struct PipeWriter {
    inner: Box<dyn AsyncWrite + Send + Unpin>,
    meter: Option<Arc<Meter>>,
}

impl PipeWriter {
    fn count(&self, result: &Poll<io::Result<usize>>) {
        if let (Poll::Ready(Ok(bytes)), Some(meter)) = (result, &self.meter) {
            meter.sent(*bytes);
        }
    }
}

impl AsyncWrite for PipeWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.count(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.count(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl std::fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PipeWriter")
    }
}

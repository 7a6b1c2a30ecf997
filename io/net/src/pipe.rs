//! Two-way byte streams with a peer.

mod reader;
mod writer;

use std::{sync::Arc, time::Duration};

use libp2p::{PeerId, StreamProtocol};
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::{reader::PipeReader, writer::PipeWriter};
use crate::{
    Path,
    bulk::{RecordReader, RecordWriter},
    counters::Meter,
};

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
    /// Whether it has a TCP connection of its own, which is faster than a stream among others.
    pub dedicated: bool,
    /// How long the peer's system took to answer when the pipe was opened, if that was measured.
    pub round_trip: Option<Duration>,
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
            dedicated: false,
            round_trip: None,
            reader: PipeReader::of_stream(Box::new(reader)),
            writer: PipeWriter::of_stream(Box::new(writer)),
        }
    }

    pub(crate) fn of_lane(
        peer: PeerId,
        channel: Channel,
        path: Path,
        reader: RecordReader,
        writer: RecordWriter,
    ) -> Self {
        Self {
            peer,
            channel,
            path,
            dedicated: true,
            round_trip: None,
            reader: PipeReader::of_lane(reader),
            writer: PipeWriter::of_lane(writer),
        }
    }

    pub(crate) fn answered_after(mut self, round_trip: Duration) -> Self {
        self.round_trip = Some(round_trip);
        self
    }

    pub(crate) fn metered(mut self, meter: Meter) -> Self {
        let meter = Arc::new(meter);
        self.reader.count_with(Arc::clone(&meter));
        self.writer.count_with(meter);
        self
    }
}

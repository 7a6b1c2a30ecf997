//! What the download engine and its sources say to each other. A source is anything that delivers
//! ranges of blobs which can be verified; a Potluck peer is one kind.

use potluck_content::tree::Parent;
use potluck_content::{Address, GROUP_BYTES, Hash, PieceLayout};
use potluck_identity::PeerId;
use potluck_net::Multiaddr;
use potluck_transfer::wire::PieceMap;
use potluck_transfer::{Failure, RequestId, SourceId};
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Where verified bytes go. Called from async tasks, by way of [`Disk`](crate::disk::Disk).
pub(crate) trait Sink: Send + Sync {
    /// Keeps whole groups of a blob, starting at `first_group`.
    fn write(&self, blob: u32, first_group: u64, data: &[u8]) -> Result<(), SinkError> {
        self.write_vectored(blob, first_group, &[IoSlice::new(data)])
    }
    /// As [`Self::write`], of bytes that lie in several places: parts in order, cut anywhere.
    fn write_vectored(
        &self,
        blob: u32,
        first_group: u64,
        parts: &[IoSlice<'_>],
    ) -> Result<(), SinkError>;
    /// Keeps parents of a blob's tree, by their offset in its outboard.
    fn write_parents(&self, blob: u32, parents: &[(u64, Parent)]) -> Result<(), SinkError>;
    /// All groups of these pieces were written.
    fn complete(&self, pieces: &[u32]) -> Result<(), SinkError>;
}

/// Verified bytes could not be kept.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum SinkError {
    #[error("no space left in {place}")]
    NoSpace { place: String },
    #[error("{0}")]
    Io(String),
}

/// What is being fetched, and where it goes.
pub(crate) struct Job {
    pub(crate) root: Address,
    pub(crate) layout: Arc<PieceLayout>,
    pub(crate) sink: Arc<dyn Sink>,
    /// The first failure to keep verified bytes; it ends the download.
    pub(crate) sink_failure: Mutex<Option<SinkError>>,
}

impl Job {
    pub(crate) fn new(root: Address, layout: Arc<PieceLayout>, sink: Arc<dyn Sink>) -> Self {
        Self {
            root,
            layout,
            sink,
            sink_failure: Mutex::new(None),
        }
    }

    /// Remembers that bytes could not be kept.
    pub(crate) fn fail(&self, error: SinkError) {
        let mut failure = self
            .sink_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
    }

    pub(crate) fn failure(&self) -> Option<SinkError> {
        self.sink_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A run of pieces of one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchItem {
    pub(crate) blob: u32,
    pub(crate) hash: Hash,
    pub(crate) size: u64,
    pub(crate) groups: Range<u64>,
    pub(crate) pieces: Range<u32>,
}

/// Cuts a planned request into items of at most `max_bytes`, each a run of pieces of one blob, or a
/// part of a piece that is larger. Items come in the order of their groups, so that a piece is
/// whole once the item with its last group is.
pub(crate) fn items_of(layout: &PieceLayout, pieces: &[u32], max_bytes: u64) -> Vec<FetchItem> {
    let mut items: Vec<FetchItem> = Vec::new();
    let max_groups = (max_bytes / GROUP_BYTES).max(1);
    for &index in pieces {
        let Some(piece) = layout.get(index) else {
            continue;
        };
        let Some(blob) = layout.blobs().get(piece.blob as usize) else {
            continue;
        };
        let mut start = piece.groups.start;
        while start < piece.groups.end {
            let end = piece.groups.end.min(start + max_groups);
            match items.last_mut() {
                Some(last)
                    if last.blob == piece.blob
                        && last.groups.end == start
                        && end - last.groups.start <= max_groups =>
                {
                    last.pieces.end = index + 1;
                    last.groups.end = end;
                }
                _ => items.push(FetchItem {
                    blob: piece.blob,
                    hash: blob.hash,
                    size: blob.size,
                    groups: start..end,
                    pieces: index..index + 1,
                }),
            }
            start = end;
        }
    }
    items
}

/// What the engine asks of a source.
pub(crate) enum SourceCommand {
    Fetch {
        job: Arc<Job>,
        request: RequestId,
        items: Vec<FetchItem>,
    },
    Cancel {
        request: RequestId,
    },
}

/// The last group of the root blob: proves its size, and is often the whole manifest.
#[derive(Debug, Clone)]
pub(crate) struct ProvenHead {
    pub(crate) size: u64,
    pub(crate) proof: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

/// Why a source is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// It does not have the root.
    NotFound,
    /// It had the root, and a file is not what it was.
    Changed,
    /// It has too much to do; worth asking again later.
    Busy,
    /// The connection broke or could not be made.
    Lost(String),
    /// It sent what it must not; it is banned.
    Liar(String),
}

/// What a source tells the engine.
pub(crate) struct SourceEvent {
    pub(crate) source: SourceId,
    pub(crate) what: SourceNews,
}

/// See [`SourceEvent`].
pub(crate) enum SourceNews {
    /// It has the root, and proved the root blob's size.
    Ready {
        head: Arc<ProvenHead>,
        have: PieceMap,
    },
    /// More pieces can be had from it.
    Have(Vec<Range<u32>>),
    /// How long the way to it and back takes.
    RoundTrip(Duration),
    /// Pieces that it no longer has.
    Retract(Vec<Range<u32>>),
    /// Other providers that it knows.
    Introduced(Vec<(PeerId, Vec<Multiaddr>)>),
    /// Bytes of a request arrived.
    Received { request: RequestId, bytes: u64 },
    /// A piece was verified and written.
    Piece { request: RequestId, piece: u32 },
    /// Nothing more will come for a request.
    Done { request: RequestId },
    /// A request failed.
    Failed {
        request: RequestId,
        failure: Failure,
    },
    /// The source is gone; its last event.
    Closed(CloseReason),
}

/// Sends a source's events under its id.
#[derive(Clone)]
pub(crate) struct Reporter {
    pub(crate) source: SourceId,
    pub(crate) events: mpsc::Sender<SourceEvent>,
}

impl Reporter {
    /// Waits for room, so that a source never runs ahead of the engine. The engine's end is seen
    /// elsewhere: a source without an engine is aborted.
    pub(crate) async fn tell(&self, what: SourceNews) {
        let _ = self
            .events
            .send(SourceEvent {
                source: self.source,
                what,
            })
            .await;
    }
}

const GROUP_LEN: usize = 16 * 1024;

/// A sink in memory, for manifests.
pub(crate) struct MemorySink {
    size: usize,
    bytes: Mutex<BTreeMap<u64, Vec<u8>>>,
}

impl MemorySink {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            bytes: Mutex::new(BTreeMap::new()),
        }
    }

    /// The bytes, in order.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut parts = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::with_capacity(self.size);
        for (_, part) in std::mem::take(&mut *parts) {
            all.extend_from_slice(&part);
        }
        all
    }
}

impl Sink for MemorySink {
    fn write_vectored(
        &self,
        _blob: u32,
        first_group: u64,
        parts: &[IoSlice<'_>],
    ) -> Result<(), SinkError> {
        let data: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let mut parts = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        for (offset, group) in (0..).zip(data.chunks(GROUP_LEN)) {
            parts.insert(first_group + offset, group.to_vec());
        }
        Ok(())
    }

    fn write_parents(&self, _blob: u32, _parents: &[(u64, Parent)]) -> Result<(), SinkError> {
        Ok(())
    }

    fn complete(&self, _pieces: &[u32]) -> Result<(), SinkError> {
        Ok(())
    }
}

//! A download that runs, as those who read from it see it.

use potluck_api::ErrorBody;
use potluck_content::{GROUP_BYTES, PieceLayout, PieceSet};
use potluck_transfer::{ReaderId, Reading};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Readers of one download that the planner is told of; further ones wait for their turn.
const HEEDED: usize = 16;
/// Readers of one download in all.
const MAX_READERS: usize = 64;

/// How a download ended: with an error that readers must be told, or so that they can look again.
type End = Option<ErrorBody>;

struct State {
    have: PieceSet,
    readers: BTreeMap<ReaderId, Reading>,
    next_reader: u64,
    /// Since when nobody reads.
    idle_since: Instant,
    /// When bytes came last.
    life: Instant,
    sources: usize,
    ended: Option<End>,
}

/// See the module.
pub(crate) struct Live {
    pub(crate) layout: Arc<PieceLayout>,
    /// Pieces that the download is for; others never come.
    wanted: PieceSet,
    state: Mutex<State>,
    /// Counts what readers may have waited for.
    changed: watch::Sender<u64>,
    /// Readers came, went on or left.
    asked: Notify,
}

impl Live {
    pub(crate) fn new(layout: Arc<PieceLayout>, wanted: PieceSet, have: PieceSet) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            layout,
            wanted,
            state: Mutex::new(State {
                have,
                readers: BTreeMap::new(),
                next_reader: 0,
                idle_since: now,
                life: now,
                sources: 0,
                ended: None,
            }),
            changed: watch::channel(0).0,
            asked: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// A piece is verified and can be read from the store.
    pub(crate) fn arrived(&self, piece: u32) {
        self.lock().have.insert(piece);
        self.tell();
    }

    /// Verified bytes of it that are here.
    pub(super) fn kept_bytes(&self) -> u64 {
        let state = self.lock();
        let ranges = state.have.ranges();
        let bytes = |range: Range<u32>| {
            self.layout.bytes_before(range.end) - self.layout.bytes_before(range.start)
        };
        ranges.map(bytes).sum()
    }

    /// Bytes came, verified or not.
    pub(crate) fn alive(&self) {
        self.lock().life = Instant::now();
    }

    /// How many sources have any of the content.
    pub(crate) fn set_sources(&self, sources: usize) {
        self.lock().sources = sources;
        self.tell();
    }

    pub(crate) fn end(&self, end: End) {
        self.lock().ended.get_or_insert(end);
        self.tell();
    }

    pub(crate) fn ended(&self) -> Option<End> {
        self.lock().ended.clone()
    }

    pub(crate) fn sources(&self) -> usize {
        self.lock().sources
    }

    /// For how long nothing came.
    pub(crate) fn quiet(&self) -> Duration {
        self.lock().life.elapsed()
    }

    /// For how long nobody has read; `None` while somebody does.
    pub(crate) fn idle(&self) -> Option<Duration> {
        let state = self.lock();
        (state.readers.is_empty()).then(|| state.idle_since.elapsed())
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Waits until readers came, went on or left.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// The readers that the planner is to heed.
    pub(crate) fn readings(&self) -> BTreeMap<ReaderId, Reading> {
        let state = self.lock();
        let heeded = state.readers.iter().take(HEEDED);
        heeded.map(|(id, reading)| (*id, *reading)).collect()
    }

    /// Whether a blob is fetched by this download.
    pub(crate) fn fetches(&self, blob: u32) -> bool {
        self.wanted.contains_range(self.layout.pieces_of_blob(blob))
    }

    /// Whether any piece of a blob is here.
    pub(crate) fn has_any_of(&self, blob: u32) -> bool {
        let mut pieces = self.layout.pieces_of_blob(blob);
        let state = self.lock();
        pieces.any(|piece| state.have.contains(piece))
    }

    /// How far a blob can be read from `at` on; `None` when the piece there is not here.
    pub(crate) fn ready(&self, blob: u32, range: Range<u64>) -> Option<u64> {
        let groups = range.start / GROUP_BYTES..range.end.div_ceil(GROUP_BYTES);
        let state = self.lock();
        let mut ready = None;
        for piece in self.layout.pieces_covering(blob, groups) {
            if !state.have.contains(piece) {
                break;
            }
            let end = self.layout.piece(piece).groups.end;
            ready = Some(end.saturating_mul(GROUP_BYTES).min(range.end));
        }
        ready
    }

    /// Somebody begins to read a blob; `None` when too many do.
    pub(crate) fn read(
        self: &Arc<Self>,
        blob: u32,
        range: Range<u64>,
        window: u64,
    ) -> Option<Reader> {
        let base = (self.layout).bytes_before(self.layout.pieces_of_blob(blob).start);
        let mut state = self.lock();
        if state.readers.len() >= MAX_READERS {
            return None;
        }
        let id = ReaderId(state.next_reader);
        state.next_reader += 1;
        let reading = Reading {
            position: base + range.start,
            end: base + range.end,
            rate: 0,
            window,
        };
        state.readers.insert(id, reading);
        drop(state);
        self.asked.notify_one();
        Some(Reader {
            live: Arc::clone(self),
            id,
            base,
            blob,
        })
    }
}

/// One that reads. Dropping it ends that.
pub(crate) struct Reader {
    pub(crate) live: Arc<Live>,
    pub(crate) blob: u32,
    id: ReaderId,
    base: u64,
}

impl Reader {
    /// Tells the next byte that is needed.
    pub(crate) fn moved(&self, at: u64) {
        if let Some(reading) = self.live.lock().readers.get_mut(&self.id) {
            reading.position = self.base + at;
        }
        self.live.asked.notify_one();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.live.lock();
        state.readers.remove(&self.id);
        if state.readers.is_empty() {
            state.idle_since = Instant::now();
        }
        drop(state);
        self.live.asked.notify_one();
    }
}

//! How far each fetcher is.

use potluck_api::{ErrorBody, GetEvent, Phase, SourceResult};

/// What a fetcher tells.
pub(super) enum Cue {
    /// Something happened on its way.
    Event(GetEvent),
    /// It is done or gave up.
    Ended(Result<Fetched, ErrorBody>),
}

/// A finished fetch.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) wasted_bytes: u64,
    pub(super) seconds: f64,
    pub(super) sources: Vec<SourceResult>,
}

/// One fetcher.
#[derive(Debug, Default)]
pub(super) struct Fetcher {
    /// Number of its node.
    pub(super) number: usize,
    pub(super) started: bool,
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) rate: u64,
    pub(super) waiting: Option<String>,
    /// Peer id and bytes.
    pub(super) sources: Vec<(String, u64)>,
    pub(super) fetched: Option<Fetched>,
}

impl Fetcher {
    pub(super) fn new(number: usize) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }

    /// Whether it has at least half.
    pub(super) fn is_half_way(&self) -> bool {
        self.total > 0 && self.done * 2 >= self.total
    }

    /// Takes in what it tells.
    pub(super) fn take(&mut self, event: GetEvent) {
        match event {
            GetEvent::Found {
                bytes, have_bytes, ..
            } => {
                (self.total, self.done, self.waiting) = (bytes, have_bytes, None);
            }
            GetEvent::Waiting { reason, .. } => {
                self.rate = 0;
                self.waiting = Some(reason);
            }
            GetEvent::Progress {
                phase,
                done_bytes,
                total_bytes,
                rate,
                reason,
                sources,
                ..
            } => {
                (self.done, self.total, self.rate) = (done_bytes, total_bytes, rate);
                self.waiting = if phase == Phase::Finishing {
                    Some("writing to disk".into())
                } else {
                    reason
                };
                self.sources = sources
                    .into_iter()
                    .map(|from| (from.peer, from.bytes))
                    .collect();
            }
            _ => {}
        }
    }

    /// It has everything.
    pub(super) fn finish(&mut self, fetched: Fetched) {
        (self.done, self.total, self.rate) = (fetched.bytes, fetched.bytes, 0);
        self.waiting = None;
        let native = fetched.sources.iter().filter(|from| from.kind == "native");
        self.sources = native.map(|from| (from.peer.clone(), from.bytes)).collect();
        self.fetched = Some(fetched);
    }
}

//! What a fetch of piece layers knows of a file, of a peer, and of a request.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::tree::{Sha, layers_above};
use crate::wire::HashRequest;

/// Hashes of a range, as BEP 52 advises. libtorrent takes no others.
pub(super) const RUN: u32 = 512;
/// Requests to one peer at a time; one to a peer that failed before.
const MAX_ASKED: u32 = 4;
/// How long a peer is left alone after its first failure; twice as long after each further one.
const REST_TIME: Duration = Duration::from_secs(10);
/// Failures from which on the rest gets no longer: it is 320 seconds then.
const MAX_FAILURES: u32 = 6;

/// A range of hashes: the file, and which of its ranges.
pub(super) type Run = (u32, u32);

/// A file whose layer is missing.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) root: Sha,
    pub(super) bytes: u64,
    pub(super) pieces: u32,
    /// Ranges that are there, without what is past the end of the file.
    pub(super) got: BTreeMap<u32, Vec<Sha>>,
    is_done: bool,
}

impl File {
    pub(super) fn new(root: Sha, bytes: u64, pieces: u32) -> Self {
        Self {
            root,
            bytes,
            pieces,
            got: BTreeMap::new(),
            is_done: false,
        }
    }

    /// All of it, once it is there.
    pub(super) fn take(&mut self) -> Vec<Sha> {
        self.is_done = true;
        let mut hashes = Vec::with_capacity(self.pieces as usize);
        for part in std::mem::take(&mut self.got).into_values() {
            hashes.extend(part);
        }
        hashes
    }

    pub(super) fn runs(&self) -> u32 {
        self.pieces.div_ceil(RUN)
    }

    pub(super) fn is_missing(&self, run: u32) -> bool {
        !self.is_done && run < self.runs() && !self.got.contains_key(&run)
    }

    pub(super) fn request(&self, layer: u32, run: u32) -> HashRequest {
        let index = run.saturating_mul(RUN);
        let left = self.pieces.saturating_sub(index).clamp(2, RUN);
        HashRequest {
            root: self.root,
            base_layer: layer,
            index,
            length: left.next_power_of_two(),
            // The root has nothing beside it.
            proof_layers: layers_above(self.pieces.into()).saturating_sub(1),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    pub(super) failures: u32,
    /// Requests that it may still answer in time.
    pub(super) asked: u32,
    /// Requests that were given up, whose answers may still come.
    pub(super) late: u32,
    pub(super) rests_until: Option<Duration>,
    /// The last range that it refused or left unanswered: others are asked of it first.
    pub(super) refused: Option<Run>,
    pub(super) is_liar: bool,
}

impl Peer {
    pub(super) fn is_free(&self) -> bool {
        let most = if self.failures > 0 { 1 } else { MAX_ASKED };
        !self.is_liar && self.rests_until.is_none() && self.asked < most
    }

    pub(super) fn fail(&mut self, now: Duration, run: Run) {
        self.refused = Some(run);
        self.failures = (self.failures + 1).min(MAX_FAILURES);
        let rest = REST_TIME.saturating_mul(1 << (self.failures - 1));
        self.rests_until = Some(now.saturating_add(rest));
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    /// When somebody else is asked as well, unless that is so.
    pub(super) hedge: Option<Duration>,
    pub(super) deadline: Duration,
}

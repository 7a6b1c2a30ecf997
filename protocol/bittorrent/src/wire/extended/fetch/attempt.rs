//! The pieces of a dictionary of one size.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha1::{Digest as _, Sha1};

use super::METADATA_PIECE_BYTES;

/// What came and what was asked for, of a dictionary of one size.
#[derive(Clone, Debug)]
pub(super) struct Attempt<P> {
    /// Whether there is room for it beside others.
    pub(super) is_active: bool,
    pieces: u32,
    /// Pieces that nobody was asked for.
    open: BTreeSet<u32>,
    /// Who was asked for a piece, and until when.
    asked: BTreeMap<u32, (P, Duration)>,
    /// Who sent a piece, and the piece.
    got: BTreeMap<u32, (P, Vec<u8>)>,
    /// Set once peers together sent what is wrong: from then on one at a time is asked.
    is_alone: bool,
    /// Who is asked, when it is one at a time.
    sole: Option<P>,
    /// Who sent what together was wrong.
    suspects: BTreeSet<P>,
    /// What each of them sent: the piece, and its hash.
    evidence: Vec<(P, u32, [u8; 20])>,
}

impl<P: Copy + Ord> Attempt<P> {
    pub(super) fn new(pieces: u32) -> Self {
        Self {
            is_active: false,
            pieces,
            open: (0..pieces).collect(),
            asked: BTreeMap::new(),
            got: BTreeMap::new(),
            is_alone: false,
            sole: None,
            suspects: BTreeSet::new(),
            evidence: Vec::new(),
        }
    }

    /// Whether nothing would be lost with it.
    pub(super) fn is_new(&self) -> bool {
        self.got.is_empty() && self.suspects.is_empty()
    }

    pub(super) fn first_open(&self) -> Option<u32> {
        self.open.first().copied()
    }

    pub(super) fn may_ask(&self, id: P) -> bool {
        !self.is_alone || self.sole.is_none_or(|sole| sole == id)
    }

    pub(super) fn is_suspect(&self, id: P) -> bool {
        self.suspects.contains(&id)
    }

    pub(super) fn ask(&mut self, id: P, piece: u32, deadline: Duration) {
        if self.is_alone {
            self.sole = Some(id);
        }
        self.open.remove(&piece);
        self.asked.insert(piece, (id, deadline));
    }

    pub(super) fn is_asked(&self, id: P, piece: u32) -> bool {
        self.asked
            .get(&piece)
            .is_some_and(|(asked, _)| *asked == id)
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.asked.values().map(|(_, deadline)| *deadline).min()
    }

    /// Opens a piece again. False when it was not asked for there.
    pub(super) fn release(&mut self, id: P, piece: u32) -> bool {
        let is_asked = self.is_asked(id, piece);
        if is_asked {
            self.asked.remove(&piece);
            self.open.insert(piece);
        }
        is_asked
    }

    fn release_where(&mut self, is_over: impl Fn(P, Duration) -> bool) -> Vec<P> {
        let Self { asked, open, .. } = self;
        let mut released = Vec::new();
        asked.retain(|piece, (id, deadline)| {
            let keep = !is_over(*id, *deadline);
            if !keep {
                open.insert(*piece);
                released.push(*id);
            }
            keep
        });
        released
    }

    /// Opens what took too long. Says who was asked, once for each.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<P> {
        self.release_where(|_, deadline| deadline <= now)
    }

    /// Opens all that somebody was asked for, and says how much that is.
    pub(super) fn release_all(&mut self, id: P) -> usize {
        if self.sole == Some(id) {
            return self.clear().len();
        }
        self.release_where(|asked, _| asked == id).len()
    }

    /// Begins anew with somebody else, if this is the one that is asked for everything. Says who was
    /// asked, once for each piece.
    pub(super) fn drop_sole(&mut self, id: P) -> Vec<P> {
        if self.sole == Some(id) {
            self.clear()
        } else {
            Vec::new()
        }
    }

    /// Drops all pieces. Says who was asked, once for each.
    pub(super) fn clear(&mut self) -> Vec<P> {
        self.sole = None;
        self.got.clear();
        self.open = (0..self.pieces).collect();
        let asked = std::mem::take(&mut self.asked);
        asked.into_values().map(|(id, _)| id).collect()
    }

    pub(super) fn take(&mut self, id: P, piece: u32, data: &[u8]) {
        self.asked.remove(&piece);
        self.got.insert(piece, (id, data.to_vec()));
    }

    pub(super) fn is_full(&self) -> bool {
        self.got.len() == self.pieces as usize
    }

    /// Bytes of pieces that are kept.
    pub(super) fn held_bytes(&self) -> u64 {
        self.got.values().map(|(_, data)| data.len() as u64).sum()
    }

    /// All pieces together.
    pub(super) fn bytes(&self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size);
        for (_, data) in self.got.values() {
            bytes.extend_from_slice(data);
        }
        bytes
    }

    /// Drops pieces that together are wrong. Says who sent them, if one did.
    pub(super) fn reject(&mut self) -> Option<P> {
        let senders: BTreeSet<P> = self.got.values().map(|(id, _)| *id).collect();
        let liar = senders.first().copied().filter(|_| senders.len() == 1);
        // One at a time from then on, so that this happens once.
        if liar.is_none() {
            let got = self.got.iter();
            let hashed = got.map(|(piece, (id, data))| (*id, *piece, Sha1::digest(data).into()));
            self.evidence = hashed.collect();
            self.suspects = senders;
        }
        self.is_alone = true;
        self.clear();
        liar
    }

    /// Who sent what is not in the right dictionary.
    pub(super) fn liars(&self, bytes: &[u8]) -> impl Iterator<Item = P> {
        let chunks: Vec<&[u8]> = bytes.chunks(METADATA_PIECE_BYTES as usize).collect();
        self.evidence.iter().filter_map(move |(id, piece, hash)| {
            let right = chunks.get(*piece as usize)?;
            let right: [u8; 20] = Sha1::digest(right).into();
            (right != *hash).then_some(*id)
        })
    }
}

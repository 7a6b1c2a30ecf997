//! Getting piece layers from peers of whom any may lie or say nothing (BEP 52).
//!
//! Each range of hashes is proven by itself, so peers are asked for different ranges at the same time,
//! and whoever sends a wrong one is known at once. A peer that takes long is not waited for: somebody
//! else is asked as well.

mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use super::tree::{Sha, piece_layer, verify_hashes};
use crate::Metainfo;
use crate::wire::{HashList, HashRequest};

use parts::{Ask, File, Peer, RUN, Run};

/// Most peers that are asked.
pub const MAX_LAYER_PEERS: usize = 256;

/// Peers that are asked for one range at a time.
const MAX_ASKERS: usize = 4;
/// How long a peer has before somebody else is asked as well, as for libtorrent.
const HEDGE_TIME: Duration = Duration::from_secs(3);
/// How long a peer has for a range. It may come later.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// The way to the piece layers that a torrent is missing.
///
/// Ask peers for what [`Self::poll_request`] says and hand in their answers; times are counted from any
/// fixed moment. Memory holds the layers that are not whole yet.
#[derive(Clone, Debug)]
pub struct LayerFetch<P> {
    /// The layer of the pieces, counted from the leaves.
    layer: u32,
    files: Vec<File>,
    by_root: BTreeMap<Sha, u32>,
    peers: BTreeMap<P, Peer>,
    /// Ranges that somebody is to be asked for.
    open: BTreeSet<Run>,
    asked: BTreeMap<(Run, P), Ask>,
    /// Files whose layers are not whole.
    missing: usize,
}

/// A piece layer that is whole and right, for [`Metainfo::add_layer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceLayer {
    /// The root of the files that have it.
    pub root: [u8; 32],
    /// The hashes of the pieces.
    pub hashes: Vec<[u8; 32]>,
}

/// Why an answer is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayerFetchError {
    /// Nobody asked the peer for it.
    #[error("hashes that were not asked for")]
    Unrequested,
    /// The hashes don't lead to the root of the file. The peer lied, and is asked no more.
    #[error("hashes that are wrong")]
    Wrong,
}

impl<P: Copy + Ord> LayerFetch<P> {
    /// Begins with all layers that a torrent is missing, and nobody to ask.
    #[must_use]
    pub fn new(metainfo: &Metainfo) -> Self {
        let info = metainfo.info();
        let mut fetch = Self {
            layer: piece_layer(info.piece_bytes()).unwrap_or(0),
            files: Vec::new(),
            by_root: BTreeMap::new(),
            peers: BTreeMap::new(),
            open: BTreeSet::new(),
            asked: BTreeMap::new(),
            missing: 0,
        };
        for file in info
            .files()
            .iter()
            .filter(|file| file.size > info.piece_bytes())
        {
            let root = file.root.filter(|root| metainfo.layer(root).is_none());
            let pieces = u32::try_from(file.size.div_ceil(info.piece_bytes()));
            let at = u32::try_from(fetch.files.len());
            let (Some(root), Ok(pieces), Ok(at)) = (root, pieces, at) else {
                continue;
            };
            // Files of the same bytes have one layer.
            if fetch.by_root.contains_key(&root) {
                continue;
            }
            let file = File::new(root, file.size, pieces);
            fetch.open.extend((0..file.runs()).map(|run| (at, run)));
            fetch.by_root.insert(root, at);
            fetch.files.push(file);
            fetch.missing += 1;
        }
        fetch
    }

    /// Adds a peer that knows version 2. False when it is there, or [`MAX_LAYER_PEERS`] are.
    pub fn add_peer(&mut self, peer: P) -> bool {
        if self.peers.contains_key(&peer) || self.peers.len() >= MAX_LAYER_PEERS {
            return false;
        }
        self.peers.insert(peer, Peer::default());
        true
    }

    /// Forgets a peer that is gone. What it sent stays.
    pub fn remove_peer(&mut self, peer: P) {
        self.release_all(peer);
        self.peers.remove(&peer);
    }

    /// How many peers may still be asked, now or later.
    #[must_use]
    pub fn usable_peers(&self) -> usize {
        self.peers.values().filter(|peer| !peer.is_liar).count()
    }

    /// Whether all layers were handed out.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.missing == 0
    }

    /// Whom to ask for what. None when all that can be asked are.
    pub fn poll_request(&mut self, now: Duration) -> Option<(P, HashRequest)> {
        if self.open.is_empty() {
            return None;
        }
        let free = self.peers.iter().filter(|(_, peer)| peer.is_free());
        let mut free: Vec<_> = free.map(|(id, p)| (p.failures, p.asked, *id)).collect();
        free.sort_unstable();
        for (_, _, id) in free {
            let Some(run) = self.next_for(id) else {
                continue;
            };
            let request = self.files.get(run.0 as usize)?.request(self.layer, run.1);
            self.open.remove(&run);
            let ask = Ask {
                hedge: Some(now.saturating_add(HEDGE_TIME)),
                deadline: now.saturating_add(ANSWER_TIME),
            };
            self.asked.insert((run, id), ask);
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.asked += 1;
            }
            return Some((id, request));
        }
        None
    }

    /// The range to ask a peer for. It is asked for a few at most, so few are passed over.
    fn next_for(&self, id: P) -> Option<Run> {
        let refused = self.peers.get(&id)?.refused;
        let after = refused.map_or(Bound::Unbounded, Bound::Excluded);
        let open = self.open.range((after, Bound::Unbounded));
        let mut open = open.chain(&self.open);
        let run = open.find(|run| !self.asked.contains_key(&(**run, id)));
        run.copied()
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let asked = self.asked.values();
        let asked = asked.map(|ask| ask.hedge.unwrap_or(ask.deadline));
        let rests = self.peers.values().filter_map(|peer| peer.rests_until);
        asked.chain(rests).min()
    }

    /// Gives up requests that took too long, has others asked for what takes long, and ends rests.
    pub fn handle_timeout(&mut self, now: Duration) {
        for peer in self.peers.values_mut() {
            peer.rests_until = peer.rests_until.filter(|until| *until > now);
        }
        let mut slow = Vec::new();
        let mut late = Vec::new();
        for (key, ask) in &mut self.asked {
            if ask.deadline <= now {
                late.push(*key);
            } else if ask.hedge.is_some_and(|hedge| hedge <= now) {
                ask.hedge = None;
                slow.push(key.0);
            }
        }
        for (run, id) in &late {
            self.give_up(*run, *id);
        }
        // What a peer was asked for at once fails at once, and counts once.
        let late = late.into_iter().map(|(run, id)| (id, run));
        for (id, run) in late.collect::<BTreeMap<P, Run>>() {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.fail(now, run);
            }
        }
        for run in slow {
            self.reopen(run);
        }
    }

    /// Takes a refusal. One that answers no request is ignored. The peer may come to have the hashes
    /// and is asked again later.
    pub fn handle_reject(&mut self, now: Duration, from: P, request: &HashRequest) {
        let Some(run) = self.run_of(request) else {
            return;
        };
        let Some(peer) = self.peers.get_mut(&from) else {
            return;
        };
        if self.asked.remove(&(run, from)).is_none() {
            // Given up before, and punished for that.
            peer.late = peer.late.saturating_sub(1);
            return;
        }
        peer.asked = peer.asked.saturating_sub(1);
        // What it was asked for at once is refused for one reason, and counts once.
        if peer.rests_until.is_none() {
            peer.fail(now, run);
        }
        peer.refused = Some(run);
        self.reopen(run);
    }

    /// Takes hashes, and hands out the layer that they complete.
    ///
    /// # Errors
    ///
    /// Refuses what was not asked for, and what is wrong; then the peer lied and is asked no more.
    pub fn handle_hashes(
        &mut self,
        from: P,
        request: &HashRequest,
        hashes: &HashList<'_>,
    ) -> Result<Option<PieceLayer>, LayerFetchError> {
        let run = self.run_of(request).ok_or(LayerFetchError::Unrequested)?;
        let peer = self.peers.get_mut(&from);
        let peer = peer.ok_or(LayerFetchError::Unrequested)?;
        if self.asked.remove(&(run, from)).is_some() {
            peer.asked = peer.asked.saturating_sub(1);
        } else {
            let late = peer.late.checked_sub(1);
            peer.late = late.ok_or(LayerFetchError::Unrequested)?;
        }
        let file = self.files.get_mut(run.0 as usize);
        let file = file.filter(|file| file.is_missing(run.1));
        let Some(file) = file else {
            return Ok(None);
        };
        if !verify_hashes(request, hashes, file.bytes) {
            peer.is_liar = true;
            self.reopen(run);
            self.release_all(from);
            return Err(LayerFetchError::Wrong);
        }
        peer.failures = 0;
        peer.rests_until = None;
        let (base, _) = hashes.split(request);
        let real = file.pieces.saturating_sub(request.index) as usize;
        file.got
            .insert(run.1, base.iter().take(real).copied().collect());
        self.open.remove(&run);
        self.settle(run);
        Ok(self.finish(run.0))
    }

    /// The layer of a file, if all of it is there.
    fn finish(&mut self, at: u32) -> Option<PieceLayer> {
        let file = self.files.get_mut(at as usize)?;
        if file.got.len() < file.runs() as usize {
            return None;
        }
        let hashes = file.take();
        self.missing = self.missing.saturating_sub(1);
        Some(PieceLayer {
            root: file.root,
            hashes,
        })
    }

    /// The range that a request is for, if it is one of ours.
    fn run_of(&self, request: &HashRequest) -> Option<Run> {
        let at = *self.by_root.get(&request.root)?;
        let file = self.files.get(at as usize)?;
        let run = request.index / RUN;
        let is_ours = run < file.runs() && file.request(self.layer, run) == *request;
        is_ours.then_some((at, run))
    }

    /// Nobody is waited for any more, for this range.
    fn settle(&mut self, run: Run) {
        for id in self.askers(run) {
            self.give_up(run, id);
        }
    }

    fn askers(&self, run: Run) -> Vec<P> {
        let asked = self.asked.iter().filter(|((asked, _), _)| *asked == run);
        asked.map(|((_, id), _)| *id).collect()
    }

    /// Has somebody asked for a range, if it is missing and not many are.
    fn reopen(&mut self, run: Run) {
        let file = self.files.get(run.0 as usize);
        if file.is_some_and(|file| file.is_missing(run.1)) && self.askers(run).len() < MAX_ASKERS {
            self.open.insert(run);
        }
    }

    /// A request is given up; the peer doesn't know.
    fn give_up(&mut self, run: Run, id: P) {
        if self.asked.remove(&(run, id)).is_some()
            && let Some(peer) = self.peers.get_mut(&id)
        {
            peer.asked = peer.asked.saturating_sub(1);
            peer.late = peer.late.saturating_add(1);
        }
        self.reopen(run);
    }

    /// Lets others have the requests of a peer that is asked no more.
    fn release_all(&mut self, id: P) {
        let asked = self.asked.keys().filter(|(_, asked)| *asked == id);
        for run in asked.map(|(run, _)| *run).collect::<Vec<Run>>() {
            self.give_up(run, id);
        }
    }
}

//! Showing pieces one by one while nobody else has them (BEP 16).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use potluck_content::PieceSet;

/// Most peers to which pieces are shown.
pub const MAX_SUPER_SEED_PEERS: usize = 1024;
/// How long a peer has to spread a piece, from the last block of it that it took.
pub const STALL_TIME: Duration = Duration::from_secs(120);

/// Who has more than so many pieces fewer than the better half of the peers is behind.
const BEHIND: u32 = 4;
/// Pieces that are shown to a peer before one of them was spread: as many as keep it asking while others
/// are on their way to a third peer. Measured with 8 libtorrent leeches on shaped lines: with two the last
/// of them is done a seventh later, and with eight the seed sends more twice. So many to one that has
/// as many pieces as the better half of the peers; to one that has fewer; and to one that is [`BEHIND`],
/// because others give it little and all wait for the last: 22.1 s, mean of 6 runs, where four for each took
/// 23.5, of 7. Runs of either differ by up to 6 s.
const MAX_SHOWN: [usize; 3] = [3, 4, 8];
/// The same for a peer that is alone, once it has taken as many: nobody is there to spread to, and it
/// is not to wait for each piece.
const MAX_SHOWN_ALONE: usize = 64;

/// Decides which piece each peer gets to see next, so that a seed that is alone sends each piece once
/// and the others spread it.
///
/// The seed says that it has nothing, and then has each piece that [`Self::poll`] names for the peer
/// that it names. That peer sees the next one once somebody else has the piece. A peer that keeps what
/// it got is shown one piece at a time, each after [`STALL_TIME`].
#[derive(Clone, Debug)]
pub struct SuperSeed<P> {
    peers: BTreeMap<P, Peer>,
    /// How many peers have each piece.
    copies: Vec<u32>,
    /// Pieces that nobody has and nobody was shown, and those that were not spread.
    open: PieceSet,
    /// Who didn't spread a piece that is open again.
    kept: BTreeMap<u32, P>,
    /// Pieces that two peers have, or all.
    spread: PieceSet,
    /// To whom a piece was shown that is not spread.
    shown: BTreeMap<u32, P>,
}

#[derive(Clone, Debug, Default)]
struct Peer {
    /// Pieces that it was shown and that are not spread, and when it will have kept them.
    shown: BTreeMap<u32, Duration>,
    /// Everything that it was ever shown, and may ask for.
    allowed: BTreeSet<u32>,
    stalls: u32,
    /// How many pieces it has.
    has: u32,
}

impl<P: Copy + Ord> SuperSeed<P> {
    /// Begins with a torrent of so many pieces, all of which are here, and no peers.
    #[must_use]
    pub fn new(pieces: u32) -> Self {
        Self {
            peers: BTreeMap::new(),
            copies: vec![0; pieces as usize],
            open: PieceSet::full(pieces),
            kept: BTreeMap::new(),
            spread: PieceSet::new(pieces),
            shown: BTreeMap::new(),
        }
    }

    /// Adds a peer with what it has. False when it is there, or [`MAX_SUPER_SEED_PEERS`] are.
    pub fn add_peer(&mut self, peer: P, has: &PieceSet) -> bool {
        if self.peers.contains_key(&peer) || self.peers.len() >= MAX_SUPER_SEED_PEERS {
            return false;
        }
        self.peers.insert(peer, Peer::default());
        for piece in has.ranges().flatten() {
            self.has(peer, piece);
        }
        true
    }

    /// Forgets a peer that is gone, with all that [`Self::add_peer`] and [`Self::has`] said it had.
    /// What nobody else has is to be shown again.
    pub fn remove_peer(&mut self, peer: P, had: &PieceSet) {
        let Some(gone) = self.peers.remove(&peer) else {
            return;
        };
        for piece in had.ranges().flatten() {
            if let Some(copies) = self.copies.get_mut(piece as usize) {
                *copies = copies.saturating_sub(1);
                if *copies == 0 {
                    self.spread.remove(piece);
                    self.reopen(piece);
                }
            }
        }
        for piece in gone.shown.into_keys() {
            self.shown.remove(&piece);
            self.reopen(piece);
        }
        self.kept.retain(|_, who| *who != peer);
        if self.peers.len() <= 1 {
            self.settle_for_one();
        }
    }

    /// With one peer left nobody waits for what it has.
    fn settle_for_one(&mut self) {
        let copies = self.copies.iter().zip(0..);
        let had: Vec<u32> = copies.filter(|(n, _)| **n > 0).map(|(_, at)| at).collect();
        for piece in had {
            self.settle(piece);
        }
    }

    /// A peer has a piece that it had not before. Each is to be told once.
    pub fn has(&mut self, peer: P, piece: u32) {
        let Some(copies) = self.copies.get_mut(piece as usize) else {
            return;
        };
        *copies = copies.saturating_add(1);
        let copies = *copies;
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.has = peer.has.saturating_add(1);
        }
        let is_seen = self.shown.get(&piece).is_none_or(|to| *to != peer);
        // With nobody else there, nobody else can have it.
        if copies > 1 || self.peers.len() <= 1 {
            self.spread.insert(piece);
        }
        if is_seen || self.peers.len() <= 1 {
            self.settle(piece);
        }
    }

    /// A piece needs to be shown to nobody.
    fn settle(&mut self, piece: u32) {
        self.open.remove(piece);
        self.kept.remove(&piece);
        let to = self.shown.remove(&piece);
        if let Some(peer) = to.and_then(|to| self.peers.get_mut(&to)) {
            peer.shown.remove(&piece);
            peer.stalls = 0;
        }
    }

    /// Lets a piece be shown again, if that is of use.
    fn reopen(&mut self, piece: u32) {
        let enough = if self.peers.len() > 1 { 2 } else { 1 };
        let copies = self.copies.get(piece as usize);
        if copies.is_some_and(|copies| *copies < enough) && !self.shown.contains_key(&piece) {
            self.open.insert(piece);
        }
    }

    /// Counts a block that was sent to a peer, which is given more time to spread its piece.
    pub fn sent(&mut self, now: Duration, peer: P, piece: u32) {
        let peer = self.peers.get_mut(&peer);
        if let Some(until) = peer.and_then(|peer| peer.shown.get_mut(&piece)) {
            *until = now.saturating_add(STALL_TIME);
        }
    }

    /// How many pieces a peer is shown before one of them was spread, where half of all have `usual` pieces.
    fn most_shown(&self, peer: &Peer, usual: u32) -> usize {
        let [ahead, slower, behind] = MAX_SHOWN;
        match peer.stalls {
            0 if self.peers.len() == 1 => {
                // Not at once: others may be about to come, for whom it would have to spread them all.
                (slower + self.spread() as usize).min(MAX_SHOWN_ALONE)
            }
            0 if peer.has >= usual => ahead,
            0 if usual - peer.has <= BEHIND => slower,
            0 => behind,
            _ => 1,
        }
    }

    /// How many pieces the half of the peers has at least that has the most.
    fn usual(&self) -> u32 {
        let mut all: Vec<u32> = self.peers.values().map(|peer| peer.has).collect();
        let middle = all.len() / 2;
        match all.len() {
            0 => 0,
            _ => *all.select_nth_unstable(middle).1,
        }
    }

    /// Which piece to say to which peer that it is here. None when all wait for others.
    pub fn poll(&mut self, now: Duration) -> Option<(P, u32)> {
        let mut free: Vec<(usize, u32, P)> = Vec::new();
        let usual = self.usual();
        for (id, peer) in &self.peers {
            if peer.shown.len() < self.most_shown(peer, usual) {
                free.push((peer.shown.len(), peer.stalls, *id));
            }
        }
        free.sort_unstable();
        for (_, _, id) in free {
            let Some(piece) = self.next_for(id) else {
                continue;
            };
            self.open.remove(piece);
            self.kept.remove(&piece);
            self.shown.insert(piece, id);
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.shown.insert(piece, now.saturating_add(STALL_TIME));
                peer.allowed.insert(piece);
            }
            return Some((id, piece));
        }
        None
    }

    /// The first open piece that a peer didn't keep before.
    fn next_for(&self, id: P) -> Option<u32> {
        let mut open = self.open.ranges().flatten();
        open.find(|piece| self.kept.get(piece) != Some(&id))
    }

    /// Whether a peer was shown a piece, and may ask for it.
    #[must_use]
    pub fn may_ask(&self, peer: P, piece: u32) -> bool {
        let peer = self.peers.get(&peer);
        peer.is_some_and(|peer| peer.allowed.contains(&piece))
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let shown = self.peers.values().flat_map(|peer| peer.shown.values());
        shown.min().copied()
    }

    /// Lets others have what a peer didn't spread.
    pub fn handle_timeout(&mut self, now: Duration) {
        let mut late = Vec::new();
        for (id, peer) in &mut self.peers {
            let before = peer.shown.len();
            peer.shown.retain(|piece, until| {
                let is_late = *until <= now;
                if is_late {
                    late.push((*piece, *id));
                }
                !is_late
            });
            if peer.shown.len() < before {
                peer.stalls = peer.stalls.saturating_add(1);
            }
        }
        for (piece, id) in late {
            self.shown.remove(&piece);
            self.reopen(piece);
            // Alone it may try again: there is nobody else.
            if self.peers.len() > 1 && self.open.contains(piece) {
                self.kept.insert(piece, id);
            }
        }
    }

    /// How many pieces two peers have, or were here when there was one.
    #[must_use]
    pub fn spread(&self) -> u32 {
        self.spread.count()
    }

    /// Whether nothing is gained by going on: the others can have all pieces from each other.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.spread.is_full()
    }
}

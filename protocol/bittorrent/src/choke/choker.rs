//! Whom we unchoke.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ChokeConfig;
use super::peer::{Peer, Rank, Slot};

/// Most peers of a choker.
pub const MAX_CHOKER_PEERS: usize = 8192;
/// Time between rounds, in which all are compared (BEP 3).
pub const ROUND_TIME: Duration = Duration::from_secs(10);
/// Time after which somebody else is tried (BEP 3).
pub const OPTIMISTIC_TIME: Duration = Duration::from_secs(30);

/// How much likelier one is tried that never was served (BEP 3).
const NEW_WEIGHT: u64 = 3;

/// Decides whom we unchoke, of the peers of one torrent or of all.
///
/// Tell it what happens, call [`Self::handle_timeout`] when [`Self::poll_timeout`] says, and do what
/// [`Self::poll`] says. At any time no more than [`ChokeConfig::slots`] and
/// [`ChokeConfig::optimistic`] together are unchoked; contacts of the owner are first, and all of
/// them are, even when that leaves the optimistic slots alone to others.
#[derive(Clone, Debug)]
pub struct Choker<P> {
    config: ChokeConfig,
    is_seeding: bool,
    peers: BTreeMap<P, Peer>,
    /// Peers with a slot.
    served: BTreeSet<P>,
    /// Peers that want a slot and have none.
    waiting: BTreeSet<P>,
    /// Peers that are to be told.
    changed: BTreeSet<P>,
    next_round: Duration,
    next_optimistic: Duration,
}

/// What to tell a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<P> {
    /// The peer.
    pub peer: P,
    /// Whether it is choked from now on, or unchoked.
    pub choke: bool,
}

impl<P: Copy + Ord> Choker<P> {
    /// Begins, with no peers, downloading.
    #[must_use]
    pub fn new(now: Duration, config: ChokeConfig) -> Self {
        Self {
            config,
            is_seeding: false,
            peers: BTreeMap::new(),
            served: BTreeSet::new(),
            waiting: BTreeSet::new(),
            changed: BTreeSet::new(),
            next_round: now.saturating_add(ROUND_TIME),
            next_optimistic: now.saturating_add(OPTIMISTIC_TIME),
        }
    }

    /// Changes how many are served. More are at once, fewer from the next round on.
    pub fn set_config(&mut self, now: Duration, config: ChokeConfig) {
        if self.config != config {
            self.config = config;
            self.refill(now);
        }
    }

    /// Says whether everything is here, so that what peers send counts no more. From the next round.
    pub fn set_seeding(&mut self, is_seeding: bool) {
        self.is_seeding = is_seeding;
    }

    /// Adds a peer, choked and not interested. False when it is there, or [`MAX_CHOKER_PEERS`] are.
    pub fn add_peer(&mut self, now: Duration, peer: P, is_contact: bool) -> bool {
        if self.peers.contains_key(&peer) || self.peers.len() >= MAX_CHOKER_PEERS {
            return false;
        }
        self.peers.insert(peer, Peer::new(now, is_contact));
        true
    }

    /// Forgets a peer that is gone; others get its slot.
    pub fn remove_peer(&mut self, now: Duration, peer: P) {
        self.peers.remove(&peer);
        self.waiting.remove(&peer);
        self.changed.remove(&peer);
        if self.served.remove(&peer) {
            self.refill(now);
        }
    }

    /// Says whether a peer wants anything of ours. When a slot is free it is unchoked at once. One that
    /// has a slot and wants nothing keeps it until somebody else wants it, so that a peer that can't
    /// decide costs nothing.
    pub fn set_interested(&mut self, now: Duration, peer: P, is_interested: bool) {
        self.set_wish(now, peer, |peer| peer.is_interested = is_interested);
    }

    /// Says whether a peer has everything, or wants no more (BEP 21): it needs no slot whatever else
    /// it says.
    pub fn set_upload_only(&mut self, now: Duration, peer: P, is_upload_only: bool) {
        self.set_wish(now, peer, |peer| peer.is_upload_only = is_upload_only);
    }

    fn set_wish(&mut self, now: Duration, id: P, change: impl FnOnce(&mut Peer)) {
        let mut turned = None;
        self.update(id, |peer| {
            let wanted = peer.wants();
            change(peer);
            turned = (peer.wants() != wanted).then_some(peer.slot.is_some());
            if turned == Some(false) {
                peer.waits_from(now);
            }
        });
        match turned {
            Some(true) => self.refill(now),
            Some(false) if self.waiting.contains(&id) => {
                self.try_serve(now, id);
            }
            _ => {}
        }
    }

    /// Says whether we wait for blocks of a peer. If none comes for [`super::SNUB_TIME`] the peer gets
    /// a slot only when nobody else wants it, and an optimistic one as all do.
    pub fn set_requesting(&mut self, now: Duration, peer: P, is_requesting: bool) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            let since = peer.requests_since.unwrap_or(now);
            peer.requests_since = is_requesting.then_some(since);
        }
    }

    /// Counts bytes of blocks that a peer sent.
    pub fn received(&mut self, now: Duration, peer: P, bytes: u64) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.received(now, bytes);
        }
    }

    /// Counts bytes of blocks that were sent to a peer.
    pub fn sent(&mut self, peer: P, bytes: u64) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.sent(bytes);
        }
    }

    /// Whether a peer has a slot, told or not.
    #[must_use]
    pub fn is_unchoked(&self, peer: P) -> bool {
        self.served.contains(&peer)
    }

    /// How many peers have a slot.
    #[must_use]
    pub fn unchoked(&self) -> usize {
        self.served.len()
    }

    /// What to tell to whom next, chokes first.
    pub fn poll(&mut self) -> Option<Change<P>> {
        let is_choke = |id: &&P| !self.served.contains(id);
        let choke = self.changed.iter().find(is_choke);
        let id = choke.or_else(|| self.changed.first()).copied()?;
        self.changed.remove(&id);
        let peer = self.peers.get_mut(&id)?;
        peer.was_told = peer.slot.is_some();
        Some(Change {
            peer: id,
            choke: peer.slot.is_none(),
        })
    }

    /// When to call [`Self::handle_timeout`]. Never while there are no peers.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        (!self.peers.is_empty()).then_some(self.next_round)
    }

    /// Compares all, if it is time. `random` is any number that peers can't guess.
    pub fn handle_timeout(&mut self, now: Duration, random: u64) {
        if now < self.next_round {
            return;
        }
        self.next_round = now.saturating_add(ROUND_TIME);
        let is_change_due = now >= self.next_optimistic;
        if is_change_due {
            self.next_optimistic = now.saturating_add(OPTIMISTIC_TIME);
        }
        let chosen = self.choose(now, is_change_due, random);
        let all: Vec<P> = self.peers.keys().copied().collect();
        for id in all {
            self.update(id, |peer| {
                match chosen.get(&id) {
                    Some(slot) => peer.serve(now, *slot),
                    None => peer.choke(now),
                }
                peer.end_round();
            });
        }
    }

    /// Who is served until the next round.
    fn choose(&self, now: Duration, is_change_due: bool, random: u64) -> BTreeMap<P, Slot> {
        let wanting = self.peers.iter().filter(|(_, peer)| peer.wants());
        let (contacts, strangers): (Vec<_>, Vec<_>) = wanting.partition(|(_, p)| p.is_contact);
        let mut chosen: BTreeMap<P, Slot> = BTreeMap::new();
        chosen.extend(contacts.iter().map(|(id, _)| (**id, Slot::Contact)));

        let (regular, optimistic) = self.room(contacts.len());
        let mut ranked: Vec<P> = strangers.iter().map(|(id, _)| **id).collect();
        ranked.sort_by_cached_key(|id| (self.rank(now, *id), *id));
        let rest = ranked.split_off(regular.min(ranked.len()));
        chosen.extend(ranked.into_iter().map(|id| (id, Slot::Regular)));

        let is_tried = |id: &P| self.slot(*id) == Some(Slot::Optimistic);
        let (tried, mut others): (Vec<P>, Vec<P>) = rest.into_iter().partition(is_tried);
        let kept = if is_change_due { 0 } else { optimistic };
        let mut tried = tried.into_iter();
        let mut picked: Vec<P> = tried.by_ref().take(kept).collect();
        let mut random = random;
        while picked.len() < optimistic {
            let Some(next) = self.draw(&mut others, &mut random).or_else(|| tried.next()) else {
                break;
            };
            picked.push(next);
        }
        chosen.extend(picked.into_iter().map(|id| (id, Slot::Optimistic)));
        chosen
    }

    /// Takes one of them by chance.
    fn draw(&self, from: &mut Vec<P>, random: &mut u64) -> Option<P> {
        let weight = |id: &P| {
            let was_served = self.peers.get(id).is_some_and(|peer| peer.was_served);
            if was_served { 1 } else { NEW_WEIGHT }
        };
        let total: u64 = from.iter().map(weight).sum();
        let mut left = random.checked_rem(total)?;
        // The rest of the number serves the next ones; it needs no quality beyond that.
        *random = random.rotate_left(23).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let at = from.iter().position(|id| {
            let own = weight(id);
            let is_it = left < own;
            left = left.saturating_sub(own);
            is_it
        });
        at.map(|at| from.swap_remove(at))
    }

    /// Slots for strangers while so many contacts are served: regular and optimistic. There is nothing
    /// to be found out while seeding, and turns serve everybody.
    fn room(&self, contacts: usize) -> (usize, usize) {
        let regular = self.config.max_regular().saturating_sub(contacts);
        let optimistic = self.config.max_optimistic();
        if self.is_seeding {
            (regular + optimistic, 0)
        } else {
            (regular, optimistic)
        }
    }

    /// Slots of strangers that are taken, regular and optimistic, and what there is room for.
    fn usage(&self) -> ((usize, usize), (usize, usize)) {
        let count = |slot| {
            let served = self.served.iter();
            served.filter(|id| self.slot(**id) == Some(slot)).count()
        };
        let taken = (count(Slot::Regular), count(Slot::Optimistic));
        (taken, self.room(count(Slot::Contact)))
    }

    fn free_slot(&self) -> Option<Slot> {
        let (taken, room) = self.usage();
        if taken.0 + taken.1 >= room.0 + room.1 {
            None
        } else if taken.0 < room.0 {
            Some(Slot::Regular)
        } else {
            Some(Slot::Optimistic)
        }
    }

    /// Somebody who has a slot and doesn't want it.
    fn idle(&self) -> Option<P> {
        let wants = |id: &P| self.peers.get(id).is_some_and(Peer::wants);
        self.served.iter().copied().find(|id| !wants(id))
    }

    /// Serves one that waits, if there is a slot.
    fn try_serve(&mut self, now: Duration, id: P) -> bool {
        if self.peers.get(&id).is_some_and(|peer| peer.is_contact) {
            self.update(id, |peer| peer.serve(now, Slot::Contact));
            self.make_room(now);
            return true;
        }
        let slot = self.free_slot().or_else(|| {
            let idle = self.idle()?;
            self.update(idle, |peer| peer.choke(now));
            self.free_slot()
        });
        if let Some(slot) = slot {
            self.update(id, |peer| peer.serve(now, slot));
        }
        slot.is_some()
    }

    /// Serves those that wait, as far as there are slots.
    fn refill(&mut self, now: Duration) {
        loop {
            let waiting = self.waiting.iter();
            let is_stranger = |id: &P| self.peers.get(id).is_some_and(|peer| !peer.is_contact);
            let best = waiting.min_by_key(|id| (is_stranger(id), self.rank(now, **id), **id));
            let Some(best) = best.copied() else { return };
            if !self.try_serve(now, best) {
                return;
            }
        }
    }

    /// Takes slots of strangers that a contact came for.
    fn make_room(&mut self, now: Duration) {
        loop {
            let ((regular, optimistic), room) = self.usage();
            if regular + optimistic <= room.0 + room.1 {
                return;
            }
            let served = self.served.iter().copied();
            let strangers = served.filter(|id| self.slot(*id) != Some(Slot::Contact));
            let wants = |id: &P| self.peers.get(id).is_some_and(Peer::wants);
            let is_regular = |id: &P| self.slot(*id) == Some(Slot::Regular);
            let worst =
                strangers.max_by_key(|id| (!wants(id), is_regular(id), self.rank(now, *id), *id));
            let Some(worst) = worst else { return };
            self.update(worst, |peer| peer.choke(now));
        }
    }

    fn slot(&self, id: P) -> Option<Slot> {
        self.peers.get(&id)?.slot
    }

    fn rank(&self, now: Duration, id: P) -> Option<Rank> {
        let peer = self.peers.get(&id)?;
        Some(peer.rank(now, self.is_seeding, self.config.quota_bytes))
    }

    /// Changes a peer, and says everywhere what it is now.
    fn update(&mut self, id: P, change: impl FnOnce(&mut Peer)) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        change(peer);
        let put = |set: &mut BTreeSet<P>, is_in: bool| {
            if is_in {
                set.insert(id);
            } else {
                set.remove(&id);
            }
        };
        put(&mut self.served, peer.slot.is_some());
        put(&mut self.waiting, peer.is_waiting());
        put(&mut self.changed, peer.slot.is_some() != peer.was_told);
    }
}

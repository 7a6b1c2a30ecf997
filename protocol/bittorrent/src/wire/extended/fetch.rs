//! Getting an info dictionary from peers of whom any may lie (BEP 9).
//!
//! Nothing tells a wrong piece from a right one before all are there. So peers are first asked together,
//! which is fastest when nobody lies; if what they sent together is wrong, each is asked for all of
//! it, so that a wrong result has one to blame. Peers that name different sizes are asked apart from
//! each other, at the same time, because no piece of one can be of use for another.

mod attempt;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::METADATA_PIECE_BYTES;
use super::metadata::{piece_len, pieces};
use crate::{Info, InfoHashV1, InfoHashV2, InfoHashes, MAX_INFO_BYTES, MetainfoError};

use attempt::Attempt;

/// Most peers that are asked.
pub const MAX_FETCH_PEERS: usize = 256;

/// Requests to one peer at a time.
const MAX_ASKED: u32 = 4;
/// Requests that a peer may refuse or leave unanswered before it is asked no more.
const MAX_FAILURES: u32 = 3;
/// How long a peer has for a piece. It may come later; by then somebody else is asked.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long a peer is left alone after it refused.
const REST_TIME: Duration = Duration::from_secs(30);

/// The way to an info dictionary whose infohashes are known.
///
/// Ask peers for what [`Self::poll_request`] says, and hand in their answers; times are counted from
/// any fixed moment. Memory holds no more than was received, at most [`MAX_INFO_BYTES`] and as many
/// again while they are hashed.
#[derive(Clone, Debug)]
pub struct MetadataFetch<P> {
    hashes: InfoHashes,
    peers: BTreeMap<P, Peer>,
    /// By the size that peers name.
    attempts: BTreeMap<u32, Attempt<P>>,
    is_done: bool,
}

/// A peer that has the dictionary, as it says.
#[derive(Clone, Debug)]
struct Peer {
    total_bytes: u32,
    failures: u32,
    /// Requests that it may still answer.
    asked: u32,
    /// Requests that were given up, whose answers may still come.
    late: u32,
    rests_until: Option<Duration>,
}

impl Peer {
    fn is_usable(&self) -> bool {
        self.failures < MAX_FAILURES
    }

    fn is_free(&self) -> bool {
        self.is_usable() && self.rests_until.is_none() && self.asked < MAX_ASKED
    }

    /// A request came to its end, well or not.
    fn settle(&mut self) {
        self.asked = self.asked.saturating_sub(1);
    }

    /// A request is given up; the peer doesn't know.
    fn give_up(&mut self) {
        self.settle();
        self.late = self.late.saturating_add(1);
    }
}

/// What an answer led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<P> {
    /// There is more to ask for.
    More,
    /// All pieces were there, and were not what the infohash names. It goes on with others.
    Wrong {
        /// Who sent all of it, and is asked no more. None when several did and it is not known yet
        /// which of them lied.
        liar: Option<P>,
    },
    /// The dictionary is there and right.
    Done {
        /// The dictionary.
        info: Box<Info>,
        /// Who is now known to have lied, about the size or with a piece; some were blamed before.
        liars: Vec<P>,
    },
}

/// Why an answer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nobody asked the peer for it.
    #[error("a piece of metadata that was not asked for")]
    Unrequested,
    /// A piece that doesn't fit the size that the peer named before. The peer is asked no more.
    #[error("a piece of metadata of another size than was named")]
    OtherSize,
    /// The dictionary is what the infohash names, and describes no torrent. There is no other.
    #[error("the torrent is refused: {0}")]
    Refused(#[from] MetainfoError),
}

impl<P: Copy + Ord> MetadataFetch<P> {
    /// Begins, with nobody to ask. All infohashes that are given must fit; without any nothing does.
    #[must_use]
    pub fn new(hashes: InfoHashes) -> Self {
        Self {
            hashes,
            peers: BTreeMap::new(),
            attempts: BTreeMap::new(),
            is_done: false,
        }
    }

    /// Adds a peer that names a size in its handshake. False when the size is out of bounds, there
    /// are [`MAX_FETCH_PEERS`] already, or the peer is there with another size; its first one stays.
    pub fn add_peer(&mut self, peer: P, total_bytes: u32) -> bool {
        let can_be = (1..=MAX_INFO_BYTES).contains(&(total_bytes as usize));
        if let Some(known) = self.peers.get(&peer) {
            return known.total_bytes == total_bytes;
        }
        if !can_be || self.peers.len() >= MAX_FETCH_PEERS {
            return false;
        }
        let new = Peer {
            total_bytes,
            failures: 0,
            asked: 0,
            late: 0,
            rests_until: None,
        };
        self.peers.insert(peer, new);
        let attempt = self.attempts.entry(total_bytes);
        attempt.or_insert_with(|| Attempt::new(pieces(total_bytes)));
        self.balance();
        true
    }

    /// Forgets a peer that is gone. What it sent stays.
    pub fn remove_peer(&mut self, peer: P) {
        if let Some(gone) = self.peers.get_mut(&peer) {
            gone.failures = MAX_FAILURES;
            self.retire(peer);
            self.peers.remove(&peer);
        }
    }

    /// How many peers may still be asked. With none it waits for more peers.
    #[must_use]
    pub fn usable_peers(&self) -> usize {
        self.peers.values().filter(|peer| peer.is_usable()).count()
    }

    /// Whom to ask for which piece, from 0. None when all that can be asked are.
    pub fn poll_request(&mut self, now: Duration) -> Option<(P, u32)> {
        let Self {
            peers, attempts, ..
        } = self;
        for (total_bytes, attempt) in attempts.iter_mut().filter(|(_, attempt)| attempt.is_active) {
            let Some(piece) = attempt.first_open() else {
                continue;
            };
            let candidates = peers.iter().filter(|(id, peer)| {
                peer.total_bytes == *total_bytes && peer.is_free() && attempt.may_ask(**id)
            });
            let best = candidates.min_by_key(|(id, peer)| {
                (attempt.is_suspect(**id), peer.failures, peer.asked, **id)
            });
            let Some(id) = best.map(|(id, _)| *id) else {
                continue;
            };
            attempt.ask(id, piece, now.saturating_add(ANSWER_TIME));
            if let Some(peer) = peers.get_mut(&id) {
                peer.asked += 1;
            }
            return Some((id, piece));
        }
        None
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let deadlines = self.attempts.values().filter_map(Attempt::deadline);
        let rests = self.peers.values().filter_map(|peer| peer.rests_until);
        deadlines.chain(rests).min()
    }

    /// Gives up requests that took too long, and ends rests.
    pub fn handle_timeout(&mut self, now: Duration) {
        for peer in self.peers.values_mut() {
            peer.rests_until = peer.rests_until.filter(|until| *until > now);
        }
        let attempts = self.attempts.values_mut();
        let late: Vec<P> = attempts.flat_map(|attempt| attempt.expire(now)).collect();
        for id in &late {
            if let Some(peer) = self.peers.get_mut(id) {
                peer.give_up();
            }
        }
        // What a peer was asked for at once fails at once, and counts once.
        for id in BTreeSet::from_iter(late) {
            self.fail(id);
        }
    }

    /// Takes a refusal. One that answers no request is ignored.
    pub fn handle_reject(&mut self, now: Duration, from: P, piece: u32) {
        let Some(peer) = self.peers.get_mut(&from) else {
            return;
        };
        let attempt = self.attempts.get_mut(&peer.total_bytes);
        if !attempt.is_some_and(|attempt| attempt.release(from, piece)) {
            peer.late = peer.late.saturating_sub(1);
            return;
        }
        peer.settle();
        peer.rests_until = Some(now.saturating_add(REST_TIME));
        self.fail(from);
    }

    /// Takes a piece ([`super::MetadataMessage::Data`]).
    ///
    /// # Errors
    ///
    /// Refuses what was not asked for and what doesn't fit the size that the peer named; and the
    /// dictionary itself, when it is the right one and describes no torrent.
    pub fn handle_data(
        &mut self,
        from: P,
        piece: u32,
        total_bytes: u32,
        data: &[u8],
    ) -> Result<Progress<P>, FetchError> {
        // Those who were asked while it was not there yet may still answer.
        if self.is_done {
            return Ok(Progress::More);
        }
        let peer = self.peers.get_mut(&from).ok_or(FetchError::Unrequested)?;
        let size = peer.total_bytes;
        let attempt = self.attempts.get_mut(&size);
        let attempt = attempt.filter(|attempt| attempt.is_asked(from, piece));
        let Some(attempt) = attempt else {
            peer.late = peer.late.checked_sub(1).ok_or(FetchError::Unrequested)?;
            return Ok(Progress::More);
        };
        let fits = piece_len(size, piece).map(|length| length as usize) == Some(data.len());
        if total_bytes != size || !fits {
            self.ban(from);
            return Err(FetchError::OtherSize);
        }
        peer.settle();
        attempt.take(from, piece, data);
        if attempt.is_full() {
            self.judge(size)
        } else {
            Ok(Progress::More)
        }
    }

    /// Hashes a dictionary of which all pieces are there.
    fn judge(&mut self, size: u32) -> Result<Progress<P>, FetchError> {
        let Some(attempt) = self.attempts.get_mut(&size) else {
            return Ok(Progress::More);
        };
        let bytes = attempt.bytes(size as usize);
        if !is_named(&self.hashes, &bytes) {
            let liar = attempt.reject();
            if let Some(liar) = liar {
                self.ban(liar);
            }
            return Ok(Progress::Wrong { liar });
        }
        let mut liars: BTreeSet<P> = attempt.liars(&bytes).collect();
        let others = self.peers.iter().filter(|(_, p)| p.total_bytes != size);
        liars.extend(others.map(|(id, _)| *id));
        self.is_done = true;
        self.attempts.clear();
        self.peers.clear();
        let info = Box::new(Info::parse(&bytes)?);
        let liars = liars.into_iter().collect();
        Ok(Progress::Done { info, liars })
    }

    /// Whether it came to an end: the dictionary was there, whether it could be used or not.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Bytes of pieces that are kept.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.attempts.values().map(Attempt::held_bytes).sum()
    }

    /// Counts a failure of a peer.
    fn fail(&mut self, id: P) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.failures = peer.failures.saturating_add(1);
        // Whoever was to send everything and doesn't is not waited for.
        let attempt = self.attempts.get_mut(&peer.total_bytes);
        let dropped = attempt.map(|attempt| attempt.drop_sole(id));
        for id in dropped.into_iter().flatten() {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.give_up();
            }
        }
        if !self.peers.get(&id).is_some_and(Peer::is_usable) {
            self.retire(id);
        }
    }

    fn ban(&mut self, id: P) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.failures = MAX_FAILURES;
            self.retire(id);
        }
    }

    /// Lets others have the requests of a peer that is asked no more.
    fn retire(&mut self, id: P) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.rests_until = None;
        let attempt = self.attempts.get_mut(&peer.total_bytes);
        let dropped = attempt.map_or(0, |attempt| attempt.release_all(id));
        (0..dropped).for_each(|_| peer.give_up());
        self.balance();
    }

    /// Says which sizes are tried: those that somebody has first, then from the smallest, as many as
    /// are together no more than one dictionary may be.
    fn balance(&mut self) {
        let usable = self.peers.values().filter(|peer| peer.is_usable());
        let named: BTreeSet<u32> = usable.map(|peer| peer.total_bytes).collect();
        let is_of_use =
            |size: &u32, attempt: &Attempt<P>| named.contains(size) || !attempt.is_new();
        self.attempts
            .retain(|size, attempt| is_of_use(size, attempt));
        let mut order: Vec<u32> = self.attempts.keys().copied().collect();
        order.sort_by_key(|size| (!named.contains(size), *size));
        let mut sum = 0_u64;
        for size in order {
            sum += u64::from(size);
            let fits = sum <= MAX_INFO_BYTES as u64;
            let Some(attempt) = self.attempts.get_mut(&size) else {
                continue;
            };
            attempt.is_active = fits;
            let dropped = if fits { Vec::new() } else { attempt.clear() };
            for id in dropped {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.give_up();
                }
            }
        }
        let is_held = |size: &u32, attempt: &Attempt<P>| named.contains(size) || attempt.is_active;
        self.attempts.retain(|size, attempt| is_held(size, attempt));
    }
}

/// Whether the bytes are what all infohashes name, of which there is at least one.
fn is_named(hashes: &InfoHashes, bytes: &[u8]) -> bool {
    let v1 = hashes.v1.map(|hash| hash == InfoHashV1::of(bytes));
    let v2 = hashes.v2.map(|hash| hash == InfoHashV2::of(bytes));
    match (v1, v2) {
        (None, None) => false,
        (v1, v2) => v1.unwrap_or(true) && v2.unwrap_or(true),
    }
}

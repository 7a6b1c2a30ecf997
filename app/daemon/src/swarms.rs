//! Who is fetching what from this node: the members of each root's swarm as a provider sees them.

mod mailbox;

pub(crate) use mailbox::{News, Updates};

use crate::recent::Recent;
use crate::source::ProvenHead;
use potluck_content::Address;
use potluck_identity::PeerId;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc;

/// Members introduced to a newcomer.
const MAX_INTRODUCTIONS: usize = 16;
/// Members of one swarm.
const MAX_MEMBERS: usize = 512;
/// Newcomers that may wait to be looked at by a running download.
const CANDIDATE_QUEUE: usize = 64;

/// What a member of a swarm is told.
#[derive(Debug)]
pub(crate) enum Update {
    /// Pieces that can be had here now.
    Have(Range<u32>),
    /// Pieces that can no longer be had here, because the file changed.
    Changed(Range<u32>),
    /// The root is no longer provided.
    Removed,
    /// Another member that provides.
    Member(PeerId),
}

struct Member {
    serial: u64,
    serving: bool,
    mailbox: mailbox::Sender,
    sent_bytes: u64,
    recent: Recent,
}

#[derive(Default)]
struct Swarm {
    members: BTreeMap<PeerId, Member>,
    /// Set while this node fetches the root itself: members that provide are sources too.
    download: Option<mpsc::Sender<PeerId>>,
    /// What proves the size of the root blob while this node fetches it: others learn it from here
    /// long before the last group is.
    head: Option<Arc<ProvenHead>>,
}

impl Swarm {
    /// Members that a newcomer is told of: not always the same ones when there are many.
    fn others(&self, newcomer: &PeerId, serial: u64) -> Vec<PeerId> {
        let providing = self.members.iter();
        let providing = providing.filter(|(id, member)| member.serving && *id != newcomer);
        let mut others: Vec<PeerId> = providing.map(|(id, _)| *id).collect();
        if others.len() > MAX_INTRODUCTIONS {
            // Spread by a multiplier without a pattern: the number of members often grows with the
            // serial.
            let spread = serial.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let first = usize::try_from(spread).unwrap_or(0) % others.len();
            others.rotate_left(first);
            others.truncate(MAX_INTRODUCTIONS);
        }
        others
    }
}

#[derive(Default)]
struct Inner {
    swarms: BTreeMap<Address, Swarm>,
    next_serial: u64,
}

/// All swarms; one for each node.
#[derive(Default)]
pub(crate) struct Swarms {
    inner: Mutex<Inner>,
}

/// What a newcomer gets.
pub(crate) struct Joined {
    pub(crate) serial: u64,
    pub(crate) updates: Updates,
    /// Members that provide, to be introduced.
    pub(crate) others: Vec<PeerId>,
}

/// A peer that fetches from this node.
#[derive(Debug, Clone)]
pub(crate) struct MemberReport {
    pub(crate) root: Address,
    pub(crate) peer: PeerId,
    pub(crate) sent_bytes: u64,
    /// Bytes per second.
    pub(crate) rate: u64,
}

impl Swarms {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a peer that fetches `root`; `None` when the swarm is full. A second session of the
    /// same peer replaces the first.
    pub(crate) fn join(&self, root: Address, peer: PeerId, serving: bool) -> Option<Joined> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let swarm = inner.swarms.entry(root).or_default();
        if swarm.members.len() >= MAX_MEMBERS && !swarm.members.contains_key(&peer) {
            return None;
        }
        let others = swarm.others(&peer, inner.next_serial);
        if serving {
            for member in swarm.members.values() {
                // A full mailbox only means that this member hears of the newcomer elsewhere.
                let _ = member.mailbox.put(&Update::Member(peer));
            }
            if let Some(download) = &swarm.download {
                let _ = download.try_send(peer);
            }
        }
        let (mailbox, updates) = mailbox::mailbox();
        let serial = inner.next_serial;
        inner.next_serial += 1;
        swarm.members.insert(
            peer,
            Member {
                serial,
                serving,
                mailbox,
                sent_bytes: 0,
                recent: Recent::new(Instant::now()),
            },
        );
        Some(Joined {
            serial,
            updates,
            others,
        })
    }

    /// A peer that provides what it fetches of a root asked this node, which has nothing of it yet:
    /// it is looked at if the root is being fetched here as well.
    pub(crate) fn met(&self, root: &Address, peer: PeerId) {
        let inner = self.lock();
        let download = inner
            .swarms
            .get(root)
            .and_then(|swarm| swarm.download.as_ref());
        if let Some(download) = download {
            // A full queue means that there are plenty to look at.
            let _ = download.try_send(peer);
        }
    }

    /// Removes a member, unless a later session of the same peer took its place.
    pub(crate) fn leave(&self, root: &Address, peer: &PeerId, serial: u64) {
        let mut inner = self.lock();
        if let Some(swarm) = inner.swarms.get_mut(root) {
            if swarm
                .members
                .get(peer)
                .is_some_and(|member| member.serial == serial)
            {
                swarm.members.remove(peer);
            }
            if swarm.members.is_empty() && swarm.download.is_none() {
                inner.swarms.remove(root);
            }
        }
    }

    /// Tells every member of a root's swarm; who cannot keep up is dropped.
    pub(crate) fn tell(&self, root: &Address, update: &Update) {
        let mut inner = self.lock();
        if let Some(swarm) = inner.swarms.get_mut(root) {
            swarm.members.retain(|_, member| member.mailbox.put(update));
        }
    }

    /// Counts bytes sent to a member.
    pub(crate) fn sent(&self, root: &Address, peer: &PeerId, bytes: u64) {
        let mut inner = self.lock();
        let member = inner
            .swarms
            .get_mut(root)
            .and_then(|swarm| swarm.members.get_mut(peer));
        if let Some(member) = member {
            member.sent_bytes += bytes;
            member.recent.add(Instant::now(), bytes);
        }
    }

    /// Registers this node's own download of a root; the receiver yields members that provide.
    pub(crate) fn begin_download(&self, root: Address) -> mpsc::Receiver<PeerId> {
        let (tell, candidates) = mpsc::channel(CANDIDATE_QUEUE);
        let mut inner = self.lock();
        let swarm = inner.swarms.entry(root).or_default();
        for (peer, member) in &swarm.members {
            if member.serving {
                let _ = tell.try_send(*peer);
            }
        }
        swarm.download = Some(tell);
        candidates
    }

    /// Keeps what proved the size of a root that this node fetches.
    pub(crate) fn proven(&self, root: &Address, head: &Arc<ProvenHead>) {
        if let Some(swarm) = self.lock().swarms.get_mut(root) {
            swarm.head = Some(Arc::clone(head));
        }
    }

    /// What proves the size of a root that this node fetches.
    pub(crate) fn head(&self, root: &Address) -> Option<Arc<ProvenHead>> {
        self.lock().swarms.get(root)?.head.clone()
    }

    /// This node no longer fetches the root.
    pub(crate) fn end_download(&self, root: &Address) {
        let mut inner = self.lock();
        if let Some(swarm) = inner.swarms.get_mut(root) {
            swarm.download = None;
            swarm.head = None;
            if swarm.members.is_empty() {
                inner.swarms.remove(root);
            }
        }
    }

    /// Who fetches what.
    pub(crate) fn members(&self) -> Vec<MemberReport> {
        let (inner, now) = (self.lock(), Instant::now());
        let mut reports = Vec::new();
        for (root, swarm) in &inner.swarms {
            for (peer, member) in &swarm.members {
                reports.push(MemberReport {
                    root: *root,
                    peer: *peer,
                    sent_bytes: member.sent_bytes,
                    rate: member.recent.rate(now),
                });
            }
        }
        reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_content::{Hash, Kind};
    use potluck_identity::NodeKey;

    fn root() -> Address {
        Address {
            kind: Kind::Blob,
            hash: Hash::of(b"a dish"),
        }
    }

    fn peer(seed: u8) -> PeerId {
        NodeKey::from_seed([seed; 32]).peer_id()
    }

    #[test]
    fn newcomers_and_members_are_introduced() {
        let swarms = Swarms::default();
        let first = swarms.join(root(), peer(1), true).unwrap();
        let second = swarms.join(root(), peer(2), true).unwrap();
        assert!(first.others.is_empty());
        assert_eq!(second.others, vec![peer(1)]);
        assert_eq!(first.updates.take().unwrap().members, [peer(2)]);
        let mut candidates = swarms.begin_download(root());
        assert!(candidates.try_recv().is_ok() && candidates.try_recv().is_ok());
    }

    #[test]
    fn newcomers_to_a_large_swarm_are_not_all_told_of_the_same_members() {
        let swarms = Swarms::default();
        let mut told = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let joined = swarms.join(root(), peer(seed), true).unwrap();
            assert!(joined.others.len() <= MAX_INTRODUCTIONS);
            if seed >= 50 {
                told.extend(joined.others);
            }
        }
        assert!(told.len() > 80, "{} of 100", told.len());
    }

    #[test]
    fn who_asks_too_early_is_looked_at_by_a_download() {
        let swarms = Swarms::default();
        swarms.met(&root(), peer(1));
        let mut candidates = swarms.begin_download(root());
        assert!(candidates.try_recv().is_err());
        swarms.met(&root(), peer(1));
        assert_eq!(candidates.try_recv(), Ok(peer(1)));
    }

    #[test]
    fn a_size_is_proven_for_as_long_as_the_download_runs() {
        let swarms = Swarms::default();
        let head = Arc::new(ProvenHead {
            size: 7,
            proof: Vec::new(),
            data: b"potluck".to_vec(),
        });
        swarms.proven(&root(), &head);
        assert!(swarms.head(&root()).is_none());
        let _candidates = swarms.begin_download(root());
        swarms.proven(&root(), &head);
        assert_eq!(swarms.head(&root()).unwrap().size, 7);
        swarms.end_download(&root());
        assert!(swarms.head(&root()).is_none());
    }

    #[test]
    fn a_later_session_is_not_removed_by_the_end_of_an_earlier_one() {
        let swarms = Swarms::default();
        let first = swarms.join(root(), peer(1), false).unwrap();
        let second = swarms.join(root(), peer(1), false).unwrap();
        swarms.leave(&root(), &peer(1), first.serial);
        assert_eq!(swarms.members().len(), 1);
        swarms.leave(&root(), &peer(1), second.serial);
        assert!(swarms.members().is_empty());
    }

    #[test]
    fn a_member_that_falls_behind_is_dropped() {
        let swarms = Swarms::default();
        let slow = swarms.join(root(), peer(1), false).unwrap();
        // However much it is, what lies side by side is one piece of news.
        for piece in (0..100_000).rev() {
            swarms.tell(&root(), &Update::Have(piece..piece + 1));
        }
        let all = 0..100_000;
        assert_eq!(slow.updates.take().unwrap().have, [all]);
        for piece in 0..10_000 {
            swarms.tell(&root(), &Update::Have(2 * piece..2 * piece + 1));
        }
        assert!(swarms.members().is_empty());
        assert!(slow.updates.take().is_none());
    }
}

//! One search: ever nearer nodes are asked, until the nearest have answered.

use std::collections::BTreeSet;
use std::net::SocketAddrV6;
use std::time::Duration;

use super::{Contact, NodeId, Reply};

/// The nodes that are in charge of a place, and tell of it.
pub(super) const CLOSEST: usize = 8;
/// Questions under way.
const AT_ONCE: usize = 4;
/// Nodes that are asked in all, at most: strangers can make up nearer ones without end.
const MAX_ASKED: usize = 120;
/// Nodes that wait to be asked, at most.
const MAX_CANDIDATES: usize = 64;
/// Nodes of one network among them, at most.
const MAX_OF_NETWORK: usize = 3;
/// Peers that one search finds, at most.
const MAX_FOUND: usize = 1000;
/// A search takes no longer.
const WHOLE: Duration = Duration::from_secs(45);
/// It waits so long for nodes to begin with.
const BEGIN: Duration = Duration::from_secs(12);

/// What a search is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Nodes near a place.
    Nodes,
    /// Peers of a torrent.
    Peers,
    /// The same, and to be known as one, at this port or at the one of the question.
    Announce(Option<u16>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    New,
    Asked,
    Answered(Option<Vec<u8>>),
    Failed,
}

#[derive(Clone, Debug)]
struct Candidate {
    /// None of one to begin with, whose name is not known.
    id: Option<NodeId>,
    address: SocketAddrV6,
    state: State,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) target: NodeId,
    pub(super) goal: Goal,
    candidates: Vec<Candidate>,
    seen: BTreeSet<SocketAddrV6>,
    found: BTreeSet<SocketAddrV6>,
    started: Duration,
    /// Announces that wait for an answer, and those that were answered.
    pub(super) telling: usize,
    pub(super) told: usize,
    is_telling: bool,
    pub(super) answers: usize,
}

/// What a search does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask this node.
    Ask(SocketAddrV6),
    /// Tell these, with their tokens.
    Tell(Vec<(SocketAddrV6, Vec<u8>)>),
    /// Wait for answers, or for nodes to begin with.
    Wait,
    /// It is over.
    Done,
}

impl Search {
    pub(super) fn new(now: Duration, target: NodeId, goal: Goal) -> Self {
        Self {
            target,
            goal,
            candidates: Vec::new(),
            seen: BTreeSet::new(),
            found: BTreeSet::new(),
            started: now,
            telling: 0,
            told: 0,
            is_telling: false,
            answers: 0,
        }
    }

    /// Whether it knows nobody to ask so far.
    pub(super) fn is_waiting(&self) -> bool {
        self.seen.is_empty()
    }

    /// When it is over at the latest.
    pub(super) fn deadline(&self) -> Duration {
        let time = if self.is_waiting() { BEGIN } else { WHOLE };
        self.started.saturating_add(time)
    }

    /// Nodes to ask, of which not all names are known.
    pub(super) fn add(&mut self, nodes: impl IntoIterator<Item = (Option<NodeId>, SocketAddrV6)>) {
        for (id, address) in nodes {
            if self.seen.len() >= MAX_ASKED * 4 || self.is_crowded(&address) {
                continue;
            }
            if self.seen.insert(address) {
                self.candidates.push(Candidate {
                    id,
                    address,
                    state: State::New,
                });
            }
        }
        let target = self.target;
        self.candidates
            .sort_by_key(|candidate| candidate.id.map(|id| id.distance(&target)));
        // Those that are asked or have answered stay, so that nothing is lost under way.
        while self.candidates.len() > MAX_CANDIDATES {
            let is_idle =
                |candidate: &Candidate| matches!(candidate.state, State::New | State::Failed);
            match self.candidates.iter().rposition(is_idle) {
                Some(last) => self.candidates.remove(last),
                None => break,
            };
        }
    }

    /// Whether there are many of its network already.
    fn is_crowded(&self, address: &SocketAddrV6) -> bool {
        let network = |address: &SocketAddrV6| address.ip().to_bits() >> 64;
        let same = |other: &&Candidate| network(&other.address) == network(address);
        !address.ip().is_loopback() && self.candidates.iter().filter(same).count() >= MAX_OF_NETWORK
    }

    /// To be called until it waits or is done.
    pub(super) fn step(&mut self, now: Duration) -> Step {
        let age = now.saturating_sub(self.started);
        if age >= WHOLE || self.is_waiting() && age >= BEGIN {
            return Step::Done;
        }
        if self.is_waiting() {
            return Step::Wait;
        }
        if self.is_telling {
            return if self.telling == 0 {
                Step::Done
            } else {
                Step::Wait
            };
        }
        let asked = |candidate: &&Candidate| candidate.state == State::Asked;
        let under_way = self.candidates.iter().filter(asked).count();
        if under_way >= AT_ONCE {
            return Step::Wait;
        }
        let is_over = self.answers + under_way >= MAX_ASKED;
        let nearest = self.candidates.iter_mut();
        let mut nearest = nearest
            .filter(|candidate| candidate.state != State::Failed)
            .take(CLOSEST);
        let next = nearest.find(|candidate| candidate.state == State::New && !is_over);
        match next {
            Some(candidate) => {
                candidate.state = State::Asked;
                Step::Ask(candidate.address)
            }
            None if under_way > 0 => Step::Wait,
            None => self.tell(),
        }
    }

    fn tell(&mut self) -> Step {
        let Goal::Announce(_) = self.goal else {
            return Step::Done;
        };
        self.is_telling = true;
        let answered = self.candidates.iter().filter_map(|candidate| {
            let State::Answered(token) = &candidate.state else {
                return None;
            };
            Some((candidate.address, token.clone()?))
        });
        let tell: Vec<_> = answered.take(CLOSEST).collect();
        self.telling = tell.len();
        if tell.is_empty() {
            Step::Done
        } else {
            Step::Tell(tell)
        }
    }

    fn of(&mut self, address: &SocketAddrV6) -> Option<&mut Candidate> {
        let mut all = self.candidates.iter_mut();
        all.find(|candidate| candidate.address == *address)
    }

    /// A node has answered; gives the peers that are new. One that has another name than was told is
    /// no help.
    pub(super) fn answered(&mut self, from: &SocketAddrV6, reply: &Reply) -> Vec<SocketAddrV6> {
        let Some(candidate) = self.of(from) else {
            return Vec::new();
        };
        if candidate.id.is_some_and(|id| id != reply.id) {
            candidate.state = State::Failed;
            return Vec::new();
        }
        candidate.id = Some(reply.id);
        candidate.state = State::Answered(reply.token.clone());
        self.answers += 1;
        let nodes = reply.nodes.iter();
        self.add(nodes.map(|Contact { id, address }| (Some(*id), *address)));
        let room = MAX_FOUND.saturating_sub(self.found.len());
        let peers = reply.peers.iter().copied();
        let new = peers.filter(|peer| self.found.insert(*peer));
        new.take(room).collect()
    }

    /// A node did not answer, or refused.
    pub(super) fn failed(&mut self, from: &SocketAddrV6) {
        if let Some(candidate) = self.of(from) {
            candidate.state = State::Failed;
        }
    }

    /// An announce was answered, or was not.
    pub(super) fn heard(&mut self, is_good: bool) {
        self.telling = self.telling.saturating_sub(1);
        self.told += usize::from(is_good);
    }
}

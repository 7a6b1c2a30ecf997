//! The node: asks, answers, and looks after whom it knows.

mod answers;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV6;
use std::time::Duration;

use sha1::{Digest as _, Sha1};

use super::budget::Budget;
use super::krpc::{Body, MAX_DATAGRAM_BYTES, Message, Query};
use super::search::{CLOSEST, Goal, Search, Step};
use super::store::Store;
use super::table::Table;
use super::{Contact, NodeId};
use crate::InfoHashV1;

/// Searches at the same time, at most.
const MAX_SEARCHES: usize = 16;
/// Questions under way, at most.
const MAX_QUESTIONS: usize = 128;
/// Datagrams that wait to be sent, at most.
const MAX_OUT: usize = 256;
/// Events that wait, at most.
const MAX_EVENTS: usize = 512;
/// A question without an answer is given up.
const ANSWER: Duration = Duration::from_secs(4);
/// How often the node looks after whom it knows.
const CARE: Duration = Duration::from_secs(60);
/// Without anybody it says so this often.
const LONELY: Duration = Duration::from_secs(15);
/// Others are looked for again while fewer than a search needs are known: so long after the first time, and
/// at most. Nodes that begin at the same time find nobody else at first.
const FEW: (Duration, Duration) = (Duration::from_secs(2), CARE);
/// Nodes that are asked at a time whether they are there.
const PINGS: usize = 4;
/// Every so many looks it searches for others.
const REFRESH: u64 = 8;
/// Nodes to begin with, at most.
const MAX_SEEDS: usize = 64;

/// Names a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SearchId(u64);

/// What a node is started with.
#[derive(Clone, Copy, Debug)]
pub struct NodeOptions {
    /// Its name.
    pub id: NodeId,
    /// It only asks, and says so (BEP 43).
    pub read_only: bool,
    /// What nobody else knows: numbers of questions and tokens come from it.
    pub secret: [u8; 16],
}

/// What came of searches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Peers, each once in a search.
    Found {
        /// Which search.
        search: SearchId,
        /// Where they say they are.
        peers: Vec<SocketAddrV6>,
    },
    /// A search is over.
    Done {
        /// Which.
        search: SearchId,
        /// Nodes that answered.
        answered: usize,
        /// Nodes that took the announce.
        told: usize,
    },
    /// Nobody is known: see [`Node::begin`].
    Lonely,
}

#[derive(Clone, Copy, Debug)]
enum Purpose {
    Search(SearchId),
    Announce(SearchId),
    Care,
}

#[derive(Debug)]
struct Question {
    to: SocketAddrV6,
    purpose: Purpose,
    since: Duration,
}

/// See [`super`].
#[derive(Debug)]
pub struct Node {
    options: NodeOptions,
    table: Table,
    store: Store,
    budget: Budget,
    searches: BTreeMap<SearchId, Search>,
    /// The search with which it finds in.
    beginning: Option<SearchId>,
    next_search: u64,
    questions: BTreeMap<[u8; 4], Question>,
    out: VecDeque<(SocketAddrV6, Vec<u8>)>,
    events: VecDeque<Event>,
    drawn: u64,
    care_at: Duration,
    cares: u64,
    lonely_at: Duration,
    /// When others are looked for because few are known, and how long after that again.
    few_at: (Duration, Duration),
}

impl Node {
    /// A node that knows nobody.
    #[must_use]
    pub fn new(options: NodeOptions) -> Self {
        Self {
            options,
            table: Table::new(options.id),
            store: Store::new(options.secret),
            budget: Budget::default(),
            searches: BTreeMap::new(),
            beginning: None,
            next_search: 0,
            questions: BTreeMap::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            drawn: 0,
            care_at: Duration::ZERO,
            cares: 0,
            lonely_at: Duration::ZERO,
            few_at: (Duration::ZERO, FEW.0),
        }
    }

    /// The next random bytes.
    fn draw(&mut self) -> [u8; 20] {
        self.drawn += 1;
        let hash = Sha1::new().chain_update(self.options.secret);
        hash.chain_update(self.drawn.to_be_bytes())
            .finalize()
            .into()
    }

    /// Nodes that answered lately.
    #[must_use]
    pub fn nodes(&self) -> Vec<Contact> {
        self.table.good().collect()
    }

    /// Finds in, by nodes whose names are not known.
    pub fn begin(&mut self, now: Duration, nodes: &[SocketAddrV6]) {
        let running = self.beginning.and_then(|id| self.searches.get_mut(&id));
        let seeds = nodes.iter().take(MAX_SEEDS).map(|node| (None, *node));
        match running {
            Some(search) => search.add(seeds),
            None => {
                let id = self.options.id;
                self.beginning = self.start(now, id, Goal::Nodes);
                let search = self.beginning.and_then(|id| self.searches.get_mut(&id));
                if let Some(search) = search {
                    search.add(seeds);
                }
            }
        }
        self.drive(now);
    }

    /// Looks for peers of a torrent. None when too many searches are under way.
    pub fn search(&mut self, now: Duration, torrent: InfoHashV1) -> Option<SearchId> {
        let id = self.start(now, torrent.into(), Goal::Peers);
        self.drive(now);
        id
    }

    /// The same, and tells the nodes in charge that this node is one, at a port or at that of its
    /// questions.
    pub fn announce(
        &mut self,
        now: Duration,
        torrent: InfoHashV1,
        port: Option<u16>,
    ) -> Option<SearchId> {
        let id = self.start(now, torrent.into(), Goal::Announce(port));
        self.drive(now);
        id
    }

    /// Ends a search of which nobody wants to know.
    pub fn cancel(&mut self, search: SearchId) {
        self.searches.remove(&search);
    }

    fn start(&mut self, now: Duration, target: NodeId, goal: Goal) -> Option<SearchId> {
        if self.searches.len() >= MAX_SEARCHES {
            return None;
        }
        self.next_search += 1;
        let id = SearchId(self.next_search);
        self.searches.insert(id, Search::new(now, target, goal));
        Some(id)
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        }
    }

    fn ask(&mut self, now: Duration, to: SocketAddrV6, query: Query, purpose: Purpose) {
        let [a, b, c, d, ..] = self.draw();
        let transaction = [a, b, c, d];
        let question = Question {
            to,
            purpose,
            since: now,
        };
        self.questions.insert(transaction, question);
        let body = Body::Query {
            id: self.options.id,
            read_only: self.options.read_only,
            query,
        };
        let transaction = transaction.to_vec();
        self.send(to, &Message { transaction, body });
    }

    fn send(&mut self, to: SocketAddrV6, message: &Message) {
        let datagram = message.encode();
        if self.out.len() < MAX_OUT && datagram.len() <= MAX_DATAGRAM_BYTES {
            self.out.push_back((to, datagram));
        }
    }

    /// Lets the searches go on.
    fn drive(&mut self, now: Duration) {
        let all: Vec<SearchId> = self.searches.keys().copied().collect();
        for id in all {
            self.seed(id);
            while self.questions.len() < MAX_QUESTIONS {
                let Some(search) = self.searches.get_mut(&id) else {
                    break;
                };
                let (target, goal) = (search.target, search.goal);
                match search.step(now) {
                    Step::Ask(to) => {
                        let query = match goal {
                            Goal::Nodes => Query::FindNode(target),
                            Goal::Peers | Goal::Announce(_) => Query::GetPeers(target),
                        };
                        self.ask(now, to, query, Purpose::Search(id));
                    }
                    Step::Tell(tell) => {
                        let Goal::Announce(port) = goal else { break };
                        for (to, token) in tell {
                            let query = Query::Announce {
                                target,
                                port,
                                token,
                            };
                            self.ask(now, to, query, Purpose::Announce(id));
                        }
                    }
                    Step::Wait => break,
                    Step::Done => {
                        self.ended(id);
                        break;
                    }
                }
            }
        }
    }

    /// Gives a search nodes to begin with, once enough are known.
    fn seed(&mut self, id: SearchId) {
        let is_beginning = self.beginning.is_some_and(|beginning| beginning != id);
        let Some(search) = self
            .searches
            .get_mut(&id)
            .filter(|search| search.is_waiting())
        else {
            return;
        };
        let nodes = self.table.nearest(&search.target, CLOSEST * 2);
        if is_beginning && nodes.len() < CLOSEST {
            return;
        }
        search.add(nodes.iter().map(|node| (Some(node.id), node.address)));
    }

    fn ended(&mut self, id: SearchId) {
        let Some(search) = self.searches.remove(&id) else {
            return;
        };
        if self.beginning == Some(id) {
            self.beginning = None;
        }
        if search.goal != Goal::Nodes {
            self.tell(Event::Done {
                search: id,
                answered: search.answers,
                told: search.told,
            });
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        let late = |question: &Question| now.saturating_sub(question.since) >= ANSWER;
        let all = self.questions.iter();
        let late: Vec<[u8; 4]> = all
            .filter(|(_, question)| late(question))
            .map(|(transaction, _)| *transaction)
            .collect();
        for transaction in late {
            if let Some(question) = self.questions.remove(&transaction) {
                self.table.silent(&question.to);
                self.failed(&question.to, question.purpose);
            }
        }
        if now >= self.care_at {
            self.care_at = now.saturating_add(CARE);
            self.care(now);
        }
        let is_lonely = self.table.good().next().is_none() && self.beginning.is_none();
        if is_lonely && now >= self.lonely_at {
            self.lonely_at = now.saturating_add(LONELY);
            self.tell(Event::Lonely);
        }
        if self.has_few() && now >= self.few_at.0 {
            let pause = self.few_at.1;
            self.few_at = (now.saturating_add(pause), (pause * 2).min(FEW.1));
            self.beginning = self.start(now, self.options.id, Goal::Nodes);
        }
        self.drive(now);
    }

    /// Whether some nodes are known, too few, and others are not being looked for.
    fn has_few(&self) -> bool {
        let good = self.table.good().take(CLOSEST).count();
        (1..CLOSEST).contains(&good) && self.beginning.is_none()
    }

    fn care(&mut self, now: Duration) {
        let [secret @ .., _, _, _, _] = self.draw();
        self.store.tick(now, secret);
        for quiet in self.table.quiet(now, PINGS) {
            if self.questions.len() < MAX_QUESTIONS {
                self.ask(now, quiet.address, Query::Ping, Purpose::Care);
            }
        }
        self.cares += 1;
        if self.cares.is_multiple_of(REFRESH) {
            let place = NodeId(self.draw());
            self.start(now, place, Goal::Nodes);
        }
    }

    /// When [`Self::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Duration {
        let questions = self.questions.values();
        let answer = questions
            .map(|question| question.since.saturating_add(ANSWER))
            .min();
        let is_lonely = self.table.good().next().is_none() && self.beginning.is_none();
        let lonely = is_lonely.then_some(self.lonely_at);
        let few = self.has_few().then_some(self.few_at.0);
        let search = self.searches.values().map(Search::deadline).min();
        let times = [answer, lonely, few, search, Some(self.care_at)];
        let times = times.into_iter().flatten();
        times.min().unwrap_or(self.care_at)
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddrV6, Vec<u8>)> {
        self.out.pop_front()
    }

    /// What came of searches.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

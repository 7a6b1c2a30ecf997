//! Who meets whom, and what goes wrong.

use std::time::Duration;

use potluck_transfer::{Input, SourceId, Timestamp};
use rand::RngExt;

use crate::config::Scenario;
use crate::event::{ConnId, Event, Message, NodeId};
use crate::node::Manners;
use crate::world::{SEED, World};

/// When a connection whose other end vanished without a word is given up.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

impl World {
    pub(crate) fn set_the_scene(&mut self) {
        match self.config.scenario {
            Scenario::Swarm | Scenario::Uneven | Scenario::Orphaned | Scenario::Takers => {}
            Scenario::Churn => self.plan_churn(),
            Scenario::Liars => self.make_liars(),
            Scenario::Stall => self.plan_silences(),
            Scenario::Partition => {
                let start = self.moment();
                self.partition = Some((start, start + Duration::from_secs(20)));
            }
        }
        for id in 1..self.nodes.len() {
            self.meet(id);
        }
    }

    fn moment(&mut self) -> Timestamp {
        let bound = u64::try_from(self.config.fluid_bound().as_micros()).unwrap_or(u64::MAX);
        Timestamp::from_micros(self.rng.random_range(0..bound.max(2)))
    }

    /// A time between two numbers of seconds.
    fn time(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(self.rng.random_range(from * 1_000_000..to * 1_000_000))
    }

    /// Connects a node to the seed and to some others.
    fn meet(&mut self, id: NodeId) {
        self.connect(id, SEED);
        let others = self.nodes.len() - 1;
        // Half of its connections come from others.
        for _ in 0..self.config.degree.div_ceil(2) {
            let other = self.rng.random_range(1..=others);
            self.connect(id, other);
        }
    }

    fn some_of(&mut self, one_in: u32) -> Vec<NodeId> {
        (1..self.nodes.len())
            .filter(|_| self.rng.random_range(0..one_in) == 0)
            .collect()
    }

    fn plan_churn(&mut self) {
        for node in 1..self.nodes.len() {
            if self.rng.random_range(0..10) >= 3 {
                continue;
            }
            let leaves = self.moment();
            let politely = self.rng.random();
            self.queue.push(leaves, Event::Leave { node, politely });
            let away = self.config.away_seconds.clone();
            let returns = leaves + self.time(away.start, away.end);
            self.queue.push(returns, Event::Return { node });
        }
    }

    fn make_liars(&mut self) {
        for id in self.some_of(10) {
            let kinds = [
                Manners::SendsWrongBytes,
                Manners::SaysItHasNothing,
                Manners::NeverAnswers,
            ];
            self.nodes[id].manners = kinds[self.rng.random_range(0..kinds.len())];
            self.nodes[id].planner = None;
        }
    }

    fn plan_silences(&mut self) {
        let mut silent = self.some_of(5);
        silent.push(SEED);
        for node in silent {
            let from = self.moment();
            let for_good = node != SEED && self.rng.random_range(0..4) == 0;
            let time = if for_good {
                Duration::from_secs(86_400)
            } else {
                self.time(2, 10)
            };
            let until = from + time;
            self.queue.push(from, Event::Silence { node, until });
            self.queue.push(until, Event::Speak { node });
        }
    }

    /// The seed leaves when it has sent what it is going to send.
    pub(crate) fn maybe_orphan(&mut self) {
        let enough = self.config.content_bytes() / 5 * 6;
        if self.config.scenario == Scenario::Orphaned && self.nodes[SEED].sent_bytes >= enough {
            self.leave(SEED, false);
        }
    }

    pub(crate) fn leave(&mut self, id: NodeId, politely: bool) {
        let conns: Vec<ConnId> = self.nodes[id].conns.iter().copied().collect();
        for conn in conns {
            let other = self.conns[conn].other(id);
            if politely {
                self.send(conn, id, Message::Closed);
            } else {
                let event = Event::Message {
                    conn,
                    to: other,
                    message: Message::Closed,
                };
                self.queue.push(self.now + KEEP_ALIVE, event);
            }
            self.drop_end(conn, id);
            self.tell(
                id,
                Input::SourceLeft {
                    source: SourceId(conn as u64),
                },
            );
        }
        let node = &mut self.nodes[id];
        node.online = false;
        node.epoch += 1;
        node.uplink_busy = false;
        node.wake = None;
    }

    pub(crate) fn come_back(&mut self, id: NodeId) {
        self.nodes[id].online = true;
        // What was verified shortly before it left was told to nobody, and is part of what it tells now.
        self.nodes[id].news.clear();
        self.meet(id);
    }
}

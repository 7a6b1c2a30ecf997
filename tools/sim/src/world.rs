//! The loop: takes the next event, lets the machines react, and checks them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use potluck_content::{Hash, PieceLayout, PieceSet};
use potluck_transfer::{Input, Output, Planner, PlannerConfig, Timestamp, member_number};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::config::{Config, Scenario};
use crate::event::{Event, FlowId, Message, NodeId, Queue};
use crate::network::{Conn, conn_of};
use crate::node::{Flow, Node, peer_of};
use crate::summary::Summary;
use crate::trace::Trace;

/// The node that has everything.
pub(crate) const SEED: NodeId = 0;

/// A run that broke a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When, in virtual time.
    pub at: Duration,
    /// Which rule.
    pub what: String,
    /// How to see it again.
    pub command: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "at {:.6} s: {}\nreplay: {}",
            self.at.as_secs_f64(),
            self.what,
            self.command
        )
    }
}

impl std::error::Error for Failure {}

pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) layout: Arc<PieceLayout>,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) now: Timestamp,
    pub(crate) queue: Queue,
    pub(crate) nodes: Vec<Node>,
    pub(crate) conns: Vec<Conn>,
    pub(crate) flows: BTreeMap<FlowId, Flow>,
    pub(crate) last_id: u64,
    pub(crate) partition: Option<(Timestamp, Timestamp)>,
    pub(crate) trace: Trace,
    pub(crate) events: u64,
    pub(crate) broken: Option<String>,
    /// Someone is complete: from then on upload is not scarce any more.
    pub(crate) someone_is_done: bool,
    /// The node whose invariants were checked last.
    checked: NodeId,
}

/// Runs a simulation to its end.
pub fn run(config: &Config) -> Result<Summary, Failure> {
    let mut world = World::new(config.clone());
    world.set_the_scene();
    let outcome = world.run_to_end().and_then(|()| world.check_end());
    outcome.map_err(|what| Failure {
        at: Duration::from_micros(world.now.as_micros()),
        what,
        command: config.command(),
    })?;
    Ok(Summary::of(&world))
}

impl World {
    fn new(config: Config) -> Self {
        let layout = PieceLayout::for_blob(Hash::of(b"simulated"), config.content_bytes());
        let mut world = Self {
            layout: Arc::new(layout),
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            now: Timestamp::ZERO,
            queue: Queue::default(),
            nodes: Vec::new(),
            conns: Vec::new(),
            flows: BTreeMap::new(),
            last_id: 0,
            partition: None,
            trace: Trace::new(config.seed),
            events: 0,
            broken: None,
            someone_is_done: false,
            checked: 0,
            config,
        };
        for id in 0..=world.config.peers as usize {
            let node = world.new_node(id);
            world.nodes.push(node);
        }
        world
    }

    /// What a downloader has from the start: nothing, or in a swarm that runs already a random half.
    fn head_start(&mut self) -> PieceSet {
        let pieces = self.layout.pieces();
        let mut have = PieceSet::new(pieces);
        if self.config.scenario == Scenario::Takers {
            for piece in 0..pieces {
                if self.rng.random() {
                    have.insert(piece);
                }
            }
        }
        have
    }

    fn new_node(&mut self, id: NodeId) -> Node {
        let half = u64::try_from(self.config.latency.as_micros()).unwrap_or(u64::MAX) / 2;
        let latency = Duration::from_micros(self.rng.random_range(half / 2..=half + half / 2));
        let planner = (id != SEED).then(|| {
            let pieces = self.layout.pieces();
            let wanted = PieceSet::full(pieces);
            let have = self.head_start();
            let layout = Arc::clone(&self.layout);
            let config = PlannerConfig {
                member: member_number(&peer_of(id)),
                ..PlannerConfig::default()
            };
            Planner::new(config, layout, have, wanted, self.rng.random())
        });
        let number = u32::try_from(id).unwrap_or(u32::MAX);
        let mut node = Node::new(id, planner, latency);
        node.up = self.config.up_of(number);
        node.takes_only = self.config.takes_only(number);
        node.is_contact = self.config.is_contact(number);
        node
    }

    fn run_to_end(&mut self) -> Result<(), String> {
        let limit = self.config.fluid_bound() * 20 + Duration::from_secs(120);
        let limit = Timestamp::ZERO + limit;
        while self
            .nodes
            .iter()
            .any(|node| node.planner.is_some() && node.finished.is_none())
        {
            let Some((at, event)) = self.queue.pop() else {
                return Err(format!("nothing happens any more; {}", self.missing()));
            };
            if at > limit {
                return Err(format!("not finished in time; {}", self.missing()));
            }
            self.now = at;
            self.events += 1;
            self.trace.add(at.as_micros());
            event
                .digest()
                .into_iter()
                .for_each(|word| self.trace.add(word));
            self.handle(event);
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
            if self.events.is_multiple_of(self.config.check_every) {
                self.checked = (self.checked + 1) % self.nodes.len();
                self.check(self.checked)?;
            }
        }
        Ok(())
    }

    fn missing(&self) -> String {
        let unfinished: Vec<NodeId> = (0..self.nodes.len())
            .filter(|id| self.nodes[*id].planner.is_some() && self.nodes[*id].finished.is_none())
            .collect();
        let example = unfinished
            .first()
            .and_then(|id| self.nodes[*id].planner.as_ref());
        let waiting =
            example.map(|planner| (planner.progress(self.now), planner.waiting(self.now)));
        format!(
            "{} nodes are incomplete: {unfinished:?}, the first: {waiting:?}",
            unfinished.len()
        )
    }

    fn check(&self, id: NodeId) -> Result<(), String> {
        let Some(planner) = &self.nodes[id].planner else {
            return Ok(());
        };
        planner
            .check_invariants()
            .map_err(|error| format!("node {id}: {error}"))?;
        if self.nodes[id].online {
            planner
                .check_settled()
                .map_err(|error| format!("node {id}: {error}"))?;
        }
        Ok(())
    }

    fn check_end(&self) -> Result<(), String> {
        for (id, node) in self.nodes.iter().enumerate() {
            self.check(id)?;
            let Some(planner) = &node.planner else {
                continue;
            };
            let progress = planner.progress(self.now);
            if !planner.have().is_full() || progress.have_bytes != self.config.content_bytes() {
                return Err(format!("node {id} says that it is complete and isn't"));
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Wake { node } => self.wake(node),
            Event::Message { conn, to, message } => self.message(conn, to, message),
            Event::Sent { node, epoch, chunk } => self.sent(node, epoch, chunk),
            Event::Arrived { chunk } => self.arrived(chunk),
            Event::Delivered { chunk } => self.delivered(chunk),
            Event::Credit { flow, bytes } => self.credit(flow, bytes),
            Event::Gossip { node } => self.gossip(node),
            Event::Leave { node, politely } => self.leave(node, politely),
            Event::Return { node } => self.come_back(node),
            Event::Silence { node, until } => self.nodes[node].silent_until = until,
            Event::Speak { node } => self.pump(node),
        }
    }

    fn wake(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        if node.wake != Some(self.now) || !node.online {
            return;
        }
        node.wake = None;
        self.tell(id, Input::Timeout);
    }

    /// Gives a planner an input and does what it says.
    pub(crate) fn tell(&mut self, id: NodeId, input: Input) {
        let now = self.now;
        let Some(planner) = &mut self.nodes[id].planner else {
            return;
        };
        planner.handle(now, input);
        while let Some(output) = self.nodes[id].planner.as_mut().and_then(|p| p.poll(now)) {
            self.act(id, output);
        }
        self.set_alarm(id);
    }

    fn set_alarm(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        let Some(due) = node.planner.as_ref().and_then(Planner::poll_timeout) else {
            return;
        };
        let due = due.max(self.now.plus_micros(1));
        if node.wake.is_none_or(|known| due < known) {
            node.wake = Some(due);
            self.queue.push(due, Event::Wake { node: id });
        }
    }

    fn act(&mut self, id: NodeId, output: Output) {
        match output {
            Output::Request {
                source,
                request,
                pieces,
                ..
            } => {
                let conn = conn_of(source);
                let message = Message::Request {
                    request,
                    pieces: pieces.into(),
                };
                self.send(conn, id, message);
            }
            Output::Cancel { source, request } => {
                self.send(conn_of(source), id, Message::Cancel { request });
            }
            Output::Ban { source, reason } => {
                let conn = conn_of(source);
                let liar = self.conns[conn].other(id);
                if !self.nodes[liar].is_liar() {
                    self.broken = Some(format!("node {id} banned honest node {liar}: {reason}"));
                }
                self.nodes[id].bans += 1;
                self.hang_up(conn, id);
            }
            Output::Complete => {
                self.nodes[id].finished = Some(self.now);
                self.someone_is_done = true;
            }
        }
    }
}

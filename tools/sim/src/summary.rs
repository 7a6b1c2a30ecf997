//! What came of a run.

use std::fmt;
use std::time::Duration;

use crate::config::{Config, Scenario};
use crate::node::Node;
use crate::world::{SEED, World};

/// Figures of a run that ended well.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// What was run.
    pub config: Config,
    /// Nodes that downloaded everything.
    pub finished: u32,
    /// The least time that is possible with fluids.
    pub fluid_bound: Duration,
    /// When the first node was complete.
    pub first: Duration,
    /// When half of the nodes were.
    pub median: Duration,
    /// When all of them were.
    pub last: Duration,
    /// Copies of the content that the seed sent.
    pub seed_copies: f64,
    /// Bytes that arrived at downloaders.
    pub received_bytes: u64,
    /// Of those, in vain.
    pub wasted_bytes: u64,
    /// Bytes that those who send and those who only take got of others than the seed, on average, until the first was
    /// complete; and the same of those takers who are contacts.
    pub shares: Shares,
    /// Sources that were banned, counted at each node.
    pub bans: u32,
    /// Events processed.
    pub events: u64,
    /// Fingerprint of all events in order.
    pub trace: u64,
}

/// What different kinds of nodes got while upload was scarce, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    /// Those who send too.
    pub giver: f64,
    /// Those who never send.
    pub taker: f64,
    /// Those who never send and are contacts.
    pub contact: f64,
}

impl Shares {
    fn of(world: &World) -> Self {
        let mean = |kind: &dyn Fn(&Node) -> bool| {
            let of_kind = || world.nodes.iter().skip(1).filter(|node| kind(node));
            let bytes: u64 = of_kind().map(|node| node.from_strangers).sum();
            bytes as f64 / of_kind().count().max(1) as f64
        };
        Self {
            giver: mean(&|node| !node.takes_only),
            taker: mean(&|node| node.takes_only && !node.is_contact),
            contact: mean(&|node| node.is_contact),
        }
    }
}

impl Summary {
    pub(crate) fn of(world: &World) -> Self {
        let downloaders = || world.nodes.iter().filter(|node| node.planner.is_some());
        let mut times: Vec<Duration> = downloaders()
            .filter_map(|node| node.finished)
            .map(|at| Duration::from_micros(at.as_micros()))
            .collect();
        times.sort_unstable();
        let at = |place: usize| times.get(place).copied().unwrap_or_default();
        let progress = downloaders()
            .filter_map(|node| node.planner.as_ref())
            .map(|planner| planner.progress(world.now));
        let content = world.config.content_bytes() as f64;
        Self {
            config: world.config.clone(),
            finished: u32::try_from(times.len()).unwrap_or(u32::MAX),
            fluid_bound: world.config.fluid_bound(),
            first: at(0),
            median: at(times.len() / 2),
            last: times.last().copied().unwrap_or_default(),
            seed_copies: world.nodes[SEED].sent_bytes as f64 / content,
            received_bytes: downloaders().map(|node| node.received_bytes).sum(),
            wasted_bytes: progress.map(|progress| progress.wasted_bytes).sum(),
            shares: Shares::of(world),
            bans: downloaders().map(|node| node.bans).sum(),
            events: world.events,
            trace: world.trace.value(),
        }
    }

    /// The last finisher's time over the fluid bound.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.last.as_secs_f64() / self.fluid_bound.as_secs_f64()
    }

    /// Share of received bytes that were in vain.
    #[must_use]
    pub fn waste(&self) -> f64 {
        self.wasted_bytes as f64 / self.received_bytes.max(1) as f64
    }

    /// One JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Config {
            peers,
            pieces,
            seed,
            scenario,
            ..
        } = &self.config;
        format!(
            "{{\"scenario\":\"{scenario}\",\"peers\":{peers},\"pieces\":{pieces},\"seed\":{seed},\
             \"finished\":{},\"fluid_bound_seconds\":{:.6},\"first_seconds\":{:.6},\
             \"median_seconds\":{:.6},\"last_seconds\":{:.6},\"ratio\":{:.4},\
             \"seed_copies\":{:.4},\"received_bytes\":{},\"wasted_bytes\":{},\"bans\":{},\
             \"giver_bytes\":{:.0},\"taker_bytes\":{:.0},\"contact_bytes\":{:.0},\
             \"events\":{},\"trace\":\"{:016x}\"}}",
            self.finished,
            self.fluid_bound.as_secs_f64(),
            self.first.as_secs_f64(),
            self.median.as_secs_f64(),
            self.last.as_secs_f64(),
            self.ratio(),
            self.seed_copies,
            self.received_bytes,
            self.wasted_bytes,
            self.bans,
            self.shares.giver,
            self.shares.taker,
            self.shares.contact,
            self.events,
            self.trace,
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config {
            peers,
            pieces,
            seed,
            scenario,
            ..
        } = &self.config;
        writeln!(f, "{scenario}: {peers} peers, {pieces} pieces, seed {seed}")?;
        writeln!(
            f,
            "  finished      {} (first {:.2} s, median {:.2} s, last {:.2} s)",
            self.finished,
            self.first.as_secs_f64(),
            self.median.as_secs_f64(),
            self.last.as_secs_f64()
        )?;
        writeln!(
            f,
            "  fluid bound   {:.2} s; last finisher {:.2} times that",
            self.fluid_bound.as_secs_f64(),
            self.ratio()
        )?;
        writeln!(f, "  seed sent     {:.2} copies", self.seed_copies)?;
        writeln!(
            f,
            "  in vain       {} of {} bytes ({:.2} %)",
            self.wasted_bytes,
            self.received_bytes,
            100.0 * self.waste()
        )?;
        writeln!(f, "  bans          {}", self.bans)?;
        if *scenario == Scenario::Takers {
            let Shares {
                giver,
                taker,
                contact,
            } = self.shares;
            writeln!(
                f,
                "  got           {giver:.0} bytes who give, {taker:.0} who only take, {contact:.0} if contacts"
            )?;
        }
        write!(
            f,
            "  trace         {:016x} after {} events",
            self.trace, self.events
        )
    }
}

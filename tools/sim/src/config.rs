//! What is simulated.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

/// Bytes of a piece: what the layout makes of content of this size.
const PIECE_BYTES: u64 = 64 * 1024;

/// What goes on besides the download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing: a flash crowd with one seed.
    Swarm,
    /// Three in ten leave at some time and return, half of them without a word.
    Churn,
    /// One in ten claims to have everything and sends wrong bytes, says that it has nothing, or stays silent.
    Liars,
    /// One in five falls silent for seconds, the seed too, and some for good.
    Stall,
    /// The network falls apart in two halves for twenty seconds.
    Partition,
    /// A third of the downloaders can send a tenth of what the others can.
    Uneven,
    /// The seed leaves for good when it has sent 1.2 copies.
    Orphaned,
    /// A swarm that runs already: everyone begins with a random half. One in five never sends anything; some of those are
    /// known to those whom they are connected to, as contacts.
    Takers,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Swarm,
        Self::Churn,
        Self::Liars,
        Self::Stall,
        Self::Partition,
        Self::Uneven,
        Self::Orphaned,
        Self::Takers,
    ];
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Swarm => "swarm",
            Self::Churn => "churn",
            Self::Liars => "liars",
            Self::Stall => "stall",
            Self::Partition => "partition",
            Self::Uneven => "uneven",
            Self::Orphaned => "orphaned",
            Self::Takers => "takers",
        })
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.to_string() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(|scenario| scenario.to_string()).join(", ");
                format!("no scenario \"{text}\": {known}")
            })
    }
}

/// Everything that a run depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Nodes that download; one more has everything from the start.
    pub peers: u32,
    /// Pieces of 64 KiB.
    pub pieces: u32,
    /// Everything random follows from it.
    pub seed: u64,
    /// What goes on besides.
    pub scenario: Scenario,
    /// Bytes a second that each node can send.
    pub up: u64,
    /// Bytes a second that each node can receive.
    pub down: u64,
    /// One way between two nodes, on average; each node has its own share of it.
    pub latency: Duration,
    /// Packets lost, in millionths.
    pub loss_ppm: u32,
    /// Other downloaders that each connects to. Everyone knows the seed.
    pub degree: u32,
    /// How long those who leave stay away, in seconds.
    pub away_seconds: Range<u64>,
    /// Events between two checks of a node's invariants.
    pub check_every: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            peers: 200,
            pieces: 1024,
            seed: 1,
            scenario: Scenario::Swarm,
            up: 5_000_000,
            down: 10_000_000,
            latency: Duration::from_millis(10),
            loss_ppm: 0,
            degree: 20,
            away_seconds: 1..15,
            check_every: 2_000,
        }
    }
}

impl Config {
    /// Bytes of the content.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        u64::from(self.pieces) * PIECE_BYTES
    }

    /// Bytes a second that a node can send; node 0 is the seed.
    #[must_use]
    pub fn up_of(&self, node: u32) -> u64 {
        match self.scenario {
            Scenario::Uneven if node % 3 == 1 => self.up / 10,
            Scenario::Takers if self.takes_only(node) => 0,
            _ => self.up,
        }
    }

    /// Whether a node never sends anything.
    #[must_use]
    pub fn takes_only(&self, node: u32) -> bool {
        self.scenario == Scenario::Takers && node % 5 == 1
    }

    /// Whether a node is a contact of those whom it is connected to.
    #[must_use]
    pub fn is_contact(&self, node: u32) -> bool {
        self.takes_only(node) && node % 20 == 1
    }

    /// The command that runs the same again.
    #[must_use]
    pub fn command(&self) -> String {
        let Self {
            peers,
            seed,
            pieces,
            scenario,
            up,
            down,
            loss_ppm,
            degree,
            ..
        } = self;
        let latency = self.latency.as_micros();
        format!(
            "cargo run -p potluck-sim --release -- run --peers {peers} --seed {seed} --pieces {pieces} \
             --scenario {scenario} --up {up} --down {down} --latency-us {latency} \
             --loss-ppm {loss_ppm} --degree {degree}"
        )
    }

    /// The least time in which all could be served if data were a fluid: the seed must send everything once, each must
    /// receive everything, and all together must send as many copies as there are downloaders (Kumar and Ross, 2006).
    #[must_use]
    pub fn fluid_bound(&self) -> Duration {
        let mut bytes = u128::from(self.content_bytes()) * 1_000_000;
        if self.scenario == Scenario::Takers {
            bytes /= 2;
        }
        let peers = u128::from(self.peers);
        let (up, down) = (u128::from(self.up.max(1)), u128::from(self.down.max(1)));
        let all_up: u128 = (0..=self.peers)
            .map(|node| u128::from(self.up_of(node)))
            .sum();
        let together = peers * bytes / all_up.max(1);
        let micros = (bytes / up).max(bytes / down).max(together);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

//! What is simulated.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

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
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Swarm,
        Self::Churn,
        Self::Liars,
        Self::Stall,
        Self::Partition,
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
        })
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.to_string() == text)
            .ok_or_else(|| format!("no scenario \"{text}\": swarm, churn, liars, stall, partition"))
    }
}

/// Everything that a run depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Nodes that download; one more has everything from the start.
    pub peers: u32,
    /// Pieces of 256 KiB.
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
    /// Events between two checks of a node's invariants.
    pub check_every: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            peers: 200,
            pieces: 256,
            seed: 1,
            scenario: Scenario::Swarm,
            up: 5_000_000,
            down: 10_000_000,
            latency: Duration::from_millis(10),
            loss_ppm: 0,
            degree: 20,
            check_every: 2_000,
        }
    }
}

impl Config {
    /// Bytes of the content.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        u64::from(self.pieces) * 256 * 1024
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
        let bytes = u128::from(self.content_bytes()) * 1_000_000;
        let peers = u128::from(self.peers);
        let (up, down) = (u128::from(self.up.max(1)), u128::from(self.down.max(1)));
        let together = peers * bytes / (up * (peers + 1));
        let micros = (bytes / up).max(bytes / down).max(together);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

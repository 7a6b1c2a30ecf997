//! Whom to send to: choking (BEP 3), and what to show to whom while nobody else has everything (BEP 16).
//!
//! [`Choker`] does what clients do today: while downloading it serves those that send most, and now
//! and then somebody else to find better ones; while seeding it serves all in turns. [`SuperSeed`]
//! shows pieces one by one. Both are pure machines: times are counted from any fixed moment, and
//! random numbers are handed in.
//!
//! Sources: BEP 3; Legout, Urvoy-Keller and Michiardi, *Rarest First and Choke Algorithms Are Enough*
//! (IMC 2006); the turns while seeding are those of libtorrent's round robin, with an end in time too:
//! there a peer that takes nothing keeps its slot for good.

mod choker;
mod config;
mod peer;
mod super_seed;

pub use choker::{Change, Choker, MAX_CHOKER_PEERS, OPTIMISTIC_TIME, ROUND_TIME};
pub use config::{ChokeConfig, MAX_SLOTS};
pub use peer::{SNUB_TIME, TURN_TIME};
pub use super_seed::{MAX_SUPER_SEED_PEERS, STALL_TIME, SuperSeed};

#[cfg(test)]
mod tests;

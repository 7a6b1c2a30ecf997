//! Keys, peer ids and private-network keys.
//!
//! Nothing here draws randomness: callers bring the seeds.

mod network_key;
mod node_key;

pub use libp2p_identity::{Keypair, PeerId};
pub use network_key::{NetworkKey, NetworkKeyError};
pub use node_key::{NodeKey, NodeKeyError};

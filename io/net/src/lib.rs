//! The libp2p swarm and bulk lanes behind one handle.
//!
//! [`start`] runs one actor that owns the swarm. The rest of the program holds a [`NetHandle`],
//! hears of changes by [`NetEvent`]s and moves bytes through [`Pipe`]s. Nothing of libp2p but
//! addresses and peer ids shows through, so that a pipe may later be something else than a
//! libp2p stream.

mod actor;
mod behaviour;
mod bulk;
mod config;
mod counters;
mod errors;
mod events;
mod handle;
mod limiter;
mod path;
mod pipe;
mod routes;
mod transport;

pub use config::{DhtMode, NetConfig, NetLimits, RecordTimes};
pub use counters::Traffic;
pub use errors::{DialError, OpenError, ProvideError, StartError};
pub use events::{FindEvent, NetEvent, PeerInfo, Reachability};
pub use handle::{NetHandle, start};
pub use libp2p::{Multiaddr, PeerId};
pub use limiter::Limiter;
pub use path::Path;
pub use pipe::{Channel, Pipe, PipeReader, PipeWriter};

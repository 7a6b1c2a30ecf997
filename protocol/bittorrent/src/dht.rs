//! A node of the DHT over IPv6 (BEP 5, 32, 42, 43).
//!
//! A pure machine. Datagrams go into [`Node::handle_datagram`], what is to be sent comes from
//! [`Node::poll_transmit`], what was found from [`Node::poll_event`]; times are counted from any fixed moment, and
//! random numbers are arguments. Everything has a bound: nodes, searches, questions under way, what is kept for
//! others, and how many questions of others are answered.

mod budget;
mod id;
mod krpc;
mod node;
mod search;
mod store;
mod table;

pub use id::NodeId;
pub use krpc::{Body, KrpcError, MAX_DATAGRAM_BYTES, Message, Query, Reply};
pub use node::{Event, Node, NodeOptions, SearchId};
pub use table::{Contact, MAX_NODES};

#[cfg(test)]
mod tests;

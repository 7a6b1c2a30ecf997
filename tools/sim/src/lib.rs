//! Deterministic network simulator for the transfer machines.
//!
//! Real [`Planner`](potluck_transfer::Planner)s and [`Uploader`](potluck_transfer::Uploader)s of hundreds of nodes run over
//! a modelled network in virtual time: links with a rate each way and a latency, windows that push back like TCP's,
//! loss as delay, nodes that leave and return, fall silent or lie, and partitions. Everything follows from the seed: two
//! runs with one seed process the same events in the same order, which [`Summary::trace`] witnesses.

mod config;
mod event;
mod gossip;
mod network;
mod node;
mod scenario;
mod serve;
mod summary;
mod trace;
mod world;

pub use config::{Config, Scenario};
pub use summary::{Shares, Summary};
pub use world::{Failure, run};

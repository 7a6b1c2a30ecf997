//! Real nodes on loopback. Nothing sleeps to wait: everything waits for events with a deadline.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod dht;
mod dialing;
mod lan;
mod lanes;
mod limits;
mod pipes;
mod relay;
mod support;

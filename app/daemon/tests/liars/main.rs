//! Hostile peers on real sockets, each beside an honest node, against a real node.
//!
//! [`liar`] is the hostile provider; it speaks the protocol rightly but for one lie, told on the
//! control stream ([`control`]) or on a bulk lane ([`bulk`]). [`providers`] has the table of lies,
//! [`clients`] the peers that misbehave towards a node that serves.
#![allow(unreachable_pub)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    reason = "these are tests"
)]

mod bulk;
mod clients;
mod control;
mod daemon;
mod liar;
mod providers;
mod truth;

/// Not a test: what this program does when a test starts it as a node.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn node_of_a_child_process() {
    daemon::be_a_node();
}

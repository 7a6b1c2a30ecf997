//! The planner against sources of all kinds, in virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail a test"
)]
#![allow(
    clippy::single_range_in_vec_init,
    clippy::reversed_empty_ranges,
    reason = "lists of ranges, some of them strange on purpose"
)]

mod asking;
mod inputs;
mod losing;
mod speed;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use potluck_content::{Hash, PieceLayout, PieceSet};
use potluck_transfer::{
    Availability, BanReason, Failure, Input, Order, Output, Planner, PlannerConfig, ReaderId,
    Reading, SourceId, SourceState, SourceTraits, Timestamp, Waiting,
};
use support::{BLOCK, Habit, World, blob_layout};

const SECOND: u64 = 1_000_000;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn time_for(pieces: u64, habits: Vec<Habit>) -> f64 {
    let mut world = World::new(blob_layout(pieces), habits, 1);
    world.run(seconds(1000.0)).as_secs_f64()
}

fn planner_with_one_source(blocks: u64) -> Planner {
    with_one_source(blob_layout(blocks))
}

fn with_one_source(layout: Arc<PieceLayout>) -> Planner {
    let count = layout.pieces();
    let (have, wanted) = (PieceSet::new(count), PieceSet::full(count));
    let mut planner = Planner::new(PlannerConfig::default(), layout, have, wanted, 0);
    let source = SourceId(0);
    let traits = SourceTraits::default();
    planner.handle(Timestamp::ZERO, Input::SourceJoined { source, traits });
    let change = Availability::All;
    planner.handle(Timestamp::ZERO, Input::Availability { source, change });
    planner
}

fn small_files(files: u32, bytes: u64) -> Arc<PieceLayout> {
    use potluck_content::{Entry, Manifest, Node};
    let entries = (0..files).map(|n| Entry {
        path: format!("f{n:06}").parse().unwrap(),
        node: Node::File {
            hash: Hash::of(&n.to_be_bytes()),
            size: bytes + u64::from(n),
            executable: false,
        },
    });
    Arc::new(PieceLayout::for_manifest(
        &Manifest::new(entries.collect()).unwrap(),
    ))
}

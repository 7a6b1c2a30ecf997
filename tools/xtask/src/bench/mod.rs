//! Benchmarks that compare with another program, or with a limit, in the same run.

mod foreign;
mod machine;
mod pair;
mod payload;
mod potluck;
mod process;
mod report;

use anyhow::Result;
use clap::Subcommand;

use crate::workspace::Workspace;

/// The benchmarks.
#[derive(Subcommand)]
pub(crate) enum BenchTask {
    /// One file from one node to another on loopback, beside curl from nginx and a libtorrent pair
    Pair(pair::PairArgs),
}

/// Runs a benchmark; `false` when something that it compares with could not run.
pub(crate) fn run(workspace: &Workspace, task: &BenchTask) -> Result<bool> {
    match task {
        BenchTask::Pair(args) => pair::run(workspace, args),
    }
}

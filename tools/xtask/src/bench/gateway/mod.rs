//! `bench gateway`: how soon the first byte comes of what only another node has, and many readers at once.

mod asking;
mod first_byte;
mod helia;
mod load;

use anyhow::Result;
use clap::Args;

use super::lab::LineArgs;
use super::options::{Bench, Options};
use crate::workspace::Workspace;

/// Options of `bench gateway`.
#[derive(Args)]
pub(crate) struct GatewayArgs {
    /// The parts to measure: `first-byte` (needs root), `load`
    #[arg(long, value_delimiter = ',', default_value = "first-byte,load")]
    parts: Vec<String>,
    /// Size of the file, in MiB
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(8..=65_536))]
    mib: u64,
    /// Delay one way between both nodes, in milliseconds
    #[arg(long, default_value_t = 20)]
    delay_ms: u64,
    /// Rate of the lines of both nodes, in Mbit/s
    #[arg(long, default_value_t = 1_000)]
    rate: u64,
    /// Clients at once
    #[arg(long, default_value_t = 500)]
    clients: u32,
    /// Seconds for which they read
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    #[command(flatten)]
    line: LineArgs,
    #[command(flatten)]
    options: Options,
}

/// Measures and reports.
pub(super) fn run(workspace: &Workspace, args: &GatewayArgs) -> Result<bool> {
    let bench = Bench::prepare(workspace, &args.options)?;
    let wants = |part: &str| args.parts.iter().any(|one| one == part);
    let mut is_whole = true;
    if wants("first-byte") {
        is_whole &= first_byte::run(&bench, args)?;
    }
    if wants("load") {
        is_whole &= load::run(&bench, args)?;
    }
    Ok(is_whole)
}

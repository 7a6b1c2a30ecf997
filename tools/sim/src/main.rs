//! Runs simulations from the command line.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use potluck_sim::{Config, Scenario, run};

/// Deterministic simulator of Potluck's transfer machines.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Simulate a swarm and print what came of it.
    Run(RunArgs),
}

#[derive(Args)]
struct RunArgs {
    /// Nodes that download.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    peers: u32,
    /// Everything random follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run this many seeds, beginning with --seed.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Pieces of 64 KiB.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pieces: u32,
    /// swarm, churn, liars, stall, partition, uneven, orphaned or takers.
    #[arg(long, default_value_t = Scenario::Swarm)]
    scenario: Scenario,
    /// Bytes a second that each node can send.
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    up: u64,
    /// Bytes a second that each node can receive.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    down: u64,
    /// One way between two nodes, in microseconds.
    #[arg(long, default_value_t = 10_000)]
    latency_us: u64,
    /// Packets lost, in millionths.
    #[arg(long, default_value_t = 0)]
    loss_ppm: u32,
    /// Other downloaders that each knows.
    #[arg(long, default_value_t = 20)]
    degree: u32,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let Command::Run(args) = Cli::parse().command;
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        let config = Config {
            peers: args.peers,
            pieces: args.pieces,
            seed,
            scenario: args.scenario,
            up: args.up,
            down: args.down,
            latency: Duration::from_micros(args.latency_us),
            loss_ppm: args.loss_ppm,
            degree: args.degree,
            ..Config::default()
        };
        let outcome = run(&config);
        let written = match &outcome {
            Ok(summary) if args.json => writeln!(std::io::stdout(), "{}", summary.to_json()),
            Ok(summary) => writeln!(std::io::stdout(), "{summary}"),
            Err(failure) => writeln!(std::io::stderr(), "seed {seed} failed {failure}"),
        };
        if outcome.is_err() || written.is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

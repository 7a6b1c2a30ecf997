//! Project tasks: `cargo xtask test | tidy | fuzz | bench | interop`.
//!
//! What a task finds goes to stdout; what it runs writes where it always does.
#![allow(clippy::print_stdout, reason = "a task's output is its report")]

mod bench;
mod fuzz;
mod interop;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Tasks of this project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check what the compiler cannot: allowed arrows between crates, sizes, forbidden calls
    Tidy,
    /// Run everything that has to pass: fmt, clippy, tidy, all tests
    Test(test::TestArgs),
    /// Run the fuzz targets for a while each (needs a nightly toolchain and cargo-fuzz)
    Fuzz(fuzz::FuzzArgs),
    /// Benchmarks beside other programs, in one run
    #[command(subcommand)]
    Bench(Box<bench::BenchTask>),
    /// Fetch from other BitTorrent programs and serve them, on loopback
    Interop(interop::InteropArgs),
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the task; `false` says that it ran and did not pass.
fn run() -> Result<bool> {
    let task = Cli::parse().task;
    let workspace = workspace::Workspace::load()?;
    match task {
        Task::Tidy => tidy::run(&workspace),
        Task::Test(args) => test::run(&workspace, &args),
        Task::Fuzz(args) => fuzz::run(&workspace, &args),
        Task::Bench(task) => bench::run(&workspace, &task),
        Task::Interop(args) => interop::run(&workspace, &args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}

//! The `potluck` command: gives people the node's services on a command line.
//!
//! It sees the node only through its API (`potluck_api` over HTTP), whether that node is the
//! daemon of the data directory or one that lives inside the command.

mod app;
mod args;
mod client;
mod commands;
mod demo;
mod failure;
mod logging;
mod output;
mod session;
mod signals;
mod ui;

use crate::app::App;
use crate::args::Cli;
use crate::failure::Outcome;
use crate::output::Output;
use clap::{CommandFactory, Parser};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(not_understood(&error)),
    };
    let output = Output::new(&cli.global);
    match run(cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(failure::report(&output, &failure)),
    }
}

fn run(cli: Cli, output: &Output) -> Outcome {
    logging::start(&cli.global)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failure::failed(format!("cannot start: {error}"), "is memory short?"))?;
    let done = runtime.block_on(async {
        let app = App::new(&cli.global, output.clone(), signals::watch())?;
        Box::pin(commands::run(&app, cli.command)).await
    });
    // Blocking work that does not end must not keep the command from ending.
    runtime.shutdown_timeout(Duration::from_secs(2));
    done
}

/// Answers a command line that clap did not accept: help that was asked for, or what is wrong.
fn not_understood(error: &clap::Error) -> u8 {
    if failure::is_answer(error) {
        let _ = error.print();
        return 0;
    }
    let output = Output {
        json: wants_json(),
        quiet: false,
    };
    if failure::is_empty(error) && !output.json {
        output.always(&Cli::command().render_help().to_string());
        return potluck_api::ExitCode::Usage.into();
    }
    failure::report(&output, &failure::from_clap(error, &help_command()).into())
}

/// The command line that shows how the one at hand is written.
fn help_command() -> String {
    let known = Cli::command();
    let named = std::env::args()
        .skip(1)
        .find(|arg| known.find_subcommand(arg).is_some());
    named.map_or_else(
        || "potluck --help".to_owned(),
        |name| format!("potluck {name} --help"),
    )
}

/// Whether JSON was asked for, on a command line that could not be read as a whole.
fn wants_json() -> bool {
    let named = std::env::args_os()
        .take_while(|arg| arg != "--")
        .any(|arg| arg == "--json");
    let variable = std::env::var("POTLUCK_JSON")
        .unwrap_or_default()
        .to_ascii_lowercase();
    named
        || !matches!(
            variable.as_str(),
            "" | "0" | "n" | "no" | "f" | "false" | "off"
        )
}

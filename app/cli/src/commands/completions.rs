//! `potluck completions`

use crate::app::App;
use crate::args::Cli;
use crate::failure::Outcome;
use clap::CommandFactory;
use clap_complete::Shell;

/// Prints the completion script of a shell.
pub(crate) fn run(app: &App, shell: Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "potluck", &mut script);
    app.output.line(String::from_utf8_lossy(&script).trim_end())
}

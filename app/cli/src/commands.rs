//! One file for each command, or for a few that belong together.

mod completions;
mod config;
mod doctor;
mod get;
mod limit;
mod node;
mod open;
mod roots;
mod seed;
mod share;
mod torrent;
mod torrents_status;
mod up;
mod verify;

use crate::app::App;
use crate::args::Command;
use crate::failure::Outcome;

/// Does what the command line says.
pub(crate) async fn run(app: &App, command: Command) -> Outcome {
    match command {
        Command::Up(args) => Box::pin(up::run(app, args)).await,
        Command::Share(args) => Box::pin(share::run(app, args)).await,
        Command::Get(args) => Box::pin(get::run(app, args)).await,
        Command::Ls(args) => roots::list(app, &args).await,
        Command::Rm(args) => roots::remove(app, &args.targets).await,
        Command::Pin(args) => roots::pin(app, &args.targets, true).await,
        Command::Unpin(args) => roots::pin(app, &args.targets, false).await,
        Command::Verify(args) => Box::pin(verify::run(app, args)).await,
        Command::Status(_) => node::status(app).await,
        Command::Peers(_) => node::peers(app).await,
        Command::Id(_) => node::id(app).await,
        Command::Connect(args) => node::connect(app, args).await,
        Command::Torrent(args) => Box::pin(torrent::run(app, args.action)).await,
        Command::Open(args) => open::run(app, args).await,
        Command::Config(args) => config::run(app, args.action).await,
        Command::Doctor(_) => doctor::run(app).await,
        Command::Demo(args) => Box::pin(crate::demo::run(app, &args)).await,
        Command::Completions(args) => completions::run(app, args.shell),
    }
}

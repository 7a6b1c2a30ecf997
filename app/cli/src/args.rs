//! The command line: what there is and what it means.

mod node;
mod torrent;

pub(crate) use node::NodeArgs;
pub(crate) use torrent::{
    CheckTorrent, CreateTorrent, LimitTorrent, SeedTorrent, Torrent, TorrentAction, TorrentFormat,
};

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Share files with people, from machine to machine: no server, many sources, every byte verified.
#[derive(Debug, Parser)]
#[command(
    name = "potluck",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Give:   potluck share lecture.mp4      prints a link\n\
                  Take:   potluck get LINK               fetches from everyone who has it\n\
                  Every flag can be set by the environment variable named beside it."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Directory of everything this node owns [default: the platform's data directory]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "POTLUCK_DATA",
        hide_env_values = true
    )]
    pub(crate) data: Option<PathBuf>,
    /// Print JSON on stdout, one object a line
    #[arg(long, global = true, env = "POTLUCK_JSON", value_parser = FalseyValueParser::new())]
    #[arg(hide_env_values = true)]
    pub(crate) json: bool,
    /// Show no progress and no notes
    #[arg(
        long,
        short,
        global = true,
        env = "POTLUCK_QUIET",
        hide_env_values = true
    )]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) quiet: bool,
    /// Log to stderr; twice or thrice for more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    #[arg(env = "POTLUCK_VERBOSE", hide_env_values = true)]
    pub(crate) verbose: u8,
    /// Log exactly this, for example 'potluck_net=debug'
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        env = "POTLUCK_LOG",
        hide = true
    )]
    pub(crate) log: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node until Ctrl-C
    Up(Up),
    /// Index files or a folder in place, announce them, print a link
    Share(Share),
    /// Fetch what a link leads to, from all sources at once
    Get(Get),
    /// List what this node holds
    Ls(Ls),
    /// Stop sharing; your own files stay where they are
    Rm(Targets),
    /// Protect from eviction
    Pin(Targets),
    /// No longer protect from eviction
    Unpin(Targets),
    /// Read everything again and check it
    Verify(Verify),
    /// Show what this node is doing
    Status(Plain),
    /// Show who is connected, by which path, how fast
    Peers(Plain),
    /// Show this node's peer id and addresses
    Id(Plain),
    /// Connect to a peer
    Connect(Connect),
    /// Open the node's pages in a browser, at a link if one is given
    Open(Open),
    /// Make torrent files, look into them, hold files against them
    Torrent(Torrent),
    /// Show and change settings
    Config(Config),
    /// Check clock, disk, ports, limits, settings and reachability
    Doctor(Plain),
    /// Watch five nodes on this machine share a folder, lose one, and finish
    Demo(Demo),
    /// Print a completion script for a shell
    Completions(Completions),
}

/// `up`
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// Where the local API listens, with port 0 for a free one
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "POTLUCK_API",
        hide_env_values = true
    )]
    pub(crate) api: Option<String>,
}

/// `open`
#[derive(Debug, Args)]
pub(crate) struct Open {
    /// Link or CID to show
    #[arg(value_name = "LINK")]
    pub(crate) link: Option<String>,
    /// Print the address instead of opening a browser; it lets one browser in, within a minute
    #[arg(long, env = "POTLUCK_PRINT", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) print: bool,
}

/// `share`
#[derive(Debug, Args)]
pub(crate) struct Share {
    /// Files or folders
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Name to show instead of the file's own
    #[arg(
        long,
        value_name = "NAME",
        env = "POTLUCK_NAME",
        hide_env_values = true
    )]
    pub(crate) name: Option<String>,
    /// Copy the bytes into the data directory instead of sharing them where they are
    #[arg(long, env = "POTLUCK_COPY", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) copy: bool,
    /// Leave out files that cannot be read instead of stopping
    #[arg(long, env = "POTLUCK_SKIP_UNREADABLE", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) skip_unreadable: bool,
    /// Share it with BitTorrent clients too: prints magnet links, and writes torrent files into the
    /// data directory
    #[arg(long, env = "POTLUCK_TORRENT", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) torrent: bool,
    /// With --torrent: address of a tracker; several with commas are one tier, repeat the flag for
    /// the next tier
    #[arg(
        long,
        value_name = "URL",
        requires = "torrent",
        env = "POTLUCK_TRACKER",
        hide_env_values = true
    )]
    pub(crate) tracker: Vec<String>,
    /// With --torrent: length of a piece, a power of two such as 1MiB [default: by the size]
    #[arg(long, value_name = "SIZE", requires = "torrent")]
    #[arg(value_parser = potluck_daemon::torrent::piece_size)]
    #[arg(env = "POTLUCK_PIECE_SIZE", hide_env_values = true)]
    pub(crate) piece_size: Option<u64>,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

/// `get`
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Link, CID, ipfs:// address, magnet link, infohash, or a .torrent file or its URL
    #[arg(value_name = "LINK")]
    pub(crate) link: String,
    /// Another name of the same content, when LINK is a torrent: whoever has it under that name is
    /// asked too; may be repeated
    #[arg(
        long = "also",
        value_name = "LINK",
        env = "POTLUCK_ALSO",
        hide_env_values = true
    )]
    pub(crate) also: Vec<String>,
    /// Where to put it; an existing folder, or a path that ends in /, receives it under its own
    /// name [default: the current folder]
    #[arg(
        long,
        short,
        value_name = "DEST",
        env = "POTLUCK_OUTPUT",
        hide_env_values = true
    )]
    pub(crate) output: Option<PathBuf>,
    /// Only the files of a folder that match; may be repeated
    #[arg(
        long,
        value_name = "GLOB",
        env = "POTLUCK_FILES",
        hide_env_values = true
    )]
    pub(crate) files: Vec<String>,
    /// Give up after this time without any provider, or without a byte from one
    #[arg(
        long,
        value_name = "SECONDS",
        env = "POTLUCK_TIMEOUT",
        hide_env_values = true
    )]
    #[arg(value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Option<f64>,
    /// Do not provide it to others afterwards
    #[arg(long, env = "POTLUCK_NO_SERVE", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) no_serve: bool,
    /// Fetch from the beginning to the end instead of rarest first
    #[arg(long, env = "POTLUCK_SEQUENTIAL", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) sequential: bool,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

fn seconds(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "write seconds, for example 30".to_owned())?;
    if (0.0..=1e9).contains(&number) && number > 0.0 {
        Ok(number)
    } else {
        Err("write a number of seconds above 0".to_owned())
    }
}

/// `ls`
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Print the links too
    #[arg(long, short, env = "POTLUCK_LINKS", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) links: bool,
}

/// `rm`, `pin`, `unpin`
#[derive(Debug, Args)]
pub(crate) struct Targets {
    /// CID, link, or the name if only one thing has it
    #[arg(required = true, value_name = "WHAT")]
    pub(crate) targets: Vec<String>,
}

/// `verify`
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// CID, link, or the name if only one thing has it; everything if left out
    #[arg(value_name = "WHAT")]
    pub(crate) targets: Vec<String>,
    /// Fetch what is damaged again from peers (fetched and copied content only)
    #[arg(long, env = "POTLUCK_REPAIR", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) repair: bool,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

/// Commands without flags of their own.
#[derive(Debug, Args)]
pub(crate) struct Plain {}

/// `connect`
#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// Address of the peer, best ending in /p2p/<peer id>
    #[arg(value_name = "MULTIADDR")]
    pub(crate) address: String,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

/// `config`
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) action: Option<ConfigAction>,
}

/// What to do with the settings.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ConfigAction {
    /// Show all settings (what `config` alone does)
    Show,
    /// Print the value of one setting
    Get {
        /// Dotted key, such as limits.up
        key: String,
    },
    /// Change a setting
    Set {
        /// Dotted key, such as limits.up
        key: String,
        /// New value; lists are written with commas
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Go back to the default
    Unset {
        /// Dotted key, such as limits.up
        key: String,
    },
    /// Print where the file is
    Path,
}

/// `demo`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Size of the folder that is shared, in MiB
    #[arg(
        long,
        default_value_t = 320,
        env = "POTLUCK_DEMO_MIB",
        hide_env_values = true
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub(crate) mib: u64,
    /// Keep the folders and logs at the end
    #[arg(long, env = "POTLUCK_DEMO_KEEP", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) keep: bool,
}

/// `completions`
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::{Command, CommandFactory};

    #[test]
    fn the_command_line_is_consistent_and_every_flag_has_a_variable() {
        let mut cli = Cli::command();
        cli.clone().debug_assert();
        cli.build();
        check(&cli);
    }

    fn check(command: &Command) {
        let flags = command.get_arguments().filter(|arg| !arg.is_positional());
        for flag in flags.filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version")) {
            let variable = flag
                .get_env()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            assert!(
                variable.starts_with("POTLUCK_"),
                "{} {}",
                command.get_name(),
                flag.get_id()
            );
        }
        command.get_subcommands().for_each(check);
    }
}

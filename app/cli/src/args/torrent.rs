//! `torrent`

use super::NodeArgs;
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand, ValueEnum};
use potluck_api::Rate;
use std::path::PathBuf;

/// `torrent`
#[derive(Debug, Args)]
pub(crate) struct Torrent {
    #[command(subcommand)]
    pub(crate) action: TorrentAction,
}

/// What to do with a torrent.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TorrentAction {
    /// Print what a torrent says of itself: names, files, pieces, trackers, and its magnet link
    Show {
        /// A .torrent file, or a magnet link in quotes
        #[arg(value_name = "FILE|MAGNET")]
        torrent: String,
    },
    /// Make a torrent file of a file or folder
    Create(CreateTorrent),
    /// Read files and tell which pieces of a torrent are there; changes nothing
    Check(CheckTorrent),
    /// Give others a torrent whose files are here, from where they lie
    Seed(SeedTorrent),
    /// Say how long a torrent is seeded and how fast it may be; without flags, show it
    Limit(LimitTorrent),
}

/// In which versions of BitTorrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TorrentFormat {
    /// Versions 1 and 2 in one
    Hybrid,
    /// Version 1 alone: for clients that refuse hybrids
    V1,
    /// Version 2 alone
    V2,
}

/// `torrent create`
#[derive(Debug, Clone, Args)]
pub(crate) struct CreateTorrent {
    /// File or folder
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Where to put the torrent file; an existing folder receives it as <name>.torrent
    /// [default: the current folder]
    #[arg(
        long,
        short,
        value_name = "FILE",
        env = "POTLUCK_OUTPUT",
        hide_env_values = true
    )]
    pub(crate) output: Option<PathBuf>,
    /// Replace a torrent file that is there
    #[arg(long, env = "POTLUCK_FORCE", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) force: bool,
    /// Name of the torrent instead of the file's own
    #[arg(
        long,
        value_name = "NAME",
        env = "POTLUCK_NAME",
        hide_env_values = true
    )]
    pub(crate) name: Option<String>,
    /// Which versions of BitTorrent it is for
    #[arg(long, value_enum, default_value_t = TorrentFormat::Hybrid)]
    #[arg(env = "POTLUCK_TORRENT_FORMAT", hide_env_values = true)]
    pub(crate) format: TorrentFormat,
    /// Length of a piece, a power of two such as 1MiB [default: by the size of all files]
    #[arg(long, value_name = "SIZE", value_parser = potluck_daemon::torrent::piece_size)]
    #[arg(env = "POTLUCK_PIECE_SIZE", hide_env_values = true)]
    pub(crate) piece_size: Option<u64>,
    /// Address of a tracker; several with commas are one tier, repeat the flag for the next tier
    #[arg(
        long,
        value_name = "URL",
        env = "POTLUCK_TRACKER",
        hide_env_values = true
    )]
    pub(crate) tracker: Vec<String>,
    /// Address of a web server that has the same files; may be repeated
    #[arg(
        long,
        value_name = "URL",
        env = "POTLUCK_WEB_SEED",
        hide_env_values = true
    )]
    pub(crate) web_seed: Vec<String>,
    /// Ask clients to take peers from the trackers alone
    #[arg(long, env = "POTLUCK_PRIVATE_TORRENT", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) private: bool,
    /// What to say about it
    #[arg(
        long,
        value_name = "TEXT",
        env = "POTLUCK_COMMENT",
        hide_env_values = true
    )]
    pub(crate) comment: Option<String>,
    /// Leave out the date, so that the same files make the same torrent file
    #[arg(long, env = "POTLUCK_NO_DATE", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) no_date: bool,
}

/// `torrent check`
#[derive(Debug, Clone, Args)]
pub(crate) struct CheckTorrent {
    /// A .torrent file
    #[arg(value_name = "FILE")]
    pub(crate) torrent: PathBuf,
    /// What was fetched, or the folder that it is in [default: the current folder]
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) place: PathBuf,
}

/// `torrent seed`
#[derive(Debug, Clone, Args)]
pub(crate) struct SeedTorrent {
    /// A .torrent file
    #[arg(value_name = "TORRENT")]
    pub(crate) torrent: PathBuf,
    /// The file or folder of the torrent, or the folder that it lies in
    #[arg(value_name = "PLACE", default_value = ".")]
    pub(crate) place: PathBuf,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

/// `torrent limit`
#[derive(Debug, Clone, Args)]
pub(crate) struct LimitTorrent {
    /// Infohash, magnet link, or the name if only one torrent has it
    #[arg(value_name = "TORRENT")]
    pub(crate) torrent: String,
    /// Stop seeding when this many times its size was given; 0 for no goal, 'default' for the
    /// node's (bittorrent.seed_ratio)
    #[arg(
        long,
        value_name = "RATIO",
        env = "POTLUCK_RATIO",
        hide_env_values = true
    )]
    pub(crate) ratio: Option<String>,
    /// Stop seeding after this time, such as 24h; 0 for no goal, 'default' for the node's
    /// (bittorrent.seed_time)
    #[arg(
        long,
        value_name = "TIME",
        env = "POTLUCK_SEED_TIME",
        hide_env_values = true
    )]
    pub(crate) time: Option<String>,
    /// Bytes a second to receive at most, such as 2MB/s; off for no limit of its own
    #[arg(
        long,
        value_name = "RATE",
        env = "POTLUCK_TORRENT_DOWN",
        hide_env_values = true
    )]
    pub(crate) down: Option<Rate>,
    /// Bytes a second to send at most, such as 2MB/s; off for no limit of its own
    #[arg(
        long,
        value_name = "RATE",
        env = "POTLUCK_TORRENT_UP",
        hide_env_values = true
    )]
    pub(crate) up: Option<Rate>,
}

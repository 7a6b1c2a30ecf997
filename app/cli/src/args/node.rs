//! Flags of the commands that run a node.

use clap::Args;
use clap::builder::FalseyValueParser;
use potluck_api::Rate;
use std::path::PathBuf;

/// How a node meets others.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Node options")]
pub(crate) struct NodeArgs {
    /// Address to listen on, with port 0 for a free one; may be repeated
    #[arg(
        long,
        value_name = "MULTIADDR",
        env = "POTLUCK_LISTEN",
        value_delimiter = ','
    )]
    #[arg(hide_env_values = true)]
    pub(crate) listen: Vec<String>,
    /// Peer to connect to at the start; may be repeated
    #[arg(
        long,
        value_name = "MULTIADDR",
        env = "POTLUCK_PEER",
        value_delimiter = ','
    )]
    #[arg(hide_env_values = true)]
    pub(crate) peer: Vec<String>,
    /// Do not look for peers on the local network, nor ask the router for a port
    #[arg(long, env = "POTLUCK_NO_LAN", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) no_lan: bool,
    /// Bytes a second to send at most, such as 20MB/s
    #[arg(
        long,
        value_name = "RATE",
        env = "POTLUCK_UP_LIMIT",
        hide_env_values = true
    )]
    pub(crate) up_limit: Option<Rate>,
    /// Bytes a second to receive at most, such as 20MB/s
    #[arg(
        long,
        value_name = "RATE",
        env = "POTLUCK_DOWN_LIMIT",
        hide_env_values = true
    )]
    pub(crate) down_limit: Option<Rate>,
    /// Key file of a private network
    #[arg(
        long,
        value_name = "KEYFILE",
        env = "POTLUCK_PRIVATE",
        hide_env_values = true
    )]
    pub(crate) private: Option<PathBuf>,
}

impl NodeArgs {
    /// Whether anything was asked for that a running daemon decides itself.
    pub(crate) fn shapes_a_node(&self) -> bool {
        !self.listen.is_empty()
            || self.no_lan
            || self.up_limit.is_some()
            || self.down_limit.is_some()
            || self.private.is_some()
    }
}

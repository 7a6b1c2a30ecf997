//! Benchmarks that compare with another program, or with a limit, in the same run.

mod compare;
mod gateway;
mod idle;
mod lab;
pub(crate) mod machine;
mod mixed;
pub(crate) mod node;
pub(crate) mod options;
mod pair;
pub(crate) mod payload;
pub(crate) mod process;
mod report;
mod share;
pub(crate) mod site;
mod small;
mod swarm;
mod torrent;
mod wan;

use anyhow::Result;
use clap::Subcommand;

use crate::workspace::Workspace;

/// The benchmarks.
#[derive(Subcommand)]
pub(crate) enum BenchTask {
    /// One file from one node to another on loopback, beside curl from nginx, aria2, libtorrent, sendme
    Pair(pair::PairArgs),
    /// One file of a torrent on loopback from libtorrent and to it, beside libtorrent with itself
    Torrent(torrent::TorrentArgs),
    /// One seed and many leeches on shaped lines, beside aria2 and libtorrent (needs root)
    Swarm(swarm::SwarmArgs),
    /// One file over a long line that loses packets or goes dark, beside curl from nginx (needs root)
    Wan(wan::WanArgs),
    /// The address of a file, beside b3sum
    Share(share::ShareArgs),
    /// A folder of small files from one node to another on loopback, beside sendme and a piped tar
    SmallFiles(small::SmallArgs),
    /// One file under several names from a Potluck peer, libtorrent, Transmission and a web seed at once
    Mixed(mixed::MixedArgs),
    /// First byte of what another node has, beside Helia (needs root), and many readers, beside nginx
    Gateway(gateway::GatewayArgs),
    /// A node with nothing to do, alone and with peers, beside other daemons (needs root)
    Idle(idle::IdleArgs),
    /// Check that shaped lines are what they say, with ping and iperf3 (needs root)
    Lab(lab::LabArgs),
}

/// Runs a benchmark; `false` when something that it compares with could not run.
pub(crate) fn run(workspace: &Workspace, task: &BenchTask) -> Result<bool> {
    match task {
        BenchTask::Pair(args) => pair::run(workspace, args),
        BenchTask::Torrent(args) => torrent::run(workspace, args),
        BenchTask::Swarm(args) => swarm::run(workspace, args),
        BenchTask::Wan(args) => wan::run(workspace, args),
        BenchTask::Share(args) => share::run(workspace, args),
        BenchTask::SmallFiles(args) => small::run(workspace, args),
        BenchTask::Mixed(args) => mixed::run(workspace, args),
        BenchTask::Gateway(args) => gateway::run(workspace, args),
        BenchTask::Idle(args) => idle::run(workspace, args),
        BenchTask::Lab(args) => lab::run(workspace, args),
    }
}

//! `bench lab`: whether the shaped network is what it says, by what ping and iperf3 make of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use potluck_netlab::{Lab, Link, Plan};

use super::options::{Bench, Options};
use super::process::Process;
use super::site::Site;
use crate::workspace::Workspace;

/// The line of the nodes that are measured on a shaped network.
#[derive(Args, Clone)]
pub(crate) struct LineArgs {
    /// Longest wait in the queue ahead of each line, in milliseconds; what would wait longer is dropped
    #[arg(long, default_value_t = 50)]
    pub(super) queue_ms: u64,
    /// TCP congestion control of every node [default: the machine's]
    #[arg(long)]
    pub(super) congestion: Option<String>,
    /// Hand each TCP segment over on its own: more exact, and several times the work
    #[arg(long)]
    pub(super) no_trains: bool,
    /// Seed of the random loss
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
}

impl LineArgs {
    /// A line of these rates in Mbit/s.
    pub(super) fn link(&self, up: u64, down: u64, delay: Duration, loss: f64) -> Link {
        Link {
            up_bits: Some(up * 1_000_000),
            down_bits: Some(down * 1_000_000),
            delay,
            loss,
            queue: Duration::from_millis(self.queue_ms),
        }
    }

    /// Builds the network.
    pub(super) fn build(&self, links: Vec<Link>) -> Result<Site> {
        // A lost train would be many lost segments.
        let lossless = links.iter().all(|link| link.loss == 0.0);
        let plan = Plan {
            links,
            trains: lossless && !self.no_trains,
            congestion: self.congestion.clone(),
            seed: self.seed,
        };
        Ok(Site::Lab(Lab::build(&plan)?))
    }

    /// The congestion control that nodes use unless they choose another themselves.
    pub(super) fn congestion(&self) -> String {
        let own = || std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control");
        let named = self.congestion.clone().or_else(|| own().ok());
        named.map_or_else(|| "unknown".into(), |name| name.trim().to_owned())
    }
}

/// Options of `bench lab`.
#[derive(Args)]
pub(crate) struct LabArgs {
    /// Upload rate of each node, in Mbit/s
    #[arg(long, default_value_t = 40)]
    up: u64,
    /// Download rate of each node, in Mbit/s
    #[arg(long, default_value_t = 80)]
    down: u64,
    /// One-way delay, in milliseconds
    #[arg(long, default_value_t = 10)]
    delay_ms: u64,
    #[command(flatten)]
    line: LineArgs,
    #[command(flatten)]
    options: Options,
}

const SERVER: usize = 0;
/// Enough senders to fill a download line.
const SENDERS: usize = 3;
const PORT: u16 = 5201;
const SECONDS: u64 = 5;
/// How far a measured figure may be from the one asked for.
const TOLERANCE: f64 = 0.03;
/// The share of a full frame that is payload: 1,448 of 1,514 bytes.
const PAYLOAD: f64 = 1_448.0 / 1_514.0;

/// Checks a network of four nodes; an error says which figure is off.
pub(super) fn run(workspace: &Workspace, args: &LabArgs) -> Result<bool> {
    let bench = Bench::prepare(workspace, &args.options)?;
    bench.install("lab")?;
    bench.clear()?;
    let delay = Duration::from_millis(args.delay_ms);
    let link = args.line.link(args.up, args.down, delay, 0.0);
    let site = args.line.build(vec![link; SENDERS + 1])?;
    let start = std::time::Instant::now();

    let rtt = ping(&site)?;
    let one = received(&bench, &site, 1)?;
    let all = received(&bench, &site, SENDERS)?;
    let rows = [
        ("round trip, ms", 2.0 * delay.as_secs_f64() * 1e3, rtt),
        (
            "one sender, Mbit/s",
            args.up.min(args.down) as f64 * PAYLOAD,
            one,
        ),
        (
            "three senders to one, Mbit/s",
            args.down.min(args.up * SENDERS as u64) as f64 * PAYLOAD,
            all,
        ),
    ];
    let mut good = true;
    for (name, asked, found) in rows {
        let off = found / asked - 1.0;
        good &= off.abs() <= TOLERANCE;
        println!(
            "{name:<30} asked {asked:>7.2}  found {found:>7.2}  {:+.1} %",
            off * 1e2
        );
    }
    let cpu = own_cpu_seconds().context("no CPU time of this process")?;
    let share = cpu / start.elapsed().as_secs_f64();
    println!("{:<30} {share:.2} of a core", "the switch, on average");
    bench.clean_up()?;
    Ok(good)
}

/// Milliseconds of a round trip.
fn ping(site: &Site) -> Result<f64> {
    let mut ping = site.command(1, "ping");
    ping.args(["-q", "-c", "10", "-i", "0.1"]);
    let output = ping.arg(site.address(2).to_string()).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    // rtt min/avg/max/mdev = 20.1/20.2/20.3/0.1 ms
    let average = said
        .split(" = ")
        .nth(1)
        .and_then(|times| times.split('/').nth(1));
    let average = average.with_context(|| format!("no answer to ping: {said}"))?;
    average.parse().context("ping gave no time")
}

/// Mbit/s of payload that the server gets from this many senders at once.
fn received(bench: &Bench, site: &Site, senders: usize) -> Result<f64> {
    let mut servers = Vec::new();
    let mut clients = Vec::new();
    for sender in 1..=senders {
        let port = PORT + u16::try_from(sender)?;
        let mut server = site.command(SERVER, "iperf3");
        server.args(["--server", "--one-off", "--port", &port.to_string()]);
        let server = Process::start(&mut server, &bench.log("iperf3"), bench.timeout)?;
        servers.push(server);
        // Not asked by connecting: the server ends with its first connection.
        std::thread::sleep(Duration::from_millis(300));
        let mut client = site.command(sender, "iperf3");
        client
            .args(["--json", "--time", &SECONDS.to_string(), "--omit", "1"])
            .args(["--port", &port.to_string(), "--client"])
            .arg(site.address(SERVER).to_string());
        clients.push(client);
    }
    let running: Vec<_> = clients
        .iter_mut()
        .map(|client| client.stdout(std::process::Stdio::piped()).spawn())
        .collect::<std::io::Result<_>>()
        .context("cannot run iperf3")?;
    let mut sum = 0.0;
    for client in running {
        let output = client.wait_with_output()?;
        let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let rate = said["end"]["sum_received"]["bits_per_second"].as_f64();
        ensure!(rate.is_some(), "iperf3: {}", said["error"]);
        sum += rate.unwrap_or_default() / 1e6;
    }
    Ok(sum)
}

/// CPU seconds of this process so far, without its children.
fn own_cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

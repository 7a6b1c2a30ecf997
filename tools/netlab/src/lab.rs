//! Namespaces, devices and addresses, and the commands that run in them.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::fabric::{Fabric, Link, Traffic, nanoseconds};
use crate::{kernel, switch};

/// The last two bytes of the first node's address.
const BASE: u16 = 1;
/// Nodes that one lab can hold: each takes a device and a namespace.
const MOST_NODES: usize = 512;
/// The longest train that a sender may hand over at once, in bytes.
const TRAIN_BYTES: &str = "16384";

/// Why a lab could not be built.
#[derive(Debug, Error)]
pub enum LabError {
    /// More nodes than there are addresses.
    #[error("a lab holds up to {MOST_NODES} nodes")]
    TooMany,
    /// The kernel refused a namespace or a device.
    #[error("no network namespace with a TUN device (it takes root and /dev/net/tun)")]
    Refused(#[source] io::Error),
    /// `ip` refused to set up an interface.
    #[error("`{command}`: {reason}")]
    SetUp {
        /// What was run.
        command: String,
        /// What it said.
        reason: String,
    },
}

/// The network to build.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The line of each node.
    pub links: Vec<Link>,
    /// Whether TCP segments may travel as trains of up to 16 KiB: cheaper, and a train is lost or dropped as one.
    pub trains: bool,
    /// TCP congestion control of every node; `None` for the machine's own.
    pub congestion: Option<String>,
    /// Seed of the random loss.
    pub seed: u64,
}

/// A running network. Dropping it takes it down.
pub struct Lab {
    namespaces: Vec<File>,
    shared: Arc<switch::Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Lab {
    /// Builds the network and starts its switch.
    ///
    /// # Errors
    ///
    /// [`LabError`] without root, without TUN devices or without the `ip` command.
    pub fn build(plan: &Plan) -> Result<Self, LabError> {
        if plan.links.len() > MOST_NODES {
            return Err(LabError::TooMany);
        }
        let mut namespaces = Vec::new();
        let mut devices = Vec::new();
        for index in 0..plan.links.len() {
            let (namespace, device) = make_node(plan, index)?;
            namespaces.push(namespace);
            devices.push(device);
        }
        let shared = Arc::new(switch::Shared {
            fabric: Mutex::new(Fabric::new(&plan.links, BASE, plan.seed)),
            stop: AtomicBool::new(false),
            start: Instant::now(),
        });
        let watcher = switch::watch(&devices).map_err(refused)?;
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("switch".into())
            .spawn(move || {
                if let Err(error) = switch::run(&watcher, &devices, &of_thread) {
                    eprintln!("the switch of the lab ended: {error}");
                }
            })
            .map_err(LabError::Refused)?;
        Ok(Self {
            namespaces,
            shared,
            thread: Some(thread),
        })
    }

    /// The address of a node.
    #[must_use]
    pub fn address(index: usize) -> Ipv4Addr {
        let [high, low] = u16::try_from(index)
            .unwrap_or(u16::MAX)
            .saturating_add(BASE)
            .to_be_bytes();
        Ipv4Addr::new(10, 78, high, low)
    }

    /// A command that runs in the namespace of a node, and is killed when the thread that starts it ends.
    #[must_use]
    pub fn command(&self, node: usize, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "nsenter"]);
        if let Some(namespace) = self.namespaces.get(node) {
            let process = std::process::id();
            command.arg(format!(
                "--net=/proc/{process}/fd/{}",
                namespace.as_raw_fd()
            ));
        }
        command.arg("--").arg(program);
        command
    }

    /// Moves the calling thread into the namespace of a node.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn enter(&self, node: usize) -> io::Result<()> {
        use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
        let namespace = self.namespaces.get(node).ok_or(io::ErrorKind::NotFound)?;
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(std::os::fd::AsFd::as_fd(namespace), kind)?;
        Ok(())
    }

    /// What went over the line of a node so far.
    #[must_use]
    pub fn traffic(&self, node: usize) -> Traffic {
        self.shared.fabric().traffic(node).unwrap_or_default()
    }

    /// Lets nothing reach the node or leave it for this long, from now on.
    pub fn darken(&self, node: usize, time: Duration) {
        let until = self.shared.now().saturating_add(nanoseconds(time));
        self.shared.fabric().darken(node, until);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A switch that panicked is as gone as one that ended.
            let _ = thread.join();
        }
    }
}

fn refused(error: rustix::io::Errno) -> LabError {
    LabError::Refused(error.into())
}

/// One namespace with its device, set up and up.
fn make_node(plan: &Plan, index: usize) -> Result<(File, File), LabError> {
    // A thread of its own, because it cannot go back.
    let made = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let namespace = kernel::leave_network().map_err(LabError::Refused)?;
                let device = kernel::open_tun(plan.trains).map_err(LabError::Refused)?;
                set_up(plan, index)?;
                Ok((namespace, device))
            })
            .join()
    });
    made.unwrap_or_else(|_| Err(LabError::Refused(io::ErrorKind::Other.into())))
}

/// Runs in the namespace that it sets up.
fn set_up(plan: &Plan, index: usize) -> Result<(), LabError> {
    ip(&["link", "set", "lo", "up"])?;
    // Link-local addresses would be offered to peers, which cannot reach them: the switch carries IPv4 alone.
    // An error says that the machine has no IPv6 at all.
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1");
    let address = format!("{}/16", Lab::address(index));
    ip(&["address", "add", &address, "dev", "eth0"])?;
    ip(&[
        "link",
        "set",
        "eth0",
        "mtu",
        "1500",
        "gso_max_size",
        TRAIN_BYTES,
        "up",
    ])?;
    ip(&["route", "add", "unreachable", "default"])?;
    if let Some(congestion) = &plan.congestion {
        let path = "/proc/sys/net/ipv4/tcp_congestion_control";
        std::fs::write(path, congestion).map_err(|error| LabError::SetUp {
            command: format!("congestion control {congestion}"),
            reason: error.to_string(),
        })?;
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<(), LabError> {
    let failed = |reason: String| LabError::SetUp {
        command: format!("ip {}", arguments.join(" ")),
        reason,
    };
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

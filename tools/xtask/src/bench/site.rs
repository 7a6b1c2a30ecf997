//! Where the processes of a run live: on loopback, or each in a node of a shaped network.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use potluck_netlab::Lab;

/// Loopback, or a lab.
pub(crate) enum Site {
    Loopback,
    Lab(Lab),
}

impl Site {
    /// The address of a node.
    pub(crate) fn address(&self, node: usize) -> Ipv4Addr {
        match self {
            Self::Loopback => Ipv4Addr::LOCALHOST,
            Self::Lab(_) => Lab::address(node),
        }
    }

    /// A command on a node. It ends with the thread that starts it.
    pub(crate) fn command(&self, node: usize, program: impl AsRef<OsStr>) -> Command {
        match self {
            Self::Loopback => leashed(program.as_ref()),
            Self::Lab(lab) => lab.command(node, program),
        }
    }

    /// A port of a node that was free a moment ago, for programs that can't choose one themselves.
    pub(crate) fn free_port(&self, node: usize) -> Result<u16> {
        let address = self.address(node);
        self.inside(node, || {
            let listener = TcpListener::bind((address, 0)).context("no free port")?;
            Ok(listener.local_addr().context("no free port")?.port())
        })
    }

    /// Waits until something listens.
    pub(crate) fn wait_for_port(&self, node: usize, port: u16, timeout: Duration) -> Result<()> {
        let address = self.address(node);
        self.inside(node, || {
            let deadline = Instant::now() + timeout;
            while TcpStream::connect((address, port)).is_err() {
                ensure!(Instant::now() < deadline, "nothing listens on port {port}");
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        })
    }

    /// Does something from within a node.
    pub(crate) fn inside<T: Send>(
        &self,
        node: usize,
        act: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T> {
        let Self::Lab(lab) = self else {
            return act();
        };
        // A thread of its own, because only threads can move.
        std::thread::scope(|scope| {
            let acting = scope.spawn(|| {
                lab.enter(node).context("cannot enter a node")?;
                act()
            });
            acting
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("something within a node panicked")))
        })
    }
}

/// A command that ends with the thread that starts it, where the system has a leash for it.
fn leashed(program: &OsStr) -> Command {
    static LEASH: OnceLock<bool> = OnceLock::new();
    let has_leash = *LEASH.get_or_init(|| {
        let told = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "true"])
            .output();
        told.is_ok_and(|told| told.status.success())
    });
    if !has_leash {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

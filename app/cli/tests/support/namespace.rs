//! Network namespaces: networks of a test's own, which nothing else of the machine is part of.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A network namespace with a loopback interface. Dropping it removes it, so declare it before the
/// nodes that live in it.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// `None` where namespaces cannot be made, which is said loudly, as nothing is then shown about
    /// `what`.
    pub fn new(what: &str) -> Option<Self> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = Self {
            name: format!("potluck-{}-{number}", std::process::id()),
        };
        match namespace.make() {
            Ok(()) => Some(namespace),
            Err(why) => {
                eprintln!(
                    "\n*** LEFT OUT: nothing is shown about {what}, because no network namespace \
                     can be made here ({why}). It takes root and 'ip' of iproute2. ***\n"
                );
                None
            }
        }
    }

    fn make(&self) -> Result<(), String> {
        ip(&["netns", "add", &self.name])?;
        ip(&["-n", &self.name, "link", "set", "lo", "up"])
    }

    /// Leaves it IPv4 alone. To be called before it has cables.
    pub fn without_ipv6(&self) -> Result<(), String> {
        for all in ["all", "default", "lo"] {
            let setting = format!("echo 1 > /proc/sys/net/ipv6/conf/{all}/disable_ipv6");
            ip(&["netns", "exec", &self.name, "sh", "-c", &setting])?;
        }
        Ok(())
    }

    /// Lays a cable to another one, with this address at this end and that one at the other.
    pub fn cable(&self, here: &str, other: &Self, there: &str) -> Result<(), String> {
        self.cable_between(("lan0", here), other, ("lan0", there))
    }

    /// The same, between interfaces of these names.
    pub fn cable_between(
        &self,
        here: (&str, &str),
        other: &Self,
        there: (&str, &str),
    ) -> Result<(), String> {
        let (own, peer) = (self.name.as_str(), other.name.as_str());
        let ends = ["link", "add", here.0, "netns", own, "type", "veth"];
        let peer = ["peer", "name", there.0, "netns", peer];
        ip(&[&ends[..], &peer].concat())?;
        for (end, (name, address)) in [(self, here), (other, there)] {
            ip(&["-n", &end.name, "addr", "add", address, "dev", name])?;
            ip(&["-n", &end.name, "link", "set", name, "up"])?;
        }
        Ok(())
    }

    /// Sends what it has no other way for there.
    pub fn default_route(&self, via: &str) -> Result<(), String> {
        ip(&["-n", &self.name, "route", "add", "default", "via", via])
    }

    /// Runs a command of the shell in it.
    pub fn shell(&self, command: &str) -> Result<(), String> {
        ip(&["netns", "exec", &self.name, "sh", "-c", command])
    }

    /// Does something in it: sockets that are opened by it, and by threads that it starts, stay there.
    pub fn enter<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
        use std::os::fd::AsFd as _;
        let place = format!("/var/run/netns/{}", self.name);
        let work = || {
            let file = std::fs::File::open(place).unwrap();
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(file.as_fd(), kind).unwrap();
            act()
        };
        std::thread::scope(|scope| scope.spawn(work).join().unwrap())
    }

    /// What a program is started by to live in it.
    pub fn wrapper(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.name]);
    }
}

fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(args)
        .output()
        .map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {}: {}", args.join(" "), said.trim()))
}

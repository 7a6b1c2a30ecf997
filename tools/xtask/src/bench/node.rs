//! Nodes of this tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::options::{Bench, first_line};
use super::process::Process;
use super::site::Site;

/// The port of nodes that have an address of their own.
pub(crate) const PORT: u16 = 4771;

/// A node: its place, and its data directory.
pub(crate) struct Node<'a> {
    bench: &'a Bench,
    site: &'a Site,
    index: usize,
    data: PathBuf,
}

/// A node that runs until this is dropped.
pub(crate) struct Running {
    pub(crate) process: Process,
    /// Its first address, with the peer id.
    pub(crate) address: String,
}

/// The HTTP side of a running node.
pub(crate) struct Gateway {
    pub(crate) port: u16,
    pub(crate) token: String,
}

/// What the program calls itself.
pub(crate) fn version(bench: &Bench) -> Result<String> {
    first_line(Command::new(&bench.potluck).arg("--version"))
}

impl<'a> Node<'a> {
    pub(crate) fn new(bench: &'a Bench, site: &'a Site, index: usize, name: &str) -> Self {
        Self {
            bench,
            site,
            index,
            data: bench.scratch.join(name),
        }
    }

    /// The program with its data directory and a network that stays within the site.
    pub(crate) fn command(&self) -> Command {
        let listen = match self.site {
            Site::Loopback => "/ip4/127.0.0.1/tcp/0".to_owned(),
            Site::Lab(_) => {
                let address = self.site.address(self.index);
                format!("/ip4/{address}/tcp/{PORT},/ip4/{address}/udp/{PORT}/quic-v1")
            }
        };
        let mut command = self.site.command(self.index, &self.bench.potluck);
        command
            .env("POTLUCK_NO_LAN", "true")
            .env("POTLUCK_LISTEN", listen)
            .arg("--json")
            .arg("--data")
            .arg(&self.data);
        command
    }

    /// Sets a key of its config.
    pub(crate) fn set(&self, key: &str, value: &str) -> Result<()> {
        let set = self.command().args(["config", "set", key, value]).output();
        let set = set.context("cannot run potluck")?;
        ensure!(set.status.success(), "cannot set {key}");
        Ok(())
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn up(&self, name: &str) -> Result<Running> {
        self.up_with(name, |_| {})
    }

    /// The same with more arguments.
    pub(crate) fn up_with(&self, name: &str, more: impl FnOnce(&mut Command)) -> Result<Running> {
        let mut up = self.command();
        up.arg("up");
        more(&mut up);
        let process = Process::start(&mut up, &self.bench.log(name), self.bench.timeout)?;
        let ready = process.wait_line(|line| event(line, "ready"))?;
        let address = ready["addresses"][0].as_str();
        Ok(Running {
            address: address.context("a node without an address")?.to_owned(),
            process,
        })
    }

    /// Shares with the running node. Gives a link that names the node's address, because finding is
    /// not what is measured.
    pub(crate) fn share(&self, running: &Running, path: &Path) -> Result<String> {
        let mut share = self.command();
        share.arg("share").arg(path);
        let sharing = Process::start(&mut share, &self.bench.log("share"), self.bench.timeout)?;
        let shared = sharing.wait_line(|line| event(line, "shared"))?;
        sharing.wait_end()?;
        let link = shared["link"].as_str().context("a share without a link")?;
        Ok(with_hint(link, &running.address))
    }

    /// Connects the running node to another one.
    pub(crate) fn connect(&self, address: &str) -> Result<()> {
        let connect = self.command().args(["connect", address]).output();
        let connect = connect.context("cannot run potluck")?;
        let said = String::from_utf8_lossy(&connect.stdout);
        ensure!(connect.status.success(), "cannot connect: {said}");
        Ok(())
    }

    /// Where the gateway of the running node is.
    pub(crate) fn gateway(&self) -> Result<Gateway> {
        let text = std::fs::read(self.data.join("api.json")).context("no api.json")?;
        let told: Value = serde_json::from_slice(&text).context("api.json is no JSON")?;
        let port = told["url"].as_str().and_then(|url| url.rsplit(':').next());
        let token = told["token"].as_str();
        Ok(Gateway {
            port: port.context("no port")?.parse().context("no port")?,
            token: token.context("no token")?.to_owned(),
        })
    }

    /// The command that fetches.
    pub(crate) fn get(&self, link: &str, to: &Path) -> Command {
        let mut get = self.command();
        get.args(["get", link, "-o"]).arg(to);
        get
    }
}

/// The JSON object of an event line of this name.
pub(crate) fn event(line: &str, name: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(line).ok()?;
    (value["event"] == name).then_some(value)
}

/// The link with this address in it.
fn with_hint(link: &str, address: &str) -> String {
    // The peer id is in each address of a node, so its place decides.
    let place = address.split("/p2p/").next().unwrap_or(address);
    if link.contains(place) || link.contains(&place.replace('/', "%2F")) {
        return link.to_owned();
    }
    let (head, key) = link
        .split_once('#')
        .map_or((link, None), |(head, key)| (head, Some(key)));
    let joint = if head.contains('?') { '&' } else { '?' };
    let key = key.map(|key| format!("#{key}")).unwrap_or_default();
    format!("{head}{joint}addr={address}{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_added_once_and_before_the_key() {
        let address = "/ip4/127.0.0.1/tcp/1/p2p/x";
        assert_eq!(
            with_hint("potluck:c", address),
            format!("potluck:c?addr={address}")
        );
        assert_eq!(
            with_hint("potluck:c?name=n#k", address),
            format!("potluck:c?name=n&addr={address}#k")
        );
        let hinted = "potluck:c?addr=%2Fip4%2F127.0.0.1%2Ftcp%2F1";
        assert_eq!(with_hint(hinted, address), hinted);
    }

    #[test]
    fn events() {
        assert!(event("{\"event\":\"ready\",\"peer_id\":\"x\"}", "ready").is_some());
        assert!(event("{\"event\":\"progress\"}", "ready").is_none());
        assert!(event("not JSON", "ready").is_none());
    }
}

//! Two nodes of this tree: one shares, the other gets.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::foreign::{first_line, spent};
use super::pair::{Contender, Setting};
use super::report::Sample;
use crate::workspace::Workspace;

/// Two nodes of this tree.
pub(super) struct Potluck {
    program: PathBuf,
}

impl Potluck {
    /// Builds the program from this tree, unless it is named.
    pub(super) fn prepare(workspace: &Workspace, named: Option<PathBuf>) -> Result<(Self, String)> {
        let program = match named {
            Some(program) => program,
            None => build(workspace)?,
        };
        let version = first_line(Command::new(&program).arg("--version"))?;
        Ok((Self { program }, version))
    }

    fn command(&self, data: &Path) -> Command {
        let mut command = Command::new(&self.program);
        // Nothing of the comparison leaves loopback.
        command
            .env("POTLUCK_NO_LAN", "true")
            .env("POTLUCK_LISTEN", "/ip4/127.0.0.1/tcp/0");
        command.arg("--data").arg(data);
        command
    }
}

impl Contender for Potluck {
    fn run(&self, setting: &Setting) -> Result<Sample> {
        let (sender_data, receiver_data) = (setting.scratch.join("a"), setting.scratch.join("b"));
        let mut up = self.command(&sender_data);
        up.args([
            "up",
            "--json",
            "--no-lan",
            "--listen",
            "/ip4/127.0.0.1/tcp/0",
        ]);
        let sender = setting.start(&mut up, "up.log")?;
        let ready = sender.wait_line(|line| event(line, "ready"))?;
        let address = ready["addresses"][0]
            .as_str()
            .context("a node without an address")?;

        let mut share = self.command(&sender_data);
        share.arg("share").arg(&setting.payload).arg("--json");
        let sharing = setting.start(&mut share, "share.log")?;
        let shared = sharing.wait_line(|line| event(line, "shared"))?;
        sharing.wait_end()?;
        let link = with_hint(
            shared["link"].as_str().context("a share without a link")?,
            address,
        );

        let before = sender.cpu_seconds();
        let mut get = self.command(&receiver_data);
        get.args(["get", &link, "--json", "-o"])
            .arg(&setting.received);
        let (seconds, receiver_cpu) = setting.start(&mut get, "get.log")?.wait_end()?;
        let sender_cpu = spent(&sender, before);
        sender.stop()?;
        Ok(Sample {
            seconds,
            receiver_cpu,
            sender_cpu,
        })
    }
}

fn build(workspace: &Workspace) -> Result<PathBuf> {
    let status = workspace
        .cargo()
        .args(["build", "--release", "--package", "potluck"])
        .status();
    ensure!(
        status.context("cannot run cargo")?.success(),
        "potluck does not build"
    );
    Ok(workspace.target.join("release").join("potluck"))
}

/// The JSON object of an event line of this name.
fn event(line: &str, name: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(line).ok()?;
    (value["event"] == name).then_some(value)
}

/// A link that says where on loopback the bytes are, because finding is not what is measured.
fn with_hint(link: &str, address: &str) -> String {
    if link.contains("/127.0.0.1/") || link.contains("%2F127.0.0.1%2F") {
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

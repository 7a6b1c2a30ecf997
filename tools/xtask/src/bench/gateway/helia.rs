//! Helia, the JavaScript IPFS: one node gives, another reads with `verified-fetch`, by bitswap over TCP.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::first_byte::{BYTES, Sample, check, places};
use crate::bench::options::{Bench, first_line};
use crate::bench::pair::{RECEIVER, SENDER, Setting};
use crate::bench::process::Process;

/// The port of the giving node.
const PORT: u16 = 4_001;

/// Where it is installed.
pub(super) struct Helia {
    node: PathBuf,
    script: PathBuf,
}

impl Helia {
    /// Makes sure that it is there; gives its version.
    pub(super) fn prepare(bench: &Bench) -> Result<(Self, String)> {
        bench.install("helia")?;
        let folder = bench.tools.join("helia");
        let node = folder.join("node_modules").join(".bin").join("node");
        // Modules are looked for from where the script lies.
        let script = folder.join("verified_fetch.mjs");
        std::fs::copy(bench.scripts.join("verified_fetch.mjs"), &script)
            .context("cannot copy bench/verified_fetch.mjs")?;
        let runtime = first_line(Command::new(&node).arg("--version"))?;
        let versions = first_line(Command::new(&node).arg(&script).arg("version"))?;
        ensure!(
            versions.starts_with("helia "),
            "Helia does not load: {versions}"
        );
        Ok((
            Self { node, script },
            format!("{versions}, Node.js {runtime}"),
        ))
    }

    /// One run.
    pub(super) fn fetch(&self, setting: &Setting<'_>, mib: u64) -> Result<Sample> {
        let Setting { bench, site, .. } = setting;
        let address = site.address(SENDER);
        let mut give = site.command(SENDER, &self.node);
        give.arg(&self.script)
            .args(["give", &format!("/ip4/{address}/tcp/{PORT}")])
            .arg(&setting.payload);
        let giving = Process::start(&mut give, &bench.log("helia-give"), bench.timeout)?;
        let ready = giving.wait_line(|line| serde_json::from_str::<Value>(line).ok())?;
        let text = |key: &str| ready[key].as_str().context("a giver without an address");
        let received = bench.scratch.join("received");
        let mut read = site.command(RECEIVER, &self.node);
        read.arg(&self.script)
            .args(["read", text("address")?, text("cid")?])
            .arg(&received)
            .arg(BYTES.to_string())
            .args(places(mib).map(|place| place.to_string()));
        let reading = Process::start(&mut read, &bench.log("helia-read"), bench.timeout)?;
        let told = reading.wait_line(|line| serde_json::from_str::<Value>(line).ok())?;
        reading.wait_end()?;
        giving.stop()?;
        let seconds = |key: &str| told[key].as_f64().context("a reader without figures");
        let body = std::fs::read(&received).context("nothing was received")?;
        let size = usize::try_from(BYTES)?;
        if body.len() != 2 * size {
            bail!("{} bytes came", body.len());
        }
        for (place, part) in places(mib).into_iter().zip(body.chunks(size)) {
            check(&setting.payload, place, part)?;
        }
        Ok(Sample {
            round_trip_seconds: seconds("round_trip")?,
            first_seconds: seconds("first")?,
            next_seconds: seconds("next")?,
        })
    }
}

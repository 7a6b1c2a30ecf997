//! sendme: iroh's blobs over QUIC, verified and encrypted like ours.

use std::process::Command;

use anyhow::Result;

use super::{RECEIVER, SENDER, Sample, Setting};
use crate::bench::options::{Bench, first_line};
use crate::bench::process::{Ended, Process};

/// It is there.
pub(in crate::bench) struct Sendme;

impl Sendme {
    /// Makes sure that it is there; gives its version.
    pub(in crate::bench) fn prepare(bench: &Bench) -> Result<(Self, String)> {
        bench.install("sendme")?;
        let version = first_line(Command::new(bench.cargo_tool("sendme")).arg("--version"))?;
        Ok((Self, version))
    }

    /// Moves the payload once, a file or a folder. Timed is the receiver, from its start to its end.
    pub(in crate::bench) fn transfer(&self, setting: &Setting<'_>) -> Result<Sample> {
        let Setting { bench, site, .. } = setting;
        let program = bench.cargo_tool("sendme");
        // It keeps its store where it runs.
        let (here, there) = (
            bench.folder("sendme-sender")?,
            bench.folder("sendme-receiver")?,
        );
        let options = ["--relay", "disabled"];

        let mut send = site.command(SENDER, &program);
        send.arg("send").args(options);
        send.args(["--magic-ipv4-addr", &format!("{}:0", site.address(SENDER))]);
        send.args(["--ticket-type", "addresses"])
            .arg(&setting.payload);
        send.current_dir(&here);
        let sender = Process::start(&mut send, &bench.log("send"), bench.timeout)?;
        let ticket = sender.wait_line(|line| {
            let rest = line.split_once("sendme receive ")?.1;
            rest.split_whitespace().next().map(str::to_owned)
        })?;

        let before = sender.cpu_seconds();
        let mut receive = site.command(RECEIVER, &program);
        receive.arg("receive").args(options);
        receive.args([
            "--magic-ipv4-addr",
            &format!("{}:0", site.address(RECEIVER)),
        ]);
        receive.arg(&ticket).current_dir(&there);
        let receiver = Process::start(&mut receive, &bench.log("receive"), bench.timeout)?;
        let Ended {
            seconds,
            cpu,
            peak_mib,
        } = receiver.wait_end()?;
        let sender_cpu = sender.cpu_since(before);
        let sender_peak_mib = sender.peak_mib();
        sender.stop()?;
        if let Some(name) = setting.payload.file_name() {
            std::fs::rename(there.join(name), &setting.received)?;
        }
        Ok(Sample {
            mib: setting.payload.metadata()?.len() >> 20,
            seconds,
            receiver_cpu: cpu,
            sender_cpu,
            receiver_peak_mib: peak_mib,
            sender_peak_mib,
        })
    }
}

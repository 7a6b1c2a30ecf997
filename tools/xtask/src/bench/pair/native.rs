//! Two nodes of this tree: one shares, the other gets.

use anyhow::Result;

use super::{RECEIVER, SENDER, Sample, Setting};
use crate::bench::node::Node;
use crate::bench::process::Process;

/// Moves the payload once. Timed is `potluck get`, from its start to its end.
pub(in crate::bench) fn transfer(setting: &Setting<'_>) -> Result<Sample> {
    let Setting { bench, site, .. } = setting;
    let sender = Node::new(bench, site, SENDER, "sender");
    let running = sender.up("up")?;
    let link = sender.share(&running, &setting.payload)?;

    let before = running.process.cpu_seconds();
    let mut get = Node::new(bench, site, RECEIVER, "receiver").get(&link, &setting.received);
    let ended = Process::start(&mut get, &bench.log("get"), bench.timeout)?.wait_end()?;
    let sender_cpu = running.process.cpu_since(before);
    let sender_peak_mib = running.process.peak_mib();
    running.process.stop()?;
    Ok(Sample {
        mib: setting.payload.metadata()?.len() >> 20,
        seconds: ended.seconds,
        receiver_cpu: ended.cpu,
        sender_cpu,
        receiver_peak_mib: ended.peak_mib,
        sender_peak_mib,
    })
}

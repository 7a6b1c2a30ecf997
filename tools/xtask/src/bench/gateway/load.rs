//! Many clients that read here and there in one file, from the gateway and from nginx.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::GatewayArgs;
use crate::bench::compare::Field;
use crate::bench::machine::Machine;
use crate::bench::node::{self, Node};
use crate::bench::options::{Bench, first_line};
use crate::bench::pair::SENDER;
use crate::bench::payload;
use crate::bench::process::Process;
use crate::bench::report::{Column, Part, Report, figure, ratio, spread};
use crate::bench::site::Site;

/// Runs, unless the options say otherwise.
const RUNS: u32 = 3;
/// Open files that each program needs.
const FILES: u32 = 4_096;

/// One run.
#[derive(Clone, Copy, Serialize)]
struct Sample {
    /// Bytes of answers a second.
    rate: f64,
    requests: u64,
    /// Connections that failed, answers that did not come, and such as are not 206.
    errors: u64,
    /// Memory of the server before, at the end, and at most.
    before_mib: Option<f64>,
    resident_mib: Option<f64>,
    peak_mib: Option<f64>,
    server_cpu: Option<f64>,
}

impl Sample {
    fn megabytes(&self) -> Option<f64> {
        Some(self.rate / 1e6)
    }
}

const COLUMNS: &[Column<Sample>] = &[
    Column {
        title: "MB/s",
        cell: |row, _| spread(row, Sample::megabytes, 0),
    },
    Column {
        title: "÷ potluck's",
        cell: |row, ours| ratio(row, ours, Sample::megabytes),
    },
    Column {
        title: "requests",
        cell: |row, _| figure(row.median(|sample| Some(sample.requests as f64)), 0),
    },
    Column {
        title: "errors",
        cell: |row, _| {
            figure(
                row.range(|sample| Some(sample.errors as f64))
                    .map(|(_, most)| most),
                0,
            )
        },
    },
    Column {
        title: "server's CPU s",
        cell: |row, _| figure(row.median(|sample| sample.server_cpu), 1),
    },
    Column {
        title: "MiB resident before / after / peak",
        cell: |row, _| {
            let of = |pick: fn(&Sample) -> Option<f64>| figure(row.median(pick), 0);
            format!(
                "{} / {} / {}",
                of(|sample| sample.before_mib),
                of(|sample| sample.resident_mib),
                of(|sample| sample.peak_mib)
            )
        },
    },
];

/// Measures and reports.
pub(super) fn run(bench: &Bench, args: &GatewayArgs) -> Result<bool> {
    let site = Site::Loopback;
    let file = payload::settled(bench, args.mib)?;
    let runs = args.options.runs.unwrap_or(RUNS);
    let about = format!(
        "{} clients on loopback that read 1 MiB at random places of a file of {} MiB for {} s, by wrk, which has two threads on \
         the same machine. nginx sends with sendfile, and verifies nothing.",
        args.clients, args.mib, args.seconds
    );
    println!("{about}");
    let task = &Task {
        bench,
        site: &site,
        file,
        args,
    };
    let mut field = Field::new();
    field.add(
        &args.options,
        "potluck",
        "potluck",
        || {
            bench.install("load")?;
            Ok(((), format!("{}; {}", node::version(bench)?, wrk()?)))
        },
        |()| task.ours(),
    );
    field.add(
        &args.options,
        "nginx",
        "nginx",
        || {
            bench.install("load")?;
            let version = first_line(Command::new("nginx").arg("-v"))?;
            Ok(((), version.trim_start_matches("nginx version: ").to_owned()))
        },
        |()| task.nginx(),
    );
    let rows = field.compare(bench, runs, |sample| {
        format!("{:.0} MB/s, {} errors", sample.rate / 1e6, sample.errors)
    });
    let report = Report {
        name: "gateway-load",
        machine: Machine::this(),
        runs,
        parts: vec![Part { about, rows }],
    };
    let dry = args.options.dry || !args.options.only.is_empty();
    report.publish(&bench.root, COLUMNS, dry)
}

fn wrk() -> Result<String> {
    let line = first_line(Command::new("wrk").arg("-v"))?;
    let version = line.split_whitespace().take(2).collect::<Vec<_>>();
    Ok(version.join(" "))
}

/// What each server is put through.
struct Task<'a> {
    bench: &'a Bench,
    site: &'a Site,
    file: PathBuf,
    args: &'a GatewayArgs,
}

impl Task<'_> {
    fn ours(&self) -> Result<Sample> {
        let node = Node::new(self.bench, self.site, SENDER, "node");
        let running = node.up("node")?;
        let link = node.share(&running, &self.file)?;
        let cid = link
            .strip_prefix("potluck:")
            .context("a link of another kind")?;
        let cid = cid.split('?').next().unwrap_or(cid);
        let port = node.gateway()?.port;
        let sample = self.load(
            &running.process,
            &format!("http://127.0.0.1:{port}/c/{cid}"),
        );
        running.process.stop()?;
        sample
    }

    fn nginx(&self) -> Result<Sample> {
        let port = self.site.free_port(SENDER)?;
        let folder = self.bench.folder("nginx")?;
        let template = std::fs::read_to_string(self.bench.scripts.join("nginx-load.conf.in"))
            .context("cannot read bench/nginx-load.conf.in")?;
        let payloads = self.file.parent().context("a payload without a folder")?;
        let config = template
            .replace("@FOLDER@", &folder.to_string_lossy())
            .replace("@PAYLOADS@", &payloads.to_string_lossy())
            .replace("@PORT@", &port.to_string());
        let path = folder.join("nginx.conf");
        std::fs::write(&path, config).context("cannot write the configuration of nginx")?;
        let mut nginx = self.site.command(SENDER, "nginx");
        nginx
            .arg("-e")
            .arg(folder.join("error.log"))
            .arg("-c")
            .arg(path);
        let process = Process::start(&mut nginx, &self.bench.log("nginx"), self.bench.timeout)?;
        self.site.wait_for_port(SENDER, port, self.bench.timeout)?;
        let name = self.file.file_name().context("a payload without a name")?;
        let url = format!("http://127.0.0.1:{port}/{}", name.to_string_lossy());
        let sample = self.load(&process, &url);
        process.stop()?;
        sample
    }

    fn load(&self, server: &Process, url: &str) -> Result<Sample> {
        let script = self.script()?;
        let (before_mib, cpu) = (server.resident_mib(), server.cpu_seconds());
        let output = Command::new("sh")
            .args([
                "-c",
                &format!("ulimit -n {FILES} && exec \"$@\""),
                "sh",
                "wrk",
            ])
            .args(["-t2", "--timeout", "20s"])
            .arg(format!("-c{}", self.args.clients))
            .arg(format!("-d{}s", self.args.seconds))
            .arg("-s")
            .arg(script)
            .arg(url)
            .output()
            .context("cannot run wrk")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "wrk: {said}");
        let told = parse(&said).with_context(|| format!("wrk says {said}"))?;
        ensure!(told.errors < told.requests, "nothing but errors: {said}");
        Ok(Sample {
            before_mib,
            resident_mib: server.resident_mib(),
            peak_mib: server.peak_mib(),
            server_cpu: server.cpu_since(cpu),
            ..told
        })
    }

    /// What wrk asks for, and how it tells.
    fn script(&self) -> Result<PathBuf> {
        let path: &Path = &self.bench.scratch;
        let path = path.join("ranges.lua");
        let text = format!(
            "local mib = {}\n\
             function init() math.randomseed(os.time()) end\n\
             function request()\n\
             \x20 local at = math.random(0, mib - 1) * 1048576\n\
             \x20 return wrk.format('GET', nil, {{['Range'] = string.format('bytes=%d-%d', at, at + 1048575)}})\n\
             end\n\
             function done(summary, latency, requests)\n\
             \x20 local e = summary.errors\n\
             \x20 local bad = e.connect + e.read + e.write + e.status + e.timeout\n\
             \x20 io.write(string.format('told %d %d %d %d\\n', summary.bytes, summary.duration, summary.requests, bad))\n\
             end\n",
            self.args.mib
        );
        std::fs::write(&path, text).context("cannot write the script of wrk")?;
        Ok(path)
    }
}

/// Bytes, microseconds, requests, errors.
fn parse(said: &str) -> Option<Sample> {
    let line = said.lines().find_map(|line| line.strip_prefix("told "))?;
    let mut numbers = line.split(' ').map(str::parse::<u64>);
    let mut next = || numbers.next()?.ok();
    let (bytes, microseconds, requests, errors) = (next()?, next()?, next()?, next()?);
    Some(Sample {
        rate: bytes as f64 * 1e6 / microseconds as f64,
        requests,
        errors,
        before_mib: None,
        resident_mib: None,
        peak_mib: None,
        server_cpu: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_tells() {
        let said = "Running 1s test\n  2 threads\ntold 4000000 2000000 40 3\n";
        let sample = parse(said).unwrap();
        assert_eq!((sample.requests, sample.errors), (40, 3));
        assert_eq!(sample.megabytes(), Some(2.0));
        assert!(parse("told 1 2").is_none() && parse("").is_none());
    }
}

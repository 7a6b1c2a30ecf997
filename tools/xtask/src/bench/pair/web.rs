//! nginx serving over HTTPS, curl fetching: encrypted like ours, but nothing is verified.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{RECEIVER, SENDER, Sample, Setting};
use crate::bench::options::{Bench, first_line};
use crate::bench::process::Process;

/// Both are there.
pub(in crate::bench) struct Web;

/// A server that runs until this is dropped.
pub(in crate::bench) struct Serving {
    pub(in crate::bench) process: Process,
    url: String,
}

impl Web {
    /// Makes sure that both are there; gives their versions.
    pub(in crate::bench) fn prepare(bench: &Bench) -> Result<(Self, String)> {
        bench.install("web")?;
        let nginx = first_line(Command::new("nginx").arg("-v"))?;
        let curl = first_line(Command::new("curl").arg("--version"))?;
        let curl = curl.split(" (").next().unwrap_or_default();
        let version = format!("{}, {curl}", nginx.trim_start_matches("nginx version: "));
        Ok((Self, version))
    }

    /// Starts the server.
    pub(in crate::bench) fn serve(&self, setting: &Setting<'_>) -> Result<Serving> {
        let Setting { bench, site, .. } = setting;
        let port = site.free_port(SENDER)?;
        let config = configure(setting, port)?;
        let mut nginx = site.command(SENDER, "nginx");
        nginx
            .arg("-e")
            .arg(bench.scratch.join("nginx").join("error.log"));
        nginx.arg("-c").arg(config);
        let process = Process::start(&mut nginx, &bench.log("nginx"), bench.timeout)?;
        site.wait_for_port(SENDER, port, bench.timeout)?;
        let name = setting.payload.file_name();
        let name = name.context("a payload without a name")?.to_string_lossy();
        Ok(Serving {
            process,
            url: format!("https://{}:{port}/{name}", site.address(SENDER)),
        })
    }

    /// The command that fetches.
    pub(in crate::bench) fn fetch(&self, setting: &Setting<'_>, server: &Serving) -> Command {
        let mut curl = setting.site.command(RECEIVER, "curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*"]);
        // The certificate was made a moment ago and signed by nobody.
        curl.args(["--insecure", "--output"])
            .arg(&setting.received)
            .arg(&server.url);
        curl
    }

    /// Moves the payload once.
    pub(in crate::bench) fn transfer(&self, setting: &Setting<'_>) -> Result<Sample> {
        let bench = setting.bench;
        let server = self.serve(setting)?;
        let before = server.process.cpu_seconds();
        let mut curl = self.fetch(setting, &server);
        let ended = Process::start(&mut curl, &bench.log("curl"), bench.timeout)?.wait_end()?;
        let sender_cpu = server.process.cpu_since(before);
        let sender_peak_mib = server.process.peak_mib();
        server.process.stop()?;
        Ok(Sample {
            mib: setting.payload.metadata()?.len() >> 20,
            seconds: ended.seconds,
            receiver_cpu: ended.cpu,
            sender_cpu,
            receiver_peak_mib: ended.peak_mib,
            sender_peak_mib,
        })
    }
}

fn configure(setting: &Setting<'_>, port: u16) -> Result<PathBuf> {
    let folder = setting.bench.folder("nginx")?;
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "1"]);
    openssl.args(["-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args(["-subj", "/CN=localhost", "-keyout", "key.pem"]);
    let made = openssl
        .args(["-out", "certificate.pem"])
        .current_dir(&folder)
        .output()
        .context("cannot run openssl")?;
    ensure!(
        made.status.success(),
        "openssl: {}",
        String::from_utf8_lossy(&made.stderr).trim()
    );
    let template = std::fs::read_to_string(setting.bench.scripts.join("nginx.conf.in"))
        .context("cannot read bench/nginx.conf.in")?;
    let payloads = setting.payload.parent();
    let payloads = payloads.context("a payload without a folder")?;
    let config = template
        .replace("@FOLDER@", &folder.to_string_lossy())
        .replace("@PAYLOADS@", &payloads.to_string_lossy())
        .replace("@ADDRESS@", &setting.site.address(SENDER).to_string())
        .replace("@PORT@", &port.to_string());
    let path = folder.join("nginx.conf");
    std::fs::write(&path, config).context("cannot write the configuration of nginx")?;
    Ok(path)
}

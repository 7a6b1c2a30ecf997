//! The programs that Potluck is compared with, driven by the scripts in `bench/`.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::pair::{Contender, Setting};
use super::process::Process;
use super::report::Sample;

/// Installs what is missing, and says why when it cannot.
fn install(setting: &Setting, what: &str) -> Result<()> {
    let script = setting.scripts.join("install.sh");
    let output = Command::new("bash")
        .arg(script)
        .arg(what)
        .arg(&setting.tools)
        .output()
        .context("cannot run bench/install.sh")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let reason = errors
        .trim()
        .lines()
        .last()
        .unwrap_or("for a reason it did not give");
    ensure!(
        output.status.success(),
        "{what} cannot be installed: {reason}"
    );
    Ok(())
}

/// The first line that a program says, on either channel.
pub(super) fn first_line(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Ok(said.lines().next().unwrap_or_default().trim().to_owned())
}

/// A port that was free a moment ago, for programs that can't choose one themselves.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr().context("no free port")?.port())
}

fn wait_for_port(port: u16, timeout: Duration) -> Result<()> {
    let deadline = Instant::now() + timeout;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        ensure!(Instant::now() < deadline, "nothing listens on port {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// CPU seconds since `before`.
pub(super) fn spent(process: &Process, before: Option<f64>) -> Option<f64> {
    process
        .cpu_seconds()
        .zip(before)
        .map(|(now, before)| now - before)
}

/// nginx serving over HTTPS, curl fetching: encrypted like ours, but nothing is verified.
pub(super) struct Curl;

impl Curl {
    /// Makes sure that both are there; gives their versions.
    pub(super) fn prepare(setting: &Setting) -> Result<(Self, String)> {
        install(setting, "web")?;
        let nginx = first_line(Command::new("nginx").arg("-v"))?;
        let curl = first_line(Command::new("curl").arg("--version"))?;
        let curl = curl.split(" (").next().unwrap_or_default();
        Ok((
            Self,
            format!("{}, {curl}", nginx.trim_start_matches("nginx version: ")),
        ))
    }

    fn configure(setting: &Setting, port: u16) -> Result<PathBuf> {
        let folder = setting.scratch.join("nginx");
        std::fs::create_dir_all(&folder).context("cannot make a folder for nginx")?;
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ])
            .args([
                "-nodes",
                "-subj",
                "/CN=localhost",
                "-days",
                "1",
                "-keyout",
                "key.pem",
            ])
            .args(["-out", "certificate.pem"])
            .current_dir(&folder)
            .output()
            .context("cannot run openssl")?;
        ensure!(
            made.status.success(),
            "openssl: {}",
            String::from_utf8_lossy(&made.stderr).trim()
        );
        let template = std::fs::read_to_string(setting.scripts.join("nginx.conf.in"))
            .context("cannot read bench/nginx.conf.in")?;
        let payloads = setting
            .payload
            .parent()
            .context("a payload without a folder")?;
        let config = template
            .replace("@FOLDER@", &folder.to_string_lossy())
            .replace("@PAYLOADS@", &payloads.to_string_lossy())
            .replace("@PORT@", &port.to_string());
        let path = folder.join("nginx.conf");
        std::fs::write(&path, config).context("cannot write the configuration of nginx")?;
        Ok(path)
    }
}

impl Contender for Curl {
    fn run(&self, setting: &Setting) -> Result<Sample> {
        let port = free_port()?;
        let config = Self::configure(setting, port)?;
        let mut nginx = Command::new("nginx");
        nginx
            .arg("-e")
            .arg(setting.scratch.join("nginx").join("error.log"));
        let server = setting.start(nginx.arg("-c").arg(config), "nginx.log")?;
        wait_for_port(port, setting.timeout)?;

        let name = setting
            .payload
            .file_name()
            .context("a payload without a name")?;
        let url = format!("https://127.0.0.1:{port}/{}", name.to_string_lossy());
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*"]);
        // The certificate was made a moment ago and signed by nobody.
        curl.args(["--insecure", "--output"])
            .arg(&setting.received)
            .arg(url);
        let before = server.cpu_seconds();
        let (seconds, receiver_cpu) = setting.start(&mut curl, "curl.log")?.wait_end()?;
        let sender_cpu = spent(&server, before);
        server.stop()?;
        Ok(Sample {
            seconds,
            receiver_cpu,
            sender_cpu,
        })
    }
}

/// Two libtorrent sessions: verified like ours, but in the clear.
pub(super) struct Libtorrent {
    python: PathBuf,
    torrent: PathBuf,
}

impl Libtorrent {
    /// Makes sure that the library is there and describes the payload in a torrent file.
    pub(super) fn prepare(setting: &Setting) -> Result<(Self, String)> {
        install(setting, "libtorrent")?;
        let python = setting.tools.join("libtorrent").join("bin").join("python");
        let name = setting.payload.with_extension("torrent");
        let pair = Self {
            torrent: name,
            python,
        };
        let version = first_line(pair.script(setting).arg("version"))?;
        let made = pair
            .script(setting)
            .arg("make")
            .args([&setting.payload, &pair.torrent])
            .output()
            .context("cannot run bench/libtorrent_pair.py")?;
        ensure!(
            made.status.success(),
            "no torrent: {}",
            String::from_utf8_lossy(&made.stderr).trim()
        );
        Ok((pair, format!("libtorrent {version}")))
    }

    fn script(&self, setting: &Setting) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(setting.scripts.join("libtorrent_pair.py"));
        command
    }
}

impl Contender for Libtorrent {
    fn run(&self, setting: &Setting) -> Result<Sample> {
        let payloads = setting
            .payload
            .parent()
            .context("a payload without a folder")?;
        let mut seed = self.script(setting);
        let seed = seed.arg("seed").args([self.torrent.as_path(), payloads]);
        let seed = setting.start(seed, "seed.log")?;
        let port = seed.wait_line(|line| line.strip_prefix("ready ").map(str::to_owned))?;

        let folder = setting.scratch.join("leech");
        std::fs::create_dir_all(&folder).context("cannot make a folder for the leech")?;
        let before = seed.cpu_seconds();
        let mut leech = self.script(setting);
        let leech = leech.arg("leech").args([&self.torrent, &folder]).arg(port);
        let leech = setting.start(leech, "leech.log")?;
        leech.wait_line(|line| (line == "done").then_some(()))?;
        let seconds = leech.age();
        let (receiver_cpu, sender_cpu) = (leech.cpu_seconds(), spent(&seed, before));
        // It says that it is complete before the last blocks have reached the file system.
        leech.wait_end()?;
        seed.stop()?;
        let name = setting
            .payload
            .file_name()
            .context("a payload without a name")?;
        std::fs::rename(folder.join(name), &setting.received).context("no received file")?;
        Ok(Sample {
            seconds,
            receiver_cpu,
            sender_cpu,
        })
    }
}

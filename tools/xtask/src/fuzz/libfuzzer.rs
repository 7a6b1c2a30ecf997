//! Building the targets once, and running their binaries.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::log::Log;

/// What one run of a target brought.
pub(super) struct Outcome {
    pub(super) target: String,
    pub(super) executions: u64,
    /// Inputs that reached code which no committed one reaches.
    pub(super) new_inputs: usize,
    /// Where the input that fails was put, or how the target ended.
    pub(super) finding: Option<String>,
}

/// The built targets.
pub(super) struct Targets {
    folder: PathBuf,
    binaries: PathBuf,
    /// New inputs go here, so that a run leaves the committed corpus alone.
    work: PathBuf,
}

impl Targets {
    /// Builds all targets on nightly, whatever the project's own toolchain is.
    pub(super) fn build(folder: &Path, target: &Path) -> Result<Self> {
        let mut build = nightly("cargo");
        build
            .args(["fuzz", "build"])
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", target);
        let status = build
            .status()
            .with_context(|| format!("cannot run {build:?}"))?;
        ensure!(status.success(), "the fuzz targets do not build");
        let binaries = target.join(host()?).join("release");
        Ok(Self {
            folder: folder.to_owned(),
            binaries,
            work: target.join("fuzz-corpus"),
        })
    }

    fn seeds(&self, name: &str) -> PathBuf {
        self.folder.join("corpus").join(name)
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        // Each binary links the whole sanitizer runtime, which sees its own globals twice.
        command
            .env("ASAN_OPTIONS", "detect_odr_violation=0")
            .current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Runs a target and tells what came of it.
    pub(super) fn fuzz(&self, name: &str, seconds: u32) -> Result<Outcome> {
        let (work, seeds) = (self.work.join(name), self.seeds(name));
        let artifacts = self.folder.join("artifacts").join(name);
        for folder in [&work, &seeds, &artifacts] {
            let made = std::fs::create_dir_all(folder);
            made.with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut command = self.command(name);
        command
            .arg(&work)
            .arg(&seeds)
            .arg(format!("-max_total_time={seconds}"));
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        command.args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048"]);
        let child = command.stderr(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("cannot run {command:?}"))?;
        let mut log = Log::default();
        if let Some(stderr) = child.stderr.take() {
            for line in BufReader::new(stderr).split(b'\n') {
                let line = line.context("cannot read what the fuzzer says")?;
                log.line(&String::from_utf8_lossy(&line));
            }
        }
        let status = child.wait().context("lost sight of the fuzzer")?;
        if !status.success() {
            println!("{}", log.tail());
            log.finding
                .get_or_insert_with(|| format!("ended with {status}"));
        }
        Ok(Outcome {
            target: name.to_owned(),
            executions: log.executions,
            new_inputs: std::fs::read_dir(&work).map_or(0, Iterator::count),
            finding: log.finding,
        })
    }

    /// Copies what reaches new code into the committed corpus.
    pub(super) fn merge(&self, name: &str) -> Result<()> {
        let mut command = self.command(name);
        command
            .arg("-merge=1")
            .arg(self.seeds(name))
            .arg(self.work.join(name));
        let status = command.stderr(Stdio::null()).status();
        let status = status.with_context(|| format!("cannot run {command:?}"))?;
        ensure!(status.success(), "merging the corpus of {name} failed");
        Ok(())
    }
}

/// A program of the nightly toolchain.
fn nightly(program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", program]);
    // Set by the cargo that runs this task, for its own toolchain.
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
        command.env_remove(name);
    }
    command
}

/// The platform that binaries are built for.
fn host() -> Result<String> {
    let output = nightly("rustc")
        .arg("-vV")
        .output()
        .context("cannot run rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not name its host")?.to_owned())
}

//! What all benchmarks are told, and where they work.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::workspace::Workspace;

/// Options of every benchmark.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Runs of each program; the table shows the median
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(super) runs: Option<u32>,
    /// Measure these alone, for example `potluck,aria2`; nothing is written to docs/benchmarks.md
    #[arg(long, value_delimiter = ',')]
    pub(super) only: Vec<String>,
    /// A potluck to measure, instead of the one built from this tree
    #[arg(long, env = "POTLUCK_BIN")]
    potluck: Option<PathBuf>,
    /// Folder of the other programs, kept for the next time [default: in the build folder]
    #[arg(long, env = "POTLUCK_BENCH_TOOLS")]
    tools: Option<PathBuf>,
    /// Folder to work in, emptied before each run [default: in the build folder]
    #[arg(long, env = "POTLUCK_BENCH_SCRATCH")]
    scratch: Option<PathBuf>,
    /// Seconds that a single run of one program may take
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// Show the tables only: leave docs/benchmarks.md and bench/results alone
    #[arg(long)]
    pub(super) dry: bool,
}

impl Options {
    /// Whether this program is to be measured.
    pub(super) fn wants(&self, key: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == key)
    }
}

/// The folders and programs that a benchmark works with.
pub(crate) struct Bench {
    /// Root of the project.
    pub(crate) root: PathBuf,
    /// Helper scripts of the project.
    pub(crate) scripts: PathBuf,
    /// What is moved, kept between invocations.
    pub(crate) payloads: PathBuf,
    /// Emptied before each run.
    pub(crate) scratch: PathBuf,
    /// Programs that were installed, kept between invocations.
    pub(crate) tools: PathBuf,
    /// The program of this tree.
    pub(crate) potluck: PathBuf,
    pub(crate) timeout: Duration,
}

impl Bench {
    /// Makes the folders and builds the program, unless one is named.
    pub(crate) fn prepare(workspace: &Workspace, options: &Options) -> Result<Self> {
        let base = workspace.target.join("bench");
        let own =
            |named: &Option<PathBuf>, name: &str| named.clone().unwrap_or_else(|| base.join(name));
        let potluck = match &options.potluck {
            Some(program) => std::path::absolute(program).context("no such program")?,
            None => build(workspace)?,
        };
        let bench = Self {
            root: workspace.root.clone(),
            scripts: workspace.root.join("bench"),
            payloads: base.join("payload"),
            scratch: own(&options.scratch, "run"),
            tools: own(&options.tools, "tools"),
            potluck,
            timeout: Duration::from_secs(options.timeout),
        };
        for folder in [&bench.payloads, &bench.tools] {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(bench)
    }

    /// Installs what is missing, and says why when it cannot.
    pub(crate) fn install(&self, what: &str) -> Result<()> {
        let output = Command::new("bash")
            .arg(self.scripts.join("install.sh"))
            .arg(what)
            .arg(&self.tools)
            .output()
            .context("cannot run bench/install.sh")?;
        if output.status.success() {
            return Ok(());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        let reason = errors.trim().lines().last();
        bail!(
            "{what} cannot be installed: {}",
            reason.unwrap_or("for a reason it did not give")
        )
    }

    /// A program that `install` put there with cargo.
    pub(crate) fn cargo_tool(&self, name: &str) -> PathBuf {
        self.tools.join("cargo").join("bin").join(name)
    }

    /// The Python that `install` gave libtorrent.
    pub(crate) fn libtorrent_python(&self) -> PathBuf {
        self.tools.join("libtorrent").join("bin").join("python")
    }

    /// The log of one process of a run.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.scratch.join(format!("{name}.log"))
    }

    /// An empty scratch folder, and nothing of the last run left to be written to disk.
    pub(crate) fn clear(&self) -> Result<()> {
        remove(&self.scratch)?;
        std::fs::create_dir_all(&self.scratch)
            .with_context(|| format!("cannot make {}", self.scratch.display()))?;
        rustix::fs::sync();
        Ok(())
    }

    /// Removes what a run left. After a failure the logs stay, to be looked at.
    pub(crate) fn clean_up(&self) -> Result<()> {
        remove(&self.scratch)
    }

    /// A new folder in the scratch folder.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.scratch.join(name);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    Ok(())
}

/// Builds the program of this tree.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
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

/// The first line that a program says, on either channel.
pub(crate) fn first_line(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Ok(said.lines().next().unwrap_or_default().trim().to_owned())
}

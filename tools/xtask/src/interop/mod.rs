//! `interop`: other BitTorrent programs fetch from Potluck and it from them, in every way there is.

mod cell;
mod clients;
mod content;
pub(crate) mod few;
mod place;
mod report;
mod transfer;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::bench::options::{Bench, build};
use crate::workspace::Workspace;
use cell::{Cell, Outcome, Row};
use content::Source;
use report::{Page, Section};
use transfer::Matrix;

/// Options of `interop`.
#[derive(Args)]
pub(crate) struct InteropArgs {
    /// A potluck to try, instead of the one built from this tree
    #[arg(long, env = "POTLUCK_BIN")]
    potluck: Option<PathBuf>,
    /// Folder of the other programs, kept for the next time [default: in the build folder]
    #[arg(long, env = "POTLUCK_BENCH_TOOLS")]
    tools: Option<PathBuf>,
    /// Try these alone, for example `libtorrent,aria2`; nothing is written to docs/interop.md
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Try the cells alone whose line and column have all of this in them, for example `magnet,plain`;
    /// nothing is written to docs/interop.md
    #[arg(long, value_delimiter = ',')]
    cells: Vec<String>,
    /// Size of the content, in MiB
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=4_096))]
    mib: u64,
    /// Seconds that a single cell may take
    #[arg(long, default_value_t = 60)]
    timeout: u64,
    /// Show the table only: leave docs/interop.md alone
    #[arg(long)]
    dry: bool,
    /// Another program in the place of Potluck, to try the matrix itself
    #[arg(long, default_value = "potluck", hide = true)]
    subject: String,
}

impl InteropArgs {
    /// Whether all of the matrix is run, with Potluck in it.
    fn is_whole(&self) -> bool {
        !self.dry && self.only.is_empty() && self.cells.is_empty() && self.subject == "potluck"
    }

    fn wants(&self, row: Row, column: (cell::Direction, cell::Connection)) -> bool {
        let name = format!("{row}, {}, {}", column.0, column.1);
        self.cells.iter().all(|part| name.contains(part))
    }
}

/// Runs the matrix; `false` when a cell fails that is not known to.
pub(crate) fn run(workspace: &Workspace, args: &InteropArgs) -> Result<bool> {
    for name in &args.only {
        let known = clients::OTHERS.join(", ");
        ensure!(
            clients::OTHERS.contains(&name.as_str()),
            "no program of the matrix: {name}; there are: {known}"
        );
    }
    let bench = ground(workspace, args)?;
    let source = Source::make(bench.payloads.clone(), args.mib)?;
    let subject = clients::prepare(&args.subject, &bench)?;
    let mut matrix = Matrix {
        bench: &bench,
        source: &source,
        subject: subject.as_ref(),
        count: 0,
    };
    let mut sections = Vec::new();
    let wanted = |name: &&str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    for name in clients::OTHERS.into_iter().filter(wanted) {
        sections.push(section(&mut matrix, args, name)?);
    }
    // Logs of failures stay, in folders of their own.
    let _ = std::fs::remove_dir_all(&bench.payloads);
    let page = Page {
        subject: subject.version().to_owned(),
        mib: args.mib,
        sections,
    };
    let markdown = page.markdown();
    println!("\n{markdown}");
    if args.is_whole() {
        let path = bench.root.join("docs").join("interop.md");
        std::fs::write(&path, markdown).context("cannot write docs/interop.md")?;
        println!("written: docs/interop.md");
    }
    Ok(!page.is_bad())
}

/// The folders and programs to work with. Logs of an earlier run are removed.
fn ground(workspace: &Workspace, args: &InteropArgs) -> Result<Bench> {
    let base = workspace.target.join("interop");
    let potluck = match &args.potluck {
        Some(program) => std::path::absolute(program).context("no such program")?,
        None => build(workspace)?,
    };
    let tools = args.tools.clone();
    let bench = Bench {
        root: workspace.root.clone(),
        scripts: workspace.root.join("bench"),
        payloads: base.join("source"),
        scratch: base.join("run"),
        tools: tools.unwrap_or_else(|| workspace.target.join("bench").join("tools")),
        potluck,
        timeout: Duration::from_secs(args.timeout),
    };
    bench.clear()?;
    Ok(bench)
}

/// All cells of one program.
fn section(matrix: &mut Matrix<'_>, args: &InteropArgs, name: &'static str) -> Result<Section> {
    let prepared = clients::prepare(name, matrix.bench);
    let mut rows = Vec::new();
    for row in Row::all() {
        let mut outcomes = Vec::new();
        for column in Cell::COLUMNS {
            let cell = Cell::new(row, column);
            let outcome = match &prepared {
                _ if !args.wants(row, column) => Outcome::Never("not asked for".to_owned()),
                Ok(other) => matrix.run(other.as_ref(), cell)?,
                Err(error) => Outcome::Never(format!("{error:#}")),
            };
            if prepared.is_ok() && args.wants(row, column) {
                println!("{name}: {row}, {}, {}: {outcome}", column.0, column.1);
            }
            outcomes.push(outcome);
        }
        rows.push((row, outcomes));
    }
    let version = match &prepared {
        Ok(other) => other.version().to_owned(),
        Err(error) => format!("{error:#}"),
    };
    Ok(Section {
        name,
        version,
        rows,
    })
}

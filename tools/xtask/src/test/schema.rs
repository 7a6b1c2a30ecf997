//! The API as it describes itself, tried by schemathesis: no answer is an error of the server, and none
//! is other than described.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::passes;
use crate::bench::node::Node;
use crate::bench::options::Bench;
use crate::bench::site::Site;
use crate::workspace::Workspace;

/// The version whose findings are known.
const VERSION: &str = "4.32.5";
/// Tried inputs are the same each time.
const SEED: &str = "5";
/// Inputs of each operation, besides those at the edges of its schema.
const INPUTS: &str = "40";
/// Seconds after which it is taken to hang; it needs a fifth of them.
const SECONDS: &str = "180";
/// What is looked at in each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";
/// The first never ends, the second ends the node.
const LEFT_OUT: [&str; 2] = ["/events", "/shutdown"];

/// Runs it; `false` when it finds something. What is left out is said aloud.
pub(super) fn run(workspace: &Workspace) -> Result<bool> {
    let program = match install(workspace) {
        Ok(program) => program,
        Err(error) => {
            println!("*** LEFT OUT: schemathesis tries nothing of the API: {error:#}");
            return Ok(true);
        }
    };
    let base = workspace.target.join("schema");
    let bench = Bench {
        root: workspace.root.clone(),
        scripts: workspace.root.join("bench"),
        payloads: base.join("payloads"),
        scratch: base.join("run"),
        tools: base.join("tools"),
        // The one that the tests before this were run with.
        potluck: workspace.target.join("release").join("potluck"),
        timeout: Duration::from_secs(300),
    };
    ensure!(bench.potluck.is_file(), "the tests built no potluck");
    bench.clear()?;
    let site = Site::Loopback;
    let node = Node::new(&bench, &site, 0, "node");
    for (key, value) in [
        ("bittorrent.dht", "false"),
        ("bittorrent.lsd", "false"),
        ("bittorrent.port", "0"),
    ] {
        node.set(key, value)?;
    }
    let running = node.up("node")?;
    let shared = bench.scratch.join("shared.txt");
    std::fs::write(&shared, "something that is there\n").context("cannot write a file")?;
    node.share(&running, &shared)?;
    let gateway = node.gateway()?;
    let api = format!("http://127.0.0.1:{}/api/v1", gateway.port);
    let mut trying = Command::new("timeout");
    trying
        .current_dir(&bench.scratch)
        .arg(SECONDS)
        .arg(program)
        .args(["run", &format!("{api}/openapi.json"), "--url", &api])
        .args([
            "--header",
            &format!("Authorization: Bearer {}", gateway.token),
        ])
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"])
        .args([
            "--seed",
            SEED,
            "--max-examples",
            INPUTS,
            "--generation-database",
            "none",
        ])
        .args(["--request-timeout", "60", "--warnings", "off", "--no-color"]);
    for path in LEFT_OUT {
        trying.args(["--exclude-path", path]);
    }
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        trying.env_remove(name);
    }
    let passed = passes(&mut trying)?;
    if !passed {
        println!("the node's log: {}", bench.log("node").display());
        return Ok(false);
    }
    running.process.stop()?;
    bench.clean_up()?;
    Ok(true)
}

/// Where it is; installed from PyPI when it is not here yet.
fn install(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join(format!("schemathesis-{VERSION}"));
    let program = folder.join("bin").join("schemathesis");
    let is_there = || {
        let told = Command::new(&program).arg("--version").output();
        told.is_ok_and(|told| told.status.success())
    };
    if is_there() {
        return Ok(program);
    }
    let quiet = |command: &mut Command| -> Result<()> {
        let output = command.output().context("cannot run python3")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or_default().to_owned();
        ensure!(output.status.success(), "{last}");
        Ok(())
    };
    quiet(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let pip = ["install", "--quiet", "--disable-pip-version-check"];
    let wanted = format!("schemathesis=={VERSION}");
    quiet(
        Command::new(folder.join("bin").join("pip"))
            .args(pip)
            .arg(wanted),
    )?;
    ensure!(is_there(), "it does not start");
    Ok(program)
}

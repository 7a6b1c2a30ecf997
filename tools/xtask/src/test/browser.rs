//! The pages in a browser: their own checks, and real nodes that Chromium drives.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::passes;
use crate::workspace::Workspace;

/// Oldest Node.js that runs the tools of `web/`.
const NODE: (u32, u32) = (20, 19);
/// Where Debian has Chromium.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Runs them; `false` when one fails. What is left out is said aloud.
pub(super) fn run(workspace: &Workspace) -> Result<bool> {
    if let Some(reason) = missing() {
        println!("*** LEFT OUT: nothing is shown about the pages in a browser: {reason}");
        return Ok(true);
    }
    let web = workspace.root.join("web");
    let potluck = workspace.target.join("release").join("potluck");
    ensure!(potluck.is_file(), "the tests built no potluck");
    // What the lock file names, except what other systems need and a registry may lack.
    let mut install = npm(&web);
    install.args([
        "install",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--silent",
    ]);
    if !passes(&mut install)? {
        println!(
            "*** LEFT OUT: nothing is shown about the pages in a browser: npm could not get their tools"
        );
        return Ok(true);
    }
    let mut tests = npm(&web);
    tests.args(["test", "--silent"]);
    let mut browser = npm(&web);
    browser
        .args(["run", "e2e", "--silent"])
        .env("POTLUCK_BIN", &potluck)
        .env("POTLUCK_SHOTS", workspace.target.join("web-shots"));
    Ok(passes(&mut tests)? && is_built(workspace, &web)? && passes(&mut browser)?)
}

fn npm(web: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(web);
    npm
}

/// Whether `dist/` is what the sources are built to.
fn is_built(workspace: &Workspace, web: &Path) -> Result<bool> {
    let built = workspace.target.join("web-dist");
    let mut build = npm(web);
    build.args(["run", "build", "--silent", "--"]);
    build.args(["--logLevel", "warn", "--emptyOutDir", "--outDir"]);
    if !passes(build.arg(&built))? {
        return Ok(false);
    }
    let is_same = contents(&built)? == contents(&web.join("dist"))?;
    if !is_same {
        println!(
            "web/dist is not what its sources are built to: `npm run build` in web/, and commit it"
        );
    }
    Ok(is_same)
}

/// All files of a folder, by their path in it.
fn contents(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        let entries =
            fs::read_dir(&next).with_context(|| format!("cannot list {}", next.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let bytes = fs::read(&path)?;
            all.insert(path.strip_prefix(folder)?.to_path_buf(), bytes);
        }
    }
    Ok(all)
}

/// What is not here, in words.
fn missing() -> Option<String> {
    let output = Command::new("node").arg("--version").output().ok();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let new_enough = version
        .as_deref()
        .and_then(parse)
        .is_some_and(|at| at >= NODE);
    if !new_enough {
        return Some(format!("no Node.js {}.{} or newer", NODE.0, NODE.1));
    }
    let chromium = std::env::var_os("CHROMIUM").unwrap_or_else(|| CHROMIUM.into());
    if !Path::new(&chromium).is_file() {
        return Some(format!("no Chromium at {}", Path::new(&chromium).display()));
    }
    let needed = ["npm", "ffmpeg"].into_iter();
    let mut absent =
        needed.filter(|program| Command::new(program).arg("-version").output().is_err());
    absent.next().map(|program| format!("no {program}"))
}

/// Major and minor of `v20.19.1`.
fn parse(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim().strip_prefix('v')?.split('.');
    let mut number = || parts.next()?.parse().ok();
    Some((number()?, number()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node() {
        assert_eq!(parse("v20.19.1\n"), Some((20, 19)));
        assert_eq!(parse("20"), None);
        assert!(parse("v18.20.4").is_some_and(|at| at < NODE));
    }
}

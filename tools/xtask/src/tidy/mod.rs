//! `tidy`: rules of the project that neither rustc nor clippy know.

mod arrows;
mod finding;
mod forbidden;
mod functions;
mod rooms;
mod sizes;
mod text;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use finding::{Finding, Level};

/// Checks the whole tree, prints what it finds, and says whether nothing of it is an error.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let (findings, files) = check(workspace)?;
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings
        .iter()
        .filter(|finding| finding.level == Level::Error)
        .count();
    let warnings = findings.len() - errors;
    println!("tidy: {files} files, {errors} errors, {warnings} warnings");
    Ok(errors == 0)
}

fn check(workspace: &Workspace) -> Result<(Vec<Finding>, usize)> {
    let mut findings = arrows::check_workspace(workspace)?;
    let files = workspace.files()?;
    for path in &files {
        let bytes = std::fs::read(workspace.root.join(path))
            .with_context(|| format!("cannot read {path}"))?;
        // What is not text (a fuzz corpus, a picture) has no lines to speak of.
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        check_file(path, &text, &mut findings);
    }
    findings.sort();
    Ok((findings, files.len()))
}

fn check_file(path: &str, text: &str, findings: &mut Vec<Finding>) {
    text::check(path, text, findings);
    sizes::check(path, text, findings);
    if path.ends_with(".rs") {
        functions::check(path, text, findings);
        forbidden::check(path, text, findings);
    }
}

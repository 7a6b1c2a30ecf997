//! Which crate depends on which, against the table in `rooms`.

use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata};

use super::finding::Finding;
use super::rooms::{ROOMS, Room};
use crate::workspace::Workspace;

/// A crate of the workspace with its direct dependencies.
struct Crate {
    dir: String,
    manifest: String,
    uses: Vec<Use>,
}

/// One dependency; `dir` is set when it is a crate of this workspace.
struct Use {
    name: String,
    dir: Option<String>,
    in_tests: bool,
}

/// Reads the crates from `cargo metadata` and their manifests from disk.
pub(super) fn check_workspace(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for krate in crates(&workspace.metadata) {
        let manifest = std::fs::read_to_string(workspace.root.join(&krate.manifest))
            .with_context(|| format!("cannot read {}", krate.manifest))?;
        check_crate(ROOMS, &krate, &manifest, &mut findings);
    }
    Ok(findings)
}

fn crates(metadata: &Metadata) -> Vec<Crate> {
    let root = metadata.workspace_root.as_std_path();
    let relative = |path: &Path| -> Option<String> {
        Some(path.strip_prefix(root).ok()?.to_string_lossy().into_owned())
    };
    let mut crates = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(manifest) = relative(package.manifest_path.as_std_path()) else {
            continue;
        };
        let uses = package.dependencies.iter().map(|dependency| Use {
            name: dependency.name.clone(),
            dir: dependency
                .path
                .as_ref()
                .and_then(|path| relative(path.as_std_path())),
            in_tests: dependency.kind == DependencyKind::Development,
        });
        crates.push(Crate {
            dir: manifest.trim_end_matches("/Cargo.toml").to_owned(),
            uses: uses.collect(),
            manifest,
        });
    }
    crates
}

fn check_crate(rooms: &[Room], krate: &Crate, manifest: &str, findings: &mut Vec<Finding>) {
    if !inherits_lints(manifest) {
        let message = "does not inherit the lints of the workspace: add `[lints] workspace = true`";
        findings.push(Finding::error(&krate.manifest, 1, message));
    }
    let Some(room) = rooms.iter().find(|room| room.dir == krate.dir) else {
        let message = format!(
            "{} is not listed: give it a line in tools/xtask/src/tidy/rooms.rs",
            krate.dir
        );
        findings.push(Finding::error(&krate.manifest, 1, message));
        return;
    };
    for used in &krate.uses {
        let message = match &used.dir {
            Some(dir) if room.may_see(dir, used.in_tests) => continue,
            Some(dir) => format!("{} may not depend on {dir}", krate.dir),
            None => match room.refuses(&used.name, used.in_tests) {
                Some(why) => format!("{} may not depend on {}: {why}", krate.dir, used.name),
                None => continue,
            },
        };
        findings.push(Finding::error(
            &krate.manifest,
            line_of(manifest, &used.name),
            message,
        ));
    }
}

/// The line of a manifest that names a dependency; 1 when it is written in another form.
fn line_of(manifest: &str, name: &str) -> usize {
    let names = |line: &str| {
        line.trim_start()
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    manifest
        .lines()
        .position(names)
        .map_or(1, |index| index + 1)
}

fn inherits_lints(manifest: &str) -> bool {
    let table: Option<toml::Table> = manifest.parse().ok();
    table
        .as_ref()
        .and_then(|table| table.get("lints"))
        .and_then(|lints| lints.get("workspace"))
        .and_then(toml::Value::as_bool)
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    fn findings(dir: &str, uses: &[(&str, Option<&str>, bool)], manifest: &str) -> Vec<String> {
        let krate = Crate {
            dir: dir.to_owned(),
            manifest: format!("{dir}/Cargo.toml"),
            uses: uses
                .iter()
                .map(|(name, dir, in_tests)| Use {
                    name: (*name).to_owned(),
                    dir: dir.map(str::to_owned),
                    in_tests: *in_tests,
                })
                .collect(),
        };
        let mut findings = Vec::new();
        check_crate(ROOMS, &krate, manifest, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    fn arrow(from: &str, to: &str) -> bool {
        findings(from, &[("x", Some(to), false)], LINTS).is_empty()
    }

    #[test]
    fn arrows_of_the_house() {
        for (from, to, allowed) in [
            ("protocol/identity", "protocol/content", false),
            ("protocol/content", "protocol/identity", true),
            ("protocol/content", "protocol/transfer", false),
            ("protocol/transfer", "protocol/content", true),
            ("protocol/transfer", "io/store", false),
            ("protocol/bittorrent", "protocol/content", true),
            ("protocol/bittorrent", "protocol/transfer", false),
            ("io/net", "protocol/transfer", true),
            ("io/net", "io/store", false),
            ("io/store", "io/net", false),
            ("io/store", "app/api", false),
            ("app/api", "protocol/content", false),
            ("app/daemon", "protocol/transfer", true),
            ("app/daemon", "io/net", true),
            ("app/daemon", "app/api", true),
            ("app/daemon", "app/cli", false),
            ("app/daemon", "tools/sim", false),
            ("app/cli", "app/api", true),
            ("app/cli", "app/daemon", true),
            ("app/cli", "protocol/content", false),
            ("app/cli", "io/store", false),
            ("tools/sim", "protocol/transfer", true),
            ("tools/sim", "io/net", false),
            ("tools/xtask", "protocol/content", false),
        ] {
            assert_eq!(arrow(from, to), allowed, "{from} -> {to}");
        }
    }

    #[test]
    fn tests_of_the_whole_may_see_more() {
        let uses = [("potluck-content", Some("protocol/content"), true)];
        assert!(findings("app/cli", &uses, LINTS).is_empty());
        let uses = [("potluck-store", Some("io/store"), true)];
        assert_eq!(findings("io/net", &uses, LINTS).len(), 1);
    }

    #[test]
    fn machines_and_types_stay_free_of_crates_that_act() {
        assert_eq!(
            findings(
                "protocol/transfer",
                &[("tokio", None, false)],
                "\ntokio.workspace = true\n[lints]\nworkspace = true"
            ),
            [
                "protocol/transfer/Cargo.toml:2: protocol/transfer may not depend on tokio: \
              machines decide and never act: no I/O, clocks, tasks"
            ]
        );
        assert!(findings("protocol/transfer", &[("blake3", None, false)], LINTS).is_empty());
        assert!(findings("app/api", &[("serde", None, false)], LINTS).is_empty());
        assert_eq!(
            findings("app/api", &[("tokio", None, false)], LINTS).len(),
            1
        );
    }

    #[test]
    fn crates_must_be_listed_and_inherit_lints() {
        assert!(findings("protocol/novelty", &[], LINTS)[0].contains("is not listed"));
        let found = findings("protocol/content", &[], "[package]\nname = \"x\"\n");
        assert!(found[0].contains("does not inherit the lints"), "{found:?}");
    }

    #[test]
    fn line_of_a_dependency() {
        let manifest = "[dependencies]\nserde_bytes.workspace = true\nserde = \"1\"\n";
        assert_eq!(line_of(manifest, "serde"), 3);
        assert_eq!(line_of(manifest, "absent"), 1);
    }
}

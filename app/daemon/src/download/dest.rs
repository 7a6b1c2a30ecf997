//! Where a download goes, and which files of a folder it takes.

use crate::errors;
use globset::{Glob, GlobSet, GlobSetBuilder};
use potluck_api::ErrorBody;
use potluck_content::{Address, Link, Manifest, safe_name};
use potluck_store::Selection;
use std::path::{Path, PathBuf};

/// Patterns in one request.
const MAX_PATTERNS: usize = 256;

/// A name for the content that is safe as a file name here.
pub(super) fn name(link: &Link) -> String {
    match &link.name {
        Some(name) => safe_name(name),
        None => short(&link.address),
    }
}

/// The end of a CID is where two differ; eight letters tell downloads apart.
fn short(address: &Address) -> String {
    let cid = address.to_string();
    format!("potluck-{}", &cid[cid.len().saturating_sub(8)..])
}

/// The final path. An existing folder, or a path that ends in a slash, receives the content under
/// its own name; `held` is where this root stands already, if it was fetched before.
pub(crate) fn path(asked: &str, name: &str, held: Option<&Path>) -> Result<PathBuf, ErrorBody> {
    let asked_path = PathBuf::from(asked);
    if !asked_path.is_absolute() {
        let message = format!("'{}' is not an absolute path", errors::clip(asked));
        return Err(errors::usage(message, "the API takes absolute paths"));
    }
    if held.is_some_and(|held| held == asked_path) {
        return Ok(asked_path);
    }
    if asked.ends_with('/') || asked_path.is_dir() {
        return Ok(asked_path.join(name));
    }
    Ok(asked_path)
}

/// The entries that match one of the patterns; a pattern that names a folder takes all below it.
pub(super) fn select(manifest: &Manifest, patterns: &[String]) -> Result<Selection, ErrorBody> {
    if patterns.is_empty() {
        return Ok(Selection::All);
    }
    let globs = compile(patterns)?;
    let chosen: Vec<u32> = (0u32..)
        .zip(manifest.entries())
        .filter(|(_, entry)| globs.is_match(entry.path.as_str()))
        .map(|(index, _)| index)
        .collect();
    if chosen.is_empty() {
        let first = manifest
            .entries()
            .first()
            .map_or("nothing", |entry| entry.path.as_str());
        return Err(errors::not_found(
            format!(
                "no file in the folder matches {}",
                errors::clip(&patterns.join(" "))
            ),
            &format!("patterns match paths inside the folder, such as '{first}'"),
        ));
    }
    Ok(Selection::Entries(chosen))
}

/// Compiles the patterns, so that a malformed one is told before anything is fetched.
pub(crate) fn compile(patterns: &[String]) -> Result<GlobSet, ErrorBody> {
    let bad = |pattern: &str, error: &dyn std::fmt::Display| {
        errors::usage(
            format!("'{}' is not a pattern: {error}", errors::clip(pattern)),
            "use * ? [abc] {a,b} and **, for example --files '*.mp4'",
        )
    };
    if patterns.len() > MAX_PATTERNS {
        return Err(errors::usage(
            format!("more than {MAX_PATTERNS} patterns"),
            "use wider ones",
        ));
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let trimmed = pattern.trim_end_matches('/');
        set.add(Glob::new(trimmed).map_err(|error| bad(pattern, &error))?);
        let below = format!("{trimmed}/**");
        set.add(Glob::new(&below).map_err(|error| bad(pattern, &error))?);
    }
    set.build()
        .map_err(|error| bad("the patterns together", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().display().to_string();
        let new = format!("{there}/new");
        assert_eq!(path(&there, "a", None).unwrap(), dir.path().join("a"));
        assert_eq!(path(&new, "a", None).unwrap(), PathBuf::from(&new));
        assert_eq!(
            path(&format!("{new}/"), "a", None).unwrap(),
            PathBuf::from(&new).join("a")
        );
        assert_eq!(path(&there, "a", Some(dir.path())).unwrap(), dir.path());
        assert!(path("relative", "a", None).is_err());
    }

    #[test]
    fn malformed_patterns_are_told() {
        assert!(compile(&["[".to_owned()]).is_err());
        let globs = compile(&["docs".to_owned(), "*.mp4".to_owned()]).unwrap();
        for (path, matches) in [
            ("docs/a/b.txt", true),
            ("x/y.mp4", true),
            ("doc", false),
            ("docs2/a", false),
        ] {
            assert_eq!(globs.is_match(path), matches, "{path}");
        }
    }
}

//! Symbolic links within a torrent (BEP 47), which may lead anywhere until followed.

use std::collections::{BTreeMap, BTreeSet};

use potluck_content::{EntryPath, MAX_PATH_BYTES};

use super::{FileEntry, FileKind};

/// Most links that are followed from one.
const MAX_HOPS: usize = 16;
/// Most directories that are looked at for all links of a torrent together. Bundles of macOS, which
/// have most links of all, need a few for each.
const MAX_STEPS: usize = 1_000_000;

/// Takes the target of each link that leads to nothing of the torrent, or in a circle.
pub(super) fn resolve(files: &mut [FileEntry]) {
    let is_link = |file: &FileEntry| matches!(file.kind, FileKind::Symlink { .. });
    if !files.iter().any(is_link) {
        return;
    }
    let mut links = BTreeMap::new();
    let mut real = BTreeSet::new();
    for file in files.iter() {
        let path = file.path.as_str();
        match &file.kind {
            FileKind::Padding => {}
            FileKind::Symlink { target } => {
                links.insert(path, target.as_ref().map_or("", EntryPath::as_str));
            }
            FileKind::Regular => {
                let mut rest = path;
                while real.insert(rest) {
                    let Some((parent, _)) = rest.rsplit_once('/') else {
                        break;
                    };
                    rest = parent;
                }
            }
        }
    }
    let mut steps = MAX_STEPS;
    let broken: Vec<bool> = files
        .iter()
        .map(|file| match &file.kind {
            FileKind::Symlink { target } => !target
                .as_ref()
                .is_some_and(|target| leads(target.as_str(), &links, &real, &mut steps)),
            FileKind::Regular | FileKind::Padding => false,
        })
        .collect();
    for (file, broken) in files.iter_mut().zip(broken) {
        if broken {
            file.kind = FileKind::Symlink { target: None };
        }
    }
}

/// Whether a path leads to a file or directory, by way of links or not.
fn leads(
    path: &str,
    links: &BTreeMap<&str, &str>,
    real: &BTreeSet<&str>,
    steps: &mut usize,
) -> bool {
    let mut path = path.to_owned();
    for _ in 0..MAX_HOPS {
        if real.contains(path.as_str()) {
            return true;
        }
        let Some(next) = hop(&path, links, steps) else {
            return false;
        };
        if next.len() > MAX_PATH_BYTES {
            return false;
        }
        path = next;
    }
    false
}

/// Replaces the first part of a path that is a link by what it leads to.
fn hop(path: &str, links: &BTreeMap<&str, &str>, steps: &mut usize) -> Option<String> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    for end in ends.chain([path.len()]) {
        *steps = steps.checked_sub(1)?;
        let (start, rest) = path.split_at_checked(end)?;
        if let Some(target) = links.get(start) {
            return (!target.is_empty()).then(|| [target, rest].concat());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: FileKind) -> FileEntry {
        FileEntry {
            path: EntryPath::new(path).unwrap(),
            size: 0,
            offset: 0,
            kind,
            executable: false,
            hidden: false,
            root: None,
        }
    }

    fn resolved(files: &[&str], links: &[(&str, &str)]) -> Vec<bool> {
        let mut entries: Vec<_> = links
            .iter()
            .map(|(path, target)| {
                let target = EntryPath::new(*target).ok();
                entry(path, FileKind::Symlink { target })
            })
            .collect();
        entries.extend(files.iter().map(|path| entry(path, FileKind::Regular)));
        resolve(&mut entries);
        let leads = |file: &FileEntry| file.kind != FileKind::Symlink { target: None };
        entries[..links.len()].iter().map(leads).collect()
    }

    #[test]
    fn links_lead_to_files_and_directories() {
        let links = [
            ("t/l", "t/d/f"),
            ("t/m", "t/d"),
            ("t/n", "t/x"),
            ("t/o", "t"),
        ];
        assert_eq!(resolved(&["t/d/f"], &links), [true, true, false, true]);
    }

    #[test]
    fn links_lead_through_links() {
        let framework = [
            ("S/Headers", "S/Versions/Current/Headers"),
            ("S/Versions/Current", "S/Versions/A"),
            ("S/Lost", "S/Versions/Current/Lost"),
        ];
        assert_eq!(
            resolved(&["S/Versions/A/Headers/x.h"], &framework),
            [true, true, false]
        );
    }

    #[test]
    fn circles_lead_nowhere() {
        let links = [
            ("t/a", "t/b"),
            ("t/b", "t/a"),
            ("t/c", "t/c"),
            ("t/d", "t/d/d"),
            ("t/e", "t/e/f"),
        ];
        assert_eq!(resolved(&["t/f"], &links), [false; 5]);
    }

    #[test]
    fn chains_end() {
        let names: Vec<String> = (0..40).map(|at| format!("t/{at}")).collect();
        let links: Vec<_> = names
            .windows(2)
            .map(|pair| (&*pair[1], &*pair[0]))
            .collect();
        let leads = resolved(&["t/0"], &links);
        assert!(leads[..10].iter().all(|leads| *leads) && !leads[38]);
    }
}

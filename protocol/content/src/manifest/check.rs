//! What the entries of a folder must be together.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{Entry, EntryError, MAX_TOTAL_BYTES, ManifestError, Node};
use crate::{Hash, check_symlink_target, fold_name};

/// The entries that can't be in the folder, by position, found one by one. Those after a refused one
/// are judged as if it were not there.
pub(super) fn entry_errors(entries: &[Entry]) -> impl Iterator<Item = (usize, EntryError)> {
    let mut tree = OpenDirectories::new();
    let empty = Hash::of(&[]);
    let mut before: Option<&Entry> = None;
    entries
        .iter()
        .enumerate()
        .filter_map(move |(index, entry)| {
            let result = check_order(before, entry)
                .and_then(|()| check_node(entry, empty))
                .and_then(|()| tree.add(entry.path.as_str()));
            match result {
                Ok(()) => {
                    before = Some(entry);
                    None
                }
                Err(error) => Some((index, error)),
            }
        })
}

fn check_order(before: Option<&Entry>, entry: &Entry) -> Result<(), EntryError> {
    match before.map(|before| before.path.cmp(&entry.path)) {
        None | Some(Ordering::Less) => Ok(()),
        Some(Ordering::Equal) => Err(EntryError::Duplicate),
        Some(Ordering::Greater) => Err(EntryError::Unordered),
    }
}

fn check_node(entry: &Entry, empty: Hash) -> Result<(), EntryError> {
    match &entry.node {
        // An empty blob has no pieces, so nothing would ever show that this hash is not its own.
        Node::File { hash, size, .. } if (*size == 0) != (*hash == empty) => Err(EntryError::Size),
        Node::Symlink { target } => Ok(check_symlink_target(&entry.path, target)?),
        Node::File { .. } | Node::Directory => Ok(()),
    }
}

/// Bytes of all files. Sizes of the same blob must agree: one of two would be wrong.
pub(super) fn total_bytes(entries: &[Entry]) -> Result<u64, ManifestError> {
    let mut total = 0u64;
    let mut blobs = Vec::new();
    for entry in entries {
        if let Node::File { hash, size, .. } = entry.node {
            total = total.saturating_add(size);
            blobs.push((hash, size));
        }
    }
    if total > MAX_TOTAL_BYTES {
        return Err(ManifestError::TotalTooLarge);
    }
    blobs.sort_unstable();
    let conflict = blobs
        .windows(2)
        .find(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1);
    match conflict {
        Some(pair) => Err(ManifestError::SizeConflict { hash: pair[0].0 }),
        None => Ok(total),
    }
}

/// The directories that the current path lies in. As paths come in order, a directory that was left
/// never comes back, so each is looked at once and forgotten.
struct OpenDirectories<'a> {
    /// Names from the top, and what is in each directory so far; the first is the folder itself.
    open: Vec<(&'a str, Names<'a>)>,
}

impl<'a> OpenDirectories<'a> {
    fn new() -> Self {
        Self {
            open: vec![("", Names::default())],
        }
    }

    fn add(&mut self, path: &'a str) -> Result<(), EntryError> {
        let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut depth = 1;
        let mut end = 0;
        for directory in directories.split('/').filter(|name| !name.is_empty()) {
            end += directory.len() + usize::from(depth > 1);
            if self
                .open
                .get(depth)
                .is_none_or(|(open, _)| *open != directory)
            {
                self.open.truncate(depth);
                self.add_name(directory, true, &path[..end])?;
                self.open.push((directory, Names::default()));
            }
            depth += 1;
        }
        self.open.truncate(depth);
        self.add_name(name, false, path)
    }

    fn add_name(&mut self, name: &'a str, is_dir: bool, path: &str) -> Result<(), EntryError> {
        match self.open.last_mut() {
            Some((_, names)) => names.add(name, is_dir, path),
            None => Ok(()),
        }
    }
}

/// The names in one directory.
#[derive(Default)]
struct Names<'a> {
    /// Names that folding leaves alone, in order as they came.
    plain: Vec<&'a str>,
    /// Names that folding changes, by what they become.
    folded: BTreeMap<String, &'a str>,
}

impl<'a> Names<'a> {
    fn add(&mut self, name: &'a str, is_dir: bool, path: &str) -> Result<(), EntryError> {
        let folded = fold_name(name);
        let plain = self.plain.binary_search(&folded.as_str()).ok();
        let taken = plain
            .map(|at| self.plain[at])
            .or_else(|| self.folded.get(&folded).copied());
        match taken {
            // A directory that is not open was given as a file, a link or an empty directory.
            Some(other) if other == name && is_dir => {
                let parent = path.to_owned();
                return Err(EntryError::Below { parent });
            }
            Some(other) => {
                let (name, other) = (name.to_owned(), other.to_owned());
                return Err(EntryError::Collision { name, other });
            }
            None => {}
        }
        if folded == name {
            self.plain.push(name);
        } else {
            self.folded.insert(folded, name);
        }
        Ok(())
    }
}

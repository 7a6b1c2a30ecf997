//! Compares a copy with the original: names, kinds, executable bits, every byte.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What was found to be equal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Equal {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Folder,
    File { size: u64, executable: bool },
    Other,
}

/// Reads both; the error says where they differ.
pub(super) fn compare(original: &Path, copy: &Path) -> Result<Equal, String> {
    let left = list(original).map_err(|error| format!("{}: {error}", original.display()))?;
    let right = list(copy).map_err(|error| format!("{}: {error}", copy.display()))?;
    for path in left.keys().chain(right.keys()) {
        match (left.get(path), right.get(path)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(_), None) => return Err(format!("{} is missing", path.display())),
            (None, _) => return Err(format!("{} is too much", path.display())),
            (Some(a), Some(b)) => return Err(format!("{}: {a:?}, not {b:?}", path.display())),
        }
    }
    let mut equal = Equal { files: 0, bytes: 0 };
    for (path, entry) in &left {
        let Entry::File { size, .. } = entry else {
            continue;
        };
        let same = same_bytes(&original.join(path), &copy.join(path))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        if !same {
            return Err(format!("{} has other bytes", path.display()));
        }
        equal.files += 1;
        equal.bytes += size;
    }
    Ok(equal)
}

fn list(root: &Path) -> io::Result<BTreeMap<PathBuf, Entry>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for child in fs::read_dir(root.join(&folder))? {
            let child = child?;
            let path = folder.join(child.file_name());
            let meta = child.metadata()?;
            let entry = if meta.is_dir() {
                folders.push(path.clone());
                Entry::Folder
            } else if meta.is_file() {
                let executable = meta.permissions().mode() & 0o100 != 0;
                Entry::File {
                    size: meta.len(),
                    executable,
                }
            } else {
                Entry::Other
            };
            found.insert(path, entry);
        }
    }
    Ok(found)
}

fn same_bytes(left: &Path, right: &Path) -> io::Result<bool> {
    const PART: u64 = 1 << 20;
    let (mut a, mut b) = (File::open(left)?, File::open(right)?);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    loop {
        x.clear();
        y.clear();
        a.by_ref().take(PART).read_to_end(&mut x)?;
        b.by_ref().take(PART).read_to_end(&mut y)?;
        if x != y {
            return Ok(false);
        }
        if x.is_empty() {
            return Ok(true);
        }
    }
}

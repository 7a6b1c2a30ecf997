//! What is moved, and the check that it arrived.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::cell::Content;
use crate::bench::payload::same_bytes;

/// Names of the folder and of the single file. Spaces and other scripts are part of the test.
const FOLDER: &str = "Mix ☂";
const SINGLE: &str = "single file.bin";

/// Files of the folder but the large one, with their sizes.
const SMALL: [(&str, u64); 4] = [
    ("empty", 0),
    ("one byte", 1),
    ("hundred.bin", 100_000),
    ("unter ordner/ünïcode 名前.bin", 300_001),
];
const LARGE: &str = "large.bin";

/// Both kinds of content, made once for a run.
pub(super) struct Source {
    root: PathBuf,
}

impl Source {
    /// Makes random files in `root` that hold this many MiB each, the folder and the single file.
    pub(super) fn make(root: PathBuf, mib: u64) -> Result<Self> {
        let source = Self { root };
        let all = mib << 20;
        let small: u64 = SMALL.iter().map(|(_, bytes)| bytes).sum();
        let folder = source.path(Content::Folder);
        for (name, bytes) in SMALL {
            fill(&folder.join(name), bytes)?;
        }
        fill(&folder.join(LARGE), all.saturating_sub(small))?;
        fill(&source.path(Content::Single), all)?;
        Ok(source)
    }

    /// Where it is.
    pub(super) fn path(&self, content: Content) -> PathBuf {
        self.root.join(name(content))
    }

    /// Puts a copy below `into`, for a program that may write to what it serves.
    pub(super) fn copy(&self, content: Content, into: &Path) -> Result<()> {
        let from = self.path(content);
        for relative in files(&from)?.keys() {
            let to = below(&into.join(name(content)), relative);
            make_parent(&to)?;
            std::fs::copy(below(&from, relative), &to)
                .with_context(|| format!("cannot copy to {}", to.display()))?;
        }
        Ok(())
    }

    /// An error if what lies below `folder` differs. What a program puts beside is no difference, and an
    /// empty file that is not there is one only if they are `strict`ly looked at.
    pub(super) fn compare(&self, content: Content, folder: &Path, strict: bool) -> Result<()> {
        let from = self.path(content);
        let arrived = folder.join(name(content));
        for (relative, bytes) in &files(&from)? {
            let (left, right) = (below(&from, relative), below(&arrived, relative));
            let shown = below(Path::new(name(content)), relative);
            if *bytes == 0 && !strict && !right.exists() {
                continue;
            }
            ensure!(right.is_file(), "{} is not there", shown.display());
            ensure!(same_bytes(&left, &right)?, "{} differs", shown.display());
        }
        Ok(())
    }
}

/// Its name.
fn name(content: Content) -> &'static str {
    match content {
        Content::Folder => FOLDER,
        Content::Single => SINGLE,
    }
}

/// A path below another. Joined with nothing, it would get a slash at its end, which no file has.
fn below(path: &Path, relative: &Path) -> PathBuf {
    if relative.as_os_str().is_empty() {
        return path.to_owned();
    }
    path.join(relative)
}

/// All files below a path with their sizes; a file is below itself without a name.
fn files(path: &Path) -> Result<BTreeMap<PathBuf, u64>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(relative) = waiting.pop() {
        let here = below(path, &relative);
        let about = here.metadata();
        let about = about.with_context(|| format!("cannot look at {}", here.display()))?;
        if about.is_file() {
            found.insert(relative, about.len());
            continue;
        }
        for entry in here.read_dir().context("cannot read a folder")? {
            waiting.push(relative.join(entry.context("cannot read a folder")?.file_name()));
        }
    }
    Ok(found)
}

fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().context("a file without a folder")?;
    std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))
}

/// Random bytes, so that no block can stand for another.
fn fill(path: &Path, bytes: u64) -> Result<()> {
    make_parent(path)?;
    let random = File::open("/dev/urandom").context("no source of random bytes")?;
    let mut file =
        File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    std::io::copy(&mut random.take(bytes), &mut file)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_the_same_until_it_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let source = Source::make(dir.path().join("source"), 1).unwrap();
        let copies = dir.path().join("copies");
        for content in [Content::Folder, Content::Single] {
            assert!(source.compare(content, &copies, true).is_err());
            source.copy(content, &copies).unwrap();
            source.compare(content, &copies, true).unwrap();
        }
        let folder = copies.join(FOLDER);
        std::fs::write(folder.join("one byte"), b"").unwrap();
        let error = source.compare(Content::Folder, &copies, true).unwrap_err();
        assert!(error.to_string().ends_with("differs"), "{error}");
        source.copy(Content::Folder, &copies).unwrap();
        std::fs::remove_file(folder.join("empty")).unwrap();
        source.compare(Content::Folder, &copies, false).unwrap();
        let error = source.compare(Content::Folder, &copies, true).unwrap_err();
        assert!(error.to_string().ends_with("is not there"), "{error}");
        source.compare(Content::Single, &copies, true).unwrap();
    }

    #[test]
    fn the_folder_holds_as_much_as_was_asked() {
        let dir = tempfile::tempdir().unwrap();
        let source = Source::make(dir.path().to_owned(), 1).unwrap();
        let found = files(&source.path(Content::Folder)).unwrap();
        assert_eq!(found.len(), 5);
        assert_eq!(found.values().sum::<u64>(), 1 << 20);
    }
}

//! Listing what is to be shared, without opening any file or following any link.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use potluck_content::{Entry, EntryPath, MAX_ENTRIES, Node, check_symlink_target};

use super::{Task, display_name};
use crate::errors::ShareError;
use crate::partial::PART_SUFFIX;
use crate::records::MAX_SHARE_PATHS;
use crate::sys::{self, EntryKind};

/// Entries between two calls of the progress callback.
const TICK_ENTRIES: u64 = 1024;

/// Folders of the data directory whose files are the owner's, and not the node's: what was handed over
/// on a page.
const OWNERS: [&str; 1] = ["shared"];

/// A file that is to be shared.
pub(super) struct Found {
    /// Which of the bases it lies under.
    base: usize,
    /// Where it is in the share.
    pub(super) entry: EntryPath,
    /// Its bytes when it was listed.
    pub(super) size: u64,
}

/// Everything that is to be shared.
pub(super) struct Walk {
    pub(super) name: String,
    /// The paths that were named, resolved.
    pub(super) bases: Vec<PathBuf>,
    /// Leading components of an entry that the base's own path stands for.
    strip: usize,
    /// The share is one file, not a folder.
    pub(super) single: bool,
    pub(super) files: Vec<Found>,
    /// Links and empty directories.
    pub(super) others: Vec<Entry>,
    seen: u64,
}

impl Walk {
    pub(super) fn run(task: &mut Task<'_>) -> Result<Self, ShareError> {
        let request = task.request;
        if request.paths.len() > MAX_SHARE_PATHS {
            let reason = format!("more than {MAX_SHARE_PATHS} paths");
            return Err(ShareError::TooLarge { reason });
        }
        let bases = request
            .paths
            .iter()
            .map(|path| resolve(path))
            .collect::<Result<Vec<_>, _>>()?;
        let one = match bases.as_slice() {
            [] => return Err(ShareError::Nothing),
            [one] => Some(one.clone()),
            _ => None,
        };
        let single = match &one {
            Some(path) => metadata(path)?.is_file(),
            None => false,
        };
        // A link that was named lends the share its own name, not that of what it leads to.
        let named = request
            .paths
            .first()
            .filter(|path| path.file_name().is_some());
        let named = one.as_ref().map(|one| named.unwrap_or(one).as_path());
        let own = fs::canonicalize(&task.inner.dir).unwrap_or_else(|_| task.inner.dir.clone());
        for path in &bases {
            if own.starts_with(path) || (path.starts_with(&own) && !is_owners(path, &own)) {
                let (path, own) = (path.clone(), own);
                return Err(ShareError::OwnDirectory { path, own });
            }
        }
        let name = display_name(request, named);
        let strip = usize::from(one.is_none() || single);
        let (files, others) = (Vec::new(), Vec::new());
        let mut walk = Self {
            name,
            bases,
            strip,
            single,
            files,
            others,
            seen: 0,
        };
        if single {
            // The name of a single file is no part of its address; any will do.
            walk.top(task, 0, "file")?;
        } else if one.is_some() {
            let path = walk.bases.first().cloned().unwrap_or_default();
            if !metadata(&path)?.is_dir() {
                return Err(ShareError::Special { path });
            }
            walk.directory(task, 0, &path, None)?;
        } else {
            walk.several(task)?;
        }
        Ok(walk)
    }

    /// The path of a file.
    pub(super) fn path(&self, found: &Found) -> PathBuf {
        let mut path = self.bases.get(found.base).cloned().unwrap_or_default();
        path.extend(found.entry.components().skip(self.strip));
        path
    }

    /// Lists several paths, each under its own last name.
    fn several(&mut self, task: &mut Task<'_>) -> Result<(), ShareError> {
        let mut names = std::collections::BTreeSet::new();
        for (base, path) in task.request.paths.iter().enumerate() {
            let resolved = self.bases.get(base);
            let name = path
                .file_name()
                .or_else(|| resolved.and_then(|path| path.file_name()));
            let name = name.unwrap_or_default().to_string_lossy().into_owned();
            if !names.insert(name.clone()) {
                return Err(ShareError::SameName { name });
            }
            self.top(task, base, &name)?;
        }
        Ok(())
    }

    /// Lists a path that was named, under `name`.
    fn top(&mut self, task: &mut Task<'_>, base: usize, name: &str) -> Result<(), ShareError> {
        let path = self.bases.get(base).cloned().unwrap_or_default();
        let entry = EntryPath::new(name).map_err(|error| ShareError::BadName {
            name: name.to_owned(),
            reason: error.to_string(),
        })?;
        let metadata = metadata(&path)?;
        if metadata.is_dir() {
            self.directory(task, base, &path, Some(&entry))
        } else if metadata.is_file() {
            self.file(task, base, entry, metadata.len())
        } else {
            Err(ShareError::Special { path })
        }
    }

    fn file(
        &mut self,
        task: &mut Task<'_>,
        base: usize,
        entry: EntryPath,
        size: u64,
    ) -> Result<(), ShareError> {
        self.files.push(Found { base, entry, size });
        task.seen.files += 1;
        task.seen.bytes += size;
        self.count(task)
    }

    fn count(&mut self, task: &mut Task<'_>) -> Result<(), ShareError> {
        self.seen += 1;
        if self.files.len() + self.others.len() > MAX_ENTRIES {
            let reason = format!("more than {MAX_ENTRIES} entries");
            return Err(ShareError::TooLarge { reason });
        }
        if self.seen.is_multiple_of(TICK_ENTRIES) && task.tick() == ControlFlow::Break(()) {
            return Err(ShareError::Stopped);
        }
        Ok(())
    }

    /// Lists a directory and all below it. The depth is bounded by that of an entry's path.
    fn directory(
        &mut self,
        task: &mut Task<'_>,
        base: usize,
        path: &Path,
        entry: Option<&EntryPath>,
    ) -> Result<(), ShareError> {
        let before = self.files.len() + self.others.len();
        for name in self.names(task, path)? {
            self.child(task, base, path, entry, &name)?;
        }
        if let Some(entry) = entry.filter(|_| before == self.files.len() + self.others.len()) {
            self.others.push(Entry {
                path: entry.clone(),
                node: Node::Directory,
            });
            self.count(task)?;
        }
        Ok(())
    }

    /// The names in a directory, in order.
    fn names(&self, task: &mut Task<'_>, path: &Path) -> Result<Vec<OsString>, ShareError> {
        let list = || -> io::Result<Vec<OsString>> {
            fs::read_dir(path)?
                .map(|entry| Ok(entry?.file_name()))
                .collect()
        };
        match list() {
            Ok(mut names) => {
                names.sort_unstable();
                Ok(names)
            }
            Err(error) if task.request.skip_unreadable && !self.bases.iter().any(|b| b == path) => {
                task.skips
                    .add(path.to_path_buf(), format!("cannot be read: {error}"));
                Ok(Vec::new())
            }
            Err(source) => Err(ShareError::Unreadable {
                path: path.to_path_buf(),
                source,
            }),
        }
    }

    fn child(
        &mut self,
        task: &mut Task<'_>,
        base: usize,
        dir: &Path,
        parent: Option<&EntryPath>,
        name: &OsStr,
    ) -> Result<(), ShareError> {
        let path = dir.join(name);
        let Some(name) = name.to_str() else {
            task.skips.add(path, "its name is not valid Unicode");
            return Ok(());
        };
        let entry = match parent {
            Some(parent) => parent.join(name),
            None => EntryPath::new(name),
        };
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                task.skips
                    .add(path, format!("its name cannot be shared: {error}"));
                return Ok(());
            }
        };
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            // It went while the directory was being listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) if task.request.skip_unreadable => {
                task.skips.add(path, format!("cannot be read: {source}"));
                return Ok(());
            }
            Err(source) => return Err(ShareError::Unreadable { path, source }),
        };
        let facts = sys::facts_of(&metadata);
        match facts.kind {
            EntryKind::File if name.ends_with(PART_SUFFIX) => {
                task.skips.add(path, "a download that is not finished");
                Ok(())
            }
            EntryKind::File => self.file(task, base, entry, facts.stamp.size),
            EntryKind::Dir if name.ends_with(PART_SUFFIX) => {
                task.skips.add(path, "a download that is not finished");
                Ok(())
            }
            EntryKind::Dir => self.directory(task, base, &path, Some(&entry)),
            EntryKind::Symlink => self.link(task, path, entry),
            EntryKind::Special => {
                task.skips.add(path, "neither a file nor a folder");
                Ok(())
            }
        }
    }

    fn link(
        &mut self,
        task: &mut Task<'_>,
        path: PathBuf,
        entry: EntryPath,
    ) -> Result<(), ShareError> {
        let target = match fs::read_link(&path) {
            Ok(target) => target,
            Err(error) => {
                task.skips.add(path, format!("cannot be read: {error}"));
                return Ok(());
            }
        };
        let Some(target) = target.to_str() else {
            task.skips
                .add(path, "a link whose target is not valid Unicode");
            return Ok(());
        };
        if let Err(error) = check_symlink_target(&entry, target) {
            task.skips
                .add(path, format!("a link that cannot be shared: {error}"));
            return Ok(());
        }
        let node = Node::Symlink {
            target: target.to_owned(),
        };
        self.others.push(Entry { path: entry, node });
        self.count(task)
    }
}

/// Resolves a path that was named: it is the owner's word, so links in it are followed.
fn resolve(path: &Path) -> Result<PathBuf, ShareError> {
    fs::canonicalize(path).map_err(|source| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        match source.kind() {
            io::ErrorKind::NotFound => ShareError::NotFound { path },
            _ => ShareError::Unreadable { path, source },
        }
    })
}

fn metadata(path: &Path) -> Result<fs::Metadata, ShareError> {
    fs::symlink_metadata(path).map_err(|source| ShareError::Unreadable {
        path: path.to_path_buf(),
        source,
    })
}

/// Whether a path in the data directory lies in a folder of its owner.
fn is_owners(path: &Path, own: &Path) -> bool {
    OWNERS.iter().any(|folder| {
        let folder = own.join(folder);
        path.starts_with(&folder) && path != folder
    })
}

//! The files that a download writes to, reached through directory handles only.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use potluck_content::{Entry, EntryPath, Manifest, Node, PieceLayout, PieceSet};

use super::direct::DirectWrites;
use super::repair::Damaged;
use crate::errors::Fault;
use crate::sys::{Dir, EntryKind};

/// Files, and as many directories, that stay open.
const OPEN: NonZeroUsize = match NonZeroUsize::new(32) {
    Some(open) => open,
    None => NonZeroUsize::MIN,
};

/// The name of the file or folder in its part directory.
pub(crate) const DATA: &str = "data";

/// Where the blobs of a download are written.
#[derive(Debug)]
pub(super) enum Targets {
    /// The file itself, in the part directory.
    Single { part: Dir },
    /// Files of a folder: for each blob the entry that it is written to.
    Folder {
        root: Dir,
        manifest: Arc<Manifest>,
        first_entry: Vec<u32>,
    },
    /// Replacements of damaged files, each beside the first of them.
    Repair { staged: BTreeMap<u32, Staged> },
}

/// The replacement of a damaged file.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) dir: PathBuf,
    pub(super) name: OsString,
    pub(super) executable: bool,
    /// The places that it is for.
    pub(super) places: Vec<Damaged>,
}

/// Open files and directories of a download.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) targets: Targets,
    pub(super) direct: DirectWrites,
    /// For messages.
    path: PathBuf,
    cache: Mutex<Cache>,
}

#[derive(Debug)]
struct Cache {
    files: LruCache<u32, Arc<File>>,
    dirs: LruCache<String, Arc<Dir>>,
}

/// For each blob the entry of the manifest that its bytes are written to: the first selected one, or
/// the first.
pub(super) fn first_entries(
    manifest: &Manifest,
    layout: &PieceLayout,
    selection: Option<&PieceSet>,
) -> Vec<u32> {
    let mut first = vec![u32::MAX; layout.blobs().len()];
    let selected = |index| selection.is_none_or(|selection| selection.contains(index));
    for (index, entry) in (0..).zip(manifest.entries()) {
        let Node::File { hash, .. } = &entry.node else {
            continue;
        };
        let blob = layout
            .find_blob(hash)
            .and_then(|blob| usize::try_from(blob).ok());
        if let Some(slot) = blob.and_then(|blob| first.get_mut(blob))
            && (*slot == u32::MAX || (selected(index) && !selected(*slot)))
        {
            *slot = index;
        }
    }
    first
}

impl Parts {
    pub(super) fn new(targets: Targets, path: &Path) -> Self {
        let cache = Cache {
            files: LruCache::new(OPEN),
            dirs: LruCache::new(OPEN),
        };
        Self {
            targets,
            direct: DirectWrites::new(),
            path: path.to_path_buf(),
            cache: Mutex::new(cache),
        }
    }

    /// Opens a blob's file if it is there.
    pub(super) fn open(&self, blob: u32) -> Result<Option<Arc<File>>, Fault> {
        self.find(blob, false)
            .map(|found| found.map(|(file, _)| file))
    }

    /// Bytes of a blob's file, without opening it when it is one of many. `None` when no file is there.
    pub(super) fn length(&self, blob: u32) -> Result<Option<u64>, Fault> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if !cache.files.contains(&blob)
            && let Targets::Folder { .. } = &self.targets
        {
            let Some(entry) = self.entry(blob) else {
                return Ok(None);
            };
            let Some(dir) = self.dir_in(&mut cache, entry.path.parent().as_ref(), false)? else {
                return Ok(None);
            };
            let facts = dir.facts(OsStr::new(entry.path.file_name()));
            let io = |error| Fault::io("read", &self.path.join(entry.path.as_str()), error);
            let file = facts
                .map_err(io)?
                .filter(|facts| facts.kind == EntryKind::File);
            return Ok(file.map(|facts| facts.stamp.size));
        }
        drop(cache);
        let Some(file) = self.open(blob)? else {
            return Ok(None);
        };
        let metadata = file.metadata();
        let metadata = metadata.map_err(|error| Fault::io("read", &self.path, error))?;
        Ok(Some(metadata.len()))
    }

    /// The entry of a folder that a blob is written to.
    fn entry(&self, blob: u32) -> Option<&Entry> {
        let Targets::Folder {
            manifest,
            first_entry,
            ..
        } = &self.targets
        else {
            return None;
        };
        let entry = first_entry.get(usize::try_from(blob).ok()?)?;
        manifest.entries().get(usize::try_from(*entry).ok()?)
    }

    /// Opens a blob's file, creating it if need be. Whether it was created.
    pub(super) fn create(&self, blob: u32) -> Result<(Arc<File>, bool), Fault> {
        let found = self.find(blob, true)?;
        found.ok_or_else(|| Fault::io("create", &self.path, io::ErrorKind::NotFound.into()))
    }

    fn find(&self, blob: u32, create: bool) -> Result<Option<(Arc<File>, bool)>, Fault> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = cache.files.get(&blob) {
            return Ok(Some((Arc::clone(file), false)));
        }
        let found = match &self.targets {
            Targets::Single { part } => open_in(part, OsStr::new(DATA), false, create, &self.path)?,
            Targets::Folder { .. } => {
                let Some(entry) = self.entry(blob) else {
                    return Ok(None);
                };
                let executable = matches!(
                    entry.node,
                    Node::File {
                        executable: true,
                        ..
                    }
                );
                let Some(dir) = self.dir_in(&mut cache, entry.path.parent().as_ref(), create)?
                else {
                    return Ok(None);
                };
                let path = self.path.join(entry.path.as_str());
                open_in(
                    &dir,
                    OsStr::new(entry.path.file_name()),
                    executable,
                    create,
                    &path,
                )?
            }
            Targets::Repair { staged } => {
                let Some(staged) = staged.get(&blob) else {
                    return Ok(None);
                };
                let io = |error| Fault::io("open", &staged.dir, error);
                let dir = Dir::open(&staged.dir).map_err(io)?;
                let path = staged.dir.join(&staged.name);
                open_in(&dir, &staged.name, staged.executable, create, &path)?
            }
        };
        let Some((file, created)) = found else {
            return Ok(None);
        };
        let file = Arc::new(file);
        cache.files.put(blob, Arc::clone(&file));
        Ok(Some((file, created)))
    }

    /// Opens the directory of an entry, below the root of the folder.
    pub(super) fn dir(
        &self,
        path: Option<&EntryPath>,
        create: bool,
    ) -> Result<Option<Arc<Dir>>, Fault> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        self.dir_in(&mut cache, path, create)
    }

    fn dir_in(
        &self,
        cache: &mut Cache,
        path: Option<&EntryPath>,
        create: bool,
    ) -> Result<Option<Arc<Dir>>, Fault> {
        let Targets::Folder { root, .. } = &self.targets else {
            return Ok(None);
        };
        let key = path.map_or("", EntryPath::as_str);
        if let Some(dir) = cache.dirs.get(key) {
            return Ok(Some(Arc::clone(dir)));
        }
        let io = |error| Fault::io("open", &self.path.join(key), error);
        // The root's own handle can't be shared, so a walk begins with another one of it.
        let mut dir = root.again().map_err(io)?;
        for name in path.map(EntryPath::components).into_iter().flatten() {
            match enter(&dir, OsStr::new(name), create).map_err(io)? {
                Some(child) => dir = child,
                None => return Ok(None),
            }
        }
        let dir = Arc::new(dir);
        cache.dirs.put(key.to_owned(), Arc::clone(&dir));
        Ok(Some(dir))
    }

    /// Closes everything, before names change.
    pub(super) fn close(&self) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.files.clear();
        cache.dirs.clear();
        drop(cache);
        self.direct.close();
    }

    /// Syncs all files, and the names of those that are new.
    pub(super) fn sync_all(&self, layout: &PieceLayout) -> Result<(), Fault> {
        let io = |error| Fault::io("sync", &self.path, error);
        let synced = match &self.targets {
            // One file and its name; the rest of the file system is none of our business.
            Targets::Single { part } => {
                if let Some(file) = self.open(0)? {
                    file.sync_data().map_err(io)?;
                }
                part.sync().map_err(io)?;
                true
            }
            Targets::Folder { root, .. } => root.sync_file_system().map_err(io)?,
            Targets::Repair { staged } => {
                for blob in staged.keys() {
                    if let Some(file) = self.open(*blob)? {
                        file.sync_data().map_err(io)?;
                    }
                }
                true
            }
        };
        if synced {
            return Ok(());
        }
        for blob in (0..).take(layout.blobs().len()) {
            if let Some(file) = self.open(blob)? {
                file.sync_data().map_err(io)?;
            }
        }
        Ok(())
    }
}

/// Opens a directory in another, making it if asked for. Links are refused.
pub(crate) fn enter(dir: &Dir, name: &OsStr, create: bool) -> io::Result<Option<Dir>> {
    match dir.open_child(name) {
        Ok(child) => return Ok(Some(child)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) if !create => return Ok(None),
        Err(_) => {}
    }
    match dir.make_child(name, false) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    dir.open_child(name).map(Some)
}

/// Opens a file, creating it if asked for. Links are refused.
pub(crate) fn open_in(
    dir: &Dir,
    name: &OsStr,
    executable: bool,
    create: bool,
    path: &Path,
) -> Result<Option<(File, bool)>, Fault> {
    if create {
        // Most files that are asked for to be written are new.
        match dir.create_file(name, executable) {
            Ok(created) => return Ok(Some((created, true))),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Fault::io("create", path, error));
            }
            Err(_) => {}
        }
    }
    match dir.open_file(name, true) {
        Ok(file) => Ok(Some((file, false))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !create => Ok(None),
        Err(error) => Err(Fault::io("open", path, error)),
    }
}

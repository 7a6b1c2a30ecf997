//! The files that a torrent's bytes are written to, reached through directory handles only.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use lru::LruCache;
use potluck_bittorrent::{FileEntry, Metainfo};
use potluck_content::PieceSet;

use super::shape;
use crate::errors::Fault;
use crate::partial::{DATA, enter, lock, open_in};
use crate::sys::{Dir, EntryKind};

/// Files, and as many directories, that stay open.
const OPEN: NonZeroUsize = match NonZeroUsize::new(32) {
    Some(open) => open,
    None => NonZeroUsize::MIN,
};

/// The directory in the part for bytes of files that are not wanted.
const REST: &str = "rest";

/// Open files and directories of the part of a torrent.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) metainfo: Arc<Metainfo>,
    selection: Option<PieceSet>,
    part: Dir,
    /// The folder of the torrent; none when it is one file.
    root: Option<Dir>,
    /// What gets the final name, for messages.
    path: PathBuf,
    cache: Mutex<Cache>,
}

#[derive(Debug)]
struct Cache {
    files: LruCache<u32, Arc<File>>,
    dirs: LruCache<String, Arc<Dir>>,
}

impl Files {
    pub(super) fn new(
        metainfo: Arc<Metainfo>,
        selection: Option<PieceSet>,
        part: Dir,
        path: &Path,
    ) -> Result<Self, Fault> {
        let root = if metainfo.info().is_single() {
            None
        } else {
            let root = part.open_child(OsStr::new(DATA));
            Some(root.map_err(|error| Fault::io("open", path, error))?)
        };
        let cache = Cache {
            files: LruCache::new(OPEN),
            dirs: LruCache::new(OPEN),
        };
        Ok(Self {
            metainfo,
            selection,
            part,
            root,
            path: path.to_path_buf(),
            cache: Mutex::new(cache),
        })
    }

    pub(super) fn selection(&self) -> Option<&PieceSet> {
        self.selection.as_ref()
    }

    pub(super) fn wants(&self, file: usize) -> bool {
        shape::wants(self.selection(), file)
    }

    pub(super) fn part(&self) -> &Dir {
        &self.part
    }

    pub(super) fn is_folder(&self) -> bool {
        self.root.is_some()
    }

    pub(super) fn entry(&self, file: u32) -> Option<&FileEntry> {
        let files = self.metainfo.info().files();
        files.get(usize::try_from(file).ok()?)
    }

    /// Where a file is, for messages.
    pub(super) fn path_of(&self, file: u32) -> PathBuf {
        let Some(entry) = self.entry(file) else {
            return self.path.clone();
        };
        shape::path_at(self.metainfo.info(), &self.path, entry)
    }

    /// Opens a file if it is there.
    pub(super) fn open(&self, file: u32) -> Result<Option<Arc<File>>, Fault> {
        self.find(file, false)
            .map(|found| found.map(|(file, _)| file))
    }

    /// Opens a file, creating it if need be. Whether it was created.
    pub(super) fn create(&self, file: u32) -> Result<(Arc<File>, bool), Fault> {
        let found = self.find(file, true)?;
        found.ok_or_else(|| {
            Fault::io(
                "create",
                &self.path_of(file),
                io::ErrorKind::NotFound.into(),
            )
        })
    }

    fn find(&self, file: u32, create: bool) -> Result<Option<(Arc<File>, bool)>, Fault> {
        let mut cache = lock(&self.cache);
        if let Some(open) = cache.files.get(&file) {
            return Ok(Some((Arc::clone(open), false)));
        }
        let Some(entry) = self.entry(file) else {
            return Ok(None);
        };
        let path = self.path_of(file);
        let run = entry.executable;
        let found = if self.root.is_none() {
            open_in(&self.part, OsStr::new(DATA), run, create, &path)?
        } else if self.wants(usize::try_from(file).unwrap_or(usize::MAX)) {
            let (dirs, name) = shape::below(self.metainfo.info(), entry);
            match self.dir_in(&mut cache, dirs, create)? {
                Some(dir) => open_in(&dir, OsStr::new(name), run, create, &path)?,
                None => None,
            }
        } else {
            match self.rest(create)? {
                Some(rest) => open_in(&rest, OsStr::new(&file.to_string()), run, create, &path)?,
                None => None,
            }
        };
        let Some((open, created)) = found else {
            return Ok(None);
        };
        let open = Arc::new(open);
        cache.files.put(file, Arc::clone(&open));
        Ok(Some((open, created)))
    }

    /// Bytes of a file. `None` when it is not there.
    pub(super) fn length(&self, file: u32) -> Result<Option<u64>, Fault> {
        let Some(entry) = self.entry(file) else {
            return Ok(None);
        };
        let facts = if self.root.is_none() {
            self.part.facts(OsStr::new(DATA))
        } else if self.wants(usize::try_from(file).unwrap_or(usize::MAX)) {
            let (dirs, name) = shape::below(self.metainfo.info(), entry);
            let Some(dir) = self.dir(dirs, false)? else {
                return Ok(None);
            };
            dir.facts(OsStr::new(name))
        } else {
            let Some(rest) = self.rest(false)? else {
                return Ok(None);
            };
            rest.facts(OsStr::new(&file.to_string()))
        };
        let facts = facts.map_err(|error| Fault::io("read", &self.path_of(file), error))?;
        let facts = facts.filter(|facts| facts.kind == EntryKind::File);
        Ok(facts.map(|facts| facts.stamp.size))
    }

    /// The directory for files that are not wanted.
    pub(super) fn rest(&self, create: bool) -> Result<Option<Dir>, Fault> {
        let rest = enter(&self.part, OsStr::new(REST), create);
        rest.map_err(|error| Fault::io("open", &self.path, error))
    }

    /// Removes the directory for files that are not wanted, if nothing is in it.
    pub(super) fn remove_rest(&self) {
        let _ = self.part.remove_dir(OsStr::new(REST));
    }

    /// Opens a directory below the folder of the torrent: names with `/` between them, or nothing.
    pub(super) fn dir(&self, dirs: &str, create: bool) -> Result<Option<Arc<Dir>>, Fault> {
        self.dir_in(&mut lock(&self.cache), dirs, create)
    }

    fn dir_in(
        &self,
        cache: &mut Cache,
        dirs: &str,
        create: bool,
    ) -> Result<Option<Arc<Dir>>, Fault> {
        let Some(root) = &self.root else {
            return Ok(None);
        };
        if let Some(dir) = cache.dirs.get(dirs) {
            return Ok(Some(Arc::clone(dir)));
        }
        let io = |error| Fault::io("open", &self.path.join(dirs), error);
        // The root's own handle can't be shared, so a walk begins with another one of it.
        let mut dir = root.again().map_err(io)?;
        for name in dirs.split('/').filter(|name| !name.is_empty()) {
            match enter(&dir, OsStr::new(name), create).map_err(io)? {
                Some(child) => dir = child,
                None => return Ok(None),
            }
        }
        let dir = Arc::new(dir);
        cache.dirs.put(dirs.to_owned(), Arc::clone(&dir));
        Ok(Some(dir))
    }

    /// Closes everything, before names change.
    pub(super) fn close(&self) {
        let mut cache = lock(&self.cache);
        cache.files.clear();
        cache.dirs.clear();
    }

    /// Syncs all files, and the names of those that are new.
    pub(super) fn sync_all(&self) -> Result<(), Fault> {
        let io = |error| Fault::io("sync", &self.path, error);
        let Some(root) = &self.root else {
            // One file and its name; the rest of the file system is none of our business.
            if let Some(file) = self.open(0)? {
                file.sync_data().map_err(io)?;
            }
            return self.part.sync().map_err(io);
        };
        if root.sync_file_system().map_err(io)? {
            return Ok(());
        }
        for (index, _) in shape::stored(self.metainfo.info()) {
            if let Some(file) = self.open(index)? {
                file.sync_data().map_err(io)?;
            }
        }
        Ok(())
    }
}

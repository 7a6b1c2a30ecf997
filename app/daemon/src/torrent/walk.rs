//! Listing the files that a torrent is made of.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use potluck_api::{ErrorBody, LeftOut};
use potluck_bittorrent::{MAX_FILES, NewFile};
use potluck_content::{EntryPath, fold_name};
use walkdir::WalkDir;

use crate::errors;

/// Files that are left out, and named, at most. More are counted.
const MAX_LEFT_OUT: usize = 1000;

/// A file in its place on disk.
pub(super) struct Found {
    pub(super) entry: EntryPath,
    pub(super) path: PathBuf,
    pub(super) executable: bool,
    pub(super) look: Look,
}

/// By what a file is seen to have changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) size: u64,
    /// Device and inode.
    pub(super) node: (u64, u64),
    /// Seconds and nanoseconds of the last change to the bytes, and to what is known of them.
    times: [i64; 4],
}

impl Look {
    fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            node: (metadata.dev(), metadata.ino()),
            times: [
                metadata.mtime(),
                metadata.mtime_nsec(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ],
        }
    }

    pub(super) fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::of(&metadata))
    }
}

impl Found {
    fn new(entry: EntryPath, path: PathBuf, metadata: &Metadata) -> Self {
        Self {
            entry,
            path,
            executable: metadata.permissions().mode() & 0o100 != 0,
            look: Look::of(metadata),
        }
    }

    pub(super) fn new_file(&self) -> NewFile {
        NewFile {
            path: self.entry.clone(),
            size: self.look.size,
            executable: self.executable,
            root: None,
            layer: Vec::new(),
        }
    }
}

/// Everything below a path that was named.
pub(super) struct Walk {
    pub(super) name: String,
    /// It is one file, not a folder.
    pub(super) is_single: bool,
    pub(super) files: Vec<Found>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) left_out_count: u64,
}

impl Walk {
    /// Lists a file, or a folder without following the links in it.
    pub(super) fn run(path: &Path) -> Result<Self, ErrorBody> {
        let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| {
            errors::usage(
                format!("{} has no name that a torrent could go by", path.display()),
                "name the folder itself, by a name that is UTF-8",
            )
        })?;
        let mut walk = Self {
            name: name.to_owned(),
            is_single: metadata.is_file(),
            files: Vec::new(),
            left_out: Vec::new(),
            left_out_count: 0,
        };
        if metadata.is_file() {
            let entry = EntryPath::new(walk.name.as_str()).map_err(|error| {
                let message = format!("{:?} can't be a name in a torrent: {error}", walk.name);
                errors::usage(message, "rename it")
            })?;
            walk.files
                .push(Found::new(entry, path.to_owned(), &metadata));
        } else if metadata.is_dir() {
            walk.folder(path)?;
        } else {
            return Err(errors::failed(
                format!("{} is neither a file nor a folder", path.display()),
                "name a file or a folder",
            ));
        }
        Ok(walk)
    }

    fn folder(&mut self, root: &Path) -> Result<(), ErrorBody> {
        for entry in WalkDir::new(root).min_depth(1) {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(root).to_owned();
                unreadable(&path, &error.into())
            })?;
            let kind = entry.file_type();
            if kind.is_dir() {
                continue;
            }
            let path = entry.path();
            if kind.is_symlink() {
                self.leave_out(path, "a symbolic link");
                continue;
            }
            if !kind.is_file() {
                self.leave_out(path, "neither a file nor a folder");
                continue;
            }
            let below = path.strip_prefix(root).unwrap_or(path).to_str();
            let Some(place) = below.and_then(|below| EntryPath::new(below).ok()) else {
                self.leave_out(path, "its name is not safe on other systems");
                continue;
            };
            let metadata = entry
                .metadata()
                .map_err(|error| unreadable(path, &error.into()))?;
            self.files
                .push(Found::new(place, path.to_owned(), &metadata));
            if self.files.len() > MAX_FILES {
                return Err(errors::failed(
                    format!("{} has more than {MAX_FILES} files", root.display()),
                    "make a torrent of each part of it",
                ));
            }
        }
        self.files.sort_by(|a, b| a.entry.cmp(&b.entry));
        self.tell_apart();
        Ok(())
    }

    /// Leaves out files that some file system would take for another one or for a folder: who reads
    /// the torrent would give them other names.
    fn tell_apart(&mut self) {
        let mut folders = BTreeSet::new();
        for file in &self.files {
            let folded = fold_name(file.entry.as_str());
            let ends = folded.match_indices('/').map(|(end, _)| end);
            folders.extend(ends.filter_map(|end| folded.get(..end).map(str::to_owned)));
        }
        let mut taken = BTreeSet::new();
        let (kept, same): (Vec<Found>, Vec<Found>) = std::mem::take(&mut self.files)
            .into_iter()
            .partition(|file| {
                let folded = fold_name(file.entry.as_str());
                !folders.contains(&folded) && taken.insert(folded)
            });
        self.files = kept;
        for file in same {
            self.leave_out(&file.path, "its name differs from another only in case");
        }
    }

    fn leave_out(&mut self, path: &Path, reason: &str) {
        self.left_out_count += 1;
        if self.left_out.len() < MAX_LEFT_OUT {
            self.left_out.push(LeftOut {
                path: path.display().to_string(),
                reason: reason.to_owned(),
            });
        }
    }
}

/// A path that can't be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> ErrorBody {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            errors::not_found(format!("there is nothing at {shown}"), "check the path")
        }
        _ => errors::failed(
            format!("cannot read {shown}: {error}"),
            "check its permissions",
        ),
    }
}

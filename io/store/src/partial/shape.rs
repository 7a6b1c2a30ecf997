//! Making the part look as the root does: equal files, empty ones, directories, links.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;

use potluck_content::{Entry, EntryPath, Hash, Manifest, Node};

use super::parts::Targets;
use super::running::{Running, lock};
use crate::errors::{Fault, FinishError};
use crate::records::PartialRecord;
use crate::sys;

impl Running {
    /// Completes the part, and checks that nobody else changed it.
    pub(super) fn shape(&self, record: &PartialRecord) -> Result<(), FinishError> {
        let layout = &self.described.layout;
        let (manifest, first_entry) = match &self.parts.targets {
            Targets::Repair { .. } => return Ok(()),
            Targets::Single { .. } => {
                let size = layout.blobs().first().map_or(0, |blob| blob.size);
                return self.check_file(0, size, &self.part_path);
            }
            Targets::Folder {
                manifest,
                first_entry,
                ..
            } => (manifest, first_entry),
        };
        let selection = record.purpose.selection();
        let selected = |index: u32| selection.is_none_or(|selection| selection.contains(index));
        for (index, entry) in (0..)
            .zip(manifest.entries())
            .filter(|(index, _)| selected(*index))
        {
            match &entry.node {
                Node::File {
                    hash,
                    size,
                    executable,
                } => {
                    self.file(index, entry, hash, *size, *executable, first_entry)?;
                }
                Node::Directory => {
                    self.parts.dir(Some(&entry.path), true)?;
                }
                Node::Symlink { .. } => {}
            }
        }
        if selection.is_some() {
            self.prune(manifest, &selected)?;
        }
        // Links come last: nothing is ever written where one could lead elsewhere.
        for (_, entry) in (0..)
            .zip(manifest.entries())
            .filter(|(index, _)| selected(*index))
        {
            if let Node::Symlink { target } = &entry.node {
                self.link(&entry.path, target)?;
            }
        }
        Ok(())
    }

    fn file(
        &self,
        index: u32,
        entry: &Entry,
        hash: &Hash,
        size: u64,
        executable: bool,
        first_entry: &[u32],
    ) -> Result<(), FinishError> {
        let layout = &self.described.layout;
        let path = self.part_path.join(entry.path.as_str());
        let Some(blob) = layout.find_blob(hash) else {
            return Ok(());
        };
        let written = usize::try_from(blob)
            .ok()
            .and_then(|blob| first_entry.get(blob));
        if written == Some(&index) {
            if size == 0 {
                self.parts.create(blob)?;
            }
            return self.check_file(blob, size, &path);
        }
        let io = |error| Fault::io("create", &path, error);
        let Some(from) = self.parts.open(blob)? else {
            return Err(FinishError::Tampered { path });
        };
        let Some(dir) = self.parts.dir(entry.path.parent().as_ref(), true)? else {
            return Ok(());
        };
        let name = OsStr::new(entry.path.file_name());
        // A copy that an earlier try left may be cut.
        remove_if_there(dir.remove_file(name)).map_err(io)?;
        let to = dir.create_file(name, executable).map_err(io)?;
        Ok(copy(&from, &to, size).map_err(io)?)
    }

    /// Checks that a written file still has its size. If not, its pieces are wanted again.
    pub(super) fn check_file(&self, blob: u32, size: u64, path: &Path) -> Result<(), FinishError> {
        if self.parts.length(blob)? == Some(size) {
            return Ok(());
        }
        lock(&self.state)
            .have
            .remove_range(self.described.layout.pieces_of_blob(blob));
        Err(FinishError::Tampered {
            path: path.to_path_buf(),
        })
    }

    fn link(&self, path: &EntryPath, target: &str) -> Result<(), FinishError> {
        let io = |error| Fault::io("create", &self.part_path.join(path.as_str()), error);
        let Some(dir) = self.parts.dir(path.parent().as_ref(), true)? else {
            return Ok(());
        };
        let name = OsStr::new(path.file_name());
        remove_if_there(dir.remove_file(name)).map_err(io)?;
        Ok(dir.symlink(target, name).map_err(io)?)
    }

    /// Removes what an earlier, wider selection left.
    fn prune(
        &self,
        manifest: &Manifest,
        selected: &dyn Fn(u32) -> bool,
    ) -> Result<(), FinishError> {
        let mut dirs = BTreeSet::new();
        for (index, entry) in (0..).zip(manifest.entries()) {
            if selected(index) {
                continue;
            }
            let parent = entry.path.parent();
            let Some(dir) = self.parts.dir(parent.as_ref(), false)? else {
                continue;
            };
            let removed = remove_if_there(match entry.node {
                Node::Directory => dir.remove_dir(OsStr::new(entry.path.file_name())),
                Node::File { .. } | Node::Symlink { .. } => {
                    dir.remove_file(OsStr::new(entry.path.file_name()))
                }
            });
            let path = self.part_path.join(entry.path.as_str());
            removed.map_err(|error| Fault::io("remove", &path, error))?;
            let mut above = parent;
            while let Some(path) = above {
                above = path.parent();
                dirs.insert(path);
            }
        }
        self.parts.close();
        // Deeper ones come first; those that still hold something stay.
        for path in dirs.iter().rev() {
            if let Some(dir) = self.parts.dir(path.parent().as_ref(), false)? {
                let _ = dir.remove_dir(OsStr::new(path.file_name()));
            }
        }
        self.parts.close();
        Ok(())
    }
}

pub(crate) fn remove_if_there(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Copies a whole file, sharing blocks where the file system can.
pub(super) fn copy(from: &File, to: &File, size: u64) -> io::Result<()> {
    if size > 0 && sys::clone_file(from, to) {
        return Ok(());
    }
    let mut buffer = vec![0; usize::try_from(size.min(1024 * 1024)).unwrap_or(0)];
    let mut offset = 0;
    while offset < size {
        let length = usize::try_from(size - offset)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let part = buffer.get_mut(..length).unwrap_or_default();
        sys::read_exact_at(from, part, offset)?;
        sys::write_all_at(to, part, offset)?;
        offset += length as u64;
    }
    Ok(())
}

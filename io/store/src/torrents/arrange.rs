//! Moving files of the part when other ones become wanted.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use potluck_bittorrent::{FileEntry, FileKind};

use super::files::Files;
use super::shape;
use crate::errors::Fault;
use crate::partial::remove_if_there;
use crate::sys::{Dir, EntryKind};

impl Files {
    /// Puts every file where the selection wants it: an earlier one may have been another. Each file is
    /// moved in one step, and it can be done again after a crash.
    pub(super) fn arrange(&self) -> Result<(), Fault> {
        let rest = self.rest(false)?;
        if !self.is_folder() || (self.selection().is_none() && rest.is_none()) {
            return Ok(());
        }
        let mut left = BTreeSet::new();
        for (index, file) in shape::stored(self.metainfo.info()) {
            if self.wants(usize::try_from(index).unwrap_or(usize::MAX)) {
                if let Some(rest) = &rest {
                    self.take_in(index, file, rest)?;
                }
            } else if self.put_out(index, file)? {
                let (dirs, _) = shape::below(self.metainfo.info(), file);
                left.insert(dirs);
            }
        }
        self.close();
        self.remove_empty(&left)?;
        self.close();
        self.remove_rest();
        Ok(())
    }

    fn take_in(&self, index: u32, file: &FileEntry, rest: &Dir) -> Result<(), Fault> {
        let io = |error| Fault::io("move", &self.path_of(index), error);
        let from = index.to_string();
        let from = OsStr::new(&from);
        if rest.facts(from).map_err(io)?.is_none() {
            return Ok(());
        }
        let (dirs, name) = shape::below(self.metainfo.info(), file);
        let Some(dir) = self.dir(dirs, true)? else {
            return Ok(());
        };
        rest.rename_over(from, &dir, OsStr::new(name)).map_err(io)
    }

    /// Whether the file was among the wanted ones.
    fn put_out(&self, index: u32, file: &FileEntry) -> Result<bool, Fault> {
        let io = |error| Fault::io("move", &self.path_of(index), error);
        let (dirs, name) = shape::below(self.metainfo.info(), file);
        let Some(dir) = self.dir(dirs, false)? else {
            return Ok(false);
        };
        let name = OsStr::new(name);
        let Some(facts) = dir.facts(name).map_err(io)? else {
            return Ok(false);
        };
        let has_bytes = file.kind == FileKind::Regular && file.size > 0;
        if has_bytes && facts.kind == EntryKind::File {
            let Some(rest) = self.rest(true)? else {
                return Ok(false);
            };
            let to = index.to_string();
            dir.rename_over(name, &rest, OsStr::new(&to)).map_err(io)?;
        } else {
            // What a try to finish made: an empty file or a link.
            remove_if_there(dir.remove_file(name)).map_err(io)?;
        }
        Ok(true)
    }

    /// Removes directories that files were moved out of, and those around them, unless something is in
    /// them.
    fn remove_empty(&self, left: &BTreeSet<&str>) -> Result<(), Fault> {
        let mut all = BTreeSet::new();
        for dirs in left {
            let mut path = *dirs;
            while !path.is_empty() && all.insert(path) {
                path = path.rsplit_once('/').map_or("", |(above, _)| above);
            }
        }
        // Deeper ones come first.
        for path in all.iter().rev() {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            if let Some(dir) = self.dir(above, false)? {
                let _ = dir.remove_dir(OsStr::new(name));
            }
        }
        Ok(())
    }
}

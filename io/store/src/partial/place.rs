//! Destinations and the part directories beside them.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::PART_SUFFIX;
use super::parts::DATA;
use crate::errors::{BeginError, Fault};
use crate::sys::{Dir, EntryKind};

/// Longest name that file systems take.
const MAX_NAME_BYTES: usize = 255;

/// Makes a destination absolute and resolves links on the way to it; missing directories on the way
/// are made.
pub(crate) fn resolve_dest(dest: &Path) -> Result<PathBuf, BeginError> {
    let bad = |reason| BeginError::BadDest {
        dest: dest.to_path_buf(),
        reason,
    };
    let absolute = std::path::absolute(dest).map_err(|error| Fault::io("find", dest, error))?;
    let Some(name) = absolute.file_name() else {
        return Err(bad("it has no name"));
    };
    if name.as_encoded_bytes().len() > MAX_NAME_BYTES {
        return Err(bad("its name is longer than 255 bytes"));
    }
    let parent = absolute.parent().unwrap_or(&absolute);
    fs::create_dir_all(parent).map_err(|error| Fault::io("create", parent, error))?;
    let parent = fs::canonicalize(parent).map_err(|error| Fault::io("find", parent, error))?;
    Ok(parent.join(name))
}

/// Refuses a destination under which something stands already.
pub(crate) fn check_free(dest: &Path) -> Result<(), BeginError> {
    match fs::symlink_metadata(dest) {
        Ok(_) => Err(BeginError::DestExists {
            dest: dest.to_path_buf(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Fault::io("find", dest, error).into()),
    }
}

/// The name of a part: that of the destination, shortened if need be, and a number.
pub(crate) fn part_name(name: &std::ffi::OsStr, id: u64) -> OsString {
    let suffix = format!(".{:08x}{PART_SUFFIX}", id & 0xffff_ffff);
    let mut text = name.to_string_lossy().into_owned();
    while text.len() + suffix.len() + 1 > MAX_NAME_BYTES {
        text.pop();
    }
    OsString::from(format!(".{text}{suffix}"))
}

/// Opens the part directory of an earlier run, if it is the same one still: ours, closed to others,
/// with the same file or folder in it.
pub(crate) fn open_part(part: &Path, inode: u64) -> Option<Dir> {
    let (parent, name) = (part.parent()?, part.file_name()?);
    let dir = Dir::open(parent)
        .and_then(|parent| parent.open_child(name))
        .ok()?;
    if !dir.is_ours().unwrap_or(false) || inode == 0 {
        return None;
    }
    let data = dir.facts(std::ffi::OsStr::new(DATA)).ok()??;
    let known = matches!(data.kind, EntryKind::File | EntryKind::Dir);
    (known && data.stamp.inode == inode).then_some(dir)
}

/// Makes a part directory with an empty file or folder in it, and gives the latter's number.
pub(crate) fn make_part(part: &Path, folder: bool) -> Result<(Dir, u64), Fault> {
    let io = |error| Fault::io("create", part, error);
    let parent = part.parent().unwrap_or(part);
    let name = part.file_name().unwrap_or_default();
    let parent = Dir::open(parent).map_err(io)?;
    parent.make_child(name, true).map_err(io)?;
    let dir = parent.open_child(name).map_err(io)?;
    let data = std::ffi::OsStr::new(DATA);
    if folder {
        dir.make_child(data, false).map_err(io)?;
    } else {
        dir.create_file(data, false).map_err(io)?;
    }
    let facts = dir.facts(data).map_err(io)?;
    let inode = facts.map_or(0, |facts| facts.stamp.inode);
    dir.sync().map_err(io)?;
    parent.sync().map_err(io)?;
    Ok((dir, inode))
}

/// Removes a part directory and what is in it, if it is ours.
pub(crate) fn remove_part(part: &Path) -> Result<(), Fault> {
    let Some((parent, name)) = part.parent().zip(part.file_name()) else {
        return Ok(());
    };
    let io = |error| Fault::io("remove", part, error);
    let dir = match Dir::open(parent).and_then(|parent| parent.open_child(name)) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    if !dir.is_ours().map_err(io)? {
        return Ok(());
    }
    fs::remove_dir_all(part).map_err(io)
}

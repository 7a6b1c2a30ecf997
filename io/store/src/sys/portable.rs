//! Elsewhere: paths instead of directory handles, modification times as the only stamp. Symbolic
//! links are not made. Data is as safe against crashes, less so against other users of the machine.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::{EntryKind, Facts};
use crate::records::Stamp;

/// A directory.
#[derive(Debug)]
pub(crate) struct Dir {
    path: PathBuf,
}

impl Dir {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if !fs::metadata(path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self {
            path: path.to_path_buf(),
        })
    }

    pub(crate) fn again(&self) -> io::Result<Self> {
        Ok(Self {
            path: self.path.clone(),
        })
    }

    pub(crate) fn open_child(&self, name: &OsStr) -> io::Result<Self> {
        let path = self.path.join(name);
        if !fs::symlink_metadata(&path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { path })
    }

    pub(crate) fn make_child(&self, name: &OsStr, _private: bool) -> io::Result<()> {
        fs::create_dir(self.path.join(name))
    }

    pub(crate) fn create_file(&self, name: &OsStr, _executable: bool) -> io::Result<File> {
        File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.path.join(name))
    }

    pub(crate) fn open_file(&self, name: &OsStr, write: bool) -> io::Result<File> {
        let path = self.path.join(name);
        if !fs::symlink_metadata(&path)?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        File::options().read(true).write(write).open(path)
    }

    pub(crate) fn symlink(&self, _target: &str, _name: &OsStr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    pub(crate) fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_dir(self.path.join(name))
    }

    pub(crate) fn rename_new(&self, name: &OsStr, to: &Self, to_name: &OsStr) -> io::Result<()> {
        if to.facts(to_name)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.rename_over(name, to, to_name)
    }

    pub(crate) fn rename_over(&self, name: &OsStr, to: &Self, to_name: &OsStr) -> io::Result<()> {
        fs::rename(self.path.join(name), to.path.join(to_name))
    }

    pub(crate) fn facts(&self, name: &OsStr) -> io::Result<Option<Facts>> {
        match fs::symlink_metadata(self.path.join(name)) {
            Ok(metadata) => Ok(Some(facts_of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// There is no such call: the caller syncs each file.
    pub(crate) fn sync_file_system(&self) -> io::Result<bool> {
        Ok(false)
    }

    pub(crate) fn is_ours(&self) -> io::Result<bool> {
        Ok(true)
    }
}

pub(crate) fn same_file_system(_one: &Path, _other: &Path) -> io::Result<bool> {
    Ok(false)
}

pub(crate) fn open_source(path: &Path) -> io::Result<File> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    File::open(path)
}

pub(crate) fn facts_of(metadata: &Metadata) -> Facts {
    let kind = if metadata.is_file() {
        EntryKind::File
    } else if metadata.is_dir() {
        EntryKind::Dir
    } else if metadata.is_symlink() {
        EntryKind::Symlink
    } else {
        EntryKind::Special
    };
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = modified.unwrap_or_default();
    let stamp = Stamp {
        size: metadata.len(),
        mtime: i64::try_from(modified.as_secs()).unwrap_or(0),
        mtime_nanos: i64::from(modified.subsec_nanos()),
        ctime: 0,
        ctime_nanos: 0,
        inode: 0,
    };
    Facts {
        kind,
        stamp,
        device: 0,
        executable: false,
    }
}

/// Times of last changes are not looked into here, so that nothing is taken for unchanged.
pub(crate) fn stamps_tell_of_changes(_: &File) -> bool {
    false
}

pub(crate) fn writes_are_held_back_for() -> Option<Duration> {
    None
}

pub(crate) fn clone_file(_from: &File, _to: &File) -> bool {
    false
}

#[cfg(windows)]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buffer.is_empty() {
        let read = file.seek_read(buffer, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = buffer.get_mut(read..).unwrap_or_default();
        offset += read as u64;
    }
    Ok(())
}

/// Whether bytes are in memory can't be told here.
pub(crate) fn read_cached_vectored_at(
    _: &File,
    _: &mut [IoSliceMut<'_>],
    _: u64,
) -> io::Result<bool> {
    Ok(false)
}

/// Fills places, one after the other, with the bytes from an offset on.
pub(crate) fn read_exact_vectored_at(
    file: &File,
    places: &mut [IoSliceMut<'_>],
    mut offset: u64,
) -> io::Result<()> {
    for place in places {
        read_exact_at(file, place, offset)?;
        offset += place.len() as u64;
    }
    Ok(())
}

#[cfg(windows)]
pub(crate) fn write_all_at(file: &File, mut data: &[u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !data.is_empty() {
        let written = file.seek_write(data, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        data = data.get(written..).unwrap_or_default();
        offset += written as u64;
    }
    Ok(())
}

/// Writes parts, one after the other, from an offset on.
pub(crate) fn write_all_vectored_at(
    file: &File,
    parts: &[IoSlice<'_>],
    mut offset: u64,
) -> io::Result<()> {
    for part in parts {
        write_all_at(file, part, offset)?;
        offset += part.len() as u64;
    }
    Ok(())
}

pub(crate) fn path_to_bytes(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

pub(crate) fn bytes_to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

//! Unix: everything below a directory is reached through its handle, never through a symbolic link.

#[cfg(target_os = "linux")]
mod direct;
mod vectored;

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, OFlags};

#[cfg(target_os = "linux")]
pub(crate) use direct::Direct;
pub(crate) use vectored::{read_cached_vectored_at, read_exact_vectored_at, write_all_vectored_at};

use super::{EntryKind, Facts};
use crate::records::Stamp;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
}

impl Dir {
    /// Opens a directory that the owner named: links on the way are followed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            fd: rustix::fs::open(path, flags, Mode::empty())?,
        })
    }

    /// Another handle of this directory.
    pub(crate) fn again(&self) -> io::Result<Self> {
        Ok(Self {
            fd: self.fd.try_clone()?,
        })
    }

    /// Opens a directory in this one; a link in its place is refused.
    pub(crate) fn open_child(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self {
            fd: rustix::fs::openat(&self.fd, name, flags, Mode::empty())?,
        })
    }

    /// Makes a directory in this one. `private` ones are closed to other users.
    pub(crate) fn make_child(&self, name: &OsStr, private: bool) -> io::Result<()> {
        let mode = if private { 0o700 } else { 0o777 };
        Ok(rustix::fs::mkdirat(
            &self.fd,
            name,
            Mode::from_raw_mode(mode),
        )?)
    }

    /// Creates a file that did not exist.
    pub(crate) fn create_file(&self, name: &OsStr, executable: bool) -> io::Result<File> {
        let mode = if executable { 0o777 } else { 0o666 };
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(mode))?;
        Ok(File::from(fd))
    }

    /// Opens an existing regular file; links and special files are refused.
    pub(crate) fn open_file(&self, name: &OsStr, write: bool) -> io::Result<File> {
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.fd, name, flags, Mode::empty())?);
        regular(file)
    }

    /// Makes a symbolic link.
    pub(crate) fn symlink(&self, target: &str, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::symlinkat(target, &self.fd, name)?)
    }

    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Removes an empty directory.
    pub(crate) fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?)
    }

    /// Gives an entry its final name in one step. Fails when the name is taken.
    pub(crate) fn rename_new(&self, name: &OsStr, to: &Self, to_name: &OsStr) -> io::Result<()> {
        match rename_noreplace(&self.fd, name, &to.fd, to_name) {
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                // Some file systems can't promise it. A hard link fails on a taken name just so;
                // folders can't be linked, and a rename never replaces one that holds anything.
                match rustix::fs::linkat(&self.fd, name, &to.fd, to_name, AtFlags::empty()) {
                    Ok(()) => self.remove_file(name),
                    Err(rustix::io::Errno::EXIST) => Err(rustix::io::Errno::EXIST.into()),
                    Err(_) => {
                        if to.facts(to_name)?.is_some() {
                            return Err(io::ErrorKind::AlreadyExists.into());
                        }
                        self.rename_over(name, to, to_name)
                    }
                }
            }
            other => Ok(other?),
        }
    }

    /// Puts an entry in the place of another in one step.
    pub(crate) fn rename_over(&self, name: &OsStr, to: &Self, to_name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, name, &to.fd, to_name)?)
    }

    /// What stands under a name in this directory, if anything; links are not followed.
    pub(crate) fn facts(&self, name: &OsStr) -> io::Result<Option<Facts>> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(facts_of_stat(&stat))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the names in this directory survive a power cut.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.fd) {
            // Some file systems know no syncing of directories.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOTSUP) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Makes everything written to this file system survive a power cut. Whether there is such a
    /// call that also reports errors; if not, the caller syncs each file.
    pub(crate) fn sync_file_system(&self) -> io::Result<bool> {
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&self.fd)?;
        Ok(cfg!(target_os = "linux"))
    }

    /// Whether this directory belongs to the user that runs this process.
    pub(crate) fn is_ours(&self) -> io::Result<bool> {
        let stat = rustix::fs::fstat(&self.fd)?;
        Ok(stat.st_uid == rustix::process::geteuid().as_raw())
    }
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename_noreplace(
    from: &OwnedFd,
    name: &OsStr,
    to: &OwnedFd,
    to_name: &OsStr,
) -> rustix::io::Result<()> {
    rustix::fs::renameat_with(from, name, to, to_name, rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn rename_noreplace(_: &OwnedFd, _: &OsStr, _: &OwnedFd, _: &OsStr) -> rustix::io::Result<()> {
    Err(rustix::io::Errno::NOSYS)
}

/// Whether two paths lie on one file system, so that a rename leads from one to the other.
pub(crate) fn same_file_system(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(one)?.dev() == std::fs::metadata(other)?.dev())
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ))
    }
}

/// Opens a file of the owner for reading. The last name is not followed when it is a link, and a
/// named pipe that took the file's place does not block.
pub(crate) fn open_source(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    regular(File::options().read(true).custom_flags(flags).open(path)?)
}

/// What the file system says of an entry.
pub(crate) fn facts_of(metadata: &Metadata) -> Facts {
    let file_type = metadata.file_type();
    let kind = if file_type.is_file() {
        EntryKind::File
    } else if file_type.is_dir() {
        EntryKind::Dir
    } else if file_type.is_symlink() {
        EntryKind::Symlink
    } else {
        EntryKind::Special
    };
    let stamp = Stamp {
        size: metadata.size(),
        mtime: metadata.mtime(),
        mtime_nanos: metadata.mtime_nsec(),
        ctime: metadata.ctime(),
        ctime_nanos: metadata.ctime_nsec(),
        inode: metadata.ino(),
    };
    Facts {
        kind,
        stamp,
        device: metadata.dev(),
        executable: metadata.mode() & 0o100 != 0,
    }
}

// The widths of these fields differ from one system to the next.
#[allow(
    clippy::unnecessary_cast,
    clippy::cast_possible_truncation,
    clippy::useless_conversion
)]
fn facts_of_stat(stat: &rustix::fs::Stat) -> Facts {
    let mode = stat.st_mode as u32;
    let kind = match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
        rustix::fs::FileType::RegularFile => EntryKind::File,
        rustix::fs::FileType::Directory => EntryKind::Dir,
        rustix::fs::FileType::Symlink => EntryKind::Symlink,
        _ => EntryKind::Special,
    };
    let stamp = Stamp {
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime: stat.st_mtime as i64,
        mtime_nanos: stat.st_mtime_nsec as i64,
        ctime: stat.st_ctime as i64,
        ctime_nanos: stat.st_ctime_nsec as i64,
        inode: stat.st_ino as u64,
    };
    Facts {
        kind,
        stamp,
        device: stat.st_dev as u64,
        executable: mode & 0o100 != 0,
    }
}

/// Whether the times of a file tell of every change before its bytes can be read, also of those made
/// through a shared mapping.
#[cfg(target_os = "linux")]
pub(crate) fn stamps_tell_of_changes(file: &File) -> bool {
    const EXT4: u64 = 0xef53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683e;
    const F2FS: u64 = 0xf2f5_2010;
    file_system_kind(file).is_some_and(|kind| matches!(kind, EXT4 | XFS | BTRFS | F2FS))
}

/// The number that stands for a kind of file system (`statfs(2)`).
#[cfg(target_os = "linux")]
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)] // differs from one processor to the next
fn file_system_kind(file: &File) -> Option<u64> {
    let stat = rustix::fs::fstatfs(file).ok()?;
    Some(stat.f_type as u64 & 0xffff_ffff)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn stamps_tell_of_changes(_: &File) -> bool {
    false
}

/// How long a page that was written may stay in memory, and take more writes through a mapping.
pub(crate) fn writes_are_held_back_for() -> Option<Duration> {
    let hundredths = |name| {
        let text = std::fs::read_to_string(Path::new("/proc/sys/vm").join(name)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let expire = hundredths("dirty_expire_centisecs")?;
    let interval = hundredths("dirty_writeback_centisecs")?;
    if interval == 0 {
        // Nothing is written back for its age.
        return Some(Duration::MAX);
    }
    Some(Duration::from_millis(
        expire.saturating_add(interval).saturating_mul(10),
    ))
}

/// Makes `to` share the blocks of `from`, where the file system can. Whether it did.
pub(crate) fn clone_file(from: &File, to: &File) -> bool {
    #[cfg(target_os = "linux")]
    return rustix::fs::ioctl_ficlone(to, from).is_ok();
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (from, to);
        false
    }
}

pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(buffer, offset)
}

pub(crate) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(buffer, offset)
}

pub(crate) fn write_all_at(file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(data, offset)
}

pub(crate) fn path_to_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

pub(crate) fn bytes_to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

//! Writing to the disk past the system's page cache.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{FallocateFlags, Mode, OFlags};

/// A second way into an open file, whose writes go from the caller's memory to the disk. Memory,
/// offsets and lengths have to be multiples of [`ALIGNMENT`](crate::sys::ALIGNMENT) (`open(2)`,
/// `O_DIRECT`).
#[derive(Debug)]
pub(crate) struct Direct {
    file: File,
}

impl Direct {
    /// `None` where the file system is not one that is known to do it well.
    pub(crate) fn of(file: &File) -> Option<Self> {
        const EXT4: u64 = 0xef53;
        const XFS: u64 = 0x5846_5342;
        if !matches!(super::file_system_kind(file)?, EXT4 | XFS) {
            return None;
        }
        // Through the handle, not the name: that may be another file by now.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
        Some(Self {
            file: File::from(file),
        })
    }

    /// Sets room on the disk aside. Writes there need not take turns then.
    pub(crate) fn reserve(&self, range: Range<u64>) -> io::Result<()> {
        let length = range.end.saturating_sub(range.start);
        let flags = FallocateFlags::empty();
        Ok(rustix::fs::fallocate(
            &self.file,
            flags,
            range.start,
            length,
        )?)
    }

    pub(crate) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }
}

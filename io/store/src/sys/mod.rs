//! What differs between operating systems: directory handles, links, stamps, syncing.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::{
    Dir, bytes_to_path, clone_file, facts_of, open_source, path_to_bytes, read_at,
    read_cached_vectored_at, read_exact_at, read_exact_vectored_at, same_file_system,
    stamps_tell_of_changes, write_all_at, write_all_vectored_at, writes_are_held_back_for,
};

#[cfg(not(unix))]
mod portable;
#[cfg(not(unix))]
pub(crate) use portable::{
    Dir, bytes_to_path, clone_file, facts_of, open_source, path_to_bytes, read_at,
    read_cached_vectored_at, read_exact_at, read_exact_vectored_at, same_file_system,
    stamps_tell_of_changes, write_all_at, write_all_vectored_at, writes_are_held_back_for,
};

#[cfg(not(target_os = "linux"))]
mod no_direct;
#[cfg(not(target_os = "linux"))]
pub(crate) use no_direct::Direct;
#[cfg(target_os = "linux")]
pub(crate) use unix::Direct;

use crate::records::Stamp;

/// What memory, offsets and lengths of direct writes are multiples of: no disk asks for more.
pub(crate) const ALIGNMENT: usize = 4096;

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    File,
    Dir,
    Symlink,
    Special,
}

/// What the file system says of an entry, links not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) kind: EntryKind,
    pub(crate) stamp: Stamp,
    /// The number of the file system, as long as it is mounted.
    pub(crate) device: u64,
    pub(crate) executable: bool,
}

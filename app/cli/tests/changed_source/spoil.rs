//! Ways in which a shared file stops being what it was.

use std::fs::{self, File, FileTimes};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

/// What somebody does to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoil {
    /// One byte in the middle of it.
    Edit,
    /// The same, and the time of the last change is set back.
    EditWithOldTime,
    /// The last byte only.
    EditEnd,
    Truncate,
    TruncateToNothing,
    Append,
    /// Another file of the same size takes its place.
    Replace,
    /// The same, with the old file's time.
    ReplaceWithOldTime,
    Delete,
    /// A folder takes its place.
    BecomeFolder,
    /// A link to another file of the same size takes its place.
    BecomeLink,
}

impl Spoil {
    pub(crate) const ALL: [Self; 11] = [
        Self::Edit,
        Self::EditWithOldTime,
        Self::EditEnd,
        Self::Truncate,
        Self::TruncateToNothing,
        Self::Append,
        Self::Replace,
        Self::ReplaceWithOldTime,
        Self::Delete,
        Self::BecomeFolder,
        Self::BecomeLink,
    ];

    /// The word by which the owner is told.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Delete => "missing",
            _ => "changed",
        }
    }

    /// Does it.
    pub(crate) fn apply(self, file: &Path) {
        let before = fs::metadata(file).unwrap();
        let size = before.len();
        let old_time = FileTimes::new().set_modified(before.modified().unwrap());
        let other = file.with_extension("other");
        match self {
            Self::Edit => flip(file, size / 2),
            Self::EditEnd => flip(file, size - 1),
            Self::EditWithOldTime => {
                flip(file, size / 2);
                open(file).set_times(old_time).unwrap();
            }
            Self::Truncate => open(file).set_len(size / 3).unwrap(),
            Self::TruncateToNothing => open(file).set_len(0).unwrap(),
            Self::Append => {
                let mut open = open(file);
                open.seek(SeekFrom::End(0)).unwrap();
                open.write_all(b"and more").unwrap();
            }
            Self::Replace => {
                crate::support::write_file(&other, size, 99);
                fs::rename(&other, file).unwrap();
            }
            Self::ReplaceWithOldTime => {
                crate::support::write_file(&other, size, 99);
                open(&other).set_times(old_time).unwrap();
                fs::rename(&other, file).unwrap();
            }
            Self::Delete => fs::remove_file(file).unwrap(),
            Self::BecomeFolder => {
                fs::remove_file(file).unwrap();
                fs::create_dir(file).unwrap();
            }
            Self::BecomeLink => {
                crate::support::write_file(&other, size, 99);
                fs::remove_file(file).unwrap();
                symlink(&other, file).unwrap();
            }
        }
    }
}

fn open(file: &Path) -> File {
    File::options().read(true).write(true).open(file).unwrap()
}

fn flip(file: &Path, at: u64) {
    use std::os::unix::fs::FileExt;
    let open = open(file);
    let mut byte = [0];
    open.read_exact_at(&mut byte, at).unwrap();
    open.write_all_at(&[!byte[0]], at).unwrap();
}

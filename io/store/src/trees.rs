//! Hash trees on disk: small ones in the database, others one file each.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use potluck_content::Hash;
use potluck_content::tree::{Geometry, PARENT_BYTES, Parent, ParentSource};

use crate::errors::Fault;
use crate::open::Inner;
use crate::records::{MAX_INLINE_TREE, TreePlace};
use crate::sys::{self, Dir};
use crate::types::PlacedParent;

/// Bytes of a tree that are read or written at once.
const WINDOW: u64 = 16 * 1024;

impl Inner {
    pub(crate) fn tree_path(&self, hash: &Hash) -> PathBuf {
        fan_out(&self.dir, "trees", hash, ".obao")
    }

    pub(crate) fn blob_path(&self, hash: &Hash) -> PathBuf {
        fan_out(&self.dir, "blobs", hash, "")
    }

    /// Moves a finished temporary file to its place in the data directory, replacing what is there. Its
    /// bytes and its name survive a power cut when `sync`; otherwise the caller sees to that.
    pub(crate) fn put_in_place(
        &self,
        temporary: &Path,
        path: &Path,
        sync: bool,
    ) -> Result<(), Fault> {
        if sync {
            sync_file(temporary)?;
        }
        let parent = path.parent().unwrap_or(&self.dir);
        let mut made = false;
        if let Err(error) = fs::rename(temporary, path) {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(Fault::io("create", path, error));
            }
            fs::create_dir_all(parent).map_err(|error| Fault::io("create", parent, error))?;
            fs::rename(temporary, path).map_err(|error| Fault::io("create", path, error))?;
            made = true;
        }
        if sync {
            sync_dir(parent)?;
            if let Some(above) = parent.parent().filter(|_| made) {
                sync_dir(above)?;
            }
        }
        Ok(())
    }
}

fn fan_out(dir: &Path, kind: &str, hash: &Hash, suffix: &str) -> PathBuf {
    let hex = hash.to_string();
    dir.join(kind)
        .join(hex.get(..2).unwrap_or_default())
        .join(format!("{hex}{suffix}"))
}

/// A tree that is being built.
#[derive(Debug)]
pub(crate) enum NewTree {
    None,
    Inline(Vec<u8>),
    File(OutboardFile),
}

impl NewTree {
    /// Room for the tree of a blob with this geometry.
    pub(crate) fn create(inner: &Inner, geometry: Geometry) -> Result<Self, Fault> {
        let length = geometry.outboard_len();
        match usize::try_from(length) {
            Ok(0) => Ok(Self::None),
            Ok(length) if length <= MAX_INLINE_TREE => Ok(Self::Inline(vec![0; length])),
            _ => Ok(Self::File(OutboardFile::create(inner.temporary(), length)?)),
        }
    }

    /// Adds parents as [`potluck_content::tree::TreeBuilder`] gives them: children before parents.
    pub(crate) fn add(&mut self, parents: &[PlacedParent]) -> Result<(), Fault> {
        for (offset, parent) in parents {
            match self {
                Self::None => {}
                Self::Inline(tree) => {
                    let place = usize::try_from(*offset).ok();
                    let place = place.and_then(|at| tree.get_mut(at..at + PARENT_BYTES));
                    if let Some(place) = place {
                        place.copy_from_slice(parent);
                    }
                }
                Self::File(file) => file.add(*offset, parent)?,
            }
        }
        Ok(())
    }

    /// Ends building: what waits in memory is written, and no file stays open.
    pub(crate) fn seal(&mut self) -> Result<(), Fault> {
        match self {
            Self::File(file) => file.seal(),
            Self::None | Self::Inline(_) => Ok(()),
        }
    }

    /// Whether the tree that is kept of a blob is this one.
    pub(crate) fn is_as(&self, inner: &Inner, hash: &Hash, kept: &TreePlace) -> bool {
        match (self, kept) {
            (Self::None, TreePlace::None) => true,
            (Self::Inline(tree), TreePlace::Inline(kept)) => tree == kept,
            (Self::File(file), TreePlace::File) => same_bytes(&file.path, &inner.tree_path(hash)),
            _ => false,
        }
    }

    /// Puts the tree in its place. A tree file is synced when `sync`; otherwise the caller does it.
    pub(crate) fn keep(self, inner: &Inner, hash: &Hash, sync: bool) -> Result<TreePlace, Fault> {
        match self {
            Self::None => Ok(TreePlace::None),
            Self::Inline(tree) => Ok(TreePlace::Inline(tree)),
            Self::File(mut file) => {
                file.seal()?;
                inner.put_in_place(&file.path, &inner.tree_path(hash), sync)?;
                file.kept = true;
                Ok(TreePlace::File)
            }
        }
    }
}

/// Writes an outboard as its parents become known, without holding it in memory.
///
/// Most parents come close together; they gather in a window that is written at once. Those high up
/// in the tree come late, lie before the window, and are written alone.
#[derive(Debug)]
pub(crate) struct OutboardFile {
    path: PathBuf,
    /// Open as long as the tree is being built.
    file: Option<File>,
    length: u64,
    start: u64,
    window: Vec<u8>,
    kept: bool,
}

impl OutboardFile {
    fn create(path: PathBuf, length: u64) -> Result<Self, Fault> {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path);
        let file = file.map_err(|error| Fault::io("create", &path, error))?;
        Ok(Self {
            path,
            file: Some(file),
            length,
            start: 0,
            window: Vec::new(),
            kept: false,
        })
    }

    fn add(&mut self, offset: u64, parent: &Parent) -> Result<(), Fault> {
        if offset < self.start {
            return self.write(parent, offset);
        }
        if offset - self.start >= WINDOW {
            self.flush()?;
            self.start = offset;
        }
        let at = usize::try_from(offset - self.start).unwrap_or(0);
        if self.window.len() < at + PARENT_BYTES {
            self.window.resize(at + PARENT_BYTES, 0);
        }
        if let Some(place) = self.window.get_mut(at..at + PARENT_BYTES) {
            place.copy_from_slice(parent);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        let window = std::mem::take(&mut self.window);
        self.write(&window, self.start)?;
        self.window = window;
        self.window.clear();
        Ok(())
    }

    fn seal(&mut self) -> Result<(), Fault> {
        self.flush()?;
        self.window = Vec::new();
        self.file = None;
        Ok(())
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<(), Fault> {
        debug_assert!(offset + bytes.len() as u64 <= self.length);
        let Some(file) = &self.file else {
            return Ok(());
        };
        sys::write_all_at(file, bytes, offset)
            .map_err(|error| Fault::io("write", &self.path, error))
    }
}

impl Drop for OutboardFile {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the bytes of a file survive a power cut.
pub(crate) fn sync_file(path: &Path) -> Result<(), Fault> {
    let file = File::options().write(true).open(path);
    file.and_then(|file| file.sync_data())
        .map_err(|error| Fault::io("sync", path, error))
}

/// Makes the names in a directory survive a power cut.
pub(crate) fn sync_dir(path: &Path) -> Result<(), Fault> {
    let dir = Dir::open(path);
    dir.and_then(|dir| dir.sync())
        .map_err(|error| Fault::io("sync", path, error))
}

/// Whether two files hold the same bytes; one that can't be read does not.
fn same_bytes(one: &Path, other: &Path) -> bool {
    let same = || -> io::Result<bool> {
        let (one, other) = (File::open(one)?, File::open(other)?);
        if one.metadata()?.len() != other.metadata()?.len() {
            return Ok(false);
        }
        let (mut left, mut right, mut offset) = (Vec::new(), Vec::new(), 0);
        loop {
            read_up_to(&one, &mut left, offset)?;
            read_up_to(&other, &mut right, offset)?;
            if left != right {
                return Ok(false);
            }
            if left.is_empty() {
                return Ok(true);
            }
            offset += left.len() as u64;
        }
    };
    same().unwrap_or(false)
}

/// A tree that can be read.
#[derive(Debug)]
pub(crate) enum Tree {
    None,
    Inline(Vec<u8>),
    File(File),
}

impl Tree {
    /// A reader of this tree for one proof.
    pub(crate) fn reader(&self) -> TreeReader<'_> {
        match self {
            Self::None => TreeReader::Memory(&[]),
            Self::Inline(tree) => TreeReader::Memory(tree),
            Self::File(file) => TreeReader::file(file, 0),
        }
    }
}

/// Reads parents for one proof; those of a file come in windows.
#[derive(Debug)]
pub(crate) enum TreeReader<'a> {
    Memory(&'a [u8]),
    File {
        file: &'a File,
        base: u64,
        window: RefCell<(u64, Vec<u8>)>,
    },
}

impl<'a> TreeReader<'a> {
    /// Reads a tree that begins at `base` of a file.
    pub(crate) fn file(file: &'a File, base: u64) -> Self {
        Self::File {
            file,
            base,
            window: RefCell::new((0, Vec::new())),
        }
    }
}

impl ParentSource for TreeReader<'_> {
    type Error = io::Error;

    fn parent(&self, offset: u64) -> io::Result<Parent> {
        match self {
            Self::Memory(tree) => tree
                .parent(offset)
                .map_err(|error| io::Error::new(io::ErrorKind::UnexpectedEof, error)),
            Self::File { file, base, window } => {
                let mut window = window.borrow_mut();
                let (start, bytes) = &mut *window;
                if let Some(parent) = parent_in(*start, bytes, offset) {
                    return Ok(parent);
                }
                *start = offset;
                read_up_to(file, bytes, base + offset)?;
                parent_in(*start, bytes, offset).ok_or(io::ErrorKind::UnexpectedEof.into())
            }
        }
    }
}

fn parent_in(start: u64, bytes: &[u8], offset: u64) -> Option<Parent> {
    let at = usize::try_from(offset.checked_sub(start)?).ok()?;
    bytes.get(at..)?.first_chunk().copied()
}

/// Fills the window from `offset` of a file, less at its end.
fn read_up_to(file: &File, bytes: &mut Vec<u8>, offset: u64) -> io::Result<()> {
    bytes.resize(usize::try_from(WINDOW).unwrap_or(0), 0);
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match sys::read_at(file, rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(())
}

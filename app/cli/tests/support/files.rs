//! Deterministic files and the comparison of trees.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// An endless stream of bytes that depends on the seed alone (SplitMix64).
pub struct Bytes {
    state: u64,
}

impl Bytes {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D,
        }
    }

    /// Fills the buffer with what comes next. Only buffers of whole multiples of 8 bytes continue
    /// the stream exactly.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = self.state;
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            word ^= word >> 31;
            let len = chunk.len();
            chunk.copy_from_slice(&word.to_le_bytes()[..len]);
        }
    }
}

/// Writes a file of `size` bytes of the stream of `seed`; makes the folders above it.
pub fn write_file(path: &Path, size: u64, seed: u64) {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).unwrap();
    }
    let mut file = File::create(path).unwrap();
    let mut bytes = Bytes::new(seed);
    let mut buffer = vec![0_u8; 1 << 20];
    let mut left = size;
    while left > 0 {
        let len = usize::try_from(left.min(buffer.len() as u64)).unwrap();
        bytes.fill(&mut buffer[..len]);
        file.write_all(&buffer[..len]).unwrap();
        left -= len as u64;
    }
}

/// Writes a folder of files of these sizes, each with bytes of its own. A name that ends in `/` is
/// an empty folder, one that ends in `*` an executable file (without the star).
pub fn write_tree(root: &Path, entries: &[(&str, u64)], seed: u64) {
    fs::create_dir_all(root).unwrap();
    for (index, (name, size)) in entries.iter().enumerate() {
        if let Some(folder) = name.strip_suffix('/') {
            fs::create_dir_all(root.join(folder)).unwrap();
            continue;
        }
        let path = root.join(name.strip_suffix('*').unwrap_or(name));
        write_file(
            &path,
            *size,
            seed.wrapping_mul(1_000_003).wrapping_add(index as u64),
        );
        if name.ends_with('*') {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Folder,
    File { size: u64, executable: bool },
    Symlink { target: PathBuf },
    Other,
}

/// Compares names, kinds, executable bits, symlink targets and every byte of two files or folders.
pub fn compare_trees(left: &Path, right: &Path) -> Result<(), String> {
    let (a, b) = (list(left), list(right));
    for path in a.keys().chain(b.keys()) {
        match (a.get(path), b.get(path)) {
            (Some(x), Some(y)) if x == y => {}
            (x, y) => return Err(format!("{}: {x:?} and {y:?}", path.display())),
        }
    }
    for (path, entry) in &a {
        if let Entry::File { .. } = entry {
            let (x, y) = if path.as_os_str().is_empty() {
                (left.to_owned(), right.to_owned())
            } else {
                (left.join(path), right.join(path))
            };
            compare_files(&x, &y)?;
        }
    }
    Ok(())
}

/// Fails the test unless [`compare_trees`] finds both the same.
pub fn assert_same_tree(left: &Path, right: &Path) {
    if let Err(difference) = compare_trees(left, right) {
        panic!(
            "{} and {} differ: {difference}",
            left.display(),
            right.display()
        );
    }
}

fn list(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut found = BTreeMap::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(relative) = todo.pop() {
        let path = if relative.as_os_str().is_empty() {
            root.to_owned()
        } else {
            root.join(&relative)
        };
        let meta = fs::symlink_metadata(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let entry = if meta.is_dir() {
            for child in fs::read_dir(&path).unwrap() {
                todo.push(relative.join(child.unwrap().file_name()));
            }
            Entry::Folder
        } else if meta.is_file() {
            Entry::File {
                size: meta.len(),
                executable: meta.permissions().mode() & 0o100 != 0,
            }
        } else if meta.is_symlink() {
            Entry::Symlink {
                target: fs::read_link(&path).unwrap(),
            }
        } else {
            Entry::Other
        };
        found.insert(relative, entry);
    }
    found
}

fn compare_files(left: &Path, right: &Path) -> Result<(), String> {
    const CHUNK: usize = 1 << 20;
    let mut a = BufReader::with_capacity(CHUNK, File::open(left).unwrap());
    let mut b = BufReader::with_capacity(CHUNK, File::open(right).unwrap());
    let (mut x, mut y) = (Vec::new(), Vec::new());
    let mut at = 0;
    loop {
        x.clear();
        y.clear();
        a.by_ref().take(CHUNK as u64).read_to_end(&mut x).unwrap();
        b.by_ref().take(CHUNK as u64).read_to_end(&mut y).unwrap();
        if x != y {
            let first = x
                .iter()
                .zip(&y)
                .position(|(p, q)| p != q)
                .unwrap_or(x.len().min(y.len()));
            return Err(format!(
                "{}: differs at byte {}",
                right.display(),
                at + first
            ));
        }
        if x.is_empty() {
            return Ok(());
        }
        at += x.len();
    }
}

/// The address that a link names.
pub fn cid(link: &str) -> String {
    let rest = link.strip_prefix("potluck:").unwrap();
    rest.split('?').next().unwrap().to_owned()
}

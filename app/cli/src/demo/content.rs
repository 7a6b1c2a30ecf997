//! The folder that is shared: many sizes, nested, awkward names, the same at every run.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Folders in which small and middle files are spread.
const SHELVES: [&str; 6] = [
    "letters/2024",
    "letters/2025/spring",
    "Grüße aus Köln",
    "наука/данные",
    "音楽/アルバム",
    "src",
];

/// A folder that was written.
pub(super) struct Made {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Writes files of together at least `bytes` below `root`.
pub(super) fn make(root: &Path, bytes: u64) -> io::Result<Made> {
    let mut writer = Writer {
        root,
        random: Random(0x706F_746C_7563_6B21),
        files: 0,
        bytes: 0,
    };
    edge_cases(&mut writer)?;
    // Of the small sizes fewer when the whole is small.
    for index in 0..(bytes / MIB * 10).min(300) {
        let size = 100 + writer.random.below(48 * KIB);
        let shelf = SHELVES[usize::try_from(index).unwrap_or(0) % SHELVES.len()];
        writer.file(&format!("{shelf}/note {index:03}.txt"), size)?;
    }
    for index in 0..(bytes / MIB / 5).min(48) {
        let size = 64 * KIB + writer.random.below(1_500 * KIB);
        let shelf = SHELVES[usize::try_from(index).unwrap_or(0) % SHELVES.len()];
        writer.file(&format!("{shelf}/picture {index:02}.jpg"), size)?;
    }
    let mut films = 0;
    while writer.bytes < bytes {
        let large = [64 * MIB, 24 * MIB, 9 * MIB, 3 * MIB + 1][films % 4];
        writer.file(
            &format!("films/film {films:02}.mkv"),
            large.min(bytes - writer.bytes),
        )?;
        films += 1;
    }
    Ok(Made {
        files: writer.files,
        bytes: writer.bytes,
    })
}

fn edge_cases(writer: &mut Writer<'_>) -> io::Result<()> {
    writer.file("edges/empty", 0)?;
    writer.file("edges/one byte", 1)?;
    writer.file("edges/a group less one", 16 * KIB - 1)?;
    writer.file("edges/a group", 16 * KIB)?;
    writer.file("edges/a group and one", 16 * KIB + 1)?;
    writer.file(
        &format!("edges/{}.txt", "a very long name ".repeat(12).trim()),
        300,
    )?;
    writer.file("a/b/c/d/e/f/g/deep.bin", 5_000)?;
    writer.file("tools/run.sh", 700)?;
    let tool = writer.root.join("tools/run.sh");
    fs::set_permissions(tool, fs::Permissions::from_mode(0o755))?;
    fs::create_dir_all(writer.root.join("nothing here yet"))?;
    fs::create_dir_all(writer.root.join("shelves/empty too"))
}

struct Writer<'a> {
    root: &'a Path,
    random: Random,
    files: u64,
    bytes: u64,
}

impl Writer<'_> {
    fn file(&mut self, name: &str, size: u64) -> io::Result<()> {
        let path = self.root.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create(path)?;
        let mut buffer = vec![0; usize::try_from(size.min(MIB)).unwrap_or(0)];
        let mut left = size;
        while left > 0 {
            let part = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            self.random.fill(&mut buffer[..part]);
            file.write_all(&buffer[..part])?;
            left -= part as u64;
        }
        self.files += 1;
        self.bytes += size;
        Ok(())
    }
}

/// SplitMix64: fast, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::make;
    use crate::demo::compare::compare;

    #[test]
    fn the_folder_is_large_enough_and_the_same_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let made = make(&one, 9 << 20).unwrap();
        assert!(made.bytes >= 9 << 20 && made.files > 50);
        make(&two, 9 << 20).unwrap();
        assert_eq!(compare(&one, &two).unwrap().bytes, made.bytes);

        std::fs::write(two.join("edges/one byte"), b"x").unwrap();
        assert!(compare(&one, &two).unwrap_err().contains("one byte"));
    }
}

//! The file that is moved, and the check that it arrived.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// Random bytes, so that nothing on the way gains by compressing; kept for the next time.
pub(super) fn make(path: &Path, bytes: u64) -> Result<()> {
    if path.metadata().is_ok_and(|found| found.len() == bytes) {
        return Ok(());
    }
    println!("writing {} MiB of random bytes", bytes >> 20);
    let folder = path.parent().context("a payload without a folder")?;
    std::fs::create_dir_all(folder).context("cannot make the payload folder")?;
    let mut random = File::open("/dev/urandom")
        .context("no source of random bytes")?
        .take(bytes);
    let mut file =
        File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    std::io::copy(&mut random, &mut file).context("cannot write the payload")?;
    file.flush().context("cannot write the payload")
}

/// Whether two files hold the same.
pub(super) fn same_bytes(left: &Path, right: &Path) -> Result<bool> {
    let open = |path: &Path| -> Result<_> {
        File::open(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let (left, right) = (open(left)?, open(right)?);
    if left.metadata()?.len() != right.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (BufReader::new(left), BufReader::new(right));
    let (mut a, mut b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let count = left.read(&mut a).context("cannot read the payload")?;
        if count == 0 {
            return Ok(true);
        }
        right
            .read_exact(&mut b[..count])
            .context("cannot read the received file")?;
        if a[..count] != b[..count] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_compared() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let a = write("a", &[7; 3_000_000]);
        let mut other = vec![7; 3_000_000];
        assert!(same_bytes(&a, &write("b", &other)).unwrap());
        other[2_999_999] = 8;
        assert!(!same_bytes(&a, &write("c", &other)).unwrap());
        assert!(!same_bytes(&a, &write("d", &other[1..])).unwrap());
    }
}

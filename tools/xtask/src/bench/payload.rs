//! The file that is moved, and the check that it arrived.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};

use super::options::Bench;

/// How long a file must have been left alone before it is shared: a node takes one that changed within
/// the last minute for one that may still change, and reads it again when it serves it.
const SETTLED: Duration = Duration::from_secs(65);

/// A settled file of this many MiB.
pub(super) fn settled(bench: &Bench, mib: u64) -> Result<PathBuf> {
    let path = bench.payloads.join(format!("payload-{mib}m.bin"));
    make(&path, mib << 20)?;
    settle(&path)?;
    Ok(path)
}

/// Waits until a file or folder has been left alone for long enough.
pub(super) fn settle(path: &Path) -> Result<()> {
    let changed = path.metadata().and_then(|found| found.modified());
    let changed = changed.with_context(|| format!("cannot look at {}", path.display()))?;
    let age = SystemTime::now()
        .duration_since(changed)
        .unwrap_or_default();
    if let Some(left) = SETTLED.checked_sub(age) {
        println!("waiting {} s for the new payload to settle", left.as_secs());
        std::thread::sleep(left);
    }
    Ok(())
}

/// An error if a received file differs.
pub(super) fn check(payload: &Path, received: &Path) -> Result<()> {
    ensure!(
        same_bytes(payload, received)?,
        "the received file differs: {}",
        received.display()
    );
    Ok(())
}

/// Random bytes, so that nothing on the way gains by compressing; kept for the next time.
fn make(path: &Path, bytes: u64) -> Result<()> {
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
pub(crate) fn same_bytes(left: &Path, right: &Path) -> Result<bool> {
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

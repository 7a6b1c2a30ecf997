//! Spans that are served without being hashed again, and changes that must be noticed all the same.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(unsafe_code, reason = "a mapping is what these tests are about")]

mod common;

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::*;
use memmap2::MmapMut;
use potluck_content::Hash;
use potluck_store::{ReadError, SpanBuf, Store, StoreOptions, What};
use tempfile::{TempDir, tempdir};

const GROUP: usize = 16 * 1024;
const SIZE: usize = 100 * GROUP + 5;

fn trusting(trust_after: Option<Duration>) -> (TempDir, Store, PathBuf) {
    let dir = tempdir().unwrap();
    let options = StoreOptions {
        trust_after,
        ..StoreOptions::default()
    };
    let store = Store::open(&dir.path().join("data"), options).unwrap();
    let path = fs::canonicalize(dir.path()).unwrap().join("file");
    put(&path, &bytes(1, SIZE));
    (dir, store, path)
}

fn mapped(path: &Path) -> MmapMut {
    let file = File::options().read(true).write(true).open(path).unwrap();
    // SAFETY: nobody cuts the file.
    unsafe { MmapMut::map_mut(&file).unwrap() }
}

/// Whether the store looks at the stamps of this file system at all.
fn has_prompt_stamps(path: &Path) -> bool {
    let kind = rustix::fs::fstatfs(File::open(path).unwrap())
        .unwrap()
        .f_type;
    [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010].contains(&(kind as u64 & 0xffff_ffff))
}

/// Reads one group; what comes must be what was shared.
fn read(store: &Store, hash: &Hash, group: usize) -> Result<bool, ReadError> {
    let mut buffer = SpanBuf::new();
    let end = ((group + 1) * GROUP).min(SIZE);
    store.read_span(hash, group as u64..group as u64 + 1, &mut buffer)?;
    Ok(buffer.data() == &bytes(1, SIZE)[group * GROUP..end])
}

/// A page that is dirty takes writes that leave no mark.
#[test]
fn mapped_writes_to_a_young_file_are_noticed() {
    let (_dir, store, path) = trusting(None);
    let mut map = mapped(&path);
    let at = 7 * GROUP;
    map[at] = bytes(1, SIZE)[at];
    let hash = share(&store, &path).root.address.hash;
    for _ in 0..3 {
        read_all(&store, &hash, SIZE as u64, 16).unwrap();
    }
    map[at] ^= 1;
    assert!(read(&store, &hash, 6).unwrap());
    assert!(matches!(
        read(&store, &hash, 7),
        Err(ReadError::Changed { .. })
    ));
}

/// The same where the owner of the store says that files need not be old: nothing is hashed again, until
/// there is a doubt, or a verification.
#[test]
fn what_was_found_right_is_not_hashed_again_until_in_doubt() {
    for verify in [false, true] {
        let (_dir, store, path) = trusting(Some(Duration::ZERO));
        let mut map = mapped(&path);
        let at = 7 * GROUP;
        map[at] = bytes(1, SIZE)[at];
        let before = fs::metadata(&path).unwrap();
        let hash = share(&store, &path).root.address.hash;
        read_all(&store, &hash, SIZE as u64, 16).unwrap();
        map[at] ^= 1;
        let served = read(&store, &hash, 7);
        let after = fs::metadata(&path).unwrap();
        let unmarked = (before.mtime_nsec(), before.ctime_nsec(), before.ctime())
            == (after.mtime_nsec(), after.ctime_nsec(), after.ctime());
        if has_prompt_stamps(&path) && unmarked {
            assert!(matches!(served, Ok(false)));
        } else {
            assert!(served.is_err());
            continue;
        }
        if verify {
            let address = store.roots().unwrap()[0].address;
            let report = store
                .verify(&address, 1, &mut |_| ControlFlow::Continue(()))
                .unwrap();
            assert_eq!(report.problem_count, 1);
        } else {
            store.doubt(&hash);
        }
        assert!(matches!(
            read(&store, &hash, 7),
            Err(ReadError::Changed { .. })
        ));
    }
}

fn keep_times(path: &Path, change: impl FnOnce()) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    change();
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(modified).unwrap();
}

#[test]
fn every_change_of_a_trusted_file_is_noticed() {
    type Change = (&'static str, fn(&Path), What);
    let changes: [Change; 6] = [
        (
            "one byte, time put back",
            |path| {
                keep_times(path, || {
                    let file = File::options().write(true).open(path).unwrap();
                    file.write_all_at(&[0xff, 0xfe], 7 * GROUP as u64).unwrap();
                });
            },
            What::Changed,
        ),
        (
            "replaced, time put back",
            |path| {
                let new = path.with_extension("new");
                keep_times(path, || {
                    put(&new, &bytes(2, SIZE));
                    fs::rename(&new, path).unwrap();
                });
            },
            What::Changed,
        ),
        (
            "cut and grown again",
            |path| {
                let file = File::options().write(true).open(path).unwrap();
                file.set_len(GROUP as u64).unwrap();
                file.set_len(SIZE as u64).unwrap();
            },
            What::Changed,
        ),
        (
            "mapped and written",
            |path| mapped(path)[7 * GROUP] ^= 1,
            What::Changed,
        ),
        (
            "a hole",
            |path| {
                let file = File::options().write(true).open(path).unwrap();
                let flags =
                    rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
                let (from, length) = (7 * GROUP as u64, GROUP as u64);
                if rustix::fs::fallocate(&file, flags, from, length).is_err() {
                    file.write_all_at(&vec![0; GROUP], from).unwrap();
                }
            },
            What::Changed,
        ),
        ("gone", |path| fs::remove_file(path).unwrap(), What::Missing),
    ];
    for (name, change, expected) in changes {
        for served_before in [false, true] {
            let (_dir, store, path) = trusting(Some(Duration::ZERO));
            let hash = share(&store, &path).root.address.hash;
            if served_before {
                read_all(&store, &hash, SIZE as u64, 16).unwrap();
            }
            change(&path);
            match read(&store, &hash, 7) {
                Err(ReadError::Changed { what, .. }) => assert_eq!(what, expected, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

/// Whatever is served while someone edits the file is right.
#[test]
fn a_race_with_a_writer_never_serves_wrong_bytes() {
    let (_dir, store, path) = trusting(Some(Duration::from_millis(40)));
    let hash = share(&store, &path).root.address.hash;
    let whole = bytes(1, SIZE);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = File::options().write(true).open(&path).unwrap();
            let at = 50 * GROUP;
            for _ in 0..25 {
                // Long enough for the reader to find everything right, and to rely on it.
                let until = Instant::now() + Duration::from_millis(60);
                while Instant::now() < until {
                    std::thread::yield_now();
                }
                file.write_all_at(&vec![0; GROUP], at as u64).unwrap();
                file.write_all_at(&whole[at..at + GROUP], at as u64)
                    .unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut buffer = SpanBuf::new();
        let mut served = 0;
        while !done.load(Ordering::Relaxed) {
            if store.read_span(&hash, 48..52, &mut buffer).is_ok() {
                assert!(buffer.data() == &whole[48 * GROUP..52 * GROUP]);
                served += 1;
            }
        }
        assert!(served > 0);
    });
}

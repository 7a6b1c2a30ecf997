//! Files that change under the store, and repair.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout
)]

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::*;
use potluck_content::{Address, PieceSet};
use potluck_store::{BeginError, Glance, Problem, ReadError, ShareRequest, SpanBuf, Store, What};
use tempfile::{TempDir, tempdir};

const SIZE: usize = 6_000_000;

fn setup() -> (TempDir, Store, PathBuf, Address) {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    let path = fs::canonicalize(dir.path()).unwrap().join("file");
    put(&path, &bytes(1, SIZE));
    let address = share(&store, &path).root.address;
    (dir, store, path, address)
}

fn problem(store: &Store, address: &Address) -> Option<(PathBuf, What)> {
    let root = store.root(address).unwrap().unwrap();
    root.problems
        .first()
        .map(|problem| (problem.path.clone(), problem.what))
}

/// Reads all; whatever comes is right, and the error tells of the file.
fn read_fails(store: &Store, address: &Address, path: &Path) -> What {
    match read_all(store, &address.hash, SIZE as u64, 16) {
        Err(ReadError::Changed { path: named, what }) => {
            assert_eq!(named, path);
            what
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

fn keep_times(path: &Path, change: impl FnOnce()) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    change();
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(modified)
        .unwrap();
}

const CHANGES: [&str; 7] = [
    "truncated",
    "appended",
    "edited",
    "replaced",
    "deleted",
    "now a folder",
    "now a link",
];

/// Changes a file as the name says. Gives what the store should say of it.
fn change(name: &str, path: &Path) -> What {
    let new = path.with_extension("new");
    match name {
        "truncated" => {
            fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(5_999_999)
                .unwrap();
        }
        "appended" => put(path, &[bytes(1, SIZE), vec![0]].concat()),
        "edited" => put(path, &bytes(2, SIZE)),
        "replaced" => {
            put(&new, &bytes(3, SIZE));
            fs::rename(&new, path).unwrap();
        }
        "deleted" => fs::remove_file(path).unwrap(),
        "now a folder" => {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }
        "now a link" => {
            fs::rename(path, &new).unwrap();
            std::os::unix::fs::symlink(&new, path).unwrap();
        }
        _ => panic!("{name}"),
    }
    if name == "deleted" {
        What::Missing
    } else {
        What::Changed
    }
}

#[test]
fn every_change_is_noticed_and_told() {
    for opened_before in [false, true] {
        for name in CHANGES {
            let (_dir, store, path, address) = setup();
            if opened_before {
                read_all(&store, &address.hash, SIZE as u64, 64).unwrap();
            }
            let expected = change(name, &path);
            assert_eq!(read_fails(&store, &address, &path), expected, "{name}");
            assert_eq!(
                problem(&store, &address),
                Some((path.clone(), expected)),
                "{name}"
            );
            assert!(
                store.available(&address).unwrap().unwrap().is_empty(),
                "{name}"
            );
            // It stays so, for others who ask, and after a restart.
            assert_eq!(read_fails(&store, &address, &path), expected, "{name}");
            let report = store
                .verify(&address, 2, &mut |_| ControlFlow::Continue(()))
                .unwrap();
            assert_eq!(report.problem_count, 1, "{name}");
        }
    }
}

#[test]
fn a_glance_finds_what_is_gone_or_cut_and_what_was_touched() {
    for name in CHANGES {
        let (_dir, store, path, address) = setup();
        assert_eq!(store.refresh(&address).unwrap(), Glance::default());
        let expected = change(name, &path);
        let found = store.refresh(&address).unwrap();
        if name == "edited" || name == "replaced" {
            assert_eq!(found.problems, [], "{name}");
            assert_eq!(found.touched, [path], "{name}");
            // It may be the same bytes: nothing is withheld before they were looked at.
            assert!(store.available(&address).unwrap().unwrap().is_full());
        } else {
            let problem = Problem {
                path: path.clone(),
                what: expected,
            };
            assert_eq!(found.problems, [problem], "{name}");
            assert_eq!(found.touched, [] as [PathBuf; 0], "{name}");
            assert!(
                store.available(&address).unwrap().unwrap().is_empty(),
                "{name}"
            );
        }
    }
}

#[test]
fn what_was_touched_is_so_until_it_was_verified() {
    let (_dir, store, path, address) = setup();
    fs::write(&path, bytes(1, SIZE)).unwrap();
    assert_eq!(store.refresh(&address).unwrap().touched, [path]);
    let report = store
        .verify(&address, 1, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!(report.problem_count, 0);
    assert_eq!(store.refresh(&address).unwrap(), Glance::default());
}

#[test]
fn a_change_that_hides_its_time_never_leaves() {
    let (_dir, store, path, address) = setup();
    let mut data = bytes(1, SIZE);
    data[3_000_000] ^= 1;
    keep_times(&path, || fs::write(&path, &data).unwrap());
    let mut buffer = SpanBuf::new();
    let bad = 3_000_000 / 16_384;
    store
        .read_span(&address.hash, bad - 1..bad, &mut buffer)
        .unwrap();
    store
        .read_span(&address.hash, bad + 1..bad + 2, &mut buffer)
        .unwrap();
    let read = store.read_span(&address.hash, bad..bad + 1, &mut buffer);
    assert!(matches!(read, Err(ReadError::Changed { .. })));
    assert!(buffer.data().is_empty());
    assert!(
        !store
            .available(&address)
            .unwrap()
            .unwrap()
            .contains(3_000_000 / PIECE as u32)
    );
}

#[test]
fn what_was_only_touched_heals() {
    let (dir, store, path, address) = setup();
    let small = dir.path().join("small");
    put(&small, &bytes(9, 50_000));
    let small_address = share(&store, &small).root.address;
    for path in [&path, &small] {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(1000))
            .unwrap();
    }
    read_all(&store, &address.hash, SIZE as u64, 64).unwrap();
    read_all(&store, &small_address.hash, 50_000, 64).unwrap();
    assert_eq!(problem(&store, &address), None);
    // Written anew with the same bytes.
    fs::remove_file(&path).unwrap();
    put(&path, &bytes(1, SIZE));
    read_all(&store, &address.hash, SIZE as u64, 64).unwrap();
    assert_eq!(problem(&store, &address), None);
}

#[test]
fn verify_finds_what_is_wrong_and_forgets_what_is_no_more() {
    let (_dir, store, path, address) = setup();
    let mut data = bytes(1, SIZE);
    data[1_000_000] ^= 1;
    data[5_000_000] ^= 1;
    fs::write(&path, &data).unwrap();
    let mut last = 0;
    let report = store
        .verify(&address, 1, &mut |seen| {
            assert!(seen.bytes_done >= last && seen.bytes_done <= seen.bytes);
            last = seen.bytes_done;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(
        report.bad.iter().collect::<Vec<_>>(),
        [1_000_000 / PIECE as u32, 5_000_000 / PIECE as u32]
    );
    assert_eq!(report.problems[0].what, What::Changed);
    let available = store.available(&address).unwrap().unwrap();
    assert_eq!(available.count(), available.len() - 2);
    let mut buffer = SpanBuf::new();
    store.read_span(&address.hash, 0..16, &mut buffer).unwrap();
    put(&path, &bytes(1, SIZE));
    let report = store
        .verify(&address, 3, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!((report.problem_count, report.bad.count()), (0, 0));
    assert_eq!(problem(&store, &address), None);
    assert!(store.available(&address).unwrap().unwrap().is_full());
    let stopped = store.verify(&address, 1, &mut |_| ControlFlow::Break(()));
    assert!(stopped.is_err());
}

#[test]
fn another_file_with_the_same_bytes_stands_in() {
    let (dir, store, path, address) = setup();
    let twin = dir.path().join("twin");
    put(&twin.join("copy"), &bytes(1, SIZE));
    let folder = share(&store, &twin).root.address;
    fs::remove_file(&path).unwrap();
    read_all(&store, &address.hash, SIZE as u64, 64).unwrap();
    assert_eq!(problem(&store, &address), Some((path, What::Missing)));
    assert_eq!(problem(&store, &folder), None);
}

#[test]
fn shared_files_are_not_repaired() {
    let (_dir, store, path, address) = setup();
    put(&path, &bytes(2, SIZE));
    let bad = PieceSet::full(store.layout(&address).unwrap().unwrap().pieces());
    assert!(matches!(
        store.begin_repair(&address, &bad, 1),
        Err(BeginError::InPlace)
    ));
    assert!(fs::read(&path).unwrap() == bytes(2, SIZE));
}

#[test]
fn fetched_folders_are_repaired_from_others_and_from_themselves() {
    let dir = tempdir().unwrap();
    let source = dir.path().join("src");
    shapes(&source);
    let from = open(&dir.path().join("from"));
    let address = share(&from, &source).root.address;
    let data = dir.path().join("to");
    let mut to = open(&data);
    let dest = dir.path().join("out");
    let download = to.begin(spec(&from, address, &dest)).unwrap();
    fetch(&from, &download);
    download.finish(true, 1).unwrap();
    drop(download);
    for interrupted in [false, true] {
        let mut big = fs::read(dest.join("big")).unwrap();
        big[5_000_000] ^= 1;
        fs::write(dest.join("big"), &big).unwrap();
        fs::remove_dir_all(dest.join("a/deep")).unwrap();
        fs::remove_file(dest.join("empty")).unwrap();
        fs::write(dest.join("bin/tool"), b"changed").unwrap();
        let report = to
            .verify(&address, 2, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        assert_eq!(report.problem_count, 4, "{:?}", report.problems);
        // `bin/tool2` is equal to `bin/tool`, and `a/same` to what was in `a/deep`.
        assert_eq!(report.bad.count(), 1);
        let mut repair = to.begin_repair(&address, &report.bad, 2).unwrap();
        assert_eq!(missing(&repair), report.bad);
        if interrupted {
            drop(repair);
            drop(to);
            to = open(&data);
            assert!(to.partials().unwrap()[0].repair);
            repair = to.resume(&address).unwrap();
            assert_eq!(missing(&repair), report.bad);
        }
        assert_eq!(fetch(&from, &repair).len(), 1);
        repair.finish(true, 3).unwrap();
        drop(repair);
        assert!(tree(&dest) == tree(&source));
        assert!(to.root(&address).unwrap().unwrap().problems.is_empty());
        assert!(to.available(&address).unwrap().unwrap().is_full());
        assert!(to.partials().unwrap().is_empty());
    }
}

#[test]
fn copies_are_repaired() {
    let dir = tempdir().unwrap();
    let source = dir.path().join("src");
    put(&source.join("big"), &bytes(1, 3_000_000));
    put(&source.join("small"), &bytes(2, 3_000));
    let from = open(&dir.path().join("from"));
    share(&from, &source);
    let to = open(&dir.path().join("to"));
    let request = ShareRequest {
        copy: true,
        ..ShareRequest::path(&source, 1)
    };
    let address = share_with(&to, &request).root.address;
    let hash = potluck_content::Hash::of(&bytes(1, 3_000_000));
    let hex = hash.to_string();
    let owned = dir.path().join(format!("to/blobs/{}/{hex}", &hex[..2]));
    for lost in [false, true] {
        if lost {
            fs::remove_file(&owned).unwrap();
        } else {
            let mut data = fs::read(&owned).unwrap();
            data[2_000_000] ^= 1;
            fs::write(&owned, data).unwrap();
        }
        let report = to
            .verify(&address, 2, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        assert_eq!(report.problem_count, 1);
        let repair = to.begin_repair(&address, &report.bad, 1).unwrap();
        let expected = if lost { pieces(3_000_000) } else { 1 };
        assert_eq!(fetch(&from, &repair).len(), expected);
        repair.finish(true, 1).unwrap();
        assert!(fs::read(&owned).unwrap() == bytes(1, 3_000_000));
        read_all(&to, &hash, 3_000_000, 64).unwrap();
        assert!(to.root(&address).unwrap().unwrap().problems.is_empty());
    }
}

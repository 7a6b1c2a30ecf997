//! What is held: copies, removal, eviction, and files and trees that go or change.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout
)]

mod common;

use std::fs;
use std::ops::ControlFlow;

use common::*;
use potluck_content::{Address, Hash, Node};
use potluck_store::{Origin, ReadError, ShareError, ShareRequest, SpanBuf, Store};
use tempfile::tempdir;

#[test]
fn copies_are_independent_of_the_source() {
    let dir = tempdir().unwrap();
    let top = dir.path().join("folder");
    shapes(&top);
    let expected = tree(&top);
    let store = open(&dir.path().join("data"));
    let request = ShareRequest {
        copy: true,
        ..ShareRequest::path(&top, 1)
    };
    let shared = share_with(&store, &request);
    assert_eq!(shared.root.origin, Origin::Copied);
    fs::remove_dir_all(&top).unwrap();
    let other = open(&dir.path().join("other"));
    let dest = dir.path().join("out");
    let download = other
        .begin(spec(&store, shared.root.address, &dest))
        .unwrap();
    fetch(&store, &download);
    download.finish(true, 1).unwrap();
    assert!(tree(&dest) == expected);
    let owned = store.usage().unwrap().owned_bytes;
    assert!(owned > 9_000_000, "{owned}");
    assert!(store.remove(&shared.root.address).unwrap());
    let usage = store.usage().unwrap();
    assert_eq!((usage.owned_bytes, usage.tree_bytes), (0, 0));
    assert_eq!(files_under(&dir.path().join("data/blobs")), 0);
    assert_eq!(files_under(&dir.path().join("data/trees")), 0);
}

fn files_under(dir: &std::path::Path) -> usize {
    tree(dir)
        .values()
        .filter(|(kind, _, _)| *kind == 'f')
        .count()
}

#[test]
fn removing_a_share_leaves_the_files_and_what_others_share() {
    let dir = tempdir().unwrap();
    put(&dir.path().join("one/a"), &bytes(1, 2_000_000));
    put(&dir.path().join("two/b"), &bytes(1, 2_000_000));
    let store = open(&dir.path().join("data"));
    let one = share(&store, &dir.path().join("one")).root.address;
    let two = share(&store, &dir.path().join("two")).root.address;
    let hash = Hash::of(&bytes(1, 2_000_000));
    assert!(store.remove(&one).unwrap());
    assert!(!store.remove(&one).unwrap());
    assert!(store.root(&one).unwrap().is_none());
    assert!(store.available(&one).unwrap().is_none());
    assert!(dir.path().join("one/a").exists());
    read_all(&store, &hash, 2_000_000, 64).unwrap();
    store.remove(&two).unwrap();
    assert!(!store.has_blob(&hash).unwrap());
    let mut buffer = SpanBuf::new();
    assert!(matches!(
        store.read_span(&hash, 0..1, &mut buffer),
        Err(ReadError::NotHave)
    ));
    assert_eq!(files_under(&dir.path().join("data/trees")), 0);
    assert!(dir.path().join("two/b").exists());
}

#[test]
fn quota_evicts_the_least_recently_used_that_is_not_pinned() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    let copy = |n: u64| {
        let path = dir.path().join(format!("f{n}"));
        put(&path, &bytes(n, 1_000_000));
        let request = ShareRequest {
            copy: true,
            ..ShareRequest::path(&path, n)
        };
        store.share(&request, &mut |_| ControlFlow::Continue(()))
    };
    store.set_quota(Some(3_500_000));
    let roots: Vec<Address> = (0..3).map(|n| copy(n).unwrap().root.address).collect();
    assert!(store.set_pinned(&roots[1], true).unwrap());
    read_all(&store, &roots[0].hash, 1_000_000, 64).unwrap();
    copy(3).unwrap();
    let held: Vec<bool> = roots
        .iter()
        .map(|root| store.root(root).unwrap().is_some())
        .collect();
    assert_eq!(held, [true, true, false]);
    assert_eq!(store.evict(0).unwrap().len(), 2);
    assert_eq!(store.usage().unwrap().owned_bytes, 1_000_000);
    store.set_quota(Some(500_000));
    assert!(matches!(copy(9), Err(ShareError::Quota { .. })));
    assert!(store.root(&roots[1]).unwrap().is_some());
}

#[test]
fn spans_out_of_bounds_are_refused() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    let path = dir.path().join("f");
    put(&path, &bytes(1, 100_000));
    let hash = share(&store, &path).root.address.hash;
    let mut buffer = SpanBuf::new();
    for span in [0..0, 3..3, 7..8, 0..8, u64::MAX - 1..u64::MAX, 0..u64::MAX] {
        let read = store.read_span(&hash, span, &mut buffer);
        assert!(matches!(read, Err(ReadError::BadSpan)));
    }
    store.read_span(&hash, 6..7, &mut buffer).unwrap();
    assert_eq!(buffer.data().len(), 100_000 - 6 * 16_384);
}

#[test]
fn a_lost_or_damaged_tree_is_built_again() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    let path = dir.path().join("f");
    let data = bytes(1, 5_000_000);
    put(&path, &data);
    let hash = share(&store, &path).root.address.hash;
    let hex = hash.to_string();
    let file = dir
        .path()
        .join(format!("data/trees/{}/{hex}.obao", &hex[..2]));
    let right = fs::read(&file).unwrap();
    for damage in [Vec::new(), vec![0; right.len()], right[..64].to_vec()] {
        fs::write(&file, &damage).unwrap();
        let store = reopened(&store);
        assert!(read_all(&store, &hash, 5_000_000, 64).unwrap() == data);
        assert!(fs::read(&file).unwrap() == right);
    }
    fs::remove_file(&file).unwrap();
    assert!(read_all(&reopened(&store), &hash, 5_000_000, 64).unwrap() == data);
    fs::remove_file(&file).unwrap();
    let report = store
        .verify(&Address::blob(hash), 2, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!((report.problem_count, report.checked_bytes), (0, 5_000_000));
    assert!(fs::read(&file).unwrap() == right);
}

/// The same store with nothing kept open.
fn reopened(store: &Store) -> Store {
    store.tidy().unwrap();
    store.clone()
}

#[test]
fn files_that_go_or_change_meanwhile_do_not_spoil_a_share() {
    let dir = tempdir().unwrap();
    let top = dir.path().join("folder");
    for n in 0..1_500 {
        put(&top.join(format!("f{n}")), &bytes(n, 100));
    }
    let store = open(&dir.path().join("data"));
    let mut removed = false;
    let shared = store
        .share(
            &ShareRequest {
                threads: 1,
                ..ShareRequest::path(&top, 1)
            },
            &mut |seen| {
                // The first call comes in the middle of the listing.
                if !removed && seen.walking {
                    removed = true;
                    fs::remove_file(top.join("f7")).unwrap();
                }
                ControlFlow::Continue(())
            },
        )
        .unwrap();
    assert!(removed);
    assert_eq!(shared.root.files, 1_499);
    let manifest = store.manifest(&shared.root.address).unwrap().unwrap();
    for entry in manifest.entries() {
        let Node::File { hash, size, .. } = entry.node else {
            continue;
        };
        read_all(&store, &hash, size, 1).unwrap();
    }
}

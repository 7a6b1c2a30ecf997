//! Sharing and reading.
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
use potluck_store::{Origin, ReadError, ShareError, ShareRequest, SpanBuf, Store, What};
use tempfile::tempdir;

#[test]
fn one_file_of_any_size_is_read_back_verified() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    for (seed, size) in [0, 1, 16_383, 16_384, 16_385, 1 << 20, 9_000_000, 20_000_000]
        .iter()
        .enumerate()
    {
        let data = bytes(seed as u64, *size);
        let path = dir.path().join(format!("file{seed}"));
        put(&path, &data);
        let shared = share(&store, &path);
        assert_eq!(shared.root.address, Address::blob(Hash::of(&data)));
        assert_eq!((shared.root.bytes, shared.root.files), (*size as u64, 1));
        assert_eq!(shared.hashed_bytes, *size as u64);
        assert_eq!(shared.root.name, format!("file{seed}"));
        for step in [1, 3, 64, 1024] {
            if *size < 2_000_000 || step > 3 {
                assert!(
                    read_all(&store, &shared.root.address.hash, *size as u64, step).unwrap()
                        == data
                );
            }
        }
        assert!(
            store
                .available(&shared.root.address)
                .unwrap()
                .unwrap()
                .is_full()
        );
    }
    assert_eq!(store.roots().unwrap().len(), 8);
}

#[test]
fn a_folder_keeps_its_shapes() {
    let dir = tempdir().unwrap();
    let top = dir.path().join("folder");
    shapes(&top);
    let store = open(&dir.path().join("data"));
    let shared = share(&store, &top);
    assert_eq!(shared.skipped, []);
    assert_eq!(shared.root.name, "folder");
    assert_eq!(
        shared.root.origin,
        Origin::Shared {
            paths: vec![fs::canonicalize(&top).unwrap()]
        }
    );
    let manifest = store.manifest(&shared.root.address).unwrap().unwrap();
    let node = |path: &str| manifest.get(path).map(|entry| entry.node.clone());
    assert!(matches!(
        node("bin/tool"),
        Some(Node::File {
            executable: true,
            ..
        })
    ));
    assert!(matches!(
        node("bin/tool2"),
        Some(Node::File {
            executable: false,
            ..
        })
    ));
    assert_eq!(node("hollow/inner"), Some(Node::Directory));
    assert_eq!(
        node("link"),
        Some(Node::Symlink {
            target: "one".into()
        })
    );
    assert_eq!(
        node("b/up"),
        Some(Node::Symlink {
            target: "../a/deep".into()
        })
    );
    for entry in manifest.entries() {
        if let Node::File { hash, size, .. } = entry.node {
            let read = read_all(&store, &hash, size, 64).unwrap();
            assert!(read == fs::read(top.join(entry.path.as_str())).unwrap());
        }
    }
    // The manifest is a blob like others.
    let encoded = manifest.encode();
    let read = read_all(&store, &shared.root.address.hash, encoded.len() as u64, 64).unwrap();
    assert!(read == encoded);
}

#[test]
fn the_stores_own_directory_is_not_shared() {
    let dir = tempdir().unwrap();
    let top = dir.path().join("folder");
    put(&top.join("good"), b"good");
    let store = open(&top.join("data"));
    for path in [&top, &top.join("data"), &top.join("data/blobs")] {
        let request = ShareRequest::path(path, 1);
        let shared = store.share(&request, &mut |_| ControlFlow::Continue(()));
        assert!(matches!(shared, Err(ShareError::OwnDirectory { .. })));
    }
    share(&store, &top.join("good"));
}

#[test]
fn what_cannot_be_shared_is_left_out_with_a_reason() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempdir().unwrap();
    let top = dir.path().join("folder");
    put(&top.join("good"), b"good");
    put(&top.join("Case"), b"1");
    put(&top.join("case"), b"2");
    put(&top.join(".movie.12345678.potluck-part/data"), b"half");
    put(&top.join("aux"), b"reserved");
    fs::write(top.join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), b"x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", top.join("absolute")).unwrap();
    std::os::unix::fs::symlink("../outside", top.join("outside")).unwrap();
    let fifo = top.join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(top.join("socket")).unwrap();
    let store = open(&dir.path().join("data"));
    let shared = share(&store, &top);
    let mut skipped: Vec<String> = shared
        .skipped
        .iter()
        .map(|skipped| {
            skipped
                .path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    skipped.sort();
    let mut expected = vec![
        ".movie.12345678.potluck-part",
        "absolute",
        "aux",
        "case",
        "fifo",
        "outside",
        "socket",
        "\u{fffd}\u{fffd}",
    ];
    expected.sort_unstable();
    assert_eq!(skipped, expected, "{:?}", shared.skipped);
    assert_eq!(shared.skipped_count, 8);
    let manifest = store.manifest(&shared.root.address).unwrap().unwrap();
    let paths: Vec<&str> = manifest
        .entries()
        .iter()
        .map(|entry| entry.path.as_str())
        .collect();
    assert_eq!(paths, ["Case", "good"]);
}

#[test]
fn several_paths_become_a_folder() {
    let dir = tempdir().unwrap();
    put(&dir.path().join("x/a"), b"a");
    put(&dir.path().join("y/b/c"), b"c");
    let store = open(&dir.path().join("data"));
    let mut request = ShareRequest::path(dir.path().join("x/a"), 1);
    request.paths.push(dir.path().join("y/b"));
    let shared = share_with(&store, &request);
    assert_eq!(shared.root.name, "shared");
    let manifest = store.manifest(&shared.root.address).unwrap().unwrap();
    let paths: Vec<&str> = manifest
        .entries()
        .iter()
        .map(|entry| entry.path.as_str())
        .collect();
    assert_eq!(paths, ["a", "b/c"]);
    assert_eq!(read_all(&store, &Hash::of(b"c"), 1, 1).unwrap(), b"c");
    put(&dir.path().join("z/a"), b"other");
    request.paths.push(dir.path().join("z/a"));
    let error = store
        .share(&request, &mut |_| ControlFlow::Continue(()))
        .unwrap_err();
    assert!(matches!(error, ShareError::SameName { .. }), "{error}");
    request.paths.pop();
    request.name = Some("My things".into());
    assert_eq!(share_with(&store, &request).root.name, "My things");
}

#[test]
fn a_link_that_is_named_is_followed() {
    let dir = tempdir().unwrap();
    put(&dir.path().join("real/file"), b"data");
    std::os::unix::fs::symlink("real", dir.path().join("alias")).unwrap();
    let store = open(&dir.path().join("data"));
    let shared = share(&store, &dir.path().join("alias"));
    assert_eq!((shared.root.name.as_str(), shared.root.files), ("alias", 1));
    assert_eq!(read_all(&store, &Hash::of(b"data"), 4, 1).unwrap(), b"data");
}

#[test]
fn errors_name_what_is_wrong() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    let fail = |path: &std::path::Path| {
        let request = ShareRequest::path(path, 1);
        store
            .share(&request, &mut |_| ControlFlow::Continue(()))
            .unwrap_err()
    };
    assert!(matches!(
        fail(&dir.path().join("none")),
        ShareError::NotFound { .. }
    ));
    assert!(matches!(
        fail(std::path::Path::new("/dev/null")),
        ShareError::Special { .. }
    ));
    let nothing = ShareRequest {
        paths: Vec::new(),
        ..ShareRequest::path("x", 1)
    };
    let error = store
        .share(&nothing, &mut |_| ControlFlow::Continue(()))
        .unwrap_err();
    assert!(matches!(error, ShareError::Nothing));
    put(&dir.path().join("f/a"), b"a");
    let request = ShareRequest::path(dir.path().join("f"), 1);
    let error = store
        .share(&request, &mut |_| ControlFlow::Break(()))
        .unwrap_err();
    assert!(matches!(error, ShareError::Stopped));
}

#[test]
fn known_files_are_not_hashed_again() {
    let dir = tempdir().unwrap();
    let top = dir.path().join("folder");
    shapes(&top);
    age(&top);
    // Files count as settled only some time after their last change.
    std::thread::sleep(std::time::Duration::from_millis(3100));
    let store = open(&dir.path().join("data"));
    let first = share(&store, &top);
    assert!(first.hashed_bytes > 0);
    let second = share(&store, &top);
    assert_eq!(
        (second.hashed_bytes, second.root.address),
        (0, first.root.address)
    );
    // Also by a store that was opened again, under another name, as part of another share.
    drop(store);
    let store = open(&dir.path().join("data"));
    let one = share(&store, &top.join("big"));
    assert_eq!(one.hashed_bytes, 0);
    put(&top.join("big"), &bytes(99, 9_000_001));
    let third = share(&store, &top);
    assert_eq!(third.hashed_bytes, 9_000_001);
    assert_ne!(third.root.address, first.root.address);
    // The first share knows by now that one of its files is another.
    let hash = one.root.address.hash;
    let error = read_all(&store, &hash, 9_000_001, 64).unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::Changed {
                what: What::Changed,
                ..
            }
        ),
        "{error}"
    );
    let root = store.root(&first.root.address).unwrap().unwrap();
    assert_eq!(root.problems.len(), 1);
    assert_eq!(
        root.problems[0].path,
        fs::canonicalize(top.join("big")).unwrap()
    );
}

fn age(dir: &std::path::Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap();
        if kind.is_dir() {
            age(&path);
        } else if kind.is_file() {
            let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
            fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(old)
                .unwrap();
        }
    }
}

#[test]
fn a_share_that_was_stopped_goes_on_where_it_was() {
    let dir = tempdir().unwrap();
    let top = dir.path().join("folder");
    for n in 0..40 {
        put(&top.join(format!("f{n}")), &bytes(n, 1_500_000));
    }
    std::thread::sleep(std::time::Duration::from_millis(3100));
    let data = dir.path().join("data");
    let store = open(&data);
    let request = ShareRequest {
        threads: 1,
        ..ShareRequest::path(&top, 1)
    };
    let error = store.share(&request, &mut |seen| {
        if seen.bytes_done > 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let stopped = matches!(error, Err(ShareError::Stopped));
    drop(store);
    let store = open(&data);
    let shared = share(&store, &top);
    if stopped {
        assert!(shared.hashed_bytes < 60_000_000, "{}", shared.hashed_bytes);
    }
    assert_eq!(share(&store, &top).hashed_bytes, 0);
    assert_eq!(store.tidy().unwrap(), 0);
}

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

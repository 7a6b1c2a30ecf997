//! Sharing: what becomes part of a share, and what is not read again.
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
use potluck_store::{Origin, ReadError, ShareError, ShareRequest, What};
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

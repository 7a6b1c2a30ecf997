//! Full disks: a small file system in memory is mounted for each test, which only root can do.
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
use std::process::Command;

use common::*;
use potluck_content::Hash;
use potluck_store::{
    BeginError, Fault, FinishError, KnownPeer, ShareError, ShareRequest, SpanBuf, Store,
    StoreOptions, WriteError,
};
use tempfile::{TempDir, tempdir};

/// A file system of a few megabytes.
struct Small {
    path: PathBuf,
    _dir: TempDir,
}

impl Small {
    fn mount(megabytes: u32) -> Option<Self> {
        let dir = tempdir().unwrap();
        let path = dir.path().join("small");
        fs::create_dir(&path).unwrap();
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path);
        if !mount.status().is_ok_and(|status| status.success()) {
            println!("SKIPPED: mounting a small file system needs root; nothing was tested");
            return None;
        }
        Some(Self { path, _dir: dir })
    }

    fn dir(&self) -> &Path {
        &self.path
    }

    /// Leaves no more than `left` bytes.
    fn fill(&self, left: u64) {
        let file = fs::File::create(self.path.join("ballast")).unwrap();
        let mut size = 0;
        while std::os::unix::fs::FileExt::write_all_at(&file, &[1; 4096], size).is_ok() {
            size += 4096;
        }
        file.set_len(size.saturating_sub(left) / 4096 * 4096)
            .unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.path.join("ballast")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn no_space(dir: &Path, fault: &Fault) {
    let named = fault.no_space().unwrap_or_else(|| panic!("{fault}"));
    assert!(named.starts_with(fs::canonicalize(dir).unwrap()), "{fault}");
}

#[test]
fn a_download_waits_for_space_and_loses_nothing() {
    let Some(small) = Small::mount(8) else { return };
    let dir = tempdir().unwrap();
    let from = open(&dir.path().join("from"));
    put(&dir.path().join("big"), &bytes(1, 5_000_000));
    let address = share(&from, &dir.path().join("big")).root.address;
    let data = dir.path().join("to");
    let to = open(&data);
    let dest = small.dir().join("out");
    let download = to.begin(spec(&from, address, &dest)).unwrap();
    small.fill(2_000_000);
    let mut buffer = SpanBuf::new();
    let pieces = missing(&download);
    let mut failed = None;
    for piece in pieces.iter() {
        let groups = download.layout().piece(piece).groups;
        from.read_span(&address.hash, groups.clone(), &mut buffer)
            .unwrap();
        match download.write(0, groups.start, buffer.data()) {
            Ok(()) => {
                fetch_piece(&from, &download, piece, &mut buffer);
                download.checkpoint().unwrap();
            }
            Err(WriteError::NoSpace { dir, needed }) => {
                assert!(dir.starts_with(fs::canonicalize(small.dir()).unwrap()));
                assert!(needed > 1_000_000 && needed < 5_000_000);
                failed = Some(piece);
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(failed.is_some_and(|piece| piece >= 4), "{failed:?}");
    let have = download.have();
    drop(download);
    drop(to);
    let to = open(&data);
    let download = to.resume(&address).unwrap();
    assert_eq!(download.have(), have);
    small.free();
    assert_eq!(
        fetch(&from, &download).len() as u32,
        pieces.len() - have.count()
    );
    download.finish(true, 1).unwrap();
    assert!(fs::read(&dest).unwrap() == bytes(1, 5_000_000));
}

#[test]
fn finishing_waits_for_space() {
    let Some(small) = Small::mount(8) else { return };
    let dir = tempdir().unwrap();
    let from = open(&dir.path().join("from"));
    put(&dir.path().join("src/a"), &bytes(1, 2_000_000));
    put(&dir.path().join("src/b"), &bytes(1, 2_000_000));
    let address = share(&from, &dir.path().join("src")).root.address;
    let to = open(&dir.path().join("to"));
    let dest = small.dir().join("out");
    let download = to.begin(spec(&from, address, &dest)).unwrap();
    fetch(&from, &download);
    small.fill(500_000);
    match download.finish(true, 1) {
        Err(FinishError::Fault(fault)) => no_space(small.dir(), &fault),
        other => panic!("{other:?}"),
    }
    assert!(!dest.exists());
    small.free();
    download.finish(true, 1).unwrap();
    assert!(tree(&dest) == tree(&dir.path().join("src")));
}

/// The data directory itself is full: whatever is tried fails with a reason, what is there is read,
/// and all works again once there is space.
#[test]
fn a_full_data_directory_heals() {
    let Some(small) = Small::mount(12) else {
        return;
    };
    let dir = tempdir().unwrap();
    let data = small.dir().join("data");
    let store = open(&data);
    let held = dir.path().join("held");
    put(&held.join("a"), &bytes(1, 3_000_000));
    let address = share(&store, &held).root.address;
    let hash = Hash::of(&bytes(1, 3_000_000));
    for left in [0, 4096, 20_000, 100_000] {
        small.fill(left);
        let mut failures = 0;
        for n in 0..30_u64 {
            let top = dir.path().join(format!("more{left}-{n}"));
            for k in 0..100 {
                put(&top.join(format!("{k}")), &bytes(n * 1000 + k, 20_000));
            }
            match store.share(&ShareRequest::path(&top, 1), &mut |_| {
                ControlFlow::Continue(())
            }) {
                Ok(_) => {}
                Err(ShareError::Fault(fault)) => {
                    no_space(small.dir(), &fault);
                    failures += 1;
                }
                Err(other) => panic!("{other}"),
            }
            let peer = KnownPeer {
                peer: vec![1; 30],
                addrs: vec!["x".repeat(500); 32],
                last_seen_unix: n,
            };
            if let Err(fault) = store.save_peers(&[peer]) {
                no_space(small.dir(), &fault);
            }
            read_all(&store, &hash, 3_000_000, 64).unwrap();
            assert!(store.root(&address).unwrap().is_some());
            if failures >= 3 {
                break;
            }
        }
        assert!(failures > 0, "the disk never got full");
        let copy = ShareRequest {
            copy: true,
            ..ShareRequest::path(&held, 1)
        };
        match store.share(&copy, &mut |_| ControlFlow::Continue(())) {
            Err(ShareError::Fault(fault)) => no_space(small.dir(), &fault),
            other => panic!("{other:?}"),
        }
        small.free();
        let top = dir.path().join(format!("after{left}"));
        put(&top.join("x"), &bytes(left, 100_000));
        let after = share(&store, &top).root.address;
        assert!(store.root(&after).unwrap().is_some());
        store.save_peers(&[]).unwrap();
        // What was shared before can be forgotten, so that the next round has room.
        for root in store.roots().unwrap() {
            if root.address != address {
                store.remove(&root.address).unwrap();
            }
        }
        store.tidy().unwrap();
    }
    drop(store);
    let store = open(&data);
    read_all(&store, &hash, 3_000_000, 64).unwrap();
}

#[test]
fn a_store_killed_on_a_full_disk_opens_again() {
    let Some(small) = Small::mount(8) else { return };
    let dir = tempdir().unwrap();
    let data = small.dir().join("data");
    let held = dir.path().join("held");
    put(&held.join("a"), &bytes(1, 3_000_000));
    let store = open(&data);
    let address = share(&store, &held).root.address;
    drop(store);
    // A copy of the files of an open store is what a killed process leaves.
    for left in [0, 4096, 65_536] {
        let store = open(&data);
        small.fill(left);
        for n in 0..20 {
            let top = dir.path().join(format!("more{left}-{n}"));
            for k in 0..100 {
                put(&top.join(format!("{k}")), &bytes(n * 1000 + k, 20_000));
            }
            let _ = store.share(&ShareRequest::path(&top, 1), &mut |_| {
                ControlFlow::Continue(())
            });
        }
        let killed = dir.path().join(format!("killed{left}"));
        copy_dir(&data, &killed);
        small.free();
        drop(store);
        let store = open(&killed);
        assert!(store.root(&address).unwrap().is_some());
        read_all(&store, &Hash::of(&bytes(1, 3_000_000)), 3_000_000, 64).unwrap();
    }
    // Opening on a full disk tells the reason, or works.
    small.fill(0);
    match Store::open(&data, StoreOptions::default()) {
        Ok(store) => assert!(store.root(&address).unwrap().is_some()),
        Err(potluck_store::OpenError::Fault(fault)) => no_space(small.dir(), &fault),
        Err(other) => panic!("{other}"),
    }
    small.free();
    assert!(open(&data).root(&address).unwrap().is_some());
}

#[test]
fn beginning_on_a_full_disk_tells_the_reason() {
    let Some(small) = Small::mount(4) else { return };
    let dir = tempdir().unwrap();
    let from = open(&dir.path().join("from"));
    put(&dir.path().join("f"), &bytes(1, 10_000));
    let address = share(&from, &dir.path().join("f")).root.address;
    let to = open(&dir.path().join("to"));
    small.fill(0);
    let what = spec(&from, address, &small.dir().join("out"));
    match to
        .begin(what.clone())
        .map(|download| download.finish(true, 1))
    {
        Err(BeginError::Fault(fault)) => no_space(small.dir(), &fault),
        other => panic!("{other:?}"),
    }
    small.free();
    to.begin(what).unwrap().finish(true, 1).unwrap();
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

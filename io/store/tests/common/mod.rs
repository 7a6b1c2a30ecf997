//! What the tests of the store share.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use potluck_content::tree::check;
use potluck_content::{Address, Hash, Kind, PieceSet};
use potluck_store::{
    Download, DownloadSpec, Head, ReadError, Selection, ShareRequest, Shared, SpanBuf, Store,
    StoreOptions,
};

/// Bytes that differ from seed to seed and do not repeat.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Bytes of a piece of a file that is not huge.
pub const PIECE: usize = 64 * 1024;

/// Pieces of a file of so many bytes.
pub fn pieces(bytes: usize) -> usize {
    bytes.div_ceil(PIECE)
}

pub fn put(path: &Path, data: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, data).unwrap();
}

pub fn open(dir: &Path) -> Store {
    Store::open(dir, StoreOptions::default()).unwrap()
}

pub fn share(store: &Store, path: &Path) -> Shared {
    share_with(store, &ShareRequest::path(path, 100))
}

pub fn share_with(store: &Store, request: &ShareRequest) -> Shared {
    store
        .share(request, &mut |_| ControlFlow::Continue(()))
        .unwrap()
}

/// A folder with all shapes of content.
pub fn shapes(dir: &Path) {
    put(&dir.join("empty"), b"");
    put(&dir.join("one"), b"x");
    put(&dir.join("group-1"), &bytes(1, 16 * 1024 - 1));
    put(&dir.join("group"), &bytes(2, 16 * 1024));
    put(&dir.join("group+1"), &bytes(3, 16 * 1024 + 1));
    put(&dir.join("a/deep/er/file"), &bytes(4, 300_000));
    put(&dir.join("a/same"), &bytes(4, 300_000));
    put(&dir.join("b/also empty"), b"");
    put(&dir.join("b/Ünïcödé ✓ 名前"), &bytes(5, 40_000));
    put(&dir.join(format!("b/{}", "long".repeat(63))), &bytes(6, 5));
    put(&dir.join("big"), &bytes(7, 9_000_001));
    put(&dir.join("bin/tool"), b"#!/bin/sh\n");
    put(&dir.join("bin/tool2"), b"#!/bin/sh\n");
    fs::set_permissions(dir.join("bin/tool"), PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir_all(dir.join("hollow/inner")).unwrap();
    std::os::unix::fs::symlink("one", dir.join("link")).unwrap();
    std::os::unix::fs::symlink("../a/deep", dir.join("b/up")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.join("dangling")).unwrap();
}

/// All that is under a path, for comparison: kind, executable bit, bytes or target.
pub fn tree(dir: &Path) -> BTreeMap<PathBuf, (char, bool, Vec<u8>)> {
    fn walk(top: &Path, dir: &Path, out: &mut BTreeMap<PathBuf, (char, bool, Vec<u8>)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(top).unwrap().to_path_buf();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_symlink() {
                let target = fs::read_link(&path).unwrap().to_string_lossy().into_owned();
                out.insert(relative, ('l', false, target.into_bytes()));
            } else if metadata.is_dir() {
                out.insert(relative, ('d', false, Vec::new()));
                walk(top, &path, out);
            } else {
                let executable = metadata.permissions().mode() & 0o100 != 0;
                out.insert(relative, ('f', executable, fs::read(&path).unwrap()));
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(dir, dir, &mut out);
    out
}

/// Names in a directory.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// How to download a root that `from` holds.
pub fn spec(from: &Store, address: Address, dest: &Path) -> DownloadSpec {
    let size = from.blob_size(&address.hash).unwrap().unwrap();
    let geometry = potluck_content::tree::Geometry::new(size);
    let mut buffer = SpanBuf::new();
    from.read_span(&address.hash, geometry.last_group(), &mut buffer)
        .unwrap();
    let (proof, data) = buffer.into_parts();
    let head = (address.kind == Kind::Blob).then_some(Head { proof, data });
    DownloadSpec {
        address,
        name: "test".into(),
        manifest: from.manifest(&address).unwrap(),
        size,
        head,
        dest: dest.to_path_buf(),
        selection: Selection::All,
        now_unix: 7,
    }
}

/// Moves one piece, as a daemon would.
pub fn fetch_piece(from: &Store, to: &Download, piece: u32, buffer: &mut SpanBuf) -> u64 {
    let layout = Arc::clone(to.layout());
    let piece_info = layout.piece(piece);
    let blob = layout.blobs()[piece_info.blob as usize];
    from.read_span(&blob.hash, piece_info.groups.clone(), buffer)
        .unwrap();
    let geometry = layout.geometry(piece_info.blob);
    let verified = check(
        &blob.hash,
        geometry,
        piece_info.groups.clone(),
        buffer.proof(),
    )
    .unwrap();
    verified
        .check_groups(piece_info.groups.start, buffer.data())
        .unwrap();
    to.write_parents(piece_info.blob, verified.parents())
        .unwrap();
    to.write(piece_info.blob, piece_info.groups.start, buffer.data())
        .unwrap();
    to.complete(&[piece]).unwrap();
    buffer.data().len() as u64
}

pub fn missing(download: &Download) -> PieceSet {
    let mut missing = download.wanted();
    missing.subtract(&download.have());
    missing
}

/// Fetches everything that is wanted and not here. Gives the pieces that were fetched.
pub fn fetch(from: &Store, to: &Download) -> Vec<u32> {
    let mut buffer = SpanBuf::new();
    let pieces: Vec<u32> = missing(to).iter().collect();
    for piece in &pieces {
        fetch_piece(from, to, *piece, &mut buffer);
    }
    pieces
}

/// Reads every group of a blob in spans of one length and hashes it.
pub fn read_all(store: &Store, hash: &Hash, size: u64, step: u64) -> Result<Vec<u8>, ReadError> {
    let geometry = potluck_content::tree::Geometry::new(size);
    let mut buffer = SpanBuf::new();
    let mut out = Vec::new();
    let mut group = 0;
    while group < geometry.groups() {
        let span = group..(group + step).min(geometry.groups());
        store.read_span(hash, span.clone(), &mut buffer)?;
        let verified = check(hash, geometry, span.clone(), buffer.proof()).unwrap();
        verified.check_groups(span.start, buffer.data()).unwrap();
        out.extend_from_slice(buffer.data());
        group = span.end;
    }
    assert_eq!(Hash::of(&out), *hash);
    Ok(out)
}

//! Large writes, which go past the page cache where the file system is fit for it, among small ones.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout
)]

mod common;

use std::fs;
use std::io::IoSlice;
use std::ops::Range;
use std::path::Path;

use common::*;
use potluck_content::tree::{Geometry, check};
use potluck_store::{Download, SpanBuf, Store};

/// Writes pieces that lie next to each other with one call, from memory that begins anywhere and is
/// cut anywhere.
fn fetch_run(from: &Store, to: &Download, pieces: Range<u32>) {
    let layout = to.layout();
    let groups = layout.piece(pieces.start).groups.start..layout.piece(pieces.end - 1).groups.end;
    let blob = layout.blobs()[0];
    let mut buffer = SpanBuf::new();
    from.read_span(&blob.hash, groups.clone(), &mut buffer)
        .unwrap();
    let geometry = layout.geometry(0);
    let verified = check(&blob.hash, geometry, groups.clone(), buffer.proof()).unwrap();
    verified.check_groups(groups.start, buffer.data()).unwrap();
    to.write_parents(0, verified.parents()).unwrap();
    let parts: Vec<_> = buffer.data().chunks(16_411).map(IoSlice::new).collect();
    to.write_vectored(0, groups.start, &parts).unwrap();
    let pieces: Vec<u32> = pieces.collect();
    to.complete(&pieces).unwrap();
}

fn runs_of_all_lengths_arrive_equal(dir: &Path) {
    const SIZE: usize = 150_000_001;
    let (from, to) = (open(&dir.join("from")), open(&dir.join("to")));
    put(&dir.join("src"), &bytes(1, SIZE));
    let address = share(&from, &dir.join("src")).root.address;
    let download = to.begin(spec(&from, address, &dir.join("out"))).unwrap();
    let all = download.layout().pieces();
    let mut runs = Vec::new();
    let (mut start, mut length) = (0, 1);
    while start < all {
        let end = all.min(start + length);
        runs.push(start..end);
        (start, length) = (end, length % 17 + 3);
    }
    // Neighbours are written by different threads, and from the end to the beginning.
    runs.reverse();
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let (from, download, runs) = (&from, &download, &runs);
            scope.spawn(move || {
                for run in runs.iter().skip(worker).step_by(3) {
                    fetch_run(from, download, run.clone());
                }
            });
        }
        scope.spawn(|| (0..20).for_each(|_| download.checkpoint().unwrap()));
    });
    assert_eq!(Geometry::new(SIZE as u64), download.layout().geometry(0));
    let served = read_all(&to, &address.hash, SIZE as u64, 5).unwrap();
    assert!(served == bytes(1, SIZE));
    download.finish(true, 1).unwrap();
    assert!(fs::read(dir.join("out")).unwrap() == bytes(1, SIZE));
}

#[test]
fn they_arrive_equal() {
    // Build folders lie on a disk, temporary ones often don't.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    runs_of_all_lengths_arrive_equal(dir.path());
}

#[test]
fn they_arrive_equal_where_there_is_no_way_past_the_cache() {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        println!("not run: there is no /dev/shm");
        return;
    };
    runs_of_all_lengths_arrive_equal(dir.path());
}

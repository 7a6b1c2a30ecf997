//! What arrives, and what stands beside it.

use super::{Pair, go};
use crate::common::*;
use potluck_store::{BeginError, FinishError, Origin, ReadError, SpanBuf, WriteError};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

#[test]
fn a_folder_of_all_shapes_arrives_equal() {
    let pair = Pair::new();
    shapes(&pair.path("src"));
    let shared = share(&pair.from, &pair.path("src"));
    let dest = pair.path("out/of/nothing/folder");
    let download = pair
        .to
        .begin(spec(&pair.from, shared.root.address, &dest))
        .unwrap();
    let parent = dest.parent().unwrap();
    let part = names(parent);
    assert!(
        part.len() == 1 && part[0].starts_with(".folder.") && part[0].ends_with(".potluck-part")
    );
    assert_eq!(
        fs::metadata(parent.join(&part[0])).unwrap().mode() & 0o777,
        0o700
    );
    fetch(&pair.from, &download);
    assert!(!dest.exists());
    assert!(matches!(pair.to.root(&shared.root.address), Ok(None)));
    assert_eq!(
        download.finish(true, 9).unwrap(),
        fs::canonicalize(parent).unwrap().join("folder")
    );
    assert!(tree(&dest) == tree(&pair.path("src")));
    assert_eq!(names(parent), ["folder"]);
    let root = pair.to.root(&shared.root.address).unwrap().unwrap();
    assert_eq!(
        (root.bytes, root.files, root.created_unix),
        (shared.root.bytes, shared.root.files, 9)
    );
    assert_eq!(
        root.origin,
        Origin::Fetched {
            path: fs::canonicalize(&dest).unwrap()
        }
    );
    assert!(matches!(download.finish(true, 9), Err(FinishError::Ended)));
    assert!(matches!(download.write(0, 0, b""), Err(WriteError::Ended)));
    drop(download);
    assert!(pair.to.partials().unwrap().is_empty());
    assert!(names(&pair.path("to/partial")).is_empty());
    // And it is served on.
    let third = open(&pair.path("third"));
    let again = third
        .begin(spec(&pair.to, shared.root.address, &pair.path("again")))
        .unwrap();
    fetch(&pair.to, &again);
    again.finish(false, 9).unwrap();
    assert!(tree(&pair.path("again")) == tree(&pair.path("src")));
    assert!(third.root(&shared.root.address).unwrap().is_none());
    assert!(!third.has_blob(&shared.root.address.hash).unwrap());
    let report = pair
        .to
        .verify(&shared.root.address, 0, &mut |_| go())
        .unwrap();
    assert_eq!(report.problem_count, 0);
}

#[test]
fn files_of_any_size_arrive_equal() {
    let pair = Pair::new();
    for size in [0, 1, 16_383, 16_384, 16_385, 1_000_000, 9_000_001] {
        let name = format!("f{size}");
        put(&pair.path(&name), &bytes(5, size));
        let address = share(&pair.from, &pair.path(&name)).root.address;
        let dest = pair.path(&format!("out{size}"));
        let download = pair.to.begin(spec(&pair.from, address, &dest)).unwrap();
        // The head of a file of one group is all of it.
        assert_eq!(missing(&download).is_empty(), size <= 16_384);
        fetch(&pair.from, &download);
        download.finish(true, 1).unwrap();
        assert!(fs::read(&dest).unwrap() == bytes(5, size));
        assert_eq!(fs::metadata(&dest).unwrap().mode() & 0o700, 0o600);
        read_all(&pair.to, &address.hash, size as u64, 64).unwrap();
    }
}

#[test]
fn a_partial_download_is_served() {
    let pair = Pair::new();
    let (address, _) = pair.big(3_000_000);
    let download = pair
        .to
        .begin(spec(&pair.from, address, &pair.path("out")))
        .unwrap();
    let mut buffer = SpanBuf::new();
    for piece in [1, 2, 7] {
        fetch_piece(&pair.from, &download, piece, &mut buffer);
    }
    let available = pair.to.available(&address).unwrap().unwrap();
    assert_eq!(available.iter().collect::<Vec<_>>(), [1, 2, 7]);
    assert_eq!(pair.to.blob_size(&address.hash).unwrap(), Some(3_000_000));
    pair.to
        .read_span(&address.hash, 4..12, &mut buffer)
        .unwrap();
    pair.to
        .read_span(&address.hash, 5..11, &mut buffer)
        .unwrap();
    assert!(matches!(
        pair.to.read_span(&address.hash, 0..1, &mut buffer),
        Err(ReadError::NotHave)
    ));
    assert!(matches!(
        pair.to.read_span(&address.hash, 10..14, &mut buffer),
        Err(ReadError::NotHave)
    ));
    let info = &pair.to.partials().unwrap()[0];
    assert_eq!(
        (info.have_bytes, info.wanted_bytes, info.running),
        (3 * PIECE as u64, 3_000_000, true)
    );
    drop(download);
    assert!(pair.to.available(&address).unwrap().is_none());
    assert!(!pair.to.partials().unwrap()[0].running);
}

#[test]
fn what_stands_at_the_destination_is_never_replaced() {
    let pair = Pair::new();
    let (address, data) = pair.big(100_000);
    let dest = pair.path("out");
    put(&dest, b"precious");
    let error = pair.to.begin(spec(&pair.from, address, &dest)).unwrap_err();
    assert!(matches!(error, BeginError::DestExists { .. }));
    fs::remove_file(&dest).unwrap();
    let download = pair.to.begin(spec(&pair.from, address, &dest)).unwrap();
    fetch(&pair.from, &download);
    std::os::unix::fs::symlink("nowhere", &dest).unwrap();
    assert!(matches!(
        download.finish(true, 1),
        Err(FinishError::DestExists { .. })
    ));
    fs::remove_file(&dest).unwrap();
    download.finish(true, 1).unwrap();
    assert!(fs::read(&dest).unwrap() == data);
}

#[test]
fn what_the_store_has_is_copied_not_fetched() {
    let pair = Pair::new();
    let data = bytes(1, 3_000_000);
    put(&pair.path("src/big"), &data);
    put(&pair.path("src/other"), &bytes(2, 500_000));
    put(&pair.path("mine/renamed"), &data);
    let address = share(&pair.from, &pair.path("src")).root.address;
    share(&pair.to, &pair.path("mine"));
    let download = pair
        .to
        .begin(spec(&pair.from, address, &pair.path("out")))
        .unwrap();
    let filled = download.fill_from_local().unwrap();
    assert_eq!(filled.count() as usize, pieces(3_000_000));
    assert_eq!(fetch(&pair.from, &download).len(), pieces(500_000));
    download.finish(true, 1).unwrap();
    assert!(tree(&pair.path("out")) == tree(&pair.path("src")));
}

#[test]
fn a_very_long_name_fits() {
    let pair = Pair::new();
    let (address, _) = pair.big(10);
    let dest = pair.path(&"ü".repeat(127));
    pair.to
        .begin(spec(&pair.from, address, &dest))
        .unwrap()
        .finish(true, 1)
        .unwrap();
    assert_eq!(fs::read(dest).unwrap().len(), 10);
}

#[test]
fn fetched_files_follow_the_umask() {
    let pair = Pair::new();
    put(&pair.path("src/d/f"), b"1");
    let address = share(&pair.from, &pair.path("src")).root.address;
    let download = pair
        .to
        .begin(spec(&pair.from, address, &pair.path("out")))
        .unwrap();
    fetch(&pair.from, &download);
    download.finish(true, 1).unwrap();
    put(&pair.path("reference/f"), b"1");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&pair.path("out")), mode(&pair.path("reference")));
    assert_eq!(mode(&pair.path("out/d")), mode(&pair.path("reference")));
    assert_eq!(mode(&pair.path("out/d/f")), mode(&pair.path("reference/f")));
}

//! What is not accepted.

use super::Pair;
use crate::common::*;
use potluck_content::{Address, Hash, Manifest};
use potluck_store::{BeginError, DownloadSpec, FinishError, WriteError};

#[test]
fn wrong_descriptions_are_refused() {
    let pair = Pair::new();
    let (address, _) = pair.big(100_000);
    let dest = pair.path("out");
    let good = spec(&pair.from, address, &dest);
    let refused = |spec: DownloadSpec| pair.to.begin(spec).unwrap_err();
    let size = DownloadSpec {
        size: 100_001,
        ..good.clone()
    };
    assert!(matches!(refused(size), BeginError::BadContent(_)));
    let mut head = good.clone();
    head.head.as_mut().unwrap().data[0] ^= 1;
    assert!(matches!(refused(head), BeginError::BadContent(_)));
    let manifest = std::sync::Arc::new(Manifest::new(Vec::new()).unwrap());
    let folder = Address::folder(Hash::of(b"x"));
    let other = DownloadSpec {
        address: folder,
        manifest: Some(manifest),
        ..good.clone()
    };
    assert!(matches!(refused(other), BeginError::BadContent(_)));
    let none = DownloadSpec {
        address: folder,
        ..good.clone()
    };
    assert!(matches!(refused(none), BeginError::BadContent(_)));
    let long = DownloadSpec {
        dest: pair.path(&"x".repeat(256)),
        ..good.clone()
    };
    assert!(matches!(refused(long), BeginError::BadDest { .. }));
    let root = DownloadSpec {
        dest: "/".into(),
        ..good.clone()
    };
    assert!(matches!(refused(root), BeginError::BadDest { .. }));
    let below = DownloadSpec {
        dest: pair.path("src/big/below"),
        ..good
    };
    assert!(matches!(refused(below), BeginError::Fault(_)));
    assert!(
        names(pair.dir.path())
            .iter()
            .all(|name| !name.ends_with("part"))
    );
}

#[test]
fn ranges_that_do_not_exist_are_refused() {
    let pair = Pair::new();
    let (address, data) = pair.big(100_000);
    let download = pair
        .to
        .begin(spec(&pair.from, address, &pair.path("out")))
        .unwrap();
    for (blob, first, len) in [
        (1, 0, 16_384),
        (0, 0, 16_383),
        (0, 7, 1),
        (0, 6, 16_384),
        (0, u64::MAX, 16_384),
        (0, 0, 100_001),
    ] {
        let written = download.write(blob, first, &bytes(1, len));
        assert!(
            matches!(written, Err(WriteError::BadRange)),
            "{blob} {first} {len}"
        );
    }
    let past = pieces(100_000) as u32;
    assert!(matches!(
        download.complete(&[past]),
        Err(WriteError::BadRange)
    ));
    for offset in [6 * 64, 1, u64::MAX - 63] {
        let written = download.write_parents(0, &[(offset, [0; 64])]);
        assert!(matches!(written, Err(WriteError::BadRange)));
    }
    assert!(matches!(
        download.finish(true, 1),
        Err(FinishError::Incomplete { missing }) if missing == past
    ));
    download.write(0, 0, &data).unwrap();
}

//! Stopped, damaged and moved downloads.

use super::Pair;
use crate::common::*;
use potluck_store::{BeginError, FinishError, SpanBuf, WriteError};
use std::fs;

#[test]
fn every_kind_of_interruption_resumes() {
    let mut pair = Pair::new();
    let (address, data) = pair.big(1_500_000);
    let dest = pair.path("out");
    let mut fetched = 0;
    let mut buffer = SpanBuf::new();
    for round in 0.. {
        let what = spec(&pair.from, address, &dest);
        // `resume` goes by what is recorded; `begin` by what the link says. Both go on.
        let download = if round % 2 == 0 {
            pair.to.begin(what)
        } else {
            pair.to.resume(&address)
        };
        let download = download.unwrap();
        assert_eq!(download.have().count(), fetched);
        let Some(piece) = missing(&download).iter().next() else {
            download.finish(true, 1).unwrap();
            break;
        };
        fetch_piece(&pair.from, &download, piece, &mut buffer);
        fetched += 1;
        if round % 3 == 0 {
            download.checkpoint().unwrap();
        }
        drop(download);
        pair = pair.restart();
    }
    assert!(fs::read(&dest).unwrap() == data);
    assert_eq!(fetched as usize, pieces(1_500_000));
}

#[test]
fn a_journal_cut_anywhere_costs_only_what_was_cut() {
    let mut pair = Pair::new();
    let (address, _) = pair.big(2_000_000);
    let dest = pair.path("out");
    let mut buffer = SpanBuf::new();
    let download = pair.to.begin(spec(&pair.from, address, &dest)).unwrap();
    for piece in 0..3 {
        fetch_piece(&pair.from, &download, piece, &mut buffer);
    }
    drop(download);
    let partial = pair.path("to/partial");
    let journal = partial.join(&names(&partial)[0]).join("journal");
    let full = fs::read(&journal).unwrap();
    assert_eq!(full.len(), 24);
    for end in (0..=full.len()).rev() {
        fs::write(&journal, &full[..end]).unwrap();
        pair = pair.restart();
        let download = pair.to.resume(&address).unwrap();
        assert_eq!(download.have().count() as usize, end / 8);
    }
    // Garbage in it, and claims about what is not there.
    let mut garbage = bytes(3, 80);
    garbage.extend_from_slice(&full);
    fs::write(&journal, &garbage).unwrap();
    let download = pair.to.resume(&address).unwrap();
    assert_eq!(download.have().count(), 3);
}

#[test]
fn damaged_parts_are_fetched_again_and_no_more() {
    let mut pair = Pair::new();
    let (address, data) = pair.big(5_000_000);
    let dest = pair.path("out");
    let download = pair.to.begin(spec(&pair.from, address, &dest)).unwrap();
    let part = download.part_path().to_path_buf();
    let mut buffer = SpanBuf::new();
    for piece in 0..10 {
        fetch_piece(&pair.from, &download, piece, &mut buffer);
    }
    drop(download);
    pair = pair.restart();
    let mut half = fs::read(&part).unwrap();
    half[2 * PIECE + 5] ^= 1;
    half[7 * PIECE] ^= 1;
    fs::write(&part, &half).unwrap();
    let download = pair.to.resume(&address).unwrap();
    assert_eq!(
        fetch(&pair.from, &download)
            .into_iter()
            .filter(|p| *p < 10)
            .collect::<Vec<_>>(),
        [2, 7]
    );
    download.finish(true, 1).unwrap();
    assert!(fs::read(&dest).unwrap() == data);
}

#[test]
fn lost_files_of_a_part_are_fetched_again() {
    let mut pair = Pair::new();
    for n in 0..20 {
        put(
            &pair.path(&format!("src/d{}/f{n}", n % 3)),
            &bytes(n, 400_000),
        );
    }
    let address = share(&pair.from, &pair.path("src")).root.address;
    let dest = pair.path("out");
    let download = pair.to.begin(spec(&pair.from, address, &dest)).unwrap();
    fetch(&pair.from, &download);
    download.checkpoint().unwrap();
    let part = download.part_path().to_path_buf();
    drop(download);
    pair = pair.restart();
    fs::remove_file(part.join("d0/f3")).unwrap();
    fs::File::options()
        .write(true)
        .open(part.join("d1/f4"))
        .unwrap()
        .set_len(399_999)
        .unwrap();
    let download = pair.to.resume(&address).unwrap();
    assert_eq!(fetch(&pair.from, &download).len(), 2 * pieces(400_000));
    // And when one is cut right before the end, it is noticed and fetched, too.
    fs::File::options()
        .write(true)
        .open(part.join("d2/f2"))
        .unwrap()
        .set_len(5)
        .unwrap();
    assert!(matches!(
        download.finish(true, 1),
        Err(FinishError::Tampered { .. })
    ));
    assert_eq!(fetch(&pair.from, &download).len(), pieces(400_000));
    download.finish(true, 1).unwrap();
    assert!(tree(&dest) == tree(&pair.path("src")));
}

#[test]
fn a_part_that_is_gone_or_another_is_begun_anew() {
    let mut pair = Pair::new();
    let (address, data) = pair.big(1_000_000);
    let dest = pair.path("out");
    for round in 0..3 {
        let download = pair.to.begin(spec(&pair.from, address, &dest)).unwrap();
        assert!(download.have().is_empty(), "{round}");
        fetch(&pair.from, &download);
        download.checkpoint().unwrap();
        let part = download.part_path().to_path_buf();
        drop(download);
        pair = pair.restart();
        match round {
            0 => fs::remove_dir_all(part.parent().unwrap()).unwrap(),
            1 => {
                // A link in its place must not be followed.
                put(&pair.path("victim"), &bytes(1, 5));
                fs::remove_file(&part).unwrap();
                std::os::unix::fs::symlink(pair.path("victim"), &part).unwrap();
            }
            _ => {}
        }
    }
    let download = pair.to.resume(&address).unwrap();
    assert!(missing(&download).is_empty());
    download.finish(true, 1).unwrap();
    assert!(fs::read(&dest).unwrap() == data);
    assert_eq!(fs::read(pair.path("victim")).unwrap(), bytes(1, 5));
}

#[test]
fn nothing_is_written_through_links_in_the_part() {
    let pair = Pair::new();
    put(&pair.path("src/dir/file"), &bytes(1, 100_000));
    put(&pair.path("src/plain"), &bytes(2, 100_000));
    let address = share(&pair.from, &pair.path("src")).root.address;
    let download = pair
        .to
        .begin(spec(&pair.from, address, &pair.path("out")))
        .unwrap();
    fs::create_dir(pair.path("outside")).unwrap();
    put(&pair.path("outside/victim"), b"precious");
    std::os::unix::fs::symlink(pair.path("outside"), download.part_path().join("dir")).unwrap();
    std::os::unix::fs::symlink(
        pair.path("outside/victim"),
        download.part_path().join("plain"),
    )
    .unwrap();
    for blob in 0..2 {
        let error = download
            .write(blob, 0, &bytes(1 + u64::from(blob), 100_000))
            .unwrap_err();
        assert!(matches!(error, WriteError::Fault(_)), "{error}");
    }
    assert_eq!(names(&pair.path("outside")), ["victim"]);
    assert_eq!(fs::read(pair.path("outside/victim")).unwrap(), b"precious");
}

#[test]
fn another_destination_takes_over_what_is_here() {
    let pair = Pair::new();
    let (address, data) = pair.big(1_000_000);
    let download = pair
        .to
        .begin(spec(&pair.from, address, &pair.path("one/a")))
        .unwrap();
    let mut buffer = SpanBuf::new();
    fetch_piece(&pair.from, &download, 1, &mut buffer);
    let other = spec(&pair.from, address, &pair.path("two/b"));
    assert!(matches!(
        pair.to.begin(other.clone()),
        Err(BeginError::Busy { .. })
    ));
    assert!(pair.to.drop_partial(&address).is_err());
    drop(download);
    let download = pair.to.begin(other).unwrap();
    assert_eq!(fetch(&pair.from, &download).len(), pieces(1_000_000) - 1);
    download.finish(true, 1).unwrap();
    assert!(fs::read(pair.path("two/b")).unwrap() == data);
    assert!(names(&pair.path("one")).is_empty());
}

#[test]
fn a_dropped_download_leaves_nothing() {
    let pair = Pair::new();
    shapes(&pair.path("src"));
    let address = share(&pair.from, &pair.path("src")).root.address;
    let download = pair
        .to
        .begin(spec(&pair.from, address, &pair.path("out/x")))
        .unwrap();
    fetch(&pair.from, &download);
    download.checkpoint().unwrap();
    drop(download);
    assert!(pair.to.drop_partial(&address).unwrap());
    assert!(!pair.to.drop_partial(&address).unwrap());
    assert!(names(&pair.path("out")).is_empty());
    assert!(names(&pair.path("to/partial")).is_empty());
    assert!(!pair.to.has_blob(&address.hash).unwrap());
    assert!(matches!(pair.to.resume(&address), Err(BeginError::NotHave)));
}

//! Downloads: whole, selected, interrupted, tampered with.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout
)]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use common::*;
use potluck_content::{Address, Hash, Manifest, PieceSet};
use potluck_store::{
    BeginError, DownloadSpec, FinishError, Origin, ReadError, Selection, SpanBuf, Store, WriteError,
};
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

struct Pair {
    dir: TempDir,
    from: Store,
    to: Store,
}

impl Pair {
    fn new() -> Self {
        let dir = tempdir().unwrap();
        let from = open(&dir.path().join("from"));
        let to = open(&dir.path().join("to"));
        Self { dir, from, to }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Closes and opens the fetching store, as after the end of its process.
    fn restart(self) -> Self {
        let Self { dir, from, to } = self;
        drop(to);
        let to = open(&dir.path().join("to"));
        Self { dir, from, to }
    }

    fn big(&self, size: usize) -> (Address, Vec<u8>) {
        let data = bytes(size as u64, size);
        put(&self.path("src/big"), &data);
        (share(&self.from, &self.path("src/big")).root.address, data)
    }
}

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

fn go() -> std::ops::ControlFlow<()> {
    std::ops::ControlFlow::Continue(())
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
fn selected_entries_alone_are_made() {
    let pair = Pair::new();
    shapes(&pair.path("src"));
    let shared = share(&pair.from, &pair.path("src")).root;
    let manifest = pair.from.manifest(&shared.address).unwrap().unwrap();
    let pick = |paths: &[&str]| {
        let index = |path: &&str| {
            manifest
                .entries()
                .iter()
                .position(|e| e.path.as_str() == *path)
                .unwrap() as u32
        };
        Selection::Entries(paths.iter().map(index).collect())
    };
    let dest = pair.path("out");
    let what = |selection| DownloadSpec {
        selection,
        ..spec(&pair.from, shared.address, &dest)
    };
    // First all of it is begun, then some of it is enough. `a/same` is equal to `a/deep/er/file`.
    let download = pair.to.begin(what(Selection::All)).unwrap();
    fetch(&pair.from, &download);
    drop(download);
    let some = ["a/same", "empty", "bin/tool", "hollow/inner", "link"];
    let download = pair.to.begin(what(pick(&some))).unwrap();
    let same = pieces(300_000) as u32;
    assert_eq!(download.wanted().count(), same + 1);
    fetch(&pair.from, &download);
    download.finish(true, 1).unwrap();
    let found: Vec<String> = tree(&dest)
        .into_keys()
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    let expected = [
        "a",
        "a/same",
        "bin",
        "bin/tool",
        "empty",
        "hollow",
        "hollow/inner",
        "link",
    ];
    assert_eq!(found, expected);
    let root = pair.to.root(&shared.address).unwrap().unwrap();
    assert_eq!(root.selected.as_ref().map(PieceSet::count), Some(same + 1));
    assert_eq!(
        pair.to.available(&shared.address).unwrap().unwrap().count(),
        same + 1
    );
    // More of it, elsewhere: what is here is not fetched.
    let more = DownloadSpec {
        dest: pair.path("more"),
        ..what(pick(&["a/same", "group"]))
    };
    let download = pair.to.begin(more).unwrap();
    assert_eq!(download.fill_from_local().unwrap().count(), same);
    assert_eq!(fetch(&pair.from, &download).len(), 1);
    download.finish(true, 1).unwrap();
    assert_eq!(
        pair.to.available(&shared.address).unwrap().unwrap().count(),
        same + 2
    );
}

#[test]
fn entries_that_are_not_there_cannot_be_selected() {
    let pair = Pair::new();
    shapes(&pair.path("src"));
    let shared = share(&pair.from, &pair.path("src")).root;
    let what = DownloadSpec {
        selection: Selection::Entries(vec![1000]),
        ..spec(&pair.from, shared.address, &pair.path("out"))
    };
    let error = pair.to.begin(what).unwrap_err();
    assert!(matches!(error, BeginError::BadContent(_)));
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is interrupted, checkpointed and damaged in whatever order: what is finished is right,
    /// and nothing is fetched twice but what was damaged.
    #[test]
    fn any_history_ends_in_the_right_bytes(
        sizes in proptest::collection::vec(0_usize..600_000, 1..8),
        steps in proptest::collection::vec((0_u8..5, any::<u32>()), 0..40),
    ) {
        let mut pair = Pair::new();
        for (n, size) in sizes.iter().enumerate() {
            put(&pair.path(&format!("src/d{}/f{n}", n % 2)), &bytes(n as u64, *size));
        }
        let address = share(&pair.from, &pair.path("src")).root.address;
        let dest = pair.path("out");
        let mut download = Some(pair.to.begin(spec(&pair.from, address, &dest)).unwrap());
        let mut buffer = SpanBuf::new();
        for (step, number) in steps {
            let open = download.take().unwrap();
            match step {
                0 => open.checkpoint().unwrap(),
                1 => {
                    let have = open.have();
                    drop(open);
                    pair = pair.restart();
                    let open = pair.to.resume(&address).unwrap();
                    prop_assert_eq!(open.have(), have);
                    download = Some(open);
                    continue;
                }
                _ => {
                    let missing: Vec<u32> = missing(&open).iter().collect();
                    if !missing.is_empty() {
                        let piece = missing[number as usize % missing.len()];
                        fetch_piece(&pair.from, &open, piece, &mut buffer);
                    }
                }
            }
            download = Some(open);
        }
        let open = download.unwrap();
        fetch(&pair.from, &open);
        open.finish(true, 1).unwrap();
        prop_assert!(tree(&dest) == tree(&pair.path("src")));
    }
}

#[test]
fn many_threads_write_read_and_checkpoint_at_once() {
    let pair = Pair::new();
    for n in 0..60 {
        put(
            &pair.path(&format!("src/d{}/f{n}", n % 7)),
            &bytes(n, 20_000 * n as usize),
        );
    }
    let address = share(&pair.from, &pair.path("src")).root.address;
    let download = pair
        .to
        .begin(spec(&pair.from, address, &pair.path("out")))
        .unwrap();
    let layout = download.layout();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let (from, download) = (&pair.from, &download);
                scope.spawn(move || {
                    let mut buffer = SpanBuf::new();
                    for piece in (0..layout.pieces()).filter(|piece| piece % 4 == worker) {
                        fetch_piece(from, download, piece, &mut buffer);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                download.checkpoint().unwrap();
            }
        });
        scope.spawn(|| {
            let mut buffer = SpanBuf::new();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for piece in pair.to.available(&address).unwrap().unwrap().iter() {
                    let piece = layout.piece(piece);
                    let hash = layout.blobs()[piece.blob as usize].hash;
                    pair.to.read_span(&hash, piece.groups, &mut buffer).unwrap();
                }
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(missing(&download).is_empty());
    download.finish(true, 1).unwrap();
    assert!(tree(&pair.path("out")) == tree(&pair.path("src")));
}

//! Some entries of a folder.

use super::Pair;
use crate::common::*;
use potluck_content::PieceSet;
use potluck_store::{BeginError, DownloadSpec, Selection};

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

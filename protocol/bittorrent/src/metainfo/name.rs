//! Names of files, which are hostile until made safe.
//!
//! libtorrent changes names instead of refusing them, and so do others: torrents with names that no
//! file system takes exist. We do as it does: separators, marks that reorder text and NUL go, invalid
//! UTF-8 and control characters become `_`, what is nothing then becomes `_`, and a long name keeps
//! its extension. What is left is held to the rules for all names ([`potluck_content::safe_name`]),
//! which also change what is unsafe on Windows alone: a colon, a device, a dot at the end.

use std::collections::{BTreeMap, BTreeSet};

use potluck_content::{EntryPath, Hash, MAX_COMPONENT_BYTES, PathError, fold_name, safe_name};

use super::{FileEntry, FileKind, MAX_PATHS_BYTES, MetainfoError};

/// What stands in for a name of which nothing is usable.
const FALLBACK: &str = "_";
/// Bytes of a name after which it is cut, before its extension.
const STEM_BYTES: usize = 240;
/// Most bytes of an extension that a cut name keeps, its dot included.
const EXTENSION_BYTES: usize = 9;

/// More rounds of cutting and replacing than a name can need: after the first all its characters are
/// safe, after the second it is cut, the third replaces an end, the fourth cuts that.
const MAX_ROUNDS: usize = 8;

/// The safe form of a name, if anything of it is usable. An empty one is `_`.
pub(super) fn element(raw: &[u8]) -> Option<String> {
    if raw.is_empty() {
        return Some(FALLBACK.to_owned());
    }
    let mut name = String::with_capacity(raw.len().min(2 * MAX_COMPONENT_BYTES));
    for chunk in raw.utf8_chunks() {
        name.extend(chunk.valid().chars().filter(|c| !is_dropped(*c)));
        if !chunk.invalid().is_empty() {
            name.push('_');
        }
    }
    if name.trim_end_matches(['.', ' ']).is_empty() {
        return None;
    }
    // What is unsafe can take more bytes than what stands in for it, so that a name that was cut is
    // cut at another place when it is read again. Few rounds end that: a name only gets shorter.
    for _ in 0..MAX_ROUNDS {
        let next = safe_name(&shortened(&name));
        if next == name {
            break;
        }
        name = next;
    }
    Some(name)
}

/// Separators, marks that only change the direction of the text, and the end of a text in C.
fn is_dropped(character: char) -> bool {
    matches!(
        character,
        '\0' | '/' | '\\' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
    )
}

/// Cuts a long name, but for its extension. libtorrent cuts names that file systems take, too, and
/// files that it left somewhere are to be found again.
fn shortened(name: &str) -> String {
    let mut ends = name.char_indices().map(|(at, c)| (at, at + c.len_utf8()));
    let Some((last, end)) = ends.find(|(_, end)| *end >= STEM_BYTES) else {
        return name.to_owned();
    };
    let dot = name.rfind('.');
    let dot = dot.filter(|dot| *dot > last && dot + EXTENSION_BYTES >= name.len());
    let extension = dot.and_then(|dot| name.get(dot.max(end)..));
    let stem = name.get(..end);
    [stem.unwrap_or_default(), extension.unwrap_or_default()].concat()
}

/// Makes paths of names, and keeps count of their bytes.
pub(super) struct Paths {
    /// The name of the folder, or nothing.
    prefix: String,
    bytes: usize,
}

impl Paths {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            bytes: 0,
        }
    }

    /// The folder, as a path that is not checked yet: nothing when it is not in paths.
    pub(super) fn top(&self) -> String {
        self.prefix.clone()
    }

    /// The safe path of names below the folder. Names of which nothing is usable become `_`.
    pub(super) fn path<'a>(
        &mut self,
        index: usize,
        names: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<EntryPath, MetainfoError> {
        let top = self.top();
        let path = names.into_iter().fold(top, |path, name| below(&path, name));
        self.checked(index, path)
    }

    /// The path of padding, wherever the torrent wants it: nothing is written there.
    pub(super) fn padding(&mut self, index: usize, size: u64) -> Result<EntryPath, MetainfoError> {
        self.checked(index, format!(".pad/{size}"))
    }

    /// Counts a path that was made, be it of a directory with nothing in it.
    pub(super) fn count(&mut self, path: &str) -> Result<(), MetainfoError> {
        self.bytes = self.bytes.saturating_add(path.len());
        if self.bytes > MAX_PATHS_BYTES {
            return Err(MetainfoError::PathsTooLong);
        }
        Ok(())
    }

    /// Checks a path of safe names.
    pub(super) fn checked(
        &mut self,
        index: usize,
        path: String,
    ) -> Result<EntryPath, MetainfoError> {
        self.count(&path)?;
        EntryPath::new(path).map_err(|reason| MetainfoError::Path { index, reason })
    }
}

/// The path of the safe form of a name in a directory.
pub(super) fn below(directory: &str, name: &[u8]) -> String {
    let name = element(name).unwrap_or_else(|| FALLBACK.to_owned());
    if directory.is_empty() {
        name
    } else {
        [directory, "/", &name].concat()
    }
}

/// Changes paths that some file system would take for another of the torrent, or for a directory of
/// it: `a/b.txt` becomes `a/b.1.txt`.
pub(super) fn make_unique(files: &mut [FileEntry]) -> Result<(), PathError> {
    let directories = directories(files);
    let mut taken = BTreeSet::new();
    let mut take = |key| directories.binary_search(&key).is_err() && taken.insert(key);
    let mut numbers = BTreeMap::<Key, u32>::new();
    for file in files {
        if file.kind == FileKind::Padding {
            continue;
        }
        let folded = key(&fold_name(file.path.as_str()));
        if take(folded) {
            continue;
        }
        // Numbers go on where the last one with the same path stopped, so many of them cost little.
        let number = numbers.entry(folded).or_default();
        loop {
            *number += 1;
            let path = numbered(&file.path, *number)?;
            if take(key(&fold_name(path.as_str()))) {
                file.path = path;
                break;
            }
        }
    }
    Ok(())
}

/// What stands for a folded path: a torrent can have millions of directories whose paths are long.
type Key = [u8; 16];

fn key(folded: &str) -> Key {
    let hash = Hash::of(folded.as_bytes());
    let mut key = Key::default();
    key.copy_from_slice(&hash.as_bytes()[..16]);
    key
}

/// The paths of all directories, ordered.
fn directories(files: &[FileEntry]) -> Vec<Key> {
    let mut directories = Vec::new();
    let mut before = String::new();
    for file in files.iter().filter(|file| file.kind != FileKind::Padding) {
        // Folding leaves separators, and what it does to a name does not depend on others.
        let folded = fold_name(file.path.as_str());
        let known = common_directory(&before, &folded);
        let mut rest = folded.as_str();
        while let Some((parent, _)) = rest.rsplit_once('/') {
            if parent.len() <= known {
                break;
            }
            directories.push(key(parent));
            rest = parent;
        }
        before = folded;
    }
    directories.sort_unstable();
    directories.dedup();
    directories
}

/// Bytes of the path of the deepest directory that two files are in.
fn common_directory(a: &str, b: &str) -> usize {
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b);
    let slashes = same.enumerate().filter(|(_, (a, _))| *a == b'/');
    slashes.last().map_or(0, |(at, _)| at)
}

fn numbered(path: &EntryPath, number: u32) -> Result<EntryPath, PathError> {
    let name = path.file_name();
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    };
    let ending = format!(".{number}{extension}");
    let room = MAX_COMPONENT_BYTES.saturating_sub(ending.len());
    let stem = stem
        .get(..stem.floor_char_boundary(room))
        .unwrap_or_default();
    let name = safe_name(&format!("{stem}{ending}"));
    match path.parent() {
        Some(parent) => parent.join(&name),
        None => EntryPath::new(name),
    }
}

#[cfg(test)]
mod tests {
    use potluck_content::check_name;
    use proptest::prelude::*;

    use super::*;

    /// What libtorrent 2.1 makes of the same names, but for those that Windows does not take.
    #[test]
    fn names_are_those_that_libtorrent_makes() {
        for (raw, name) in [
            (&b"plain.txt"[..], "plain.txt"),
            (b"", "_"),
            (b"/a/", "a"),
            (b"a/b", "ab"),
            (b"a\\b", "ab"),
            (b"a...b", "a...b"),
            (
                b"test2/../test3/.././../../test4",
                "test2..test3.......test4",
            ),
            (b"\x08", "_"),
            (b"\0foo", "foo"),
            (b"\x08?filename=4", "_?filename=4"),
            (b"filename\xc2\xa1", "filename\u{a1}"),
            (b"filename\xc2", "filename_"),
            (b"filename\xe2\x9f", "filename_"),
            (b"filename\xf0\x9f\x92", "filename_"),
            (b"foo\xe2\x80\x8ebar", "foobar"),
            (b"foo\xe2\x80\xabbar", "foobar"),
            (b" a", " a"),
            // Not as libtorrent on Unix, which keeps these:
            (b"dev:", "dev_"),
            (b"con", "_con"),
            (b"a. ", "a"),
        ] {
            assert_eq!(element(raw).as_deref(), Some(name), "{raw:?}");
        }
        for raw in [&b"."[..], b"\0", b"..", b"/..", b"//\\", b"...", b"  "] {
            assert_eq!(element(raw), None, "{raw:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let long = |ending: &str| ["x".repeat(300).as_str(), ending].concat();
        let name = element(long(".test").as_bytes()).unwrap();
        assert_eq!(name, ["x".repeat(240).as_str(), ".test"].concat());
        let name = element(long("").as_bytes()).unwrap();
        assert_eq!(name, "x".repeat(240));
        let name = element(long(".a long ending").as_bytes()).unwrap();
        assert_eq!(name, "x".repeat(240));
        let name = element(long(".123456789").as_bytes()).unwrap();
        assert_eq!(name, "x".repeat(240));
        for (ending, kept) in [
            ("—abcde.jpg", "—.jpg"),
            ("y", "y"),
            ("yz", "y"),
            ("y.txt", "y.txt"),
            ("yz.txt", "y.txt"),
            (".txt", "."),
        ] {
            let start = "x".repeat(239);
            let name = element([&start, ending].concat().as_bytes());
            // A dot at the end is not libtorrent's way, but goes for Windows.
            let kept = [&start, kept.trim_end_matches('.')].concat();
            assert_eq!(name, Some(kept), "{ending}");
        }
    }

    fn entries(paths: &[&str]) -> Vec<FileEntry> {
        let entry = |path: &&str| FileEntry {
            path: EntryPath::new(*path).unwrap(),
            size: 1,
            offset: 0,
            kind: FileKind::Regular,
            executable: false,
            hidden: false,
            root: None,
        };
        paths.iter().map(entry).collect()
    }

    fn unique(paths: &[&str]) -> Vec<String> {
        let mut files = entries(paths);
        make_unique(&mut files).unwrap();
        files.iter().map(|file| file.path.to_string()).collect()
    }

    #[test]
    fn paths_become_different() {
        assert_eq!(
            unique(&[
                "t/foo/bar.txt",
                "t/foo/bar.txt",
                "t/FOO/Bar.TXT",
                "t/foo/bar.1.txt"
            ]),
            [
                "t/foo/bar.txt",
                "t/foo/bar.1.txt",
                "t/FOO/Bar.2.TXT",
                "t/foo/bar.1.1.txt"
            ]
        );
        assert_eq!(
            unique(&["t/a", "t/a/b", "t/A"]),
            ["t/a.1", "t/a/b", "t/A.2"]
        );
        assert_eq!(unique(&["t/.x", "t/.x"]), ["t/.x", "t/.x.1"]);
        let long = ["t/", "y".repeat(255).as_str()].concat();
        assert_eq!(
            unique(&[&long, &long])[1],
            ["t/", "y".repeat(253).as_str(), ".1"].concat()
        );
    }

    #[test]
    fn a_cut_name_stays_as_it_is() {
        // Control characters of two bytes become one, which moves the place of the cut.
        for controls in 0..12 {
            for end in [".", ". ", "._", ".txt", ".a.", "é.b"] {
                let name = [&"\u{85}".repeat(controls), &"y".repeat(240 - controls), end].concat();
                let once = element(name.as_bytes()).unwrap();
                assert_eq!(element(once.as_bytes()), Some(once), "{name:?}");
            }
        }
    }

    #[test]
    fn many_of_the_same_path_cost_little() {
        let files = unique(&["t/a"; 20_000]);
        assert_eq!(files[19_999], "t/a.19999");
    }

    proptest! {
        #[test]
        fn names_are_safe(raw in proptest::collection::vec(any::<u8>(), 0..300), text in "[./\\\\a: \u{202e}]{0,300}") {
            for raw in [&raw[..], text.as_bytes()] {
                if let Some(name) = element(raw) {
                    prop_assert_eq!(check_name(&name), Ok(()));
                    // Who reads a torrent that was made of safe names gets the same ones.
                    prop_assert_eq!(element(name.as_bytes()), Some(name));
                }
            }
        }

        #[test]
        fn names_fold_by_themselves(names in proptest::collection::vec("\\PC{1,4}", 1..4)) {
            let names: Vec<String> = names.iter().map(|name| name.replace('/', "_")).collect();
            let folded: Vec<String> = names.iter().map(|name| fold_name(name)).collect();
            prop_assert_eq!(fold_name(&names.join("/")), folded.join("/"));
        }

        #[test]
        fn no_two_paths_are_the_same(paths in proptest::collection::vec("[ab.]{1,2}1?(/[abA.]{1,2}){0,2}", 1..20)) {
            let paths: Vec<&str> = paths.iter().map(String::as_str).filter(|path| EntryPath::new(*path).is_ok()).collect();
            let unique = unique(&paths);
            let folded: BTreeSet<String> = unique.iter().map(|path| fold_name(path)).collect();
            prop_assert_eq!(folded.len(), unique.len());
            let is_directory = |path: &String| {
                let below = [path.as_str(), "/"].concat();
                folded.iter().any(|other| other.starts_with(&below))
            };
            prop_assert!(!folded.iter().any(is_directory));
        }
    }
}

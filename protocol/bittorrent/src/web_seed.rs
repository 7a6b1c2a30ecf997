//! What to ask web seeds for (BEP 19): the addresses of files, and which bytes of them pieces are.
//!
//! Addresses are made as libtorrent makes them. A torrent that is one file is at the address of the
//! seed itself, or below it by its name when the address ends with `/`. The files of a torrent that
//! is a folder are below the address by the name of the torrent and their path.

mod reply;

use std::ops::Range;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::bencode::{Document, Limits, Node};
use crate::{Info, Layout};

pub use reply::{ContentRange, retry_after};

/// What stands for itself in an address (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The dictionary was read before, under no other limits.
const LIMITS: Limits = Limits {
    depth: 100,
    items: 3_000_000,
};

/// Bytes that stand together in one file, or zeros, and in which pieces they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebRun {
    /// Position of the file in the torrent, from 0. None for padding: zeros, for which nobody is asked.
    pub file: Option<usize>,
    /// Bytes of the file before it; of padding, those of the padding.
    pub offset: u64,
    /// Its bytes; one at least.
    pub bytes: u64,
    /// The piece that it begins in.
    pub piece: u32,
    /// Bytes of that piece before it. After the full length of a piece it goes on at the start of the
    /// next one.
    pub piece_offset: u64,
}

/// The files of a torrent as web seeds have them.
#[derive(Clone, Debug)]
pub struct WebLayout {
    layout: Layout,
    is_single: bool,
    /// The path of each file, escaped. Nothing for padding.
    paths: Vec<Box<str>>,
    sizes: Vec<u64>,
}

impl WebLayout {
    /// The files of a torrent, whose names are those of the info dictionary wherever that can be: the
    /// ones that file systems get are changed to be safe, and no server knows them.
    #[must_use]
    pub fn new(info: &Info) -> Self {
        let mut raw = raw_paths(info).unwrap_or_default().into_iter();
        let paths = info.files().iter().map(|file| {
            let raw = raw.next().flatten();
            let path = raw.unwrap_or_else(|| joined(file.path.as_str().split('/')));
            path.into_boxed_str()
        });
        Self {
            layout: info.layout(),
            is_single: info.is_single(),
            paths: paths.collect(),
            sizes: info.files().iter().map(|file| file.size).collect(),
        }
    }

    /// Bytes of a piece; the last one may be shorter.
    #[must_use]
    pub fn piece_bytes(&self) -> u64 {
        self.layout.piece_bytes()
    }

    /// Number of pieces.
    #[must_use]
    pub fn pieces(&self) -> u64 {
        self.layout.pieces()
    }

    /// Bytes of a file, by its position in the torrent.
    #[must_use]
    pub fn size(&self, file: usize) -> Option<u64> {
        self.sizes.get(file).copied()
    }

    /// Where a seed has a file. None for a position that the torrent does not have.
    #[must_use]
    pub fn url(&self, base: &str, file: usize) -> Option<String> {
        let path = self.paths.get(file)?;
        let base = base.split('#').next().unwrap_or_default();
        let has_slash = base.ends_with('/');
        Some(match (self.is_single, has_slash) {
            (true, false) => base.to_owned(),
            (false, false) => [base, "/", path].concat(),
            (_, true) => [base, path].concat(),
        })
    }

    /// What pieces are made of, in order, with as few runs as that takes. Pieces past the end are
    /// nothing.
    #[must_use]
    pub fn runs(&self, pieces: Range<u32>) -> Vec<WebRun> {
        let end = self.layout.pieces().min(u64::from(pieces.end));
        let end = u32::try_from(end).unwrap_or(u32::MAX);
        let mut runs = Vec::<WebRun>::new();
        for piece in pieces.start..end {
            let mut piece_offset = 0;
            for span in self.layout.spans(u64::from(piece)) {
                let continues = |run: &&mut WebRun| {
                    run.file == span.file && run.offset + run.bytes == span.offset
                };
                match runs.last_mut().filter(continues) {
                    Some(run) => run.bytes += span.bytes,
                    None => runs.push(WebRun {
                        file: span.file,
                        offset: span.offset,
                        bytes: span.bytes,
                        piece,
                        piece_offset,
                    }),
                }
                piece_offset += span.bytes;
            }
        }
        runs
    }
}

/// The paths of files as the info dictionary has them; None where a name can't be part of an address.
/// Nothing at all for version 2 alone, whose names come from a tree.
fn raw_paths(info: &Info) -> Option<Vec<Option<String>>> {
    let document = Document::read(info.bytes(), LIMITS).ok()?;
    let root = document.root();
    let text = |key: &str| root.get(key).and_then(Node::text);
    let name = text("name.utf-8").or_else(|| text("name"))?;
    if info.is_single() {
        return Some(vec![checked(vec![name])]);
    }
    let files = root.get("files")?.list()?;
    let path = |file: Node<'_, '_>| {
        let list = |key: &str| file.get(key).and_then(Node::list);
        let names = list("path.utf-8").or_else(|| list("path"))?;
        let names = names.map(Node::text).collect::<Option<Vec<_>>>()?;
        checked([&[name][..], &names].concat())
    };
    let paths: Vec<_> = files.map(path).collect();
    // Another number would give files the names of others.
    (paths.len() == info.files().len()).then_some(paths)
}

/// Escapes a path, unless one of its names means another place.
fn checked(names: Vec<&[u8]>) -> Option<String> {
    let is_name = |name: &&[u8]| !matches!(*name, b"" | b"." | b"..") && !name.contains(&b'/');
    names.iter().all(is_name).then(|| joined(names))
}

fn joined(names: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut path = String::new();
    for name in names {
        if !path.is_empty() {
            path.push('/');
        }
        path.extend(percent_encode(name.as_ref(), ESCAPED));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bencode::Value;

    /// A torrent of version 1 with pieces of 10 bytes. A file without a path is padding.
    fn folder(name: &str, files: &[(&[&str], i64)]) -> Info {
        let total: i64 = files.iter().map(|(_, size)| size).sum();
        let pieces = usize::try_from(total).unwrap().div_ceil(10);
        let file = |(path, size): &(&[&str], i64)| {
            let names = path.iter().map(Value::text).collect();
            let mut entries = vec![("length", Value::Number(*size))];
            match path {
                [] => entries.push(("attr", Value::text("p"))),
                _ => entries.push(("path", Value::List(names))),
            }
            let entries = entries.into_iter();
            Value::Dict(entries.map(|(key, v)| (key.into(), v)).collect())
        };
        let entries = [
            ("files", Value::List(files.iter().map(file).collect())),
            ("name", Value::text(name)),
            ("piece length", Value::Number(10)),
            ("pieces", Value::text("x".repeat(20 * pieces))),
        ];
        let entries = entries.into_iter().map(|(key, v)| (key.into(), v));
        Info::parse(&Value::Dict(entries.collect()).encode()).unwrap()
    }

    fn single(name: &str) -> Info {
        let entries = [
            ("length", Value::Number(25)),
            ("name", Value::text(name)),
            ("piece length", Value::Number(10)),
            ("pieces", Value::text("x".repeat(60))),
        ];
        let entries = entries.into_iter().map(|(key, v)| (key.into(), v));
        Info::parse(&Value::Dict(entries.collect()).encode()).unwrap()
    }

    fn run(file: Option<usize>, offset: u64, bytes: u64, piece: u32, piece_offset: u64) -> WebRun {
        WebRun {
            file,
            offset,
            bytes,
            piece,
            piece_offset,
        }
    }

    #[test]
    fn addresses() {
        let one = WebLayout::new(&single("a b.iso"));
        let url = |base| one.url(base, 0).unwrap();
        assert_eq!(url("http://x/y.iso"), "http://x/y.iso");
        assert_eq!(url("http://x/y.iso#top"), "http://x/y.iso");
        assert_eq!(url("http://x/"), "http://x/a%20b.iso");
        assert_eq!(one.url("http://x/", 1), None);

        let many = WebLayout::new(&folder("t 1", &[(&["d", "é?.txt"], 5), (&["b"], 5)]));
        let url = |base, file| many.url(base, file).unwrap();
        assert_eq!(url("http://x/", 0), "http://x/t%201/d/%C3%A9%3F.txt");
        assert_eq!(url("http://x", 1), "http://x/t%201/b");
    }

    #[test]
    fn names_that_mean_another_place_are_made_safe() {
        let many = WebLayout::new(&folder("t", &[(&["..", "b"], 5), (&["a/b"], 5)]));
        assert_eq!(many.url("http://x/", 0).unwrap(), "http://x/t/_/b");
        assert_eq!(many.url("http://x/", 1).unwrap(), "http://x/t/ab");
    }

    #[test]
    fn pieces_of_one_file_are_one_run() {
        let one = WebLayout::new(&single("a"));
        assert_eq!(one.runs(0..3), [run(Some(0), 0, 25, 0, 0)]);
        assert_eq!(one.runs(1..2), [run(Some(0), 10, 10, 1, 0)]);
        assert_eq!(one.runs(2..u32::MAX), [run(Some(0), 20, 5, 2, 0)]);
        assert_eq!(one.runs(3..9), []);
        assert_eq!(one.size(0), Some(25));
    }

    #[test]
    fn runs_end_with_their_file() {
        let info = folder("t", &[(&["a"], 13), (&[], 7), (&["b"], 12), (&["c"], 1)]);
        let many = WebLayout::new(&info);
        let all = [
            run(Some(0), 0, 13, 0, 0),
            run(None, 0, 7, 1, 3),
            run(Some(2), 0, 12, 2, 0),
            run(Some(3), 0, 1, 3, 2),
        ];
        assert_eq!(many.runs(0..4), all);
        let last = [run(Some(2), 10, 2, 3, 0), run(Some(3), 0, 1, 3, 2)];
        assert_eq!(many.runs(3..4), last);
    }
}

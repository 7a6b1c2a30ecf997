//! Torrents of all kinds. Whether one is taken and what comes of it is what libtorrent 2.1.1 said of
//! the same bytes, where a case does not say otherwise.

mod layout;
mod outer;
mod round;
mod v1;
mod v2;
mod vectors;

use potluck_content::foreign::{Assembler, Cut};

use super::*;
use crate::bencode::Value;

const KIB: u64 = 1024;

fn int(number: i64) -> Option<Value> {
    Some(Value::Number(number))
}

fn text(text: impl AsRef<[u8]>) -> Option<Value> {
    Some(Value::text(text))
}

fn list(values: impl IntoIterator<Item = Option<Value>>) -> Option<Value> {
    Some(Value::List(values.into_iter().flatten().collect()))
}

fn dict<const N: usize>(entries: [(&str, Option<Value>); N]) -> Option<Value> {
    Some(Value::dict(entries))
}

/// A list of names.
fn path<const N: usize>(names: [&str; N]) -> Option<Value> {
    list(names.map(text))
}

fn hashes(pieces: usize) -> Option<Value> {
    text("a".repeat(20 * pieces))
}

/// A dictionary with some entries replaced, or taken out where there is no value.
fn with<const N: usize>(base: Option<Value>, entries: [(&str, Option<Value>); N]) -> Option<Value> {
    let Some(Value::Dict(mut dict)) = base else {
        panic!("not a dictionary")
    };
    for (key, value) in entries {
        match value {
            Some(value) => dict.insert(key.as_bytes().to_vec(), value),
            None => dict.remove(key.as_bytes()),
        };
    }
    Some(Value::Dict(dict))
}

fn torrent(info: Option<Value>) -> Vec<u8> {
    dict([("info", info)]).unwrap().encode()
}

fn read(info: Option<Value>) -> Result<Metainfo, MetainfoError> {
    Metainfo::parse(&torrent(info))
}

/// Each file in a line: its path, `+` and its size, and what is special about it.
fn shown(torrent: &Metainfo) -> Vec<String> {
    let show = |file: &FileEntry| {
        let kind = match &file.kind {
            FileKind::Regular => String::new(),
            FileKind::Padding => " pad".to_owned(),
            FileKind::Symlink { target: None } => " -> nowhere".to_owned(),
            FileKind::Symlink {
                target: Some(target),
            } => format!(" -> {target}"),
        };
        let executable = if file.executable { " x" } else { "" };
        let hidden = if file.hidden { " h" } else { "" };
        format!("{}+{}{kind}{executable}{hidden}", file.path, file.size)
    };
    torrent.info().files().iter().map(show).collect()
}

/// The bytes that the tests of `potluck-content` use.
fn sample(size: usize) -> Vec<u8> {
    let byte = |at: usize| (at * 31 + (at >> 8) * 17 + (at >> 16) * 7) & 0xff;
    (0..size)
        .map(|at| u8::try_from(byte(at)).unwrap())
        .collect()
}

/// A file with its hashes of version 2.
fn new_file(path: &str, data: &[u8], piece_bytes: u64) -> NewFile {
    let size = data.len() as u64;
    let cut = Cut::with_pieces(size, piece_bytes).unwrap();
    let mut assembler = Assembler::new(cut);
    let run_bytes = usize::try_from(cut.run_bytes()).unwrap();
    for run in data.chunks(run_bytes) {
        let mut digester = cut.digester();
        digester.push(run);
        assembler.push(&digester.finish()).unwrap();
    }
    let found = assembler.finish().unwrap();
    NewFile {
        path: EntryPath::new(path).unwrap(),
        size,
        executable: false,
        root: found.v2_root,
        layer: found.v2_layer,
    }
}

/// The hashes of all pieces of files whose bytes are those of [`sample`].
fn digests(layout: &Layout, sizes: &[u64], v1: bool, v2: bool) -> Vec<PieceDigest> {
    let mut digester = PieceDigester::new(v1, v2);
    let piece = |piece| {
        for span in layout.spans(piece) {
            let Some(file) = span.file else {
                digester.push_padding(span.bytes);
                continue;
            };
            let data = sample(usize::try_from(sizes[file]).unwrap());
            let start = usize::try_from(span.offset).unwrap();
            digester.push(&data[start..start + usize::try_from(span.bytes).unwrap()]);
        }
        let size = layout.owner(piece).map_or(0, |(_, size, _)| size);
        digester.finish(size, layout.piece_bytes())
    };
    (0..layout.pieces()).map(piece).collect()
}

fn sizes(builder: &Builder) -> Vec<u64> {
    builder.files().iter().map(|file| file.size).collect()
}

/// Finishes a torrent of files whose bytes are those of [`sample`].
fn finish(builder: Builder) -> Metainfo {
    let pieces = digests(&builder.layout(), &sizes(&builder), true, false);
    let v1: Vec<[u8; 20]> = pieces.iter().filter_map(|piece| piece.v1).collect();
    builder.finish(&v1).unwrap()
}

//! Torrents of known files, and how to fetch them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use potluck_bittorrent::{Builder, Metainfo, NewFile, PieceDigester, Version};
use potluck_content::EntryPath;
use potluck_store::{Store, TorrentDownload, TorrentSpec};

use crate::common::bytes;

/// Bytes of a piece.
pub(crate) const PIECE: u64 = 32 * 1024;
pub(crate) const BLOCK: usize = 16 * 1024;

/// A torrent and the bytes of its files, by their position.
pub(crate) struct Made {
    pub(crate) metainfo: Arc<Metainfo>,
    pub(crate) contents: Vec<Vec<u8>>,
}

pub(crate) const V1: Version = Version::V1 { aligned: false };

/// Files of all kinds: empty, shorter than a block, of whole pieces, in directories, one to run.
pub(crate) fn shapes() -> Vec<(&'static str, Vec<u8>, bool)> {
    vec![
        ("a/deep/er/file", bytes(1, 100_000), false),
        ("a/one", bytes(2, 1), false),
        ("b/piece", bytes(3, 32 * 1024), false),
        ("b/tool", bytes(4, 40_000), true),
        ("big", bytes(5, 300_001), false),
        ("empty", Vec::new(), false),
        ("hollow/empty too", Vec::new(), true),
        ("z", bytes(6, 20_000), false),
    ]
}

/// A folder called `t`.
pub(crate) fn folder(files: &[(&str, Vec<u8>, bool)], version: Version) -> Made {
    let new = files
        .iter()
        .map(|(path, data, run)| new_file(path, data, *run));
    let builder = Builder::folder("t", new.collect(), PIECE, version).unwrap();
    finish(builder, files)
}

/// One file, that can be run.
pub(crate) fn single(name: &str, data: Vec<u8>, version: Version) -> Made {
    let builder = Builder::single(new_file(name, &data, true), PIECE, version).unwrap();
    finish(builder, &[(name, data, true)])
}

fn new_file(path: &str, data: &[u8], executable: bool) -> NewFile {
    NewFile {
        path: EntryPath::new(path).unwrap(),
        size: data.len() as u64,
        executable,
        root: None,
        layer: Vec::new(),
    }
}

fn finish(builder: Builder, files: &[(&str, Vec<u8>, bool)]) -> Made {
    let by_path: BTreeMap<&str, &Vec<u8>> = files.iter().map(|(p, d, _)| (*p, d)).collect();
    let layout = builder.layout();
    let (v1, v2) = builder.needs();
    let mut digester = PieceDigester::new(v1, v2);
    let mut digests = Vec::new();
    for piece in 0..layout.pieces() {
        for span in layout.spans(piece) {
            match span.file {
                None => digester.push_padding(span.bytes),
                Some(file) => {
                    let data = by_path[builder.files()[file].path.as_str()];
                    digester.push(&data[span.offset as usize..(span.offset + span.bytes) as usize]);
                }
            }
        }
        let size = layout.owner(piece).map_or(0, |(_, size, _)| size);
        digests.push(digester.finish(size, PIECE));
    }
    let metainfo = builder.finish_with(&digests).unwrap();
    let metainfo = Metainfo::parse(&metainfo.encode()).unwrap();
    let contents = metainfo.info().files().iter().map(|file| {
        let path = file.path.as_str();
        let path = if metainfo.info().is_single() {
            path
        } else {
            path.strip_prefix("t/").unwrap_or(path)
        };
        by_path
            .get(path)
            .map(|data| (*data).clone())
            .unwrap_or_default()
    });
    Made {
        contents: contents.collect(),
        metainfo: Arc::new(metainfo),
    }
}

impl Made {
    pub(crate) fn pieces(&self) -> u32 {
        self.metainfo.info().pieces()
    }

    /// The bytes of a piece, padding included.
    pub(crate) fn piece(&self, piece: u32) -> Vec<u8> {
        let mut data = Vec::new();
        for span in self.metainfo.info().layout().spans(piece.into()) {
            let end = (span.offset + span.bytes) as usize;
            match span.file {
                None => data.resize(data.len() + span.bytes as usize, 0),
                Some(file) => data.extend(&self.contents[file][span.offset as usize..end]),
            }
        }
        data
    }

    /// The position of a file.
    pub(crate) fn file(&self, path: &str) -> u32 {
        let path = format!("t/{path}");
        let mut files = self.metainfo.info().files().iter();
        files.position(|file| file.path.as_str() == path).unwrap() as u32
    }

    pub(crate) fn spec(&self, dest: &Path) -> TorrentSpec {
        TorrentSpec {
            metainfo: Arc::clone(&self.metainfo),
            dest: dest.to_path_buf(),
            wanted: None,
            now_unix: 7,
        }
    }

    pub(crate) fn begin(&self, store: &Store, dest: &Path) -> TorrentDownload {
        store.begin_torrent(self.spec(dest)).unwrap()
    }

    /// Begins with some files only.
    pub(crate) fn begin_some(&self, store: &Store, dest: &Path, files: &[&str]) -> TorrentDownload {
        let wanted = Some(files.iter().map(|file| self.file(file)).collect());
        let spec = TorrentSpec {
            wanted,
            ..self.spec(dest)
        };
        store.begin_torrent(spec).unwrap()
    }

    /// Writes a piece block by block, the last one first.
    pub(crate) fn write(&self, to: &TorrentDownload, piece: u32) {
        let data = self.piece(piece);
        for (block, bytes) in data.chunks(BLOCK).enumerate().rev() {
            to.write(piece, (block * BLOCK) as u64, bytes).unwrap();
        }
    }

    pub(crate) fn fetch(&self, to: &TorrentDownload, pieces: impl IntoIterator<Item = u32>) {
        for piece in pieces {
            self.write(to, piece);
            assert!(to.verify(piece).unwrap(), "piece {piece}");
        }
    }

    /// All pieces, in an order that has nothing to do with their numbers.
    pub(crate) fn shuffled(&self) -> Vec<u32> {
        let mut all: Vec<u32> = (0..self.pieces()).collect();
        all.sort_by_key(|piece| piece.wrapping_mul(0x9e37_79b9).rotate_left(11));
        all
    }

    pub(crate) fn fetch_wanted(&self, to: &TorrentDownload) {
        let wanted = to.wanted();
        let missing = wanted.difference(&to.have());
        let order = self.shuffled().into_iter();
        self.fetch(to, order.filter(|piece| missing.contains(*piece)));
    }
}

/// The torrent without its piece layers, as one comes from a magnet link.
pub(crate) fn without_layers(made: &Made) -> Arc<Metainfo> {
    Arc::new(Metainfo::from_info(made.metainfo.info().clone()))
}

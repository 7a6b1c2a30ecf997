//! Making torrents.

use std::collections::BTreeMap;

use potluck_content::EntryPath;
use potluck_content::foreign::layer_root;

use super::name::element;
use super::{BuildError, Info, Layout, Metainfo, PieceDigest, layers};
use crate::bencode::Value;

/// In which version a torrent describes its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Version 1 alone (BEP 3).
    V1 {
        /// Whether each file starts a piece, with padding before it (BEP 47). Then pieces are of one
        /// file each; clients that don't know padding keep it as files.
        aligned: bool,
    },
    /// Version 2 alone (BEP 52).
    V2,
    /// Both: a hybrid.
    Hybrid,
}

/// A file of a torrent that is being made. Its hashes come from [`potluck_content::foreign`], or with
/// the pieces for [`Builder::finish_with`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Where it goes, below the name of the torrent.
    pub path: EntryPath,
    /// Its bytes.
    pub size: u64,
    /// Whether its owner may run it.
    pub executable: bool,
    /// The root of its SHA-256 tree. Version 2 needs it of each file that has any bytes.
    pub root: Option<[u8; 32]>,
    /// Its piece layer; none when it is no longer than a piece.
    pub layer: Vec<[u8; 32]>,
}

/// What stands in the pieces of a torrent of version 1, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// All bytes of a file.
    File(usize),
    /// That many zeros.
    Padding(u64),
}

/// Makes a torrent of files whose hashes are known.
///
/// Its files are in the order of version 2, so that all versions of a torrent have them in one.
#[derive(Clone, Debug)]
pub struct Builder {
    name: String,
    is_single: bool,
    version: Version,
    piece_bytes: u64,
    is_private: bool,
    files: Vec<NewFile>,
}

impl Builder {
    /// A torrent that is one file. Its path has one component.
    ///
    /// # Errors
    ///
    /// Refuses a path of several components.
    pub fn single(file: NewFile, piece_bytes: u64, version: Version) -> Result<Self, BuildError> {
        let name = file.path.as_str().to_owned();
        if file.path.depth() > 1 {
            return Err(BuildError::Name { name });
        }
        Self::new(&name, true, vec![file], piece_bytes, version)
    }

    /// A torrent that is a folder of files, given in any order.
    ///
    /// Version 2 alone can't say that it is a folder when it has one file and no other folder in it:
    /// it is read as that file.
    ///
    /// # Errors
    ///
    /// Refuses a name or a path that readers would change, and a path that is there twice.
    pub fn folder(
        name: &str,
        files: Vec<NewFile>,
        piece_bytes: u64,
        version: Version,
    ) -> Result<Self, BuildError> {
        Self::new(name, false, files, piece_bytes, version)
    }

    fn new(
        name: &str,
        is_single: bool,
        mut files: Vec<NewFile>,
        piece_bytes: u64,
        version: Version,
    ) -> Result<Self, BuildError> {
        let names = files.iter().flat_map(|file| file.path.components());
        for name in names.chain([name]) {
            if element(name.as_bytes()).as_deref() != Some(name) {
                let name = name.to_owned();
                return Err(BuildError::Name { name });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        // Paths with a common start stand together, so a directory's is right before what is in it.
        for pair in files.windows(2) {
            let (path, next) = (pair[0].path.as_str(), pair[1].path.as_str());
            let rest = next.strip_prefix(path);
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
                let path = path.to_owned();
                return Err(BuildError::Twice { path });
            }
        }
        Ok(Self {
            name: name.to_owned(),
            is_single,
            version,
            piece_bytes,
            is_private: false,
            files,
        })
    }

    /// The torrent with peers from its trackers alone (BEP 27).
    #[must_use]
    pub fn private(mut self, is_private: bool) -> Self {
        self.is_private = is_private;
        self
    }

    /// Bytes of a piece.
    #[must_use]
    pub fn piece_bytes(&self) -> u64 {
        self.piece_bytes
    }

    /// The files, in the order of the torrent.
    #[must_use]
    pub fn files(&self) -> &[NewFile] {
        &self.files
    }

    /// What stands in the pieces. In version 2 alone the padding is nowhere but here.
    fn parts(&self) -> Vec<Part> {
        let is_aligned = self.version != (Version::V1 { aligned: false });
        let mut parts = Vec::with_capacity(self.files.len());
        // Bytes of the piece that is not full: of one file, as each starts a piece.
        let mut over = 0;
        for (index, file) in self.files.iter().enumerate() {
            if is_aligned && file.size > 0 {
                if over > 0 {
                    parts.push(Part::Padding(self.piece_bytes - over));
                }
                over = file.size.checked_rem(self.piece_bytes).unwrap_or(0);
            }
            parts.push(Part::File(index));
        }
        parts
    }

    /// Where the [files](Self::files) lie in the pieces that are to be hashed.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let part = |part: Part| match part {
            Part::File(index) => {
                let size = self.files.get(index).map_or(0, |file| file.size);
                (Some(index), size)
            }
            Part::Padding(bytes) => (None, bytes),
        };
        Layout::of_parts(self.parts().into_iter().map(part), self.piece_bytes)
    }

    /// Which hashes of each piece are needed: of version 1, of version 2.
    #[must_use]
    pub fn needs(&self) -> (bool, bool) {
        let v1_only = matches!(self.version, Version::V1 { .. });
        (self.version != Version::V2, !v1_only)
    }

    /// The torrent, with the hashes of all pieces of [`Self::layout`] in order.
    ///
    /// # Errors
    ///
    /// As [`Self::finish`], and when hashes are missing.
    pub fn finish_with(mut self, pieces: &[PieceDigest]) -> Result<Metainfo, BuildError> {
        let layout = self.layout();
        let mut layers = vec![Vec::new(); self.files.len()];
        for (piece, digest) in (0..).zip(pieces) {
            let owner = layout.owner(piece).map(|(file, _, _)| file);
            if let (Some(root), Some(layer)) = (digest.v2, owner.and_then(|at| layers.get_mut(at)))
            {
                layer.push(root);
            }
        }
        for (file, layer) in self.files.iter_mut().zip(layers) {
            if file.size > self.piece_bytes {
                file.root = layer_root(&layer, self.piece_bytes);
                file.layer = layer;
            } else {
                file.root = layer.first().copied();
            }
        }
        let v1: Vec<[u8; 20]> = pieces.iter().filter_map(|piece| piece.v1).collect();
        self.finish(&v1)
    }

    /// The torrent of files whose hashes of version 2 are known, with the SHA-1 hashes of its pieces,
    /// which version 2 alone doesn't need. It has no trackers yet: these are fields of what comes out.
    ///
    /// # Errors
    ///
    /// Refuses what a reader would refuse, and in version 2 a file without its root.
    pub fn finish(self, v1_pieces: &[[u8; 20]]) -> Result<Metainfo, BuildError> {
        let bytes = self.info(v1_pieces)?.encode();
        let mut torrent = Metainfo::from_info(Info::parse(&bytes)?);
        if torrent.info.hashes.v2.is_some() {
            for file in self.files {
                if let Some(root) = file.root.filter(|_| file.size > self.piece_bytes) {
                    layers::check(&torrent.info, &root, &file.layer)?;
                    torrent.layers.insert(root, file.layer);
                }
            }
        }
        Ok(torrent)
    }

    fn info(&self, v1_pieces: &[[u8; 20]]) -> Result<Value, BuildError> {
        let is_v1 = self.version != Version::V2;
        let is_v2 = !matches!(self.version, Version::V1 { .. });
        let single = self.files.first().filter(|_| self.is_single && is_v1);
        let tree = if is_v2 { Some(self.tree()?) } else { None };
        Ok(Value::dict([
            ("attr", single.and_then(attr)),
            ("file tree", tree),
            ("files", (is_v1 && !self.is_single).then(|| self.list())),
            ("length", single.map(|file| Value::size(file.size))),
            ("meta version", is_v2.then_some(Value::Number(2))),
            ("name", Some(Value::text(&self.name))),
            ("piece length", Some(Value::size(self.piece_bytes))),
            ("pieces", is_v1.then(|| Value::Text(v1_pieces.concat()))),
            ("private", self.is_private.then_some(Value::Number(1))),
        ]))
    }

    /// The files of version 1.
    fn list(&self) -> Value {
        let part = |part: Part| match part {
            Part::File(index) => self.files.get(index).map(|file| {
                Value::dict([
                    ("attr", attr(file)),
                    ("length", Some(Value::size(file.size))),
                    ("path", Some(path(file.path.as_str()))),
                ])
            }),
            Part::Padding(bytes) => Some(Value::dict([
                ("attr", Some(Value::text("p"))),
                ("length", Some(Value::size(bytes))),
                ("path", Some(path(&format!(".pad/{bytes}")))),
            ])),
        };
        Value::List(self.parts().into_iter().filter_map(part).collect())
    }

    /// The files of version 2.
    fn tree(&self) -> Result<Value, BuildError> {
        let mut tree = BTreeMap::new();
        for file in &self.files {
            if file.size > 0 && file.root.is_none() {
                let path = file.path.to_string();
                return Err(BuildError::NoRoot { path });
            }
            let leaf = Value::dict([
                ("attr", attr(file)),
                ("length", Some(Value::size(file.size))),
                ("pieces root", file.root.map(Value::text)),
            ]);
            let mut directory = &mut tree;
            for name in file.path.components() {
                let entry = directory.entry(name.as_bytes().to_vec());
                let node = entry.or_insert_with(|| Value::Dict(BTreeMap::new()));
                let Value::Dict(below) = node else {
                    let path = file.path.to_string();
                    return Err(BuildError::Twice { path });
                };
                directory = below;
            }
            directory.insert(Vec::new(), leaf);
        }
        Ok(Value::Dict(tree))
    }
}

fn attr(file: &NewFile) -> Option<Value> {
    file.executable.then(|| Value::text("x"))
}

fn path(path: &str) -> Value {
    Value::List(path.split('/').map(Value::text).collect())
}
